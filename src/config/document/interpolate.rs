//! `${NAME}`, `${NAME:-default}`, `${file:/path}`: values from outside the file.
//!
//! Whole values only. This is no templating language: a value is either written or fetched, never
//! glued together, so what a message or a review shows is what counts.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use super::env::{Env, FakeEnv, FileContent, ProcessEnv};

/// Bound: most bytes of a file named by `${file:…}`.
pub const FILE_MAX: usize = 64 << 10;

/// A scalar after replacement.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// Where it came from.
    pub origin: Origin,
}

/// Where the text of a scalar came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It stands in the file as it is.
    Written,
    /// It is the default in the file: the variable is not set.
    Default,
    /// It came from the variable or file that this reference names, and must never be printed.
    Outside {
        /// `${NAME}` or `${file:/path}`.
        reference: String,
        /// The path, if every user of the machine can read the file.
        exposed: Option<PathBuf>,
    },
}

/// Why a reference gives no value.
#[derive(Debug, Error)]
pub enum Unresolved {
    /// The variable is not set and there is no default.
    #[error("environment variable `{0}` is not set")]
    Missing(String),
    /// The variable is set to nothing and there is no default.
    #[error("environment variable `{0}` is empty")]
    Empty(String),
    /// The file gives no text.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not one of the three forms.
    #[error("not a reference that can be replaced")]
    Form,
    /// `${` stands inside a longer text.
    #[error("only whole values are replaced")]
    Partial,
}

/// Replaces a scalar that is a reference as a whole; gives back any other text as it is.
///
/// `$$` at the start stands for a `$` and switches replacement off: `$${X}` is the text `${X}`.
///
/// # Errors
/// See [`Unresolved`].
pub fn resolve<'a>(text: &'a str, env: &dyn Env) -> Result<Resolved<'a>, Unresolved> {
    if let Some(rest) = text.strip_prefix('$').filter(|rest| rest.starts_with('$')) {
        return Ok(Resolved {
            text: rest.into(),
            origin: Origin::Written,
        });
    }
    let Some(inner) = text.strip_prefix("${") else {
        if text.contains("${") {
            return Err(Unresolved::Partial);
        }
        return Ok(Resolved {
            text: text.into(),
            origin: Origin::Written,
        });
    };
    match inner.split_once('}') {
        Some((inner, "")) if inner.contains("${") => Err(Unresolved::Form),
        Some((inner, "")) => reference(inner, env),
        Some(_) => Err(Unresolved::Partial),
        None => Err(Unresolved::Form),
    }
}

/// The bytes of `default` within `${NAME:-default}`, if that is what `raw` (with or without
/// quotes) is; an empty range if `raw` is another whole reference; else `None`.
pub(crate) fn default_within(raw: &str) -> Option<std::ops::Range<usize>> {
    let start = raw.find(|c| !matches!(c, '"' | '\''))?;
    let inner = raw.get(start..)?;
    let end = start + inner.starts_with("${").then(|| inner.find('}'))??;
    let default = raw
        .get(start..end)?
        .find(":-")
        .map_or(end, |at| start + at + 2);
    raw.get(end..)?
        .trim_end_matches(['"', '\''])
        .eq("}")
        .then_some(default..end)
}

