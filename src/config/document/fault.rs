//! One thing that is wrong with a configuration.

pub use super::code::Code;

use super::source::Place;

/// Whether a fault stops the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration must not be used.
    Error,
    /// It may be used, and should be looked at.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong. Built like a sentence:
/// `Fault::error(code, what).at(place).expected(..).fix(..)`.
///
/// The texts are printed as they are: put foreign text into them through [`quoted`] only, and never
/// a secret.
#[derive(Clone, Debug)]
#[must_use = "a fault that is not pushed is never seen"]
pub struct Fault {
    /// Kind of fault.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// One sentence without a period.
    pub what: String,
    /// Where it stands, if it stands in a text.
    pub place: Option<Place>,
    /// What we saw, if the line does not show it.
    pub saw: Option<String>,
    /// What would have been right.
    pub expected: Option<String>,
    /// The word that was probably meant.
    pub near: Option<String>,
    /// A command to run or a text to write.
    pub fix: Option<String>,
}

impl Fault {
    /// A fault that stops the start.
    pub fn error(code: Code, what: impl Into<String>) -> Self {
        let what = what.into();
        Self {
            code,
            severity: Severity::Error,
            what,
            place: None,
            saw: None,
            expected: None,
            near: None,
            fix: None,
        }
    }

    /// A fault that does not stop the start.
    pub fn warning(code: Code, what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, what)
        }
    }

    /// Says where.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Says what we saw.
    pub fn saw(mut self, saw: impl Into<String>) -> Self {
        self.saw = Some(saw.into());
        self
    }

    /// Says what would have been right: "a duration from 0s to 1m".
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says which word was probably meant.
    pub fn near(mut self, word: impl Into<String>) -> Self {
        self.near = Some(word.into());
        self
    }

    /// Says what to do.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    pub(super) fn same_as(&self, other: &Self) -> bool {
        let same_place = match (&self.place, &other.place) {
            (Some(a), Some(b)) => a.span == b.span && a.name() == b.name(),
            (None, None) => true,
            _ => false,
        };
        self.code == other.code && self.what == other.what && same_place
    }
}

/// Foreign text for a message: in backticks, on one line, without control characters, at most 60
/// characters of it.
#[must_use]
pub fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        if is_unprintable(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// Characters that must not reach a terminal as they are: controls, and those that turn the
/// direction of text around (a config could look different from what it is).
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
