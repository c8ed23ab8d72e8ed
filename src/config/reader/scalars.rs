//! Single values with types. Strict: a guess here would be a setting that the config does not have.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::values::secret::Secret;
use crate::config::values::suggest::nearest;
use crate::config::values::units;

use super::context::{Faulty, Reading};
use super::field::{Field, Text};

impl Field<'_> {
    /// A text that is not empty. Plain `5` or `true` are taken as written.
    pub fn str(self) -> Reading<String> {
        let text = self.text()?;
        if text.text.is_empty() {
            return self.invalid(&text, "is empty", "a text".to_owned());
        }
        Ok(text.text.into_owned())
    }

    /// A secret that is not empty; implies [`Field::hidden`].
    pub fn secret(self) -> Reading<Secret> {
        self.hidden().str().map(Secret::from)
    }

    /// `true` or `false`, without quotes, in lower case.
    pub fn bool(self) -> Reading<bool> {
        let text = self.text()?;
        match (&*text.text, text.plain) {
            ("true", true) => return Ok(true),
            ("false", true) => return Ok(false),
            _ => {}
        }
        let meant = match text.text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some("true"),
            "false" | "no" | "off" | "n" => Some("false"),
            _ => None,
        };
        let fault = self.wrong(
            &text,
            "is not a boolean",
            "`true` or `false` without quotes".to_owned(),
        );
        // `no` is a text in YAML 1.2; taking it for `false` is how Norway lost its country code.
        Err(self.ctx.push(match meant {
            Some(word) if !self.secret => fault.near(word),
            _ => fault,
        }))
    }

    /// A whole number within `range`, without quotes.
    pub fn u64(self, range: RangeInclusive<u64>) -> Reading<u64> {
        let (low, high) = (*range.start(), *range.end());
        let expected = if high == u64::MAX {
            format!("a whole number from {low}")
        } else {
            format!("a whole number from {low} to {high}")
        };
        let text = self.text()?;
        let number = text.plain.then(|| units::whole(&text.text)).flatten();
        self.within(&text, number, &range, "is not a whole number", expected)
    }

    /// Like [`Field::u64`], for a number of things in memory.
    pub(crate) fn usize(self, range: RangeInclusive<u64>) -> Reading<usize> {
        usize::try_from(self.u64(range)?).map_err(|_| Faulty)
    }

    /// A duration within `range`: `10s`, `1m 30s`, or a bare number of seconds (`10`, `2.5`).
    pub fn duration(self, range: RangeInclusive<Duration>) -> Reading<Duration> {
        let [low, high] = [range.start(), range.end()].map(|end| units::show_duration(*end));
        let expected = format!("a duration from {low} to {high}, such as 10s or 15m");
        let text = self.text()?;
        let duration = units::duration(text.text.trim());
        self.within(&text, duration, &range, "is not a duration", expected)
    }

    /// A size in bytes within `range`: `65536`, `64KiB`, `1MB`.
    pub fn bytes(self, range: RangeInclusive<u64>) -> Reading<u64> {
        let [low, high] = [*range.start(), *range.end()].map(units::show_bytes);
        let expected = format!("a size from {low} to {high}, such as 64KiB or 1MB");
        let text = self.text()?;
        let size = units::bytes(text.text.trim());
        self.within(&text, size, &range, "is not a size", expected)
    }

    /// One of some words.
    pub fn one_of(self, words: &[&'static str]) -> Reading<&'static str> {
        let text = self.text()?;
        if let Some(found) = words.iter().copied().find(|word| *word == text.text) {
            return Ok(found);
        }
        let fault = self.wrong(&text, "has an unknown value", alternatives(words));
        let near = nearest(&text.text, words.iter().copied()).filter(|_| !self.secret);
        Err(self.ctx.push(match near {
            Some(word) => fault.near(word),
            None => fault,
        }))
    }

    /// One of some words, each of which stands for a value.
    pub fn choice<T: Clone>(self, choices: &[(&'static str, T)]) -> Reading<T> {
        let words: Vec<&'static str> = choices.iter().map(|(word, _)| *word).collect();
        let found = self.one_of(&words)?;
        let chosen = choices.iter().find(|(word, _)| *word == found);
        chosen.map(|(_, value)| value.clone()).ok_or(Faulty)
    }

    fn within<T: PartialOrd>(
        self,
        text: &Text<'_>,
        value: Option<T>,
        range: &RangeInclusive<T>,
        what: &str,
        expected: String,
    ) -> Reading<T> {
        match value {
            Some(value) if range.contains(&value) => Ok(value),
            Some(_) => self.invalid(text, "is out of range", expected),
            None => self.invalid(text, what, expected),
        }
    }

    fn invalid<T>(self, text: &Text<'_>, what: &str, expected: String) -> Reading<T> {
        Err(self.ctx.push(self.wrong(text, what, expected)))
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
