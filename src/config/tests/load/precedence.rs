use std::time::Duration;

use super::*;
use crate::config::settings::KeySource;
use crate::domain::issuer::Leeway;

const PEM: &str = include_str!("public_key.pem");

fn upstream(loaded: Loaded) -> String {
    loaded.settings.fixed.upstream.to_string()
}

#[test]
fn a_flag_counts_more_than_bailiffs_variable_and_that_more_than_the_file() {
    let text = "upstream: http://127.0.0.1:1\nlisten: 127.0.0.1:11\nadmin: {address: 127.0.0.1:12, hosts: [x.y]}\n";
    let path = Path::new("/b.yaml");
    let base = FakeEnv::new()
        .with_var("CLERK_PUBLISHABLE_KEY", KEY)
        .with_file("/b.yaml", text.as_bytes(), 0o600);
    let vars = base
        .clone()
        .with_var("BAILIFF_UPSTREAM", "http://127.0.0.1:2")
        .with_var("BAILIFF_LISTEN", "127.0.0.1:21")
        .with_var("BAILIFF_ADMIN", "127.0.0.1:22");
    let flags = Overrides {
        upstream: Some("http://127.0.0.1:3".into()),
        listen: Some("127.0.0.1:31".into()),
        admin: Some("127.0.0.1:32".into()),
    };
    for (env, flags, number) in [
        (&base, Overrides::default(), 1),
        (&vars, Overrides::default(), 2),
        (&vars, flags, 3),
    ] {
        let fixed = load(Some(path), &flags, env)
            .unwrap_or_else(|faults| panic!("{faults}"))
            .settings
            .fixed;
        assert_eq!(
            fixed.upstream.to_string(),
            format!("http://127.0.0.1:{number}")
        );
        assert_eq!(fixed.listen[0].to_string(), format!("127.0.0.1:{number}1"));
        assert_eq!(fixed.admin.to_string(), format!("127.0.0.1:{number}2"));
        assert_eq!(fixed.admin_hosts, ["x.y"]);
    }
}

#[test]
fn the_variable_of_the_store_counts_more_than_the_file_and_both_start_at_the_folder_of_the_config()
{
    let store = |loaded: Result<Loaded, Faults>| {
        loaded
            .unwrap_or_else(|faults| panic!("{faults}"))
            .settings
            .fixed
            .store
    };
    let variable = |value: &str| env().with_var("BAILIFF_STORE", value);
    for (text, env, expected) in [
        ("threads: 2\n", env(), None),
        ("store: a.store\n", env(), Some("/etc/bailiff/a.store")),
        ("store: /var/lib/a.store\n", env(), Some("/var/lib/a.store")),
        (
            "store: a.store\n",
            variable("/var/lib/b.store"),
            Some("/var/lib/b.store"),
        ),
        (
            "store: a.store\n",
            variable("b.store"),
            Some("/etc/bailiff/b.store"),
        ),
        (
            "store: a.store\n",
            variable(""),
            Some("/etc/bailiff/a.store"),
        ),
    ] {
        assert_eq!(
            store(file(text, env)).as_deref(),
            expected.map(Path::new),
            "{text}"
        );
    }
    assert_eq!(
        store(alone(&variable("b.store"))).as_deref(),
        Some(Path::new("b.store"))
    );
    for (text, env, what) in [
        ("store: a/\n", env(), "`store` is the path of a folder"),
        (
            "store: a/\n",
            variable("/b.store"),
            "`store` is the path of a folder",
        ),
        ("store:\n", env(), "empty value for `store`"),
        ("store: [a]\n", env(), "`store` must be a single value"),
        (
            "threads: 2\n",
            variable("/b/"),
            "`BAILIFF_STORE` is the path of a folder",
        ),
    ] {
        let faults = printed(file(text, env));
        assert!(faults.contains(what), "{text}: {faults}");
    }
}

#[test]
fn what_is_overridden_is_checked_all_the_same() {
    let env = env().with_file("/b.yaml", b"upstream: ftp://x\n", 0o600);
    let faults = printed(load(
        Some(Path::new("/b.yaml")),
        &Overrides::default(),
        &env,
    ));
    assert!(
        faults.contains("`upstream` has an unknown scheme"),
        "{faults}"
    );
}

