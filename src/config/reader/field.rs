//! One value: where it is, what its text is after replacement, and how to complain about it.
//! Its types are read in [`super::scalars`] and [`super::fields`].

use std::borrow::Cow;

use crate::config::document::faults::{Code, Fault, quoted};
use crate::config::document::interpolate::{Origin, Resolved, Unresolved, resolve};
use crate::config::document::source::{Place, Span};
use crate::config::document::yaml::{Kind, Node, Style};

use super::context::{Faulty, Name, ReaderContext, Reading};

/// One value that may be read as any type. It may also be absent: then every method gives an error
/// (for a required key the fault comes from [`finish`](super::Fields::finish)).
#[derive(Clone, Copy)]
#[must_use = "a field that is not read is not checked"]
pub struct Field<'a> {
    pub(crate) ctx: &'a ReaderContext<'a>,
    pub(crate) name: Name<'a>,
    pub(crate) key: Option<Span>,
    pub(crate) node: Option<&'a Node>,
    pub(crate) secret: bool,
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
pub(crate) struct Text<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) plain: bool,
    pub(crate) origin: Origin,
}

impl<'a> Field<'a> {
    /// The root of a tree, named `what` in messages: "the config".
    pub fn root(node: &'a Node, what: &'a str, ctx: &'a ReaderContext<'a>) -> Self {
        let name = Name::Root(what);
        Self {
            ctx,
            name,
            key: None,
            node: Some(node),
            secret: false,
        }
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
        let node = self.node.filter(|node| !node.source().is_nowhere())?;
        let inline = matches!(
            node.kind(),
            Kind::Scalar {
                style: Style::Plain | Style::Quoted,
                ..
            }
        );
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
            self.ctx.hide(node);
        }
        self
    }

    /// Reports what a caller found wrong with the value. The place is filled in; the text must not
    /// contain the value if it is secret.
    pub fn reject(self, fault: Fault) -> Faulty {
        let fault = match self.place() {
            Some(place) if fault.place.is_none() => fault.at(place),
            _ => fault,
        };
        self.ctx.push(fault)
    }

    /// The text of a scalar after replacement.
    pub(crate) fn text(self) -> Reading<Text<'a>> {
        let node = self.node.ok_or(Faulty)?;
        let Kind::Scalar { text, style } = node.kind() else {
            return self.wrong_shape("a single value", "a single value");
        };
        if node.is_null() {
            return self.empty_value("a value");
        }
        let resolved = match self.ctx.env.map(|env| resolve(text, env)) {
            None if text.starts_with("${") => {
                let fault = Fault::error(
                    Code::Reference,
                    format!("{}: nothing is replaced in this file", self.name),
                );
                return Err(self.reject(fault.fix("write the value itself")));
            }
            None => Resolved {
                text: Cow::Borrowed(&**text),
                origin: Origin::Written,
            },
            Some(Ok(resolved)) => resolved,
            Some(Err(error)) => return Err(self.reject(unresolved(&error, self.name))),
        };
        if let Origin::Outside {
            exposed: Some(path),
            ..
        } = &resolved.origin
        {
            let path = path.display().to_string();
            let fault = Fault::warning(
                Code::ExposedFile,
                format!("every user of this machine can read {path}"),
            );
            self.reject(fault.fix(format!("chmod o-r {path}")));
        }
        let plain = *style == Style::Plain || resolved.origin != Origin::Written;
        Ok(Text {
            text: resolved.text,
            plain,
            origin: resolved.origin,
        })
    }

    pub(super) fn wrong(self, text: &Text<'_>, what: &str, expected: String) -> Fault {
        let fault =
            Fault::error(Code::WrongValue, format!("{} {what}", self.name)).expected(expected);
        let fault = match self.place() {
            Some(place) => fault.at(place),
            None => fault,
        };
        match &text.origin {
            Origin::Outside { reference, .. } => {
                fault.saw(format!("the value of {}, not shown", quoted(reference)))
            }
            Origin::Written | Origin::Default => fault,
        }
    }

    pub(super) fn wrong_shape<T>(self, what: &str, expected: &str) -> Reading<T> {
        let node = self.node.ok_or(Faulty)?;
        let saw = match node.kind() {
            Kind::Broken => return Err(Faulty), // has its fault already
            _ if node.is_null() => return self.empty_value(expected),
            Kind::Scalar { .. } => "a single value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        };
        let fault = Fault::error(Code::WrongValue, format!("{} must be {what}", self.name));
        Err(self.reject(fault.expected(expected).saw(saw)))
    }

    pub(super) fn empty_value<T>(self, expected: &str) -> Reading<T> {
        let fault = Fault::error(Code::WrongValue, format!("empty value for {}", self.name));
        let fault = fault.expected(expected);
        Err(self.reject(fault.fix("write a value, or remove the key")))
    }
}

fn unresolved(error: &Unresolved, name: Name<'_>) -> Fault {
    let forms = "one of ${NAME}, ${NAME:-default}, ${file:/path} and nothing else";
    let escape = "write a value that really begins with `${` as `$${`";
    match error {
        Unresolved::Missing(var) | Unresolved::Empty(var) => Fault::error(
            Code::MissingVariable,
            format!("{error}, but {name} needs it"),
        )
        .fix(format!("export {var}=…, or give a default: ${{{var}:-…}}")),
        Unresolved::File { path, reason } => Fault::error(
            Code::Unreadable,
            format!("cannot read {} for {name}", quoted(path)),
        )
        .saw(clean(reason)),
        Unresolved::Form => Fault::error(Code::Reference, format!("{name}: {error}"))
            .expected(forms)
            .fix(escape),
        Unresolved::Partial => Fault::error(Code::Reference, format!("{name}: {error}"))
            .expected(forms)
            .fix("put the whole text into the variable"),
    }
}

/// A foreign message on one line without control characters, cut at 200 characters.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .take(200)
        .map(|c| {
            if crate::config::document::fault::is_unprintable(c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}
