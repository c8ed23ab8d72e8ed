//! Lists and mappings: those with keys that bailiff knows, and those with keys of the user's own.

use crate::config::document::faults::{Code, Fault, quoted};
use crate::config::document::source::{Place, Span};
use crate::config::document::yaml::{Entry, Kind, Node};
use crate::config::values::suggest::nearest;

use super::context::{Faulty, Name, ReaderContext, Reading};
use super::field::{Field, Shape};

impl<'a> Field<'a> {
    /// The items of a list; it may be empty (see [`Field::nonempty_list`]).
    pub fn list(self) -> Reading<Vec<Field<'a>>> {
        match self.node.ok_or(Faulty)?.kind() {
            Kind::List(items) => {
                let item = |(index, node)| Field {
                    name: self.name.item(index),
                    key: None,
                    node: Some(node),
                    ..self
                };
                Ok(items.iter().enumerate().map(item).collect())
            }
            _ => self.wrong_shape("a list", "a list: [a, b], or one `- item` per line"),
        }
    }

    /// The items of a list of at least one.
    pub fn nonempty_list(self) -> Reading<Vec<Field<'a>>> {
        let items = self.list()?;
        if items.is_empty() {
            return Err(self.wrongly(Code::WrongValue, "is an empty list", "at least one item"));
        }
        Ok(items)
    }

    /// The items of a list of at least one, or the value itself if it is no list.
    pub fn one_or_more(self) -> Reading<Vec<Field<'a>>> {
        match self.shape().ok_or(Faulty)? {
            Shape::List => self.nonempty_list(),
            Shape::Scalar | Shape::Map => Ok(vec![self]),
        }
    }

    /// The keys of a mapping that bailiff knows; `what` names it in messages: "a route".
    pub fn fields(self, what: &'a str) -> Reading<Fields<'a>> {
        match self.node.ok_or(Faulty)?.kind() {
            Kind::Map(entries) => Ok(Fields::new(self, entries, what)),
            _ => self.wrong_shape("a mapping", "keys and values: `key: value`"),
        }
    }

    /// The keys and values of a mapping whose keys are the user's own.
    pub fn members(self) -> Reading<Vec<Member<'a>>> {
        match self.node.ok_or(Faulty)?.kind() {
            Kind::Map(entries) => Ok(Member::all(self, entries)),
            _ => self.wrong_shape("a mapping", "keys and values: `key: value`"),
        }
    }
}

/// A mapping whose keys are asked for by name. End with [`Fields::finish`], which reports missing
/// and unknown keys; forgetting it is itself a fault, so that nothing is ever silently ignored.
#[must_use = "keys that nobody asks for are reported by `finish`"]
pub struct Fields<'a> {
    of: Field<'a>,
    entries: &'a [Entry],
    what: &'a str,
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
    finished: bool,
}

impl<'a> Fields<'a> {
    /// The mapping at the root of a tree, called `what` in messages: "the config".
    pub fn of(node: &'a Node, what: &'a str, ctx: &'a ReaderContext<'a>) -> Reading<Self> {
        Field::root(node, what, ctx).fields(what)
    }

    pub(super) fn new(of: Field<'a>, entries: &'a [Entry], what: &'a str) -> Self {
        Self {
            of,
            entries,
            what,
            asked: Vec::new(),
            missing: Vec::new(),
            finished: false,
        }
    }

    /// A key that must be there.
    pub fn req(&mut self, key: &'static str) -> Field<'a> {
        let field = self.opt(key);
        if !field.is_present() && !self.missing.contains(&key) {
            self.missing.push(key);
        }
        field
    }

    /// A key that may be absent.
    pub fn opt(&mut self, key: &'static str) -> Field<'a> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.entries.iter().find(|entry| &*entry.key == key);
        self.of.ctx.know(self.what, key, entry.is_some());
        let name = Name::Key(key);
        Field {
            name,
            key: entry.map(|entry| entry.key_span),
            node: entry.map(|entry| &entry.value),
            ..self.of
        }
    }

    /// Where to point at for a fault of the mapping as a whole: its key, else its first line.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.of.place()
    }

