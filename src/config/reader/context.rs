//! What a whole run of reading shares.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::config::document::faults::{Fault, Faults, quoted};
use crate::config::document::interpolate::{Env, ProcessEnv};
use crate::config::document::source::Source;
use crate::config::document::yaml::{self, Bounds, Node};

/// There is no value, and a fault that was reported says why. Of a required key that is absent
/// [`finish`](super::Fields::finish) reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faulty;

/// What reading gives.
pub type Reading<T> = Result<T, Faulty>;

/// What a whole run of reading shares: the outside world and the faults found so far.
pub struct ReaderContext<'e> {
    /// `None` where nothing is replaced.
    pub(crate) env: Option<&'e dyn Env>,
    // Borrowed within one method at a time, never across a call of foreign code.
    faults: RefCell<Faults>,
    keys: RefCell<Keys>,
}

/// For each kind of mapping ("a route"): the keys that it may have, and whether the texts of this run use them.
pub type Keys = BTreeMap<String, BTreeMap<&'static str, bool>>;

impl<'e> ReaderContext<'e> {
    /// A run without faults.
    #[must_use]
    pub fn new(env: &'e dyn Env) -> Self {
        Self {
            env: Some(env),
            faults: RefCell::default(),
            keys: RefCell::default(),
        }
    }

    /// A run over texts in which a `${…}` is a fault, because nothing is replaced.
    #[must_use]
    pub fn literal() -> Self {
        Self {
            env: None,
            faults: RefCell::default(),
            keys: RefCell::default(),
        }
    }

    /// Reads and parses a file into this run; see [`Source::read`] and [`yaml::parse`].
    pub fn load(&self, path: &Path, bounds: Bounds) -> Reading<Node> {
        let env = self.env.unwrap_or(&ProcessEnv);
        let source =
            Source::read_by(env, path, bounds.bytes).map_err(|faults| self.merge(faults))?;
        self.parse(&source, bounds)
    }

    /// Parses a text into this run; see [`yaml::parse`].
    pub fn parse(&self, source: &Source, bounds: Bounds) -> Reading<Node> {
        yaml::parse(source, bounds, &mut self.faults.borrow_mut()).ok_or(Faulty)
    }

    /// Adds a fault.
    pub fn push(&self, fault: Fault) -> Faulty {
        self.faults.borrow_mut().push(fault);
        Faulty
    }

    /// Adds the faults of another step.
    pub fn merge(&self, faults: Faults) -> Faulty {
        self.faults.borrow_mut().merge(faults);
        Faulty
    }

    /// Whether the configuration must not be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.faults.borrow().has_errors()
    }

    /// Ends the run.
    #[must_use]
    pub fn into_faults(self) -> Faults {
        self.faults.into_inner()
    }

    /// Every key that was asked for in this run.
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.keys.borrow().clone()
    }

    pub(super) fn know(&self, what: &str, key: &'static str, used: bool) {
        let mut keys = self.keys.borrow_mut();
        // A file may have 100,000 mappings of one kind: their name is copied once.
        match keys.get_mut(what) {
            Some(known) => *known.entry(key).or_default() |= used,
            None => _ = keys.insert(what.to_owned(), BTreeMap::from([(key, used)])),
        }
    }

    pub(crate) fn hide(&self, node: &Node) {
        node.hide(&mut self.faults.borrow_mut());
    }

    pub(super) fn is_full(&self) -> bool {
        self.faults.borrow().is_full()
    }
}

/// The name of a field in messages: the config, `` `secrets` ``, `` `secrets[1]` ``.
#[derive(Clone, Copy)]
pub(crate) enum Name<'a> {
    Root(&'a str),
    Key(&'a str),
    Item(&'a str, usize),
}

impl Name<'_> {
    pub(super) fn item(self, index: usize) -> Self {
        let (Self::Root(name) | Self::Key(name) | Self::Item(name, _)) = self;
        Self::Item(name, index)
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(what) => f.write_str(what),
            Self::Key(key) => f.write_str(&quoted(key)),
            Self::Item(key, index) => f.write_str(&quoted(&format!("{key}[{index}]"))),
        }
    }
}
