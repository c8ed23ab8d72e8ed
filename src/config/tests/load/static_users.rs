//! One shared token: `local:`, `AUTH_MODE` and `LOCAL_AUTH_TOKEN`.

use super::messages::assert_text;
use super::*;
use crate::domain::snapshot::Rules;
use crate::domain::static_user::StaticAuth;
use std::sync::Arc;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An environment without Clerk.
fn bare() -> FakeEnv {
    FakeEnv::new().with_var("BAILIFF_UPSTREAM", APP)
}

fn rules(loaded: Result<Loaded, Faults>) -> Arc<Rules> {
    loaded
        .unwrap_or_else(|faults| panic!("{faults}"))
        .settings
        .reloadable
        .rules
}

fn local(rules: &Rules) -> Option<(usize, String)> {
    match &rules.static_user {
        Some(StaticAuth::Local { tokens, who }) => Some((tokens.len(), who.user().to_string())),
        _ => None,
    }
}

#[test]
fn two_variables_are_enough_for_local_mode() {
    let env = bare()
        .with_var("AUTH_MODE", "local")
        .with_var("LOCAL_AUTH_TOKEN", TOKEN);
    let loaded = alone(&env).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(
        local(&loaded.settings.reloadable.rules),
        Some((1, "local:local".to_owned()))
    );
    let file = bare()
        .with_var("AUTH_MODE", "local")
        .with_var("LOCAL_AUTH_TOKEN_FILE", "/run/token");
    let file = file.with_file("/run/token", format!("{TOKEN}\n").as_bytes(), 0o600);
    assert_eq!(
        local(&rules(alone(&file))),
        Some((1, "local:local".to_owned()))
    );
}

#[test]
fn a_file_chooses_local_mode_by_its_section() {
    let all = format!(
        "local: {{token: [{TOKEN}, {TOKEN}x], sha256: {}, user_id: alex, email: a@x.test, name: Ä}}\n",
        "ab".repeat(32)
    );
    let rules = rules(file(&all, bare()));
    assert_eq!(local(&rules), Some((3, "local:alex".to_owned())));
    let Some(mode) = &rules.static_user else {
        panic!("no mode")
    };
    assert_eq!(mode.who().email().expect("an address"), "a@x.test");
    assert_eq!(mode.who().name().expect("a name"), "%C3%84");
    let active = format!("local: {{token: {TOKEN}}}\nroutes: [{{path: /**, access: active}}]\n");
    assert!(
        file(&active, bare()).is_ok(),
        "`active` needs no membership here"
    );
    let by_issuer = format!(
        "local: {{token: {TOKEN}}}\nroutes: [{{path: /**, access: user, require: {{issuer: local}}}}]\n"
    );
    assert!(file(&by_issuer, bare()).is_ok());
}

#[test]
fn a_short_token_gets_a_command_that_makes_a_long_one() {
    let expected = "\
error[B009]: `LOCAL_AUTH_TOKEN` is too short
  expect at least 16 characters of visible ASCII: openssl rand -hex 32
";
    let env = bare()
        .with_var("AUTH_MODE", "local")
        .with_var("LOCAL_AUTH_TOKEN", "hunter2");
    assert_text(&printed(alone(&env)), expected);
    let none = "\
error[B004]: local mode without a token: nobody could come in
  fix    export LOCAL_AUTH_TOKEN=…, or `local: {token: \"${LOCAL_AUTH_TOKEN}\"}`, with what `openssl rand -hex 32` gives
";
    assert_text(
        &printed(alone(&bare().with_var("AUTH_MODE", "local"))),
        none,
    );
}

#[test]
fn a_shared_token_does_not_stand_beside_personal_ones() {
    let expected = "\
error[B011]: `clerk` beside local mode: a shared token would stand beside personal ones
 --> /etc/bailiff/bailiff.yaml:1:1
1 | clerk: {publishable_key: pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ}
  | ^^^^^
  fix    set AUTH_MODE=clerk and remove `local`, or remove this
";
    let clerk = format!("clerk: {{publishable_key: {KEY}}}\n");
    let env = bare()
        .with_var("AUTH_MODE", "local")
        .with_var("LOCAL_AUTH_TOKEN", TOKEN);
    assert_text(&printed(file(&clerk, env.clone())), expected);
    let both = printed(file(&format!("{clerk}local: {{token: {TOKEN}}}\n"), bare()));
    assert!(both.contains("`clerk` beside local mode"), "{both}");
    let issuers =
        "issuers: [{name: a, issuer: \"https://a.example\", jwks_url: \"https://a.example/k\"}]\n";
    let listed = printed(file(issuers, env.clone()));
    assert!(listed.contains("`issuers` beside local mode"), "{listed}");
    // What is set for the app beside it adds no issuer.
    let loaded = alone(&env.with_var("CLERK_PUBLISHABLE_KEY", KEY))
        .unwrap_or_else(|faults| panic!("{faults}"));
    assert!(loaded.settings.reloadable.rules.issuers.is_empty());
    assert!(
        loaded
            .warnings
            .to_string()
            .contains("`CLERK_PUBLISHABLE_KEY` has no effect in local mode")
    );
}

