//! No text, however hostile, does anything but give faults, and soon.

use std::time::Duration;

use proptest::prelude::*;

use crate::clock::monotonic;

use crate::config::faults::Faults;
use crate::config::interpolate::FakeEnv;
use crate::config::reader::{Field, Fields, ReaderContext, Shape};
use crate::config::source::Source;
use crate::config::yaml::{Bounds, parse};

const VALID: &str = "\
listen: 0.0.0.0:8484 # the gate
upstream: \"http://127.0.0.1:3000\"
clerk: &clerk
  publishable_key: ${CLERK_PUBLISHABLE_KEY:-pk_test_x}
  secret_key: '${file:/run/secrets/x}'
  jwt_key: |
    -----BEGIN PUBLIC KEY-----
    MIIB
  leeway: 10.0
issuers: [*clerk, {issuer: https://é.example.com}]
routes:
  - {path: /api/**, access: user, methods: [GET, POST]}
  - path: \"/ws/{workspace}\"
    access: !!str owner
";

/// Reads everything as everything, and prints.
fn exhaust(bytes: &[u8]) -> String {
    let env = FakeEnv::new().with_var("A", "a");
    let ctx = ReaderContext::new(&env);
    let source = match Source::from_bytes("any.yaml", bytes) {
        Ok(source) => source,
        Err(faults) => {
            ctx.merge(faults);
            return ctx.into_faults().to_string();
        }
    };
    if let Ok(root) = ctx.parse(&source, Bounds::default()) {
        visit(Field::root(&root, "root", &ctx));
        if let Ok(mut fields) = Fields::of(&root, "root", &ctx) {
            let _ = fields.req("listen").hidden().str();
            fields.finish();
        }
    }
    let faults = ctx.into_faults();
    format!("{faults}{}", faults.to_json())
}

fn visit(field: Field<'_>) {
    let _ = (
        field.str(),
        field.bool(),
        field.u64(0..=9),
        field.bytes(0..=9),
        field.one_of(&["user", "owner"]),
    );
    let _ = field.duration(Duration::ZERO..=Duration::from_secs(9));
    match field.shape() {
        Some(Shape::List) => field.list().into_iter().flatten().for_each(visit),
        Some(Shape::Map) => field
            .members()
            .into_iter()
            .flatten()
            .for_each(|member| visit(member.value)),
        Some(Shape::Scalar) | None => {}
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exhaust(&bytes);
    }

    #[test]
    fn any_text_of_yaml_signs_is_read_without_a_panic(text in "[-a:{}\\[\\]&*!|>'\"#%@` \t\r\n$?,~<é\u{feff}]{0,80}") {
        exhaust(text.as_bytes());
    }

    #[test]
    fn a_mutated_config_is_read_without_a_panic(
        edits in prop::collection::vec((0..VALID.len(), 0..6_usize, "[-a:{}\\[\\]&*!|>'\"# \t\n$]{0,4}"), 1..6),
    ) {
        let mut text = VALID.as_bytes().to_vec();
        for (at, cut, new) in edits {
            let at = at.min(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, new.bytes());
        }
        exhaust(&text);
    }
}

#[test]
fn the_text_that_is_mutated_is_valid() {
    let mut faults = Faults::new();
    assert!(
        parse(
            &Source::new("valid.yaml", VALID),
            Bounds::default(),
            &mut faults
        )
        .is_some()
    );
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn bombs_end_soon_and_with_a_fault() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = format!("*a{}", level - 1);
        laughs += &format!(
            "a{level}: &a{level} [{}]\n",
            [before.as_str(); 10].join(", ")
        );
    }
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        ["*a"; 1000].join(", ")
    );
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        deep += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    let wrong_keys: String = (0..200_000)
        .map(|key| format!("secret{key}: x, "))
        .collect();
    for (name, text, code) in [
        ("billion laughs", laughs, "B015"),
        ("a long text repeated", long, "B015"),
        ("depth by aliases", deep, "B015"),
        ("brackets", "[".repeat(200_000), "B015"),
        ("braces", "{".repeat(200_000), "B015"),
        ("dashes", "- ".repeat(200_000), "B015"),
        ("question marks", "? ".repeat(200_000), "B015"),
        ("itself", "a: &a [*a]\n".to_owned(), "B007"),
        ("too large", " ".repeat((8 << 20) + 1), "B015"),
        (
            "too many",
            "[0,".to_owned() + &"0,".repeat(2_000_000),
            "B015",
        ),
        ("one key for ever", "a: 1\n".repeat(100_000), "B005"),
        (
            "one long line",
            format!("a: {}", "x: ".repeat(1_000_000)),
            "B007",
        ),
        (
            "wrong keys in one line",
            format!("{{{wrong_keys}}}"),
            "B002",
        ),
    ] {
        let start = monotonic();
        let printed = exhaust(text.as_bytes());
        assert!(printed.contains(code), "given: {name}\n{printed:.1000}");
        assert!(printed.len() < 1 << 20, "given: {name}");
        println!("{name} ended after {:?}", start.elapsed());
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "given: {name}: {:?}",
            start.elapsed()
        );
    }
}

/// A release build takes well under a second; a debug build on a busy machine must still end.
#[test]
fn a_hundred_thousand_rows_are_read_in_a_moment() {
    let mut text = "users:\n".to_owned();
    for row in 0..100_000 {
        text +=
            &format!("  user_{row}: {{id: {row}, email: a{row}@example.com, access: active}}\n");
    }
    let env = FakeEnv::new();
    let ctx = ReaderContext::new(&env);
    let start = monotonic();
    let root = ctx
        .parse(&Source::new("membership.yaml", &text), Bounds::default())
        .expect("a tree");
    let parsed = start.elapsed();
    let mut fields = Fields::of(&root, "the membership", &ctx).expect("a mapping");
    let mut rows = 0;
    for member in fields.req("users").members().unwrap_or_default() {
        let mut user = member.value.fields("a user").expect("a mapping");
        let read = (
            user.req("id").str(),
            user.opt("email").str(),
            user.req("access").one_of(&["active", "pending"]),
        );
        user.finish();
        rows += usize::from(read.0.is_ok() && read.1.is_ok() && read.2.is_ok());
    }
    fields.finish();
    assert_eq!(rows, 100_000);
    println!(
        "parsed in {parsed:?}, read in {:?}",
        start.elapsed() - parsed
    );
    assert!(start.elapsed() < Duration::from_secs(120));
}
