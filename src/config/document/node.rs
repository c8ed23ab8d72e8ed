//! A tree in which every key and value knows its place.

use std::sync::Arc;

use super::faults::Faults;
use super::interpolate::default_within;
use super::source::{Place, Source, Span};

/// A value with its place. Cloning is cheap: aliases share their content.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) source: Source,
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text, as written; it gets a type when it is read.
    Scalar {
        /// The text without quotes and escapes.
        text: Arc<str>,
        /// How it was written.
        style: Style,
    },
    /// A list.
    List(Arc<[Node]>),
    /// A mapping, in the order of the text, each key once.
    Map(Arc<[Entry]>),
    /// Something that was refused with a fault; it is not reported again.
    Broken,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be a number, a boolean, nothing.
    Plain,
    /// In quotes: always text.
    Quoted,
    /// After `|` or `>`: always text.
    Block,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Arc<str>,
    /// Where the key stands, in the source of the value.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Where the value stands. A value repeated by an alias stands where its anchor is.
    #[must_use]
    pub fn place(&self) -> Place {
        self.source.place(self.span)
    }

    /// The text it stands in.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Where in that text.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// A single text that stands in no YAML: a flag or an environment variable.
    pub(crate) fn scalar(source: Source, span: Span, text: &str, style: Style) -> Self {
        Self {
            source,
            span,
            kind: Kind::Scalar {
                text: text.into(),
                style,
            },
        }
    }

    /// A mapping without keys: the config where there is no file.
    pub(crate) fn nothing() -> Self {
        Self {
            source: Source::nowhere(),
            span: Span::default(),
            kind: Kind::Map(Arc::new([])),
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Hides every scalar from here down. Of a reference only the default: the name of a variable helps.
    pub(crate) fn hide(&self, faults: &mut Faults) {
        match self.kind() {
            Kind::Scalar { .. } => {
                let bytes = self.span().bytes();
                let raw = self.source().text().get(bytes.clone()).unwrap_or_default();
                let range = match default_within(raw) {
                    Some(default) => bytes.start + default.start..bytes.start + default.end,
                    None => bytes,
                };
                faults.hide(self.source(), range);
            }
            Kind::List(items) => items.iter().for_each(|item| item.hide(faults)),
            Kind::Map(entries) => entries.iter().for_each(|entry| entry.value.hide(faults)),
            Kind::Broken => {}
        }
    }

    /// Whether nothing was written (`key:`), or `~`, or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar {
                text,
                style: Style::Plain,
            } => matches!(&**text, "" | "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }
}
