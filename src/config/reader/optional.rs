//! Values that may be absent, and readers of the config's own types.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::document::faults::{Code, Fault};

use super::field::Field;

impl<'a> Field<'a> {
    /// Reads a text with a parser whose errors complete "`key` …" and never repeat the value, so that they can be told
    /// wherever the value came from.
    pub(crate) fn told<T, E: fmt::Display>(
        self,
        code: Code,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.str()?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrongly(code, &error, expected);
                None
            }
        }
    }

    /// Reports that "`key` …".
    pub(crate) fn wrongly(self, code: Code, what: impl fmt::Display, expected: &str) {
        self.reject(Fault::error(code, format!("{} {what}", self.name)).expected(expected));
    }

    /// Reads every item, then asks whether all were right: every fault is found.
    pub(crate) fn each<T>(
        items: Option<Vec<Self>>,
        read: impl FnMut(Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let read: Vec<Option<T>> = items?.into_iter().map(read).collect();
        read.into_iter().collect()
    }

    /// A duration, `default` if it is absent.
    pub(crate) fn duration_or(
        self,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        if self.is_present() {
            self.duration(range)
        } else {
            Some(default)
        }
    }

    /// A truth value, `default` if it is absent.
    pub(crate) fn bool_or(self, default: bool) -> Option<bool> {
        if self.is_present() {
            self.bool()
        } else {
            Some(default)
        }
    }

    /// What `read` gives, or `Some(None)` if the key is absent: a fault and an absence are two things.
    pub(crate) fn maybe<T>(self, read: impl FnOnce(Self) -> Option<T>) -> Option<Option<T>> {
        if self.is_present() {
            read(self).map(Some)
        } else {
            Some(None)
        }
    }
}
