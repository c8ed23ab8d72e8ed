//! What must not be seen is not seen.

use std::time::Duration;

use super::{assert_text, complaint, read};
use crate::config::faults::{Code, Fault};
use crate::config::interpolate::FakeEnv;

const MINUTE: std::ops::RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

#[test]
fn a_value_from_outside_is_never_shown() {
    let env = FakeEnv::new().with_var("PORT", "hunter2");
    let (_, got) = read(
        "port: ${PORT}\nmode: ${PORT}\nwait: ${PORT}\n",
        &env,
        |fields| {
            let _ = fields.req("port").u64(1..=65_535);
            let _ = fields.req("mode").one_of(&["enforce", "report"]);
            fields.req("wait").duration(MINUTE)
        },
    );
    let expected = "\
error[B002]: `port` is not a whole number
 --> bailiff.yaml:1:7
1 | port: ${PORT}
  |       ^^^^^^^ expected a whole number from 1 to 65535
  saw    the value of `${PORT}`, not shown

error[B002]: `mode` has an unknown value
 --> bailiff.yaml:2:7
2 | mode: ${PORT}
  |       ^^^^^^^ expected `enforce` or `report`
  saw    the value of `${PORT}`, not shown

error[B002]: `wait` is not a duration
 --> bailiff.yaml:3:7
3 | wait: ${PORT}
  |       ^^^^^^^ expected a duration from 0s to 1m, such as 10s or 15m
  saw    the value of `${PORT}`, not shown
";
    assert_text(&got, expected);
}

#[test]
fn a_secret_is_masked_in_its_own_line_and_in_the_faults_of_its_neighbours() {
    let text = "clerk: {key: hunter2, other: \"${K:-hunter2}\", leeway: 10q}\nweak: hunter2\n";
    let (_, got) = read(text, &FakeEnv::new(), |fields| {
        let mut clerk = fields.req("clerk").fields("an issuer")?;
        let _ = clerk.opt("leeway").duration(MINUTE);
        let _ = clerk.req("key").secret();
        let _ = clerk.req("other").secret();
        clerk.finish();
        let weak = fields.req("weak");
        let secret = weak.secret()?;
        weak.reject(
            Fault::error(Code::Secret, "`weak` is too short")
                .saw(format!("{} bytes", secret.len()))
                .expected("at least 32 bytes"),
        );
        Ok(())
    });
    let expected = "\
error[B002]: `leeway` is not a duration
 --> bailiff.yaml:1:55
1 | clerk: {key: ***, other: \"${K:-***}\", leeway: 10q}
  |                                               ^^^ expected a duration from 0s to 1m, such as 10s or 15m

error[B009]: `weak` is too short
 --> bailiff.yaml:2:7
2 | weak: ***
  |       ^^^ expected at least 32 bytes
  saw    7 bytes
";
    assert_text(&got, expected);
    assert!(!got.contains("hunter2"));
}

#[test]
fn a_secret_in_a_block_or_under_a_wrong_key_is_not_shown() {
    let block = complaint("jwt_key: |\n  hunter2\n", "jwt_key", |field| {
        field.hidden().u64(0..=1)
    });
    let misspelt = complaint("secret_kye: hunter2\n", "secret_key", |f| f.secret());
    let twice = complaint("secret_key: a\nsecret_key: hunter2\n", "secret_key", |f| {
        f.secret()
    });
    let broken = complaint("secret_key: hunter2: x\n", "secret_key", |f| f.secret());
    for text in [block, misspelt, twice, broken] {
        assert!(
            text.starts_with("error[") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[test]
fn a_secret_file_that_everybody_can_read_is_a_warning() {
    let env = FakeEnv::new().with_file("/run/secrets/x", b"s3cret\n", 0o644);
    let (secret, got) = read("key: ${file:/run/secrets/x}\n", &env, |fields| {
        fields.req("key").secret()
    });
    let expected = "\
warning[B013]: every user of this machine can read /run/secrets/x
 --> bailiff.yaml:1:6
1 | key: ${file:/run/secrets/x}
  |      ^^^^^^^^^^^^^^^^^^^^^^
  fix    chmod o-r /run/secrets/x
";
    assert_text(&got, expected);
    assert_eq!(
        secret.as_ref().map(|secret| secret.expose()),
        Some(&b"s3cret"[..])
    );
}
