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

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

pub use super::fields::{Fields, Member};

use super::faults::{Code, Fault, Faults, quoted};
use super::interpolate::{Env, Origin, Unresolved, default_within, resolve};
use super::near::nearest;
use super::secret::Secret;
use super::source::{Place, Source, Span, Value};
use super::units;
use super::yaml::{self, Bounds, Kind, Node, Style};

/// What a whole run of reading shares: the outside world and the faults found so far.
pub struct Ctx<'e> {
    env: &'e dyn Env,
    // Only touched within one method at a time, never across a call of foreign code.
    faults: RefCell<Faults>,
}

impl<'e> Ctx<'e> {
    /// A run without faults.
    #[must_use]
    pub fn new(env: &'e dyn Env) -> Self {
        Self { env, faults: RefCell::default() }
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

    pub(super) fn is_full(&self) -> bool {
        self.faults.borrow().is_full()
    }
}

/// The name of a field in messages: `` `secrets` `` or `` `secrets[1]` ``.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) key: &'a str,
    pub(super) index: Option<usize>,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => f.write_str(&quoted(&format!("{}[{index}]", self.key))),
            None => f.write_str(&quoted(self.key)),
        }
    }
}

/// One value that may be read as any type. It may also be absent: then every method gives `None`
/// (for a required key the fault comes from [`Fields::finish`]).
#[derive(Clone, Copy)]
#[must_use = "a field that is not read is not checked"]
pub struct Field<'a> {
    pub(super) ctx: &'a Ctx<'a>,
    pub(super) name: Name<'a>,
    pub(super) key: Option<Span>,
    pub(super) node: Option<&'a Node>,
    pub(super) secret: bool,
}

/// What a value looks like, for keys that take several shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A text, number, boolean or nothing.
    Scalar,
    /// A list.
    List,
    /// A mapping.
    Map,
}

/// The text of a scalar after replacement, and how it got there.
struct Text<'a> {
    text: Cow<'a, str>,
    plain: bool,
    origin: Origin,
}

impl<'a> Field<'a> {
    /// The root of a tree, named `what` in messages: "the config".
    pub fn root(node: &'a Node, what: &'a str, ctx: &'a Ctx<'a>) -> Self {
        let name = Name { key: what, index: None };
        Self { ctx, name, key: None, node: Some(node), secret: false }
    }

    /// Whether there is something (be it wrong).
    #[must_use]
    pub fn is_present(self) -> bool {
        self.node.is_some()
    }

    /// What it looks like; `None` if absent.
    #[must_use]
    pub fn shape(self) -> Option<Shape> {
        match self.node?.kind() {
            Kind::Scalar { .. } => Some(Shape::Scalar),
            Kind::List(_) => Some(Shape::List),
            Kind::Map(_) => Some(Shape::Map),
            Kind::Broken => None,
        }
    }

    /// Where to point at: the scalar, else the key that leads to the list, mapping or block.
    #[must_use]
    pub fn place(self) -> Option<Place> {
        let node = self.node?;
        let inline = matches!(node.kind(), Kind::Scalar { style: Style::Plain | Style::Quoted, .. });
        match self.key {
            Some(key) if !inline || node.is_null() => Some(node.source().place(key)),
            _ => Some(node.place()),
        }
    }

    /// Marks everything under this field as secret: it is masked in every line that is printed, and
    /// messages about it tell neither the value nor the reason a parser gives.
    pub fn hidden(mut self) -> Self {
        self.secret = true;
        if let Some(node) = self.node {
            hide(node, &mut self.ctx.faults.borrow_mut());
        }
        self
    }

    /// Reads with another method and keeps the place: `field.spanned(Field::str)`.
    #[must_use]
    pub fn spanned<T>(self, read: impl FnOnce(Self) -> Option<T>) -> Option<Value<T>> {
        let value = read(self)?;
        Some(Value { value, at: self.place()? })
    }

    /// Reports what a caller found wrong with the value. The place is filled in; the text must not
    /// contain the value if it is secret.
    pub fn reject(self, fault: Fault) {
        let fault = match self.place() {
            Some(place) if fault.place.is_none() => fault.at(place),
            _ => fault,
        };
        self.ctx.push(fault);
    }

    /// A text that is not empty. Plain `5` or `true` are taken as written.
    #[must_use]
    pub fn str(self) -> Option<String> {
        let text = self.text()?;
        if text.text.is_empty() {
            return self.refuse(&text, "is empty", "a text".to_owned());
        }
        Some(text.text.into_owned())
    }

    /// A text that may be empty if it is written as `""`.
    #[must_use]
    pub fn str_or_empty(self) -> Option<String> {
        Some(self.text()?.text.into_owned())
    }

    /// A secret that is not empty; implies [`Field::hidden`].
    #[must_use]
    pub fn secret(self) -> Option<Secret> {
        self.hidden().str().map(Secret::from)
    }

