//! Single values with types. Strict: a guess here would be a setting that nobody wrote.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crate::config::document::interpolate::Origin;
use crate::config::values::secret::Secret;
use crate::config::values::suggest::nearest;
use crate::config::values::units;

use super::field::{Field, Text, clean};

impl Field<'_> {
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
        let fault = self.wrong(
            &text,
            "is not a boolean",
            "`true` or `false` without quotes".to_owned(),
        );
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
        let number = if text.plain {
            units::whole(&text.text)
        } else {
            None
        };
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
            let fault = self.wrong(&text, "has an unknown value", alternatives(words));
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
        choices
            .iter()
            .find(|(word, _)| *word == found)
            .map(|(_, value)| value.clone())
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
    pub fn parse_with<T, E: fmt::Display>(
        self,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text()?;
        match parse(&text.text) {
            Ok(value) => Some(value),
            Err(error) => {
                let fault = self.wrong(&text, "is not valid", expected.to_owned());
                // An error may quote what it could not parse.
                let tells = !self.secret && !matches!(text.origin, Origin::Outside { .. });
                self.ctx.push(if tells {
                    fault.saw(clean(&error.to_string()))
                } else {
                    fault
                });
                None
            }
        }
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
}

/// `` `a`, `b` or `c` ``
fn alternatives(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
