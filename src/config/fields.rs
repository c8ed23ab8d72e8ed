//! Mappings: those with keys that bailiff knows, and those with keys of the user's own.

use super::faults::{Code, Fault, quoted};
use super::near::nearest;
use super::reader::{Ctx, Field, Name};
use super::source::{Place, Span};
use super::yaml::{Entry, Node};

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
    #[must_use]
    pub fn of(node: &'a Node, what: &'a str, ctx: &'a Ctx<'a>) -> Option<Self> {
        Field::root(node, what, ctx).fields(what)
    }

    pub(super) fn new(of: Field<'a>, entries: &'a [Entry], what: &'a str) -> Self {
        Self { of, entries, what, asked: Vec::new(), missing: Vec::new(), finished: false }
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
        let name = Name { key, index: None };
        Field { name, key: entry.map(|entry| entry.key_span), node: entry.map(|entry| &entry.value), ..self.of }
    }

    /// Where to point at for a fault of the mapping as a whole: its key, else its first line.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.of.place()
    }

    /// Reports a fault of the mapping as a whole.
    pub fn reject(&self, fault: Fault) {
        self.of.reject(fault);
    }

    /// Reports each required key that is missing and each key that nobody asked for.
    pub fn finish(mut self) {
        self.finished = true;
        let ctx = self.of.ctx;
        for entry in self.entries.iter().filter(|entry| !self.asked.contains(&&*entry.key)) {
            // Words are only compared while somebody will read the answer.
            let absent = |key: &&'static str| !self.entries.iter().any(|entry| &*entry.key == *key);
            let free = || self.asked.iter().copied().filter(absent);
            let near = if ctx.is_full() { None } else { nearest(&entry.key, free()) };
            // A misspelt required key is one mistake, not two.
            self.missing.retain(|key| Some(*key) != near);
            let what = format!("unknown key {}", quoted(&entry.key));
            let fault = Fault::error(Code::UnknownKey, what).at(entry.value.source().place(entry.key_span));
            ctx.push(match near {
                Some(word) => fault.near(word),
                None => fault.expected(known(&self.asked)),
            });
        }
        for key in &self.missing {
            let fault = Fault::error(Code::MissingKey, format!("missing key `{key}`"));
            self.of.reject(fault.expected(format!("`{key}` in {}", self.what)));
        }
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
    let mut words: Vec<String> = asked.iter().take(MOST).map(|word| format!("`{word}`")).collect();
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
            let name = Name { key: &entry.key, index: None };
            let value = Field { name, key: Some(entry.key_span), node: Some(&entry.value), ..of };
            let member = Self { key: &entry.key, value, span: entry.key_span };
            if entry.key.is_empty() || entry.key.starts_with("${") {
                let fault = Fault::error(Code::Reference, format!("{} cannot be a key", quoted(&entry.key)));
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
    pub fn reject(&self, fault: Fault) {
        self.value.ctx.push(match self.place() {
            Some(place) => fault.at(place),
            None => fault,
        });
    }
}
