//! What is wrong with a configuration: collected, sorted by place, printed in one style.
//!
//! Only [`Faults`] prints, because only it knows all the secrets whose lines must be masked.

use std::fmt;
use std::ops::Range;

use serde_json::{Value as Json, json};

pub use super::codes::Code;

use super::render;
use super::source::{Place, Source};

/// Bound: more faults than this are counted, not kept. Nobody reads the 201st.
const MOST: usize = 200;

/// Whether a fault stops the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration must not be used.
    Error,
    /// It may be used; somebody should look.
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

    fn same_as(&self, other: &Self) -> bool {
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
        if render::is_unprintable(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// All faults of a run, with the secrets that their lines must not show.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    hidden: Vec<(Source, Range<usize>)>,
    more_errors: usize,
    more_warnings: usize,
}

impl Faults {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault; the same one at the same place counts once. After 200 they are only counted.
    pub fn push(&mut self, fault: Fault) {
        if self.is_full() {
            match fault.severity {
                Severity::Error => self.more_errors += 1,
                Severity::Warning => self.more_warnings += 1,
            }
        } else if !self.list.iter().any(|known| known.same_as(&fault)) {
            self.list.push(fault);
        }
    }

    /// Adds all faults (and secrets) of another run.
    pub fn merge(&mut self, other: Self) {
        self.hidden.extend(other.hidden);
        self.more_errors += other.more_errors;
        self.more_warnings += other.more_warnings;
        for fault in other.list {
            self.push(fault);
        }
    }

    /// Hides these bytes of a text in every line that is ever printed.
    pub fn hide(&mut self, source: &Source, bytes: Range<usize>) {
        self.hidden.push((source.clone(), bytes));
    }

    /// Whether there is neither error nor warning.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.more_errors == 0 && self.more_warnings == 0
    }

    /// Whether further faults would only be counted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.list.len() >= MOST
    }

    /// Whether the configuration must not be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many there are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let more = match severity {
            Severity::Error => self.more_errors,
            Severity::Warning => self.more_warnings,
        };
        more + self
            .list
            .iter()
            .filter(|fault| fault.severity == severity)
            .count()
    }

    /// The faults by text, line and column; those without a place last.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Fault> {
        let mut sorted: Vec<&Fault> = self.list.iter().collect();
        sorted.sort_by_key(|fault| match &fault.place {
            Some(place) => (false, place.name(), place.line(), place.column()),
            None => (true, "", 0, 0),
        });
        sorted
    }

    /// `value` and the warnings if there is no error, else the faults.
    ///
    /// # Errors
    /// All faults, warnings included, if one of them is an error or there is no value.
    pub fn judge<T>(mut self, value: Option<T>) -> Result<(T, Self), Self> {
        match value {
            Some(value) if !self.has_errors() => Ok((value, self)),
            None if !self.has_errors() => {
                // Fail closed: a reader gave nothing and did not say why.
                self.push(Fault::error(
                    Code::Unchecked,
                    "the configuration could not be read",
                ));
                Err(self)
            }
            _ => Err(self),
        }
    }

    /// The faults for a program: an array of objects with `code`, `severity`, `what` and, where
    /// known, `file`, `line`, `column`, `text`, `saw`, `expected`, `near`, `fix`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        self.sorted()
            .into_iter()
            .map(|fault| self.fault_to_json(fault))
            .collect()
    }

    fn fault_to_json(&self, fault: &Fault) -> Json {
        let mut object = json!({
            "code": fault.code.name(), "severity": fault.severity.name(), "what": fault.what,
        });
        let mut set = |key: &str, value: Json| {
            if let (Some(map), false) = (object.as_object_mut(), value.is_null()) {
                map.insert(key.to_owned(), value);
            }
        };
        if let Some(place) = &fault.place {
            set("file", place.name().into());
            set("line", place.line().into());
            set("column", place.column().into());
            set(
                "text",
                render::line(place, fault.code, &self.hidden).text.into(),
            );
        }
        set("saw", fault.saw.clone().into());
        set("expected", fault.expected.clone().into());
        set("near", fault.near.clone().into());
        set("fix", fault.fix.clone().into());
        object
    }
}

impl fmt::Display for Faults {
    /// One block of at most seven lines per fault, an empty line between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.sorted().into_iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            render::fault(f, fault, &self.hidden)?;
        }
        let more = self.more_errors + self.more_warnings;
        if more > 0 {
            writeln!(f, "\nand {more} more")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        let mut faults = Self::new();
        faults.push(fault);
        faults
    }
}
