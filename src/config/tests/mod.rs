//! What people see: whole texts in, whole messages out.

mod any_text;
mod messages;
mod secrecy;
mod values;

use super::interpolate::FakeEnv;
use super::reader::{Field, Fields, ReaderContext, Reading};
use super::source::Source;
use super::yaml::Bounds;

/// A small config with one key of each kind; gives what was read and what is printed.
fn read<T>(
    text: &str,
    env: &FakeEnv,
    read: impl FnOnce(&mut Fields<'_>) -> Reading<T>,
) -> (Option<T>, String) {
    let ctx = ReaderContext::new(env);
    let value = ctx
        .parse(&Source::new("bailiff.yaml", text), Bounds::default())
        .and_then(|root| {
            let mut fields = Fields::of(&root, "the config", &ctx)?;
            let value = read(&mut fields);
            fields.finish();
            value
        });
    (value.ok(), ctx.into_faults().to_string())
}

/// The messages for a text in which only `key` is known.
fn complaint<T>(
    text: &str,
    key: &'static str,
    reader: impl FnOnce(Field<'_>) -> Reading<T>,
) -> String {
    read(text, &FakeEnv::new(), |fields| reader(fields.opt(key))).1
}

#[track_caller]
fn assert_text(got: &str, expected: &str) {
    assert!(got == expected, "got:\n{got}\nexpected:\n{expected}");
}

mod load;
