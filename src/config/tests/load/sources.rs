//! Sources of the membership that are asked while the gate runs.

use super::*;

fn of(source: &str) -> String {
    complaint(&format!("membership: {{{source}}}\n"))
}

#[test]
fn an_endpoint_is_read_strictly() {
    let good = "url: \"https://app.test/m\"";
    for (given, parts) in [
        ("{}", &["missing key `url`"][..]),
        (
            "{url: \"http://app.test/m\"}",
            &["`url` is not https", "loopback and private addresses"],
        ),
        ("{url: \"https://app.test\"}", &["`url` has no path"]),
        (
            "{url: \"https://u:hunter2@app.test/m\"}",
            &["user name or password"],
        ),
        (
            "{url: \"https://169.254.169.254/m\"}",
            &["hand out credentials"],
        ),
        (
            "{url: \"https://app.test/{user}\"}",
            &["is for `mode: lookup`"],
        ),
        (
            "{mode: lookup, url: \"https://app.test/m\"}",
            &["has no `{user}`"],
        ),
        (
            "{mode: lookup, url: \"https://{user}.test/m\"}",
            &["in its host"],
        ),
        (
            "{GOOD, interval: 0.5s}",
            &["`interval` is out of range", "from 1s"],
        ),
        (
            "{GOOD, max_bytes: 2GiB}",
            &["`max_bytes` is out of range", "1GiB"],
        ),
        (
            "{GOOD, mode: both}",
            &["`mode` has an unknown value", "`snapshot` or `lookup`"],
        ),
        (
            "{mode: lookup, url: \"https://app.test/{user}\", ttl: 2s, negative_ttl: 3s}",
            &["`negative_ttl` is longer than `ttl`"],
        ),
        (
            "{GOOD, ttl: 5s}",
            &["warning", "`ttl` has no effect without `mode: lookup`"],
        ),
        (
            "{GOOD, allow_emty: true}",
            &["unknown key `allow_emty`", "did you mean `allow_empty`?"],
        ),
    ] {
        let told = of(&format!("http: {}", given.replace("GOOD", good)));
        for part in parts {
            assert!(told.contains(part), "given {given}: {told}");
        }
    }
    let lookup = of("http: {mode: lookup, url: \"https://app.test/{user}\", interval: 5s}");
    assert!(
        lookup.contains("`interval` has no effect without `mode: snapshot`"),
        "{lookup}"
    );
    assert_eq!(of(&format!("http: {{{good}}}")), "");
    let shown = of("http: {url: \"https://app.test/m\", token: \"hunter2\", interval: x}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn clerk_as_a_source_needs_the_secret_key() {
    let told = of("clerk: {}");
    for part in ["needs the secret key", "CLERK_SECRET_KEY"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(told.matches("error[").count(), 1, "{told}");
    let keyed = "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, authorized_parties: [https://a.example], \
                 secret_key: sk_live_abcdefghijklmnop}\n";
    assert_eq!(
        complaint(&format!("{keyed}membership: {{clerk: {{}}}}\n")),
        ""
    );
    let told = complaint(&format!(
        "{keyed}membership: {{clerk: {{reconcile: 10s}}}}\n"
    ));
    assert!(told.contains("`reconcile` is out of range"), "{told}");
    // A fault of the key itself is said once.
    let wrong = keyed.replace("sk_live_abcdefghijklmnop", "pk_live_x");
    let told = complaint(&format!("{wrong}membership: {{clerk: {{}}}}\n"));
    assert!(!told.contains("needs the secret key"), "{told}");
}

#[test]
fn there_is_one_source_and_it_is_asked_more_often_than_its_word_counts() {
    let told = of("file: m.yaml, http: {url: \"https://app.test/m\"}");
    assert!(
        told.contains("`http` is a second source of one membership"),
        "{told}"
    );
    let told = of("http: {url: \"https://app.test/m\", interval: 10m}, max_age: 10m");
    assert!(
        told.contains("`max_age` is not longer than the time between two looks"),
        "{told}"
    );
    assert_eq!(
        of("http: {url: \"https://app.test/m\", interval: 10m}, max_age: 11m"),
        ""
    );
    let membership = "membership: {http: {url: \"https://app.test/m\", interval: 1h}}\n";
    let loaded = file(membership, env()).unwrap_or_else(|faults| panic!("{faults}"));
    let max_age = loaded
        .settings
        .reloadable
        .membership
        .expect("a membership")
        .policy
        .max_age;
    assert_eq!(
        max_age.expect("an age").as_secs(),
        4 * 3600,
        "a look or two may fail"
    );
}
