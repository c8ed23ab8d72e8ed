//! YAML as a tree in which every key and value knows its place.
//!
//! Why the events of `granit_parser` (which serde-saphyr is built on and re-exports for such uses)
//! and not `serde_saphyr::Spanned`: serde gives one error and stops, so a second key that stands
//! twice, or a wrong alias, would hide all faults behind it; and it types scalars before we can see
//! whether they were quoted. The events keep both and cost the same parser.
//!
//! Left out on purpose, each with a fault that says so: merge keys (`<<`), tags other than `!!str`,
//! keys that are not text, several documents.

use std::sync::Arc;

use super::faults::{Code, Fault, Faults};
use super::interpolate::default_within;
use super::source::{Place, Source, Span};
use super::tree::Builder;

/// How much YAML we are willing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Size of the text in bytes; also how many bytes of text aliases may repeat. At most 4 GiB count.
    pub bytes: usize,
    /// Mappings and lists within each other.
    pub depth: usize,
    /// Values and keys, those repeated by aliases included.
    pub nodes: usize,
}

impl Default for Bounds {
    /// 8 MiB, 64 levels, 2 million nodes.
    fn default() -> Self {
        Self {
            bytes: 8 << 20,
            depth: 64,
            nodes: 2_000_000,
        }
    }
}

/// A value with its place. Cloning is cheap: aliases share their content.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) source: Source,
    pub(super) span: Span,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text, as written; it gets a type when somebody asks for one.
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
    /// Something that was refused with a fault; whoever meets it need not report it again.
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
    pub(super) fn scalar(source: Source, span: Span, text: &str, style: Style) -> Self {
        Self {
            source,
            span,
            kind: Kind::Scalar {
                text: text.into(),
                style,
            },
        }
    }

    /// A mapping without keys: the config of somebody who has none.
    pub(super) fn nothing() -> Self {
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
    pub(super) fn hide(&self, faults: &mut Faults) {
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

/// Reads one YAML document.
///
/// `None` if there is no tree to go on with. A tree may come together with errors (a key that
/// stands twice, say; the first one counts), so that its other faults are found in the same run:
/// ask [`Faults::has_errors`] before using anything.
#[must_use]
pub fn parse(source: &Source, bounds: Bounds, faults: &mut Faults) -> Option<Node> {
    let size = source.text().len();
    if size > bounds.bytes.min(u32::MAX as usize) {
        let what = format!("{} is larger than {} bytes", source.name(), bounds.bytes);
        faults.push(Fault::error(Code::Bound, what).saw(format!("{size} bytes")));
        return None;
    }
    match Builder::new(source, bounds, faults).build().ok()? {
        Some(root) if !root.is_null() => Some(root),
        _ => {
            let what = format!("{} is empty", source.name());
            faults.push(
                Fault::error(Code::Unreadable, what).expected("a mapping with at least one key"),
            );
            None
        }
    }
}