#[test]
fn variables_of_other_programs_fill_only_what_the_file_leaves_out() {
    let text = "clerk: {leeway: 5s, authorized_parties: [https://a.example]}\n";
    let env = env()
        .with_var("CLERK_LEEWAY", "20.5")
        .with_var("CLERK_VERIFY_IAT", "false");
    let loaded = file(text, env.clone()).expect("a config");
    let claims = &loaded.settings.reloadable.rules.issuers[0].claims;
    assert_eq!(
        (claims.leeway, claims.verify_iat),
        (Leeway::new(Duration::from_secs(5)).unwrap(), false)
    );
    let expected = "\
warning[B011]: `CLERK_LEEWAY` has no effect, because the config sets `leeway`
 --> /etc/bailiff/bailiff.yaml:1:17
1 | clerk: {leeway: 5s, authorized_parties: [https://a.example]}
  |                 ^^
  fix    unset `CLERK_LEEWAY`, or remove `leeway` from the config
";
    assert_eq!(loaded.warnings.to_string(), expected);
    let claims = alone(&env)
        .expect("a config")
        .settings
        .reloadable
        .rules
        .issuers[0]
        .claims
        .clone();
    assert_eq!(claims.leeway.secs(), 20, "parts of a second are cut off");
}

#[test]
fn a_variable_that_the_file_refers_to_is_no_contradiction() {
    let text = "clerk: {publishable_key: \"${CLERK_PUBLISHABLE_KEY}\", authorized_parties: [https://a.example]}\n\
                cors: {origins: \"${CORS_ORIGINS}\"}\n\
                service_tokens: [{name: a, token: \"${SERVICE_AUTH_TOKEN}\"}]\n\
                routes: [{path: /**, access: service}]\n";
    let env = env()
        .with_var("CORS_ORIGINS", "https://a.example")
        .with_var("SERVICE_AUTH_TOKEN", "0123456789abcdef0123");
    let loaded = file(text, env).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.warnings.to_string(), "");
}

#[test]
fn port_moves_the_default_and_nothing_else() {
    let env = env().with_var("PORT", "9000");
    let listen = |loaded: Loaded| loaded.settings.fixed.listen[0].to_string();
    assert_eq!(listen(alone(&env).expect("a config")), "0.0.0.0:9000");
    assert_eq!(
        listen(alone(&env.clone().with_var("BAILIFF_LISTEN", "127.0.0.1:1")).expect("a config")),
        "127.0.0.1:1"
    );
    assert_eq!(
        listen(file("listen: 127.0.0.1:2\n", env).expect("a config")),
        "127.0.0.1:2"
    );
}

#[test]
fn every_variable_can_come_from_a_file_which_is_then_followed() {
    let env = FakeEnv::new()
        .with_var("CLERK_PUBLISHABLE_KEY_FILE", "/run/key")
        .with_file("/run/key", format!("{KEY}\n").as_bytes(), 0o400)
        .with_var("BAILIFF_UPSTREAM_FILE", "/run/upstream")
        .with_file("/run/upstream", b"http://127.0.0.1:7\n", 0o400);
    let loaded = alone(&env).unwrap_or_else(|faults| panic!("{faults}"));
    let mut files = loaded.files.clone();
    files.sort();
    assert_eq!(files, [Path::new("/run/key"), Path::new("/run/upstream")]);
    assert_eq!(upstream(loaded), "http://127.0.0.1:7");

    let missing = FakeEnv::new().with_var("CLERK_PUBLISHABLE_KEY_FILE", "/run/none");
    let faults = printed(alone(&missing.with_var("BAILIFF_UPSTREAM", APP)));
    let expected = "error[B006]: cannot read `/run/none` for `CLERK_PUBLISHABLE_KEY_FILE`\n  saw    entity not found\n";
    assert!(faults.starts_with(expected), "A-133: {faults}");

    let both = env.with_var("CLERK_PUBLISHABLE_KEY", KEY);
    assert!(
        printed(alone(&both))
            .contains("`CLERK_PUBLISHABLE_KEY` and `CLERK_PUBLISHABLE_KEY_FILE` are both set")
    );
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let env = env()
        .with_var("CLERK_JWT_KEY", "")
        .with_var("AUTH_DISABLED", "")
        .with_var("SERVICE_AUTH_TOKEN", "");
    let live = alone(&env).expect("a config").settings.reloadable;
    assert!(matches!(live.issuers[0].source, KeySource::Url(_)));
    assert!(live.rules.services.is_empty());
}

#[test]
fn a_pem_needs_no_network_in_every_form_in_which_people_paste_it() {
    let body: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
    for pem in [
        PEM.to_owned(),
        PEM.replace('\n', "\\n"),
        PEM.replace('\n', " "),
        body,
    ] {
        let live = alone(&env().with_var("CLERK_JWT_KEY", &pem))
            .expect("a config")
            .settings
            .reloadable;
        assert!(
            matches!(live.issuers[0].source, KeySource::Pem(_)),
            "given: {pem}"
        );
        assert_eq!(
            &*live.rules.issuers[0].iss,
            "https://amused-cat-7.clerk.accounts.dev"
        );
    }
}

#[test]
fn an_issuer_in_the_file_is_not_mixed_with_one_in_the_environment() {
    let written = "{issuer: \"https://clerk.example.com\", jwks_url: \"http://10.0.0.1/jwks\", \
                   authorized_parties: [https://a.example]}";
    let env = env().with_var("CLERK_JWT_KEY", PEM);
    let loaded = file(&format!("clerk: {written}\n"), env.clone())
        .unwrap_or_else(|faults| panic!("{faults}"));
    let live = &loaded.settings.reloadable;
    assert_eq!(live.rules.issuers.len(), 1);
    assert_eq!(&*live.rules.issuers[0].iss, "https://clerk.example.com");
    assert!(
        matches!(&live.issuers[0].source, KeySource::Url(url) if url == "http://10.0.0.1/jwks")
    );
    assert_eq!(
        loaded
            .warnings
            .count(crate::config::faults::Severity::Warning),
        2,
        "{}",
        loaded.warnings
    );

    let listed = written.replacen('{', "{name: one, ", 1);
    let loaded =
        file(&format!("issuers: [{listed}]\n"), env).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        loaded.settings.reloadable.rules.issuers.len(),
        1,
        "a variable adds no issuer to those of the file"
    );
    assert!(
        loaded
            .warnings
            .to_string()
            .contains("`CLERK_PUBLISHABLE_KEY` has no effect")
    );
}

