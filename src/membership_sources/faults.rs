//! The faults in the rows of a load: every fault within a bound, each with its row.

use std::fmt;

/// Bound: faults that are reported in full. Further faults are only counted.
const MOST_TOLD: usize = 20;

/// The faults of one load. A load with one fault is refused.
#[derive(Debug, Default)]
pub struct RowFaults {
    told: Vec<String>,
    more: usize,
}

impl RowFaults {
    /// Adds a fault. `row` tells the operator where it is: a query and the number of the row, or a path in a document.
    pub fn push(&mut self, row: impl fmt::Display, why: impl fmt::Display) {
        if self.told.len() < MOST_TOLD {
            self.told.push(format!("{row}: {why}"));
        } else {
            self.more += 1;
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The faults that are reported in full, and the number of further ones.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.told.iter().cloned().chain(more).collect()
    }

    /// Fails if there is a fault.
    ///
    /// # Errors
    /// These, if there are any.
    pub fn judge<T>(self, good: T) -> Result<T, Self> {
        if self.is_empty() { Ok(good) } else { Err(self) }
    }
}

impl fmt::Display for RowFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("; "))?;
        if self.more > 0 {
            write!(f, "; and {} more", self.more)
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for RowFaults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_row_and_a_million_of_them_are_counted() {
        let mut faults = RowFaults::default();
        (1..=1_000_000).for_each(|row| faults.push(format_args!("row {row}"), "unknown role"));
        let told = faults.to_string();
        assert!(
            told.starts_with("row 1: unknown role; row 2: unknown role;"),
            "{told}"
        );
        assert!(
            told.ends_with("row 20: unknown role; and 999980 more"),
            "{told}"
        );
        assert!(faults.judge(()).is_err());
        assert!(RowFaults::default().judge(()).is_ok());
    }
}