    /// `true` or `false`, without quotes, in lower case.
    #[must_use]
    pub fn bool(self) -> Option<bool> {
        let text = self.text()?;
        match (&*text.text, text.plain) {
            ("true", true) => return Some(true),
            ("false", true) => return Some(false),
            _ => {}
        }
        let meant = match text.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some("true"),
            "false" | "no" | "off" | "n" => Some("false"),
            _ => None,
        };
        let fault = self.wrong(&text, "is not a boolean", "`true` or `false` without quotes".to_owned());
        // `no` is a text in YAML 1.2; taking it for `false` is how Norway lost its country code.
        self.ctx.push(match meant {
            Some(word) if !self.secret => fault.near(word),
            _ => fault,
        });
        None
    }

    /// A whole number within `range`, without quotes.
    #[must_use]
    pub fn u64(self, range: RangeInclusive<u64>) -> Option<u64> {
        let (low, high) = (*range.start(), *range.end());
        let expected = if high == u64::MAX {
            format!("a whole number from {low}")
        } else {
            format!("a whole number from {low} to {high}")
        };
        let text = self.text()?;
        let number = if text.plain { units::whole(&text.text) } else { None };
        self.within(&text, number, &range, "is not a whole number", expected)
    }

    /// A duration within `range`: `10s`, `1m 30s`, or a bare number of seconds (`10`, `2.5`).
    #[must_use]
    pub fn duration(self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let [low, high] = [range.start(), range.end()].map(|end| units::show_duration(*end));
        let expected = format!("a duration from {low} to {high}, such as 10s or 15m");
        let text = self.text()?;
        let duration = units::duration(text.text.trim());
        self.within(&text, duration, &range, "is not a duration", expected)
    }

    /// A size in bytes within `range`: `65536`, `64KiB`, `1MB`.
    #[must_use]
    pub fn bytes(self, range: RangeInclusive<u64>) -> Option<u64> {
        let [low, high] = [*range.start(), *range.end()].map(units::show_bytes);
        let expected = format!("a size from {low} to {high}, such as 64KiB or 1MB");
        let text = self.text()?;
        let size = units::bytes(text.text.trim());
        self.within(&text, size, &range, "is not a size", expected)
    }

    /// One of some words.
    #[must_use]
    pub fn one_of(self, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text()?;
        let found = words.iter().copied().find(|word| *word == text.text);
        if found.is_none() {
            let fault = self.wrong(&text, "is not one of the words for it", alternatives(words));
            let near = nearest(&text.text, words.iter().copied()).filter(|_| !self.secret);
            self.ctx.push(match near {
                Some(word) => fault.near(word),
                None => fault,
            });
        }
        found
    }

    /// One of some words, each of which stands for a value.
    #[must_use]
    pub fn choice<T: Clone>(self, choices: &[(&'static str, T)]) -> Option<T> {
        let words: Vec<&'static str> = choices.iter().map(|(word, _)| *word).collect();
        let found = self.one_of(&words)?;
        choices.iter().find(|(word, _)| *word == found).map(|(_, value)| value.clone())
    }

    /// Any type that parses; `expected` completes "expected …": "a URL such as `http://127.0.0.1:3000`".
    #[must_use]
    pub fn parse<T>(self, expected: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        self.parse_with(expected, T::from_str)
    }

    /// Like [`Field::parse`] with a function.
    #[must_use]
    pub fn parse_with<T, E: fmt::Display>(self, expected: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text()?;
        match parse(&text.text) {
            Ok(value) => Some(value),
            Err(error) => {
                let fault = self.wrong(&text, "is not right", expected.to_owned());
                // An error may quote what it could not parse.
                let tells = !self.secret && !matches!(text.origin, Origin::Outside { .. });
                self.ctx.push(if tells { fault.saw(clean(&error.to_string())) } else { fault });
                None
            }
        }
    }

    /// The items of a list; it may be empty (see [`Field::nonempty_list`]).
    #[must_use]
    pub fn list(self) -> Option<Vec<Field<'a>>> {
        match self.node?.kind() {
            Kind::List(items) => {
                let name = |index| Name { key: self.name.key, index: Some(index) };
                let item = |(index, node)| Field { name: name(index), key: None, node: Some(node), ..self };
                Some(items.iter().enumerate().map(item).collect())
            }
            _ => self.wrong_shape("a list", "a list: [a, b], or one `- item` per line"),
        }
    }

    /// The items of a list of at least one.
    #[must_use]
    pub fn nonempty_list(self) -> Option<Vec<Field<'a>>> {
        let items = self.list()?;
        if items.is_empty() {
            self.reject(
                Fault::error(Code::WrongValue, format!("{} is an empty list", self.name)).expected("at least one item"),
            );
            return None;
        }
        Some(items)
    }

    /// The items of a list of at least one, or the value itself if it is no list.
    #[must_use]
    pub fn one_or_more(self) -> Option<Vec<Field<'a>>> {
        match self.shape()? {
            Shape::List => self.nonempty_list(),
            Shape::Scalar | Shape::Map => Some(vec![self]),
        }
    }

    /// The keys of a mapping that bailiff knows; `what` names it in messages: "a route".
    #[must_use]
    pub fn fields(self, what: &'a str) -> Option<Fields<'a>> {
        match self.node?.kind() {
            Kind::Map(entries) => Some(Fields::new(self, entries, what)),
            _ => self.wrong_shape("a mapping", "keys and values: `key: value`"),
        }
    }

    /// The keys and values of a mapping whose keys are the user's own.
    #[must_use]
    pub fn members(self) -> Option<Vec<Member<'a>>> {
        match self.node?.kind() {
            Kind::Map(entries) => Some(Member::all(self, entries)),
            _ => self.wrong_shape("a mapping", "keys and values: `key: value`"),
        }
    }

    fn text(self) -> Option<Text<'a>> {
        let node = self.node?;
        let Kind::Scalar { text, style } = node.kind() else {
            return self.wrong_shape("a single value", "a single value");
        };
        if node.is_null() {
            return self.empty_value("a value");
        }
        let resolved = match resolve(text, self.ctx.env) {
            Ok(resolved) => resolved,
            Err(error) => {
                self.reject(unresolved(&error, self.name));
                return None;
            }
        };
        if let Origin::Outside { exposed: Some(path), .. } = &resolved.origin {
            let path = path.display().to_string();
            let fault = Fault::warning(Code::ExposedFile, format!("every user of this machine can read {path}"));
            self.reject(fault.fix(format!("chmod o-r {path}")));
        }
        let plain = *style == Style::Plain || resolved.origin != Origin::Written;
        Some(Text { text: resolved.text, plain, origin: resolved.origin })
    }

    fn within<T: PartialOrd>(
        self,
        text: &Text<'_>,
        value: Option<T>,
        range: &RangeInclusive<T>,
        what: &str,
        expected: String,
    ) -> Option<T> {
        match value {
            Some(value) if range.contains(&value) => Some(value),
            Some(_) => self.refuse(text, "is out of range", expected),
            None => self.refuse(text, what, expected),
        }
    }

    fn refuse<T>(self, text: &Text<'_>, what: &str, expected: String) -> Option<T> {
        self.ctx.push(self.wrong(text, what, expected));
        None
    }

    fn wrong(self, text: &Text<'_>, what: &str, expected: String) -> Fault {
        let fault = Fault::error(Code::WrongValue, format!("{} {what}", self.name)).expected(expected);
        let fault = match self.place() {
            Some(place) => fault.at(place),
            None => fault,
        };
        match &text.origin {
            Origin::Outside { reference, .. } => fault.saw(format!("the value of {}, not shown", quoted(reference))),
            Origin::Written | Origin::Default => fault,
        }
    }

    fn wrong_shape<T>(self, what: &str, expected: &str) -> Option<T> {
        let node = self.node?;
        let saw = match node.kind() {
            Kind::Broken => return None, // has its fault already
            _ if node.is_null() => return self.empty_value(expected),
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        };
        let what = format!("{} must be {what}", self.name);
        self.reject(Fault::error(Code::WrongValue, what).expected(expected).saw(saw));
        None
    }

    fn empty_value<T>(self, expected: &str) -> Option<T> {
        let fault = Fault::error(Code::WrongValue, format!("empty value for {}", self.name));
        self.reject(fault.expected(expected).fix("write a value, or remove the key"));
        None
    }
}

