//! Typed reading: ask a mapping for its keys, get values, and leave a fault for each that is wrong.
//!
//! Rules that hold for every method:
//! - `None` means: a fault was reported, or the key is optional and not there. So read everything
//!   first, and use `?` only when the value is put together.
//! - A key with nothing behind it (`key:`, `~`, `null`) is a fault, also for an optional key: it is
//!   what remains when somebody comments out the lines below, and "as if absent" could switch a
//!   check off. Who wants the default removes the key.
//! - Numbers and booleans must not be quoted, except in `"${NAME}"`. Text, words, durations and
//!   sizes may be.
//! - What came from a variable or a file is never printed.
//!
//! ```
//! use std::time::Duration;
//! use bailiff::config::faults::Faults;
//! use bailiff::config::interpolate::FakeEnv;
//! use bailiff::config::reader::{Ctx, Field, Fields};
//! use bailiff::config::source::{Source, Value};
//! use bailiff::config::yaml::{Bounds, Node};
//!
//! struct Config { upstream: String, leeway: Duration, routes: Vec<Route> }
//! struct Route { path: Value<String>, access: &'static str }
//!
//! fn config(root: &Node, ctx: &Ctx<'_>) -> Option<Config> {
//!     let mut fields = Fields::of(root, "the config", ctx)?;
//!     let upstream = fields.req("upstream").str();
//!     let leeway = fields.opt("leeway").duration(Duration::ZERO..=Duration::from_secs(60));
//!     let routes = fields.req("routes").nonempty_list();
//!     fields.finish();
//!     // Read all routes, then ask whether all were right: every fault is found.
//!     let routes: Vec<_> = routes?.into_iter().map(route).collect();
//!     let routes = routes.into_iter().collect::<Option<_>>();
//!     Some(Config { upstream: upstream?, leeway: leeway.unwrap_or(Duration::from_secs(10)), routes: routes? })
//! }
//!
//! fn route(field: Field<'_>) -> Option<Route> {
//!     let mut fields = field.fields("a route")?;
//!     let path = fields.req("path").spanned(Field::str);
//!     let access = fields.req("access").one_of(&["public", "user", "deny"]);
//!     fields.finish();
//!     Some(Route { path: path?, access: access? })
//! }
//!
//! fn load(text: &str) -> Result<(Config, Faults), Faults> {
//!     let env = FakeEnv::new().with_var("APP", "http://127.0.0.1:3000");
//!     let ctx = Ctx::new(&env);
//!     let root = ctx.parse(&Source::new("bailiff.yaml", text), Bounds::default());
//!     let config = root.and_then(|root| config(&root, &ctx));
//!     ctx.into_faults().judge(config)
//! }
//!
//! let (config, warnings) = load("upstream: ${APP}\nroutes: [{path: /**, access: user}]\n").unwrap();
//! assert_eq!(config.routes[0].path.at.to_string(), "bailiff.yaml:2:17");
//! assert!(warnings.is_empty());
//! let faults = load("upstream: ${NO}\nroutes: [{path: /**, access: usr}]\n").err().unwrap();
//! assert_eq!(faults.to_string().matches("error[").count(), 2);
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

pub use super::field::{Field, Shape};
pub use super::fields::{Fields, Member};

use super::faults::{Fault, Faults, quoted};
use super::interpolate::Env;
use super::source::Source;
use super::yaml::{self, Bounds, Node};

/// What a whole run of reading shares: the outside world and the faults found so far.
pub struct Ctx<'e> {
    /// `None` where nothing is replaced.
    pub(super) env: Option<&'e dyn Env>,
    // Borrowed within one method at a time, never across a call of foreign code.
    faults: RefCell<Faults>,
    keys: RefCell<Keys>,
}

/// For each kind of mapping ("a route"): the keys that it may have, and whether the texts of this run use them.
pub type Keys = BTreeMap<String, BTreeMap<&'static str, bool>>;

impl<'e> Ctx<'e> {
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
    #[must_use]
    pub fn load(&self, path: &Path, bounds: Bounds) -> Option<Node> {
        match Source::read(path, bounds.bytes) {
            Ok(source) => self.parse(&source, bounds),
            Err(faults) => {
                self.merge(faults);
                None
            }
        }
    }

    /// Parses a text into this run; see [`yaml::parse`].
    #[must_use]
    pub fn parse(&self, source: &Source, bounds: Bounds) -> Option<Node> {
        yaml::parse(source, bounds, &mut self.faults.borrow_mut())
    }

    /// Adds a fault.
    pub fn push(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Adds the faults of another step.
    pub fn merge(&self, faults: Faults) {
        self.faults.borrow_mut().merge(faults);
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

    pub(super) fn hide(&self, node: &Node) {
        node.hide(&mut self.faults.borrow_mut());
    }

    pub(super) fn is_full(&self) -> bool {
        self.faults.borrow().is_full()
    }
}

/// The name of a field in messages: the config, `` `secrets` ``, `` `secrets[1]` ``.
#[derive(Clone, Copy)]
pub(super) enum Name<'a> {
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
