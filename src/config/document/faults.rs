//! What is wrong with a configuration: collected, sorted by place, printed in one style.
//!
//! Only [`Faults`] prints, because only it knows all the secrets whose lines must be masked.

use std::fmt;
use std::ops::Range;

use serde_json::{Value as Json, json};

use super::render;
use super::source::Source;

pub use super::fault::{Code, Fault, Severity, quoted};

/// Bound: more faults than this are counted, not kept.
const MOST: usize = 200;

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