#[test]
fn two_words_for_the_mode_must_agree() {
    let expected = "\
error[B011]: `local` beside `AUTH_MODE` `clerk`: either one shared token counts, or Clerk's tokens do
 --> /etc/bailiff/bailiff.yaml:1:1
1 | local: {token: ***}
  | ^^^^^
  fix    remove `local`, or set AUTH_MODE=local
";
    let said = printed(file(
        &format!("local: {{token: {TOKEN}}}\n"),
        env().with_var("AUTH_MODE", "clerk"),
    ));
    assert!(said.starts_with(expected), "{said}");
    for (mode, good) in [
        ("clerk", true),
        ("none", false),
        ("dev", false),
        ("Clerk", false),
        ("disabled", false),
    ] {
        assert_eq!(
            alone(&env().with_var("AUTH_MODE", mode)).is_ok(),
            good,
            "{mode}"
        );
    }
    let unused = alone(&env().with_var("LOCAL_AUTH_TOKEN", TOKEN))
        .unwrap_or_else(|faults| panic!("{faults}"));
    assert!(
        unused.settings.reloadable.rules.static_user.is_none(),
        "a token alone chooses nothing"
    );
    assert!(
        unused
            .warnings
            .to_string()
            .contains("`LOCAL_AUTH_TOKEN` has no effect without `AUTH_MODE=local`")
    );
    let chosen = alone(
        &env()
            .with_var("LOCAL_AUTH_TOKEN", TOKEN)
            .with_var("AUTH_MODE", "clerk"),
    )
    .expect("a config");
    assert!(
        !chosen.warnings.to_string().contains("LOCAL_AUTH_TOKEN"),
        "{}",
        chosen.warnings
    );
}

#[test]
fn what_is_wrong_in_local_mode_is_said_by_its_name() {
    let hash = "ab".repeat(32);
    for (given, expected) in [
        (
            format!("local: {{token: {TOKEN}, user_id: local:alex}}\n"),
            "is written without `local:`",
        ),
        (
            format!("local: {{token: {TOKEN}, user_id: \"a b\"}}\n"),
            "has a character other than visible ASCII",
        ),
        (
            format!("local: {{token: {TOKEN}, name: {}}}\n", "x".repeat(1025)),
            "`name` is too long for a header",
        ),
        (
            format!("local: {{tokn: {TOKEN}}}\n"),
            "did you mean `token`?",
        ),
        (
            "local: {sha256: abc}\n".to_owned(),
            "is not the SHA-256 of a token",
        ),
        ("local: {}\n".to_owned(), "local mode without a token"),
        (
            format!("local: {{sha256: [{}]}}\n", [hash.as_str(); 5].join(", ")),
            "has more than 4 tokens",
        ),
        (
            format!(
                "local: {{token: {TOKEN}}}\nservice_tokens: [{{name: engine, token: {TOKEN}}}]\n"
            ),
            "the service `engine` has the shared token of local mode",
        ),
        (
            format!(
                "local: {{token: {TOKEN}}}\nroutes: [{{path: /**, access: user, require: {{issuer: clerk}}}}]\n"
            ),
            "no issuer is called `clerk`",
        ),
        (
            format!(
                "local: {{token: {TOKEN}}}\nroutes: [{{path: \"/{{workspace}}\", access: owner}}]\n"
            ),
            "roles need a `membership:` section",
        ),
    ] {
        let complaint = printed(file(&given, bare()));
        assert!(
            complaint.contains(expected) && complaint.contains("error["),
            "{given}\n{complaint}"
        );
        assert!(!complaint.contains(TOKEN), "{complaint}");
    }
    let other = file(
        &format!("local: {{token: {TOKEN}}}\n"),
        bare().with_var("LOCAL_AUTH_TOKEN", "fedcba9876543210"),
    );
    let warnings = other
        .unwrap_or_else(|faults| panic!("{faults}"))
        .warnings
        .to_string();
    assert!(
        warnings.contains("`LOCAL_AUTH_TOKEN` has no effect, because the config sets"),
        "{warnings}"
    );
}

#[test]
fn no_issuer_has_a_name_that_speaks_for_a_stand_in() {
    for name in ["local", "disabled", "dev"] {
        let text = format!(
            "issuers: [{{name: {name}, issuer: \"https://a.example\", jwks_url: \"https://a.example/k\"}}]\n"
        );
        let complaint = printed(file(&text, bare()));
        assert!(
            complaint.contains("is a name that bailiff gives out itself"),
            "{name}\n{complaint}"
        );
    }
}
