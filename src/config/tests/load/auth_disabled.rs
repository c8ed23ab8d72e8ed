//! `AUTH_DISABLED`.

use super::messages::assert_text;
use super::*;
use crate::domain::static_user::StaticAuth;

const LIVE: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";

/// Where it is allowed: on loopback, with the key of a development instance.
fn here() -> FakeEnv {
    env()
        .with_var("AUTH_DISABLED", "true")
        .with_var("BAILIFF_LISTEN", "127.0.0.1:8484")
}

fn is_off(loaded: &Loaded) -> bool {
    matches!(
        loaded.settings.reloadable.rules.static_user,
        Some(StaticAuth::Disabled(_))
    )
}

#[test]
fn on_this_machine_it_is_a_warning() {
    let expected = "\
warning[B016]: `AUTH_DISABLED`: authentication is switched off, and whoever reaches this gate is the user `dev_user` with every role and every flag
  fix    unset AUTH_DISABLED; until then let no reverse proxy, tunnel or port forward lead here: whoever comes through it counts as being on this machine
";
    let loaded = alone(&here()).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(is_off(&loaded));
    assert!(
        loaded.warnings.to_string().contains(expected),
        "{}",
        loaded.warnings
    );
    let keyless = FakeEnv::new()
        .with_var("BAILIFF_UPSTREAM", APP)
        .with_var("BAILIFF_LISTEN", "127.0.0.1:8484");
    let loaded =
        alone(&keyless.with_var("AUTH_DISABLED", "1")).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(
        is_off(&loaded) && loaded.settings.reloadable.rules.issuers.is_empty(),
        "no key is needed"
    );
}