#[test]
fn both_names_of_the_webhook_secret_count_and_two_different_ones_are_said() {
    const A: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const B: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    for (signing, other, secrets, warned) in [
        (A, "", 1, false),
        ("", B, 1, false),
        (A, A, 1, false),
        (A, B, 2, true),
    ] {
        let env = env()
            .with_var("CLERK_WEBHOOK_SIGNING_SECRET", signing)
            .with_var("CLERK_WEBHOOK_SECRET", other);
        let loaded = alone(&env).expect("a config");
        assert_eq!(
            loaded
                .settings
                .reloadable
                .rules
                .webhooks
                .as_ref()
                .map(|w| w.secrets.len()),
            Some(secrets)
        );
        assert_eq!(
            loaded
                .warnings
                .to_string()
                .contains("two different secrets"),
            warned,
            "{signing} {other}"
        );
    }
}

#[test]
fn origins_and_a_service_can_come_from_the_environment() {
    let env = env()
        .with_var("CORS_ORIGINS", "https://a.example, http://localhost:5173,")
        .with_var("SERVICE_AUTH_TOKEN", "0123456789abcdef");
    let rules = alone(&env).expect("a config").settings.reloadable.rules;
    let origins: Vec<_> = rules.cors.origins.iter().map(|origin| &**origin).collect();
    assert_eq!(origins, ["https://a.example", "http://localhost:5173"]);
    assert_eq!(rules.services[0].name().as_str(), "service");
}