fn unresolved(error: &Unresolved, name: Name<'_>) -> Fault {
    let forms = "one of ${NAME}, ${NAME:-default}, ${file:/path} and nothing else";
    let escape = "write a value that really begins with `${` as `$${`";
    match error {
        Unresolved::Missing(var) | Unresolved::Empty(var) => {
            Fault::error(Code::MissingVariable, format!("{error}, but {name} needs it"))
                .fix(format!("export {var}=…, or give a default: ${{{var}:-…}}"))
        }
        Unresolved::File { path, reason } => {
            Fault::error(Code::Unreadable, format!("cannot read {} for {name}", quoted(path))).saw(clean(reason))
        }
        Unresolved::Form => Fault::error(Code::Reference, format!("{name}: {error}")).expected(forms).fix(escape),
        Unresolved::Partial => Fault::error(Code::Reference, format!("{name}: {error}"))
            .expected(forms)
            .fix("put the whole text into the variable"),
    }
}

/// Hides every scalar under `node`. Of a reference only the default: the name of a variable helps.
fn hide(node: &Node, faults: &mut Faults) {
    match node.kind() {
        Kind::Scalar { .. } => {
            let bytes = node.span().bytes();
            let raw = node.source().text().get(bytes.clone()).unwrap_or_default();
            let range = match default_within(raw) {
                Some(default) => bytes.start + default.start..bytes.start + default.end,
                None => bytes,
            };
            faults.hide(node.source(), range);
        }
        Kind::List(items) => items.iter().for_each(|item| hide(item, faults)),
        Kind::Map(entries) => entries.iter().for_each(|entry| hide(&entry.value, faults)),
        Kind::Broken => {}
    }
}

/// `` `a`, `b` or `c` ``
fn alternatives(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// A foreign message on one line without control characters, cut at 200 characters.
fn clean(text: &str) -> String {
    text.chars().take(200).map(|c| if super::render::is_unprintable(c) { ' ' } else { c }).collect()
}
