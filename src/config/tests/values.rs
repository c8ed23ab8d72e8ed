use std::time::Duration;

use super::read;
use crate::config::interpolate::FakeEnv;
use crate::config::reader::{Faulty, Field, Fields, ReaderContext, Reading, Shape};
use crate::config::source::Source;
use crate::config::yaml::Bounds;

fn one<T>(text: &str, reader: impl FnOnce(Field<'_>) -> Reading<T>) -> Option<T> {
    let env = FakeEnv::new()
        .with_var("TRUE", "true")
        .with_var("PORT", "8484")
        .with_var("NULL", "null")
        .with_var("LEEWAY", "10s");
    let (value, faults) = read(text, &env, |fields| reader(fields.req("k")));
    assert_eq!(
        value.is_none(),
        faults.starts_with("error"),
        "given: {text}\n{faults}"
    );
    value
}

#[test]
fn only_plain_true_and_false_are_booleans() {
    for (given, expected) in [
        ("k: true", Some(true)),
        ("k: false", Some(false)),
        ("k: ${TRUE}", Some(true)),
        ("k: \"${TRUE}\"", Some(true)),
        ("k: ${UNSET:-false}", Some(false)),
        ("k: \"true\"", None),
        ("k: !!str true", None),
        ("k: True", None),
        ("k: yes", None),
        ("k: on", None),
        ("k: 1", None),
        ("k: [true]", None),
    ] {
        assert_eq!(one(given, |f| f.bool()), expected, "given: {given}");
    }
}

#[test]
fn numbers_are_plain_and_within_their_range() {
    for (given, expected) in [
        ("k: 1", Some(1)),
        ("k: ${PORT}", Some(8484)),
        ("k: [1]", None),
        ("k: \"1\"", None),
        ("k: 0", None),
        ("k: 65536", None),
        ("k: 1.0", None),
        ("k: -1", None),
        ("k: 0x10", None),
        ("k: 18446744073709551616", None),
    ] {
        assert_eq!(
            one(given, |field| field.u64(1..=65_535)),
            expected,
            "given: {given}"
        );
    }
    let (_, text) = read("k: -1", &FakeEnv::new(), |fields| {
        fields.req("k").u64(0..=u64::MAX)
    });
    assert!(text.contains("a whole number from 0\n"), "{text}");
}

#[test]
fn texts_are_taken_as_written() {
    for (given, expected) in [
        ("k: a", Some("a")),
        ("k: 007", Some("007")),
        ("k: yes", Some("yes")),
        ("k: \"null\"", Some("null")),
        ("k: ${NULL}", Some("null")),
        ("k: $${NULL}", Some("${NULL}")),
        ("k: |\n  a\n  b\n", Some("a\nb\n")),
        ("k: \"\"", None),
        ("k: ${UNSET:-}", None),
        ("k: null", None),
        ("k: ~", None),
        ("k:", None),
        ("k: {a: b}", None),
    ] {
        assert_eq!(
            one(given, |f| f.str()).as_deref(),
            expected,
            "given: {given}"
        );
    }
}

#[test]
fn durations_sizes_and_words_may_come_from_outside() {
    let minute = Duration::ZERO..=Duration::from_secs(60);
    for given in [
        "k: 10s",
        "k: 10",
        "k: 10.0",
        "k: \"10s\"",
        "k: ${LEEWAY}",
        "k: ${UNSET:-10s}",
    ] {
        assert_eq!(
            one(given, |f| f.duration(minute.clone())),
            Some(Duration::from_secs(10)),
            "given: {given}"
        );
    }
    assert_eq!(one("k: 64KiB", |f| f.bytes(1..=1 << 20)), Some(65_536));
    assert_eq!(one("k: 2MiB", |f| f.bytes(1..=1 << 20)), None);
    assert_eq!(one("k: b", |f| f.choice(&[("a", 1), ("b", 2)])), Some(2));
    assert_eq!(one("k: B", |f| f.choice(&[("a", 1), ("b", 2)])), None);
}

#[test]
fn lists_take_the_shapes_they_say() {
    let strings = |fields: Vec<Field<'_>>| {
        fields
            .into_iter()
            .map(Field::str)
            .collect::<Reading<Vec<_>>>()
    };
    for (given, list, nonempty, some) in [
        ("k: [a, b]", Some(2), Some(2), Some(2)),
        ("k: []", Some(0), None, None),
        ("k: a", None, None, Some(1)),
    ] {
        assert_eq!(
            one(given, |f| strings(f.list()?)).map(|l| l.len()),
            list,
            "given: {given}"
        );
        assert_eq!(
            one(given, |f| strings(f.nonempty_list()?)).map(|l| l.len()),
            nonempty,
            "given: {given}"
        );
        assert_eq!(
            one(given, |f| strings(f.one_or_more()?)).map(|l| l.len()),
            some,
            "given: {given}"
        );
    }
}

#[test]
fn an_absent_optional_key_is_silent() {
    let (value, faults) = read("a: 1", &FakeEnv::new(), |fields| {
        let absent = fields.opt("b");
        assert!(!absent.is_present() && absent.shape().is_none() && absent.place().is_none());
        assert!(absent.str().is_err() && absent.list().is_err() && absent.fields("x").is_err());
        assert!(absent.secret().is_err() && absent.members().is_err());
        let a = fields.opt("a");
        Ok((a.u64(0..=9)?, a.place().ok_or(Faulty)?.to_string()))
    });
    assert_eq!(faults, "");
    assert_eq!(value, Some((1, "bailiff.yaml:1:4".to_owned())));
}

#[test]
fn mappings_with_keys_of_the_users_own_keep_places_and_order() {
    let text = "users:\n  user_b: {id: 1}\n  user_a: {id: 2}\n  ${X}: {id: 3}\n";
    let (value, faults) = read(text, &FakeEnv::new(), |fields| {
        let users = fields.req("users");
        assert_eq!(users.shape(), Some(Shape::Map));
        let mut seen = Vec::new();
        for member in users.members()? {
            let mut user = member.value.fields("a user")?;
            seen.push((
                member.key.to_owned(),
                member.place().ok_or(Faulty)?.to_string(),
                user.req("id").u64(0..=9)?,
            ));
            user.finish();
        }
        Ok(seen)
    });
    let expected = [
        ("user_b", "bailiff.yaml:2:3", 1),
        ("user_a", "bailiff.yaml:3:3", 2),
    ];
    assert_eq!(
        value.unwrap_or_default(),
        expected.map(|(k, at, id)| (k.to_owned(), at.to_owned(), id))
    );
    assert!(
        faults.starts_with("error[B014]: `${X}` cannot be a key\n --> bailiff.yaml:4:3\n"),
        "{faults}"
    );
}

#[test]
fn a_mark_at_the_start_does_not_shift_columns_and_anchors_repeat() {
    let env = FakeEnv::new();
    let ctx = ReaderContext::new(&env);
    let source =
        Source::from_bytes("b.yaml", "\u{feff}k: &a x\r\nl: *a\r\n".as_bytes()).expect("UTF-8");
    let root = ctx.parse(&source, Bounds::default()).expect("a tree");
    let mut fields = Fields::of(&root, "the config", &ctx).expect("a mapping");
    let (k, l) = (fields.req("k"), fields.req("l").str());
    fields.finish();
    assert_eq!(k.str().as_deref(), Ok("x"));
    assert_eq!(
        k.place().map(|at| at.to_string()).as_deref(),
        Some("b.yaml:1:7")
    );
    assert_eq!(l.as_deref(), Ok("x"));
    assert!(ctx.into_faults().is_empty());
}
