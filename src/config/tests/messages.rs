use std::time::Duration;

use super::{assert_text, complaint, read};
use crate::config::faults::{Code, Fault, Faults, Severity, quoted};
use crate::config::interpolate::FakeEnv;
use crate::config::reader::{Field, Fields, ReaderContext, Reading};
use crate::config::source::Source;
use crate::config::yaml::{Bounds, parse};

const MINUTE: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

fn leeway(field: Field<'_>) -> Reading<Duration> {
    field.duration(MINUTE)
}

#[test]
fn an_unknown_key_names_the_near_one() {
    let got = complaint("\n\nleway: 10s\n", "leeway", leeway);
    let expected = "\
error[B001]: unknown key `leway`
 --> bailiff.yaml:3:1
3 | leway: 10s
  | ^^^^^ did you mean `leeway`?
";
    assert_text(&got, expected);
}

#[test]
fn an_unknown_key_with_no_near_one_names_the_known_ones() {
    let got = complaint("colour: red\n", "leeway", leeway);
    let expected = "\
error[B001]: unknown key `colour`
 --> bailiff.yaml:1:1
1 | colour: red
  | ^^^^^^ expected `leeway`
";
    assert_text(&got, expected);
}

#[test]
fn a_misspelt_required_key_is_one_mistake() {
    let (_, got) = read("upstram: x\n", &FakeEnv::new(), |fields| {
        fields.req("upstream").str()
    });
    let expected = "\
error[B001]: unknown key `upstram`
 --> bailiff.yaml:1:1
1 | upstram: x
  | ^^^^^^^ did you mean `upstream`?
";
    assert_text(&got, expected);
}

#[test]
fn a_missing_key_is_shown_at_the_mapping_that_lacks_it() {
    let (_, got) = read("routes:\n  - {path: /a}\n", &FakeEnv::new(), |fields| {
        for route in fields.req("routes").list()? {
            let mut route = route.fields("a route")?;
            let _ = (route.req("path").str(), route.req("access").str());
            route.finish();
        }
        Ok(())
    });
    let expected = "\
error[B004]: missing key `access`
 --> bailiff.yaml:2:5
2 |   - {path: /a}
  |     ^ expected `access` in a route
";
    assert_text(&got, expected);
}

#[test]
fn a_wrong_value_says_what_would_be_right() {
    let got = complaint("leeway: 10 sek\n", "leeway", leeway);
    let expected = "\
error[B002]: `leeway` is not a duration
 --> bailiff.yaml:1:9
1 | leeway: 10 sek
  |         ^^^^^^ expected a duration from 0s to 1m, such as 10s or 15m
";
    assert_text(&got, expected);
    let got = complaint("leeway: 2h\n", "leeway", leeway);
    let expected = "\
error[B002]: `leeway` is out of range
 --> bailiff.yaml:1:9
1 | leeway: 2h
  |         ^^ expected a duration from 0s to 1m, such as 10s or 15m
";
    assert_text(&got, expected);
}

#[test]
fn norway_is_not_false() {
    let got = complaint("verify_iat: no\n", "verify_iat", |f| f.bool());
    let expected = "\
error[B002]: `verify_iat` is not a boolean
 --> bailiff.yaml:1:13
1 | verify_iat: no
  |             ^^ did you mean `false`?
  expect `true` or `false` without quotes
";
    assert_text(&got, expected);
}

#[test]
fn a_wrong_shape_says_what_stands_there() {
    let got = complaint("routes:\n  /a: user\n", "routes", |f| f.list().map(drop));
    let expected = "\
error[B002]: `routes` must be a list
 --> bailiff.yaml:1:1
1 | routes:
  | ^^^^^^ expected a list: [a, b], or one `- item` per line
  saw    a mapping
";
    assert_text(&got, expected);
}

#[test]
fn an_empty_value_is_a_fault_even_for_an_optional_key() {
    let got = complaint("leeway:\n# 10s\n", "leeway", leeway);
    let expected = "\
error[B002]: empty value for `leeway`
 --> bailiff.yaml:1:1
1 | leeway:
  | ^^^^^^ expected a value
  fix    write a value, or remove the key
";
    assert_text(&got, expected);
}