fn reference<'a>(inner: &'a str, env: &dyn Env) -> Result<Resolved<'a>, Unresolved> {
    if let Some(path) = inner.strip_prefix("file:") {
        return file(path, env);
    }
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if !is_name(name) {
        return Err(Unresolved::Form);
    }
    let set = env.var(name);
    match (set.filter(|value| !value.is_empty()), default) {
        (Some(value), _) => {
            let origin = Origin::Outside {
                reference: format!("${{{name}}}"),
                exposed: None,
            };
            Ok(Resolved {
                text: value.into(),
                origin,
            })
        }
        (None, Some(default)) => Ok(Resolved {
            text: default.into(),
            origin: Origin::Default,
        }),
        (None, None) if env.var(name).is_some() => Err(Unresolved::Empty(name.to_owned())),
        (None, None) => Err(Unresolved::Missing(name.to_owned())),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn file<'a>(path: &str, env: &dyn Env) -> Result<Resolved<'a>, Unresolved> {
    let failed = |reason: String| Unresolved::File {
        path: path.to_owned(),
        reason,
    };
    if !Path::new(path).is_absolute() {
        // It could be relative to the config or to the working directory; neither is guessed.
        return Err(failed("the path is not absolute".to_owned()));
    }
    let content = env
        .read_file(Path::new(path), FILE_MAX)
        .map_err(|error| failed(error.to_string()))?;
    if content.bytes.len() > FILE_MAX {
        return Err(failed(format!("larger than {FILE_MAX} bytes")));
    }
    let text = String::from_utf8(content.bytes).map_err(|error| {
        failed(format!(
            "not UTF-8 at offset {}",
            error.utf8_error().valid_up_to()
        ))
    })?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(failed("the file is empty".to_owned()));
    }
    let exposed = content
        .mode
        .is_some_and(|mode| mode & 0o004 != 0)
        .then(|| PathBuf::from(path));
    let origin = Origin::Outside {
        reference: format!("${{file:{path}}}"),
        exposed,
    };
    Ok(Resolved {
        text: text.to_owned().into(),
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> FakeEnv {
        FakeEnv::new()
            .with_var("SET", "value")
            .with_var("EMPTY", "")
            .with_file("/ok", b"s3cret\n", 0o600)
            .with_file("/crlf", b"a\nb\r\n", 0o600)
    }

    #[test]
    fn whole_references_are_replaced_and_nothing_else() {
        for (given, expected) in [
            ("plain", "plain"),
            ("a $ b $x {y}", "a $ b $x {y}"),
            ("${SET}", "value"),
            ("${SET:-other}", "value"),
            ("${EMPTY:-other}", "other"),
            ("${UNSET:-other}", "other"),
            ("${UNSET:-}", ""),
            ("${UNSET:-a:-b}", "a:-b"),
            ("$${SET}", "${SET}"),
            ("$$", "$"),
            ("$$a${b", "$a${b"),
            ("${file:/ok}", "s3cret"),
            ("${file:/crlf}", "a\nb"),
        ] {
            let resolved = resolve(given, &env()).map(|r| r.text.into_owned());
            assert_eq!(resolved.ok().as_deref(), Some(expected), "given: {given}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_says_why() {
        let big = env().with_file("/big", &vec![b'a'; FILE_MAX + 1], 0o600);
        let env = big
            .with_file("/empty", b"\n", 0o600)
            .with_file("/binary", b"ab\xff", 0o600);
        for (given, expected) in [
            ("${UNSET}", "environment variable `UNSET` is not set"),
            ("${EMPTY}", "environment variable `EMPTY` is empty"),
            ("a${SET}", "only whole values are replaced"),
            ("${SET}a", "only whole values are replaced"),
            ("${SET}${SET}", "only whole values are replaced"),
            ("${SET", "not a reference that can be replaced"),
            ("${}", "not a reference that can be replaced"),
            ("${A B}", "not a reference that can be replaced"),
            ("${A:?error}", "not a reference that can be replaced"),
            ("${A:-${B}", "not a reference that can be replaced"),
            ("${file:ok}", "cannot read ok: the path is not absolute"),
            ("${file:/none}", "cannot read /none: entity not found"),
            ("${file:/big}", "cannot read /big: larger than 65536 bytes"),
            ("${file:/empty}", "cannot read /empty: the file is empty"),
            (
                "${file:/binary}",
                "cannot read /binary: not UTF-8 at offset 2",
            ),
        ] {
            let error = resolve(given, &env).expect_err(given);
            let mut text = error.to_string();
            if let Unresolved::File { reason, .. } = &error {
                text = format!("{text}: {reason}");
            }
            assert_eq!(text, expected, "given: {given}");
        }
    }

    #[test]
    fn the_process_reads_no_more_than_it_may() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let content = ProcessEnv.read_file(&path, 10).expect("the manifest");
        assert_eq!(content.bytes, b"[package]\nn");
        assert_eq!(content.mode.is_some(), cfg!(unix));
        assert!(ProcessEnv.read_file(Path::new("/"), 10).is_err());
        assert_eq!(ProcessEnv.var("BAILIFF_TEST_THAT_NOBODY_SETS"), None);
    }

    #[test]
    fn the_default_is_found_in_the_written_reference() {
        let default = |raw: &'static str| default_within(raw).and_then(|range| raw.get(range));
        assert_eq!(default("${A:-b}"), Some("b"));
        assert_eq!(default("\"${A:-b}\""), Some("b"));
        assert_eq!(default("'${A}'"), Some(""));
        assert_eq!(default("${file:/x}"), Some(""));
        assert_eq!(default("a${A}"), None);
        assert_eq!(default("${A}b"), None);
        assert_eq!(default("x"), None);
    }
}
