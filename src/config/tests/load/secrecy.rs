use super::*;
use crate::config::reader::environment::VARIABLES;

const HIDDEN: &[&str] = &[
    "hunter2hunter2",
    "sk_live_topsecret",
    "whsec_dG9wc2VjcmV0",
    "MIIEvgIBADANBgkq",
];

/// Every place where a secret can stand, each with something wrong near it.
#[test]
fn no_secret_of_a_file_is_ever_printed() {
    let text = "\
upstream: ftp://x
clerk: {publishable_key: sk_live_topsecret, secret_key: hunter2hunter2, jwt_key: MIIEvgIBADANBgkq, leeway: 1h}
webhooks: {secrets: [whsec_dG9wc2VjcmV0, \"whsec_dG9wc2VjcmV0\"], tolerance: never}
service_tokens: [{name: a, token: \"hunter2hunter2,\", nmae: x}, {name: b, sha256: hunter2hunter2}, {name: c, token: \"${T:-hunter2hunter2}\", sha256: x}]
local: {token: [hunter2hunter2, \"hunter2hunter2,\"], sha256: hunter2hunter2, usr_id: x}
routes: [{path: /, access: servce}]
";
    let shapeless = "\
clerk: [{secret_key: hunter2hunter2}]
webhooks: [{secrets: hunter2hunter2}]
service_tokens: {name: a, token: hunter2hunter2}
issuers: {name: x, tokn: hunter2hunter2}
";
    let bare = "\
upstream: http://app:hunter2hunter2@127.0.0.1:1
clerk: {issuer: \"https://hunter2hunter2@x\", jwks_url: \"https://me:hunter2hunter2@x/y\"}
webhooks: hunter2hunter2
service_tokens: [hunter2hunter2, [hunter2hunter2]]
local: hunter2hunter2
";
    for text in [text, shapeless, bare] {
        check(text);
    }
}

fn check(text: &str) {
    let env = FakeEnv::new().with_file("/b.yaml", text.as_bytes(), 0o600);
    let faults = load(Some(Path::new("/b.yaml")), &Overrides::default(), &env).expect_err("faults");
    assert!(faults.sorted().len() > 4, "{faults}");
    for secret in HIDDEN {
        assert!(!faults.to_string().contains(secret), "{secret}:\n{faults}");
        assert!(!faults.to_json().to_string().contains(secret), "{secret}");
    }
}

#[test]
fn no_value_of_the_environment_is_ever_printed_be_it_a_secret_or_not() {
    // A wrong port is a number that somebody chose, and is shown.
    let names: Vec<_> = VARIABLES.iter().filter(|name| **name != "PORT").collect();
    // Nearly every text is a path, so this one is wrong in another way.
    let wrong = |name: &str| {
        if name == "BAILIFF_STORE" {
            "hunter2/"
        } else {
            "hunter2"
        }
    };
    let env = names
        .iter()
        .fold(FakeEnv::new(), |env, name| env.with_var(name, wrong(name)));
    let faults = alone(&env).expect_err("faults");
    for name in names {
        assert!(
            faults.to_string().contains(name),
            "{name} has no fault:\n{faults}"
        );
    }
    assert!(!faults.to_string().contains("hunter2"), "{faults}");
}

#[test]
fn settings_do_not_print_their_secrets_either() {
    let env = env()
        .with_var("CLERK_SECRET_KEY", "sk_test_hunter2hunter2hunter2")
        .with_var(
            "CLERK_WEBHOOK_SECRET",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        )
        .with_var("SERVICE_AUTH_TOKEN", "hunter2hunter2hunter2");
    let loaded = alone(&env).expect("a config");
    let local = FakeEnv::new()
        .with_var("BAILIFF_UPSTREAM", APP)
        .with_var("AUTH_MODE", "local");
    let local =
        alone(&local.with_var("LOCAL_AUTH_TOKEN", "hunter2hunter2hunter2")).expect("a config");
    assert!(!format!("{local:?}").contains("hunter2"));
    let printed = format!("{loaded:?} {:#?}", loaded.settings);
    for secret in ["hunter2", "MfKQ9r8G"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}

#[test]
fn a_secret_file_that_everybody_can_read_is_a_warning() {
    let env = env()
        .with_var("SERVICE_AUTH_TOKEN_FILE", "/run/token")
        .with_file("/run/token", b"0123456789abcdef\n", 0o644);
    let loaded = alone(&env).expect("a config");
    let expected = "warning[B013]: every user of this machine can read /run/token\n  fix    chmod o-r /run/token\n";
    assert!(
        loaded.warnings.to_string().contains(expected),
        "{}",
        loaded.warnings
    );
}