#[test]
fn a_key_that_stands_twice_is_shown_where_it_stands_again() {
    let got = complaint("leeway: 10s\nleeway: 20s\n", "leeway", leeway);
    let expected = "\
error[B005]: key `leeway` stands twice
 --> bailiff.yaml:2:1
2 | leeway: 20s
  | ^^^^^^
  saw    the first one in line 1
";
    assert_text(&got, expected);
}

#[test]
fn bad_indentation_is_shown_where_it_begins() {
    let got = complaint(
        "clerk:\n    leeway: 10s\n  verify_iat: true\n",
        "clerk",
        |f| f.str(),
    );
    let expected = "\
error[B007]: this line does not fit the indent of the lines above
 --> bailiff.yaml:3:3
3 |   verify_iat: true
  |   ^
  fix    give all keys of one mapping, and all items of one list, the same indent
";
    assert_text(&got, expected);
}

#[test]
fn a_tab_is_called_a_tab() {
    let got = complaint("clerk:\n\tleeway: 10s\n", "clerk", |f| f.str());
    let expected = "\
error[B007]: a tab is used for indentation
 --> bailiff.yaml:2:1
2 | \tleeway: 10s
  | ^ expected spaces
";
    assert_text(&got, expected);
}

#[test]
fn a_reference_in_a_flow_list_needs_quotes() {
    let got = complaint("secrets: [${A}, ${B}]\n", "secrets", |f| f.list().map(drop));
    let expected = "\
error[B007]: `${...}` inside `[ ]` or `{ }` needs quotes
 --> bailiff.yaml:1:12
1 | secrets: [${A}, ${B}]
  |            ^
  fix    write it as \"${...}\"
";
    assert_text(&got, expected);
}

#[test]
fn a_missing_variable_names_itself_and_the_key() {
    let got = complaint("leeway: ${CLERK_LEEWAY}\n", "leeway", leeway);
    let expected = "\
error[B008]: environment variable `CLERK_LEEWAY` is not set, but `leeway` needs it
 --> bailiff.yaml:1:9
1 | leeway: ${CLERK_LEEWAY}
  |         ^^^^^^^^^^^^^^^
  fix    export CLERK_LEEWAY=…, or give a default: ${CLERK_LEEWAY:-…}
";
    assert_text(&got, expected);
}

#[test]
fn only_whole_values_are_replaced() {
    let got = complaint("upstream: http://${HOST}:3000\n", "upstream", |f| f.str());
    let expected = "\
error[B014]: `upstream`: only whole values are replaced
 --> bailiff.yaml:1:11
1 | upstream: http://${HOST}:3000
  |           ^^^^^^^^^^^^^^^^^^^ expected one of ${NAME}, ${NAME:-default}, ${file:/path} and nothing else
  fix    put the whole text into the variable
";
    assert_text(&got, expected);
}

#[test]
fn all_faults_of_a_text_come_at_once_and_in_its_order() {
    let text = "\
listen: 0.0.0.0:8484
clerk:
  leway: 10s
  verify_iat: yes
  verify_iat: true
  key: *nowhere
<<: {a: b}
routes: none
";
    let (_, got) = read(text, &FakeEnv::new(), |fields| {
        let _ = fields.req("routes").list();
        let _ = fields.req("listen").str();
        let _ = fields.req("upstream").str();
        let mut clerk = fields.req("clerk").fields("an issuer")?;
        let _ = (
            clerk.opt("leeway").duration(MINUTE),
            clerk.opt("verify_iat").bool(),
            clerk.req("key").str(),
        );
        clerk.finish();
        Ok(())
    });
    let heads: Vec<&str> = got
        .lines()
        .filter(|line| line.starts_with("error") || line.starts_with(" -->"))
        .collect();
    let expected = [
        "error[B004]: missing key `upstream`",
        " --> bailiff.yaml:1:1",
        "error[B001]: unknown key `leway`",
        " --> bailiff.yaml:3:3",
        "error[B002]: `verify_iat` is not a boolean",
        " --> bailiff.yaml:4:15",
        "error[B005]: key `verify_iat` stands twice",
        " --> bailiff.yaml:5:3",
        "error[B007]: no anchor `&nowhere` above",
        " --> bailiff.yaml:6:8",
        "error[B007]: merge keys (`<<`) are not supported",
        " --> bailiff.yaml:7:1",
        "error[B002]: `routes` must be a list",
        " --> bailiff.yaml:8:9",
    ];
    assert_eq!(heads, expected, "{got}");
}

