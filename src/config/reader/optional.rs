//! Values that may be absent, lists of values, and texts with a parser of their own.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::document::faults::{Code, Fault};
use crate::config::values::suggest::nearest;

use super::context::{Faulty, Reading};
use super::field::Field;
use super::fields::Fields;

impl<'a> Field<'a> {
    /// What `read` gives, `None` if the key is absent.
    pub fn maybe<T>(self, read: impl FnOnce(Self) -> Reading<T>) -> Reading<Option<T>> {
        if self.is_present() {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    /// What `read` gives, `default` if the key is absent.
    pub fn read_or<T>(self, default: T, read: impl FnOnce(Self) -> Reading<T>) -> Reading<T> {
        if self.is_present() {
            read(self)
        } else {
            Ok(default)
        }
    }

    /// A duration, `default` if it is absent.
    pub fn duration_or(
        self,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Reading<Duration> {
        self.read_or(default, |field| field.duration(range))
    }

    /// A truth value, `default` if it is absent.
    pub fn bool_or(self, default: bool) -> Reading<bool> {
        self.read_or(default, Field::bool)
    }

    /// Reads a text with a parser whose errors complete "`key` …" and never repeat the value, so that they can be shown
    /// wherever the value came from.
    pub(crate) fn parse<T, E: fmt::Display>(
        self,
        code: Code,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Reading<T> {
        parse(&self.str()?).map_err(|error| self.wrongly(code, error, expected))
    }

    /// Reports that "`key` …".
    pub(crate) fn wrongly(self, code: Code, what: impl fmt::Display, expected: &str) -> Faulty {
        self.reject(Fault::error(code, format!("{} {what}", self.name)).expected(expected))
    }

    /// Reports an error and what to do about it.
    pub(crate) fn refuse(
        self,
        code: Code,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Faulty {
        self.reject(Fault::error(code, what).fix(fix))
    }

    /// Reports something to look at, and what to do about it.
    pub(crate) fn warn(self, code: Code, what: impl Into<String>, fix: impl Into<String>) {
        self.reject(Fault::warning(code, what).fix(fix));
    }

    /// Warns that `variable` has no effect beside this value.
    pub(crate) fn overrules(self, variable: Self) {
        let (file, variable) = (self.name, variable.name);
        self.warn(
            Code::Contradiction,
            format!("{variable} has no effect, because the config sets {file}"),
            format!("unset {variable}, or remove {file} from the config"),
        );
    }

    /// Reports a fault of a word: with the known word that was probably meant, else with what would have been right.
    pub(crate) fn unknown_word<'w>(
        self,
        fault: Fault,
        word: &str,
        known: impl IntoIterator<Item = &'w str>,
        expected: impl Into<String>,
    ) -> Faulty {
        self.reject(match nearest(word, known) {
            Some(near) => fault.near(near),
            None => fault.expected(expected),
        })
    }

    /// Reads every item, then asks whether all were right: every fault is found.
    pub(crate) fn each<T>(
        items: Reading<Vec<Self>>,
        read: impl FnMut(Self) -> Reading<T>,
    ) -> Reading<Vec<T>> {
        all(items?.into_iter().map(read))
    }
}

impl<'a> Fields<'a> {
    /// [`Field::maybe`] of a key.
    pub fn maybe<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Field<'a>) -> Reading<T>,
    ) -> Reading<Option<T>> {
        self.opt(key).maybe(read)
    }

    /// The keys of a mapping that may be absent; `what` names it in messages.
    pub fn section(&mut self, key: &'static str, what: &'a str) -> Reading<Option<Fields<'a>>> {
        self.maybe(key, |field| field.fields(what))
    }

    /// [`Field::read_or`] of a key.
    pub fn read_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(Field<'a>) -> Reading<T>,
    ) -> Reading<T> {
        self.opt(key).read_or(default, read)
    }

    /// [`Field::duration_or`] of a key.
    pub fn duration_or(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Reading<Duration> {
        self.opt(key).duration_or(default, range)
    }

    /// [`Field::bool_or`] of a key.
    pub fn bool_or(&mut self, key: &'static str, default: bool) -> Reading<bool> {
        self.opt(key).bool_or(default)
    }
}

/// Reads all items to the end before it asks whether one of them was wrong.
pub(crate) fn all<T, C: FromIterator<T>>(items: impl Iterator<Item = Reading<T>>) -> Reading<C> {
    let read: Vec<_> = items.collect();
    read.into_iter().collect()
}

/// The first item that stands for a second time in a short list.
pub(crate) fn first_repeated<T: PartialEq>(items: &[T]) -> Option<&T> {
    let is_repeated = |(index, item): &(usize, &T)| items.iter().take(*index).any(|o| o == *item);
    items
        .iter()
        .enumerate()
        .find(is_repeated)
        .map(|(_, item)| item)
}