    /// Reports a fault of the mapping as a whole.
    pub fn reject(&self, fault: Fault) -> Faulty {
        self.of.reject(fault)
    }

    /// Reports each required key that is missing and each key that was not asked for.
    pub fn finish(mut self) {
        self.finished = true;
        let asked = std::mem::take(&mut self.asked);
        let unknown: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| !asked.contains(&&*entry.key))
            .collect();
        // A key that is there already was not meant.
        let absent = |key: &&str| {
            !unknown.is_empty() && !self.entries.iter().any(|entry| &*entry.key == *key)
        };
        let free: Vec<&'static str> = asked.iter().copied().filter(absent).collect();
        for entry in unknown {
            let near = self.unknown(entry, &asked, &free);
            // A misspelt required key is one mistake, not two.
            self.missing.retain(|key| Some(*key) != near);
        }
        for key in &self.missing {
            let fault = Fault::error(Code::MissingKey, format!("missing key `{key}`"));
            self.of
                .reject(fault.expected(format!("`{key}` in {}", self.what)));
        }
    }

    /// Reports an unknown key and gives back the one that was probably meant.
    fn unknown(
        &self,
        entry: &Entry,
        asked: &[&'static str],
        free: &[&'static str],
    ) -> Option<&'static str> {
        let ctx = self.of.ctx;
        // Bound: words are only compared while the answer is still shown.
        let near = if ctx.is_full() {
            None
        } else {
            nearest(&entry.key, free.iter().copied())
        };
        let what = format!("unknown key {}", quoted(&entry.key));
        let fault =
            Fault::error(Code::UnknownKey, what).at(entry.value.source().place(entry.key_span));
        ctx.push(match near {
            Some(word) => fault.near(word),
            None => fault.expected(known(asked)),
        });
        near
    }
}

impl Drop for Fields<'_> {
    fn drop(&mut self) {
        // After another error a caller may leave early; nothing is used then.
        if !self.finished && !self.of.ctx.has_errors() {
            let what = format!("the keys of {} were not all read", self.what);
            self.of.reject(Fault::error(Code::Unchecked, what));
        }
    }
}

/// The keys that are known here, if they are few enough to help.
fn known(asked: &[&str]) -> String {
    const MOST: usize = 12;
    let mut words: Vec<String> = asked
        .iter()
        .take(MOST)
        .map(|word| format!("`{word}`"))
        .collect();
    if asked.len() > MOST {
        words.push("…".to_owned());
    }
    match words.len() {
        0 => "no keys".to_owned(),
        1 => words.concat(),
        _ => format!("one of {}", words.join(", ")),
    }
}

/// One key of the user's own and its value.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// The key, never empty and never a `${...}`.
    pub key: &'a str,
    /// The value.
    pub value: Field<'a>,
    span: Span,
}

impl<'a> Member<'a> {
    pub(super) fn all(of: Field<'a>, entries: &'a [Entry]) -> Vec<Self> {
        let mut members = Vec::with_capacity(entries.len());
        for entry in entries {
            let name = Name::Key(&entry.key);
            let value = Field {
                name,
                key: Some(entry.key_span),
                node: Some(&entry.value),
                ..of
            };
            let member = Self {
                key: &entry.key,
                value,
                span: entry.key_span,
            };
            if entry.key.is_empty() || entry.key.starts_with("${") {
                let fault = Fault::error(
                    Code::Reference,
                    format!("{} cannot be a key", quoted(&entry.key)),
                );
                member.reject(fault.expected("a text; only values are replaced"));
            } else {
                members.push(member);
            }
        }
        members
    }

    /// Where the key stands.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.value.node.map(|node| node.source().place(self.span))
    }

    /// Reports what is wrong with the key.
    pub fn reject(&self, fault: Fault) -> Faulty {
        self.value.ctx.push(match self.place() {
            Some(place) => fault.at(place),
            None => fault,
        })
    }
}