#[test]
fn texts_that_are_no_config_say_so() {
    for (given, expected) in [
        (
            "",
            "error[B006]: c.yaml is empty\n  expect a mapping with at least one key\n",
        ),
        (
            "# nothing\n",
            "error[B006]: c.yaml is empty\n  expect a mapping with at least one key\n",
        ),
        (
            "---\n",
            "error[B006]: c.yaml is empty\n  expect a mapping with at least one key\n",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "error[B007]: a second document begins here\n --> c.yaml:2:1\n2 | ---\n  | ^^^\n  fix    keep one document per file\n",
        ),
    ] {
        let mut faults = Faults::new();
        let _ = parse(
            &Source::new("c.yaml", given),
            Bounds::default(),
            &mut faults,
        );
        assert_text(&faults.to_string(), expected);
    }
    let fault = Source::from_bytes("c.yaml", b"a: \xff\n").expect_err("not UTF-8");
    assert!(
        fault.to_string().contains("saw    byte 0xff at offset 3"),
        "{fault}"
    );
    let fault = Source::read(std::path::Path::new("/nonexistent/c.yaml"), 10).expect_err("no file");
    assert!(
        fault
            .to_string()
            .contains("saw    No such file or directory (os error 2)"),
        "{fault}"
    );
    let fault = Source::read(std::path::Path::new("/dev/zero"), 10).expect_err("endless");
    assert!(
        fault.to_string().contains("saw    not a regular file"),
        "{fault}"
    );
}

#[test]
fn a_program_gets_the_same_as_json() {
    let env = FakeEnv::new();
    let ctx = ReaderContext::new(&env);
    let root = ctx
        .parse(&Source::new("b.yaml", "leway: 10s\n"), Bounds::default())
        .expect("a tree");
    let mut fields = Fields::of(&root, "the config", &ctx).expect("a mapping");
    let _ = fields.opt("leeway").duration(MINUTE);
    fields.finish();
    let expected = serde_json::json!([{
        "code": "B001", "severity": "error", "what": "unknown key `leway`", "file": "b.yaml",
        "line": 1, "column": 1, "text": "leway: 10s", "near": "leeway",
    }]);
    assert_eq!(ctx.into_faults().to_json(), expected);
}

#[test]
fn forgetting_to_finish_is_a_fault() {
    let env = FakeEnv::new();
    let ctx = ReaderContext::new(&env);
    let root = ctx
        .parse(&Source::new("b.yaml", "a: 1\n"), Bounds::default())
        .expect("a tree");
    drop(Fields::of(&root, "the config", &ctx));
    assert!(
        ctx.into_faults()
            .to_string()
            .starts_with("error[B090]: the keys of the config were not all read")
    );
}

#[test]
fn faults_are_bounded_counted_once_and_judged() {
    let mut faults = Faults::new();
    faults.push(Fault::warning(Code::ExposedFile, "same"));
    faults.push(Fault::warning(Code::ExposedFile, "same"));
    assert_eq!(
        (faults.count(Severity::Warning), faults.has_errors()),
        (1, false)
    );
    assert!(faults.clone().judge(Some(1)).is_ok());
    assert!(
        faults
            .clone()
            .judge(None::<u8>)
            .is_err_and(|faults| faults.has_errors())
    );
    for number in 0..300 {
        faults.push(Fault::error(Code::Route, format!("fault {number}")));
    }
    let mut all = Faults::new();
    all.merge(faults);
    assert_eq!(all.count(Severity::Error), 300);
    assert!(all.to_string().ends_with("\nand 101 more\n"));
    assert!(all.judge(Some(1)).is_err());
}

#[test]
fn codes_are_unique_and_explained() {
    for (index, code) in Code::ALL.iter().enumerate() {
        assert!(code.explanation().ends_with('.'));
        assert!(
            Code::ALL
                .iter()
                .skip(index + 1)
                .all(|other| other.name() > code.name())
        );
    }
}

#[test]
fn foreign_text_cannot_draw_on_the_terminal() {
    assert_eq!(
        quoted("a\u{1b}[31m\nb\u{202e}"),
        "`a\\u{1b}[31m\\nb\\u{202e}`"
    );
    assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    let got = complaint("a: \"\u{1b}\u{202e}\"\n", "b", |f| f.str());
    assert!(!got.contains(['\u{1b}', '\u{202e}']), "{got:?}");
}
