//! Texts and places in them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A configuration text and the name it is shown under. Cheap to clone.
///
/// A byte order mark at the start is dropped, so that columns count what people see.
#[derive(Clone)]
pub struct Source(Arc<Inner>);

struct Inner {
    name: Box<str>,
    text: Box<str>,
}

impl Source {
    /// A text that is already in memory.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self(Arc::new(Inner {
            name: name.into(),
            text: text.into(),
        }))
    }

    /// The source of values that stand in no text, such as environment variables: nothing in it has a place.
    pub(crate) fn nowhere() -> Self {
        Self::new("", "")
    }

    pub(crate) fn is_nowhere(&self) -> bool {
        self.name().is_empty()
    }

    /// The name, as messages show it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The place of `span` in this text.
    #[must_use]
    pub fn place(&self, span: Span) -> Place {
        Place {
            source: self.clone(),
            span,
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Source {
    /// Never the text: there may be secrets in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name())
    }
}

/// A stretch of a text: bytes from `start` to before `end`; `line` and `column` (in characters) of
/// the start count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
    /// Line of the start, from 1.
    pub line: u32,
    /// Column of the start in characters, from 1.
    pub column: u32,
}

impl Span {
    pub(super) fn bytes(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Offsets fit: the size of a text is checked before it is parsed.
pub(crate) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Where something stands: enough to show the line with a caret.
#[derive(Clone)]
pub struct Place {
    pub(crate) source: Source,
    pub(crate) span: Span,
}

impl Place {
    /// The name of the text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.span.line
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.span.column
    }

    /// The bytes of the line on which the place begins, without its line break; of a very long
    /// line so much around the place that a secret which begins far away is still recognised.
    pub(crate) fn line_bytes(&self) -> Range<usize> {
        const REACH: usize = 8 << 10; // bytes
        let (text, at) = (self.source.text(), self.span.start as usize);
        let from = text.floor_char_boundary(at.saturating_sub(REACH));
        let to = text.floor_char_boundary(at.saturating_add(REACH));
        let is_break = |c| matches!(c, '\n' | '\r');
        let start = text
            .get(from..at)
            .and_then(|t| t.rfind(is_break))
            .map_or(from, |found| from + found + 1);
        let end = text
            .get(at..to)
            .and_then(|t| t.find(is_break))
            .map_or(to, |found| at + found);
        start..end
    }
}

impl fmt::Display for Place {
    /// `bailiff.yaml:14:3`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name(), self.line(), self.column())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}
