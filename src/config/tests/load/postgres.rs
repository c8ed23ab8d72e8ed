//! A database as the source of the membership.

use std::time::Duration;

use super::*;
use crate::config::postgres::{PostgresMode, PostgresSource};
use crate::config::settings::{From, MembershipSource};

const URL: &str = "postgres://bailiff:hunter2@db.example.com/app";
const CLERK: &str = "clerk: {authorized_parties: [https://a.example]}\n";
const USERS: &str = "users: 'SELECT clerk_id AS \"user\" FROM users'";

fn read(section: &str) -> Result<Loaded, Faults> {
    let text =
        format!("{CLERK}membership:\n  postgres: {{url: \"${{DATABASE_URL}}\", {section}}}\n");
    file(
        &text,
        env()
            .with_var("DATABASE_URL", URL)
            .with_file("/etc/ca.pem", b"no certificate", 0o644),
    )
}

fn source(section: &str) -> (PostgresSource, Option<Duration>) {
    let loaded = read(section).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    match loaded.settings.reloadable.membership.expect("a membership") {
        MembershipSource {
            from: From::Postgres(source),
            policy,
        } => (PostgresSource::clone(&source), policy.max_age),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_queries_and_an_address_are_enough() {
    let (source, max_age) = source(USERS);
    let mode = PostgresMode::Snapshot {
        channel: "bailiff_membership".to_owned(),
        interval: Duration::from_secs(60),
        allow_empty: false,
    };
    assert_eq!(
        (
            source.mode.clone(),
            source.has_tls(),
            source.members.is_none()
        ),
        (mode, true, true)
    );
    assert_eq!(max_age, Some(Duration::from_secs(15 * 60)));
    assert_eq!(source.to_string(), "PostgreSQL at db.example.com:5432/app");
    assert!(!format!("{source:?}").contains("hunter2"), "{source:?}");

    let lookup = "mode: lookup, users: 'SELECT \"user\" FROM t WHERE \"user\" = $1', ttl: 2s";
    let mode = PostgresMode::Lookup {
        ttl: Duration::from_secs(2),
        negative_ttl: Duration::from_secs(2),
    };
    assert_eq!(super::postgres::source(lookup).0.mode, mode);
}

#[test]
fn what_cannot_work_is_said_with_its_key() {
    for (section, expected) in [
        ("members: x".to_owned(), "missing key `users`"),
        (
            format!("{USERS}, mode: table"),
            "`mode` has an unknown value",
        ),
        (
            format!("{USERS}, mode: lookup"),
            "`users` has no `$1`, so it would not ask for one user",
        ),
        (format!("{USERS}, chanel: x"), "unknown key `chanel`"),
        (
            format!("{USERS}, channel: Members"),
            "`channel` is no name of a channel",
        ),
        (
            format!("{USERS}, channel: 'a\"; DROP TABLE users; --'"),
            "`channel` is no name of a channel",
        ),
        (
            format!("{USERS}, interval: 100ms"),
            "`interval` is out of range",
        ),
        (
            format!("{USERS}, ttl: 5s"),
            "warning[B011]: `ttl` has no effect without `mode: lookup`",
        ),
        (
            "mode: lookup, users: $1, channel: x".to_owned(),
            "`channel` has no effect without `mode: snapshot`",
        ),
        (
            "mode: lookup, users: $1, ttl: 2s, negative_ttl: 3s".to_owned(),
            "`negative_ttl` is longer than `ttl`",
        ),
        (
            format!("{USERS}, ca: /etc/no.pem"),
            "cannot read /etc/no.pem",
        ),
        (
            format!("{USERS}, ca: /etc/ca.pem"),
            "`ca` names a file without good certificates",
        ),
        ("users: ' '".to_owned(), "`users` is empty"),
    ] {
        let printed = printed(read(&section));
        assert!(printed.contains(expected), "given: {section}\n{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
    let both = "membership: {file: m.yaml, postgres: {url: \"postgres://u:hunter2@h/d\"}}\n";
    let both = printed(file(both, env()));
    assert!(
        both.contains("`postgres` is a second source of one membership")
            && !both.contains("hunter2"),
        "{both}"
    );
    let age = format!("membership:\n  max_age: 30s\n  postgres: {{url: \"{URL}\", {USERS}}}\n");
    assert!(
        printed(file(&age, env()))
            .contains("`max_age` is not longer than the time between two looks")
    );
}

#[test]
fn an_address_is_never_printed_however_wrong_its_surroundings_are() {
    for text in [
        "membership: {postgres: {url: \"postgres://u:hunter2@h/d\", userz: x}}\n",
        "membership: {postgres: {urll: \"postgres://u:hunter2@h/d\", users: x}}\n",
        "membership: {postgres: {url: [\"postgres://u:hunter2@h/d\"], users: x}}\n",
        "membership: {postgres: \"postgres://u:hunter2@h/d\"}\n",
        "membership: {postgre: {url: \"postgres://u:hunter2@h/d\", x: 1}}\n",
        "membership: {postgres: {url: \"mysql://u:hunter2@h/d\", users: x}}\n",
        "membership: {postgres: {url: \"postgres://u:p@hunter2@h/d\", users: x}}\n",
        "membership: {postgres: {url: \"postgres://u:hunter2@h/d?sslmode=prefer\", users: x}}\n",
    ] {
        let printed = printed(file(text, env()));
        assert!(
            printed.contains("error[") && !printed.contains("hunter2"),
            "given: {text}\n{printed}"
        );
    }
}