#[test]
fn a_134_anywhere_else_the_start_is_refused_with_both_reasons() {
    let expected = "\
error[B016]: `AUTH_DISABLED` would let in whoever reaches 0.0.0.0:8484, which is not this machine alone
  fix    unset AUTH_DISABLED, or `listen: 127.0.0.1:8484`; `bailiff demo` needs no account

error[B016]: `AUTH_DISABLED` beside `CLERK_PUBLISHABLE_KEY`, which is a live key: where real users sign in, nobody comes in without signing in
  fix    unset AUTH_DISABLED, or use the keys of a development instance (pk_test_…)
";
    let env = env()
        .with_var("AUTH_DISABLED", "true")
        .with_var("CLERK_PUBLISHABLE_KEY", LIVE);
    let said = printed(alone(&env));
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn only_addresses_of_this_machine_alone_will_do() {
    for (listen, good) in [
        ("127.0.0.1:8484", true),
        ("127.9.9.9:8484", true),
        ("\"[::1]:8484\"", true),
        ("\"[::ffff:127.0.0.1]:8484\"", true),
        ("unix:/run/bailiff.sock", true),
        ("[127.0.0.1:8484, \"unix:/run/bailiff.sock\"]", true),
        ("0.0.0.0:8484", false),
        ("\"[::]:8484\"", false),
        ("\"[::ffff:0.0.0.0]:8484\"", false),
        ("10.0.0.1:8484", false),
        ("192.168.1.2:8484", false),
        ("169.254.1.1:8484", false),
        ("localhost:8484", false),
        ("dev.example.com:8484", false),
        ("[127.0.0.1:8484, 10.0.0.1:8484]", false),
    ] {
        let loaded = file(
            &format!("listen: {listen}\n"),
            env().with_var("AUTH_DISABLED", "true"),
        );
        assert_eq!(loaded.is_ok(), good, "{listen}\n{}", printed(loaded));
    }
    let place = printed(file(
        "listen: 0.0.0.0:80\n",
        env().with_var("AUTH_DISABLED", "true"),
    ));
    assert!(
        place.contains("--> /etc/bailiff/bailiff.yaml:1:9"),
        "{place}"
    );
    for (name, value) in [("BAILIFF_LISTEN", "0.0.0.0:8484"), ("PORT", "8080")] {
        let loaded = alone(
            &env()
                .with_var("AUTH_DISABLED", "true")
                .with_var(name, value),
        );
        assert!(
            printed(loaded).contains("which is not this machine alone"),
            "{name}"
        );
    }
}

#[test]
fn a_live_key_anywhere_is_one_too_many() {
    let secret = "sk_live_abcdefghijklmnopqrst";
    for (name, value) in [
        ("CLERK_PUBLISHABLE_KEY", LIVE),
        ("CLERK_SECRET_KEY", secret),
        ("CLERK_API_KEY", secret),
        ("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", LIVE),
        ("VITE_CLERK_PUBLISHABLE_KEY", LIVE),
        ("SERVICE_AUTH_TOKEN", secret),
    ] {
        let said = printed(alone(&here().with_var(name, value)));
        assert!(
            said.contains(&format!(
                "`AUTH_DISABLED` beside `{name}`, which is a live key"
            )),
            "{name}\n{said}"
        );
        assert!(!said.contains(secret) && !said.contains(LIVE), "{said}");
    }
    let mounted = here()
        .with_var("CLERK_SECRET_KEY_FILE", "/run/k")
        .with_file("/run/k", secret.as_bytes(), 0o600);
    assert!(printed(alone(&mounted)).contains("`CLERK_SECRET_KEY_FILE`, which is a live key"));
    for text in [
        format!("clerk: {{publishable_key: {LIVE}}}\n"),
        format!("clerk: {{publishable_key: {KEY}, secret_key: {secret}}}\n"),
        format!("clerk: {{publishable_key: \"${{NONE:-{LIVE}}}\"}}\n"),
        "clerk: {publishable_key: \"${HIDDEN}\"}\n".to_owned(),
        "clerk: {publishable_key: \"${file:/run/key}\"}\n".to_owned(),
        format!(
            "service_tokens: [{{name: a, token: {secret}}}]\nroutes: [{{path: /**, access: service}}]\n"
        ),
    ] {
        let env = here()
            .with_var("HIDDEN", LIVE)
            .with_file("/run/key", LIVE.as_bytes(), 0o600);
        let said = printed(file(&text, env));
        assert!(
            said.contains("`AUTH_DISABLED` beside a live key in the config"),
            "{text}\n{said}"
        );
        assert!(!said.contains(secret), "{said}");
    }
    assert!(
        file(
            &format!("clerk: {{publishable_key: {KEY}}}\n# {LIVE}\n"),
            here()
        )
        .is_ok(),
        "a comment is no key"
    );
}

#[test]
fn only_the_variable_itself_switches_authentication_off() {
    for (value, off) in [
        ("true", Some(true)),
        ("TRUE", Some(true)),
        ("True", Some(true)),
        ("1", Some(true)),
        ("false", Some(false)),
        ("False", Some(false)),
        ("0", Some(false)),
        ("yes", None),
        ("on", None),
        ("2", None),
        (" true", None),
    ] {
        let loaded = alone(&here().with_var("AUTH_DISABLED", value));
        assert_eq!(loaded.as_ref().ok().map(is_off), off, "{value:?}");
    }
    assert!(
        !is_off(&alone(&here().with_var("AUTH_DISABLED", "")).expect("a config")),
        "nothing is not set"
    );
    let by_file = env()
        .with_var("AUTH_DISABLED_FILE", "/run/off")
        .with_var("BAILIFF_LISTEN", "127.0.0.1:8484");
    let on = by_file.clone().with_file("/run/off", b"true\n", 0o600);
    let said = printed(alone(&on));
    assert!(
        said.contains("`AUTH_DISABLED_FILE` switches authentication off by a file"),
        "{said}"
    );
    assert!(
        alone(&by_file.with_file("/run/off", b"false\n", 0o600))
            .is_ok_and(|loaded| !is_off(&loaded))
    );
    let key = printed(file("auth_disabled: true\nlisten: 127.0.0.1:1\n", env()));
    assert!(key.contains("unknown key `auth_disabled`"), "{key}");
}

#[test]
fn what_is_wrong_with_the_config_stays_wrong() {
    let text = "listen: 127.0.0.1:8484\nroutes:\n  - {path: /a, access: active}\n  - {path: /b, access: ownr}\n";
    let said = printed(file(text, env().with_var("AUTH_DISABLED", "true")));
    assert!(
        said.contains("access `active` needs to know who is active"),
        "{said}"
    );
    assert!(
        said.contains("is neither an access word nor a role"),
        "{said}"
    );
}

#[test]
fn no_token_and_one_shared_token_are_two_things() {
    let env = here()
        .with_var("AUTH_MODE", "local")
        .with_var("LOCAL_AUTH_TOKEN", "0123456789abcdef");
    let expected = "\
error[B011]: `AUTH_DISABLED` beside local mode: either a token is asked for, or none is
  fix    unset AUTH_DISABLED
";
    let said = printed(alone(&env));
    assert!(said.starts_with(expected), "{said}");
    assert_text(
        printed(alone(&here().with_var("AUTH_DISABLED", "maybe")))
            .lines()
            .next()
            .unwrap_or_default(),
        "error[B002]: `AUTH_DISABLED` is neither on nor off",
    );
}
