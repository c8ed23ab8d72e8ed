use super::*;
use crate::config::settings::BackendSettings;

const SECRET: &str = "sk_test_hunter2hunter2hunter2";
const CLERK: &str = "clerk: {authorized_parties: [https://a.example]";

fn backend(loaded: Result<Loaded, Faults>) -> Option<BackendSettings> {
    loaded
        .unwrap_or_else(|faults| panic!("{faults}"))
        .settings
        .reloadable
        .backend
}

#[test]
fn a_secret_key_opens_the_backend_api_of_clerk_unless_another_address_is_given() {
    let secret = env().with_var("CLERK_SECRET_KEY", SECRET);
    assert_eq!(backend(alone(&env())), None);
    let settings = backend(alone(&secret)).expect("a backend");
    assert_eq!(
        (settings.api_url.as_str(), settings.live),
        ("https://api.clerk.com", false)
    );
    assert_eq!(settings.secret.expose(), SECRET.as_bytes());

    let elsewhere = secret
        .clone()
        .with_var("CLERK_API_URL", "http://127.0.0.1:8486/v1/");
    assert_eq!(
        backend(alone(&elsewhere)).expect("a backend").api_url,
        "http://127.0.0.1:8486"
    );
    let written = file(
        &format!("{CLERK}, api_url: \"https://api.clerk.eu\"}}\n"),
        elsewhere,
    )
    .expect("a config");
    assert!(
        written
            .warnings
            .to_string()
            .contains("`CLERK_API_URL` has no effect"),
        "{}",
        written.warnings
    );
    assert_eq!(
        backend(Ok(written)).expect("a backend").api_url,
        "https://api.clerk.eu"
    );

    let live = FakeEnv::new()
        .with_var("BAILIFF_UPSTREAM", APP)
        .with_var("CLERK_SECRET_KEY", "sk_live_abcdefghijklmnop");
    let live = live.with_var("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k");
    assert!(backend(alone(&live)).expect("a backend").live);
}

#[test]
fn settings_are_the_same_when_every_part_of_them_is_and_tell_no_secret() {
    let with = |secret: &str, url: &str| {
        backend(alone(
            &env()
                .with_var("CLERK_SECRET_KEY", secret)
                .with_var("CLERK_API_URL", url),
        ))
        .expect("a backend")
    };
    let one = with(SECRET, "https://api.clerk.com");
    assert_eq!(one, with(SECRET, "https://api.clerk.com/v1"));
    assert_ne!(
        one,
        with("sk_test_hunter3hunter3hunter3", "https://api.clerk.com")
    );
    assert_ne!(one, with(SECRET, "https://api.clerk.eu"));
    assert!(!format!("{one:?}").contains("hunter"), "{one:?}");
}

#[test]
fn a_wrong_address_is_found_even_where_nothing_is_sent_to_it() {
    for url in [
        "https://api.clerk.con",
        "http://api.clerk.com",
        "https://api.clerk.com/v2",
        "clerk.internal",
    ] {
        let printed = printed(alone(&env().with_var("CLERK_API_URL", url)));
        assert!(
            printed.contains("error[B002]: `CLERK_API_URL` "),
            "{url}: {printed}"
        );
        assert!(
            !printed.contains(url),
            "the value of a variable is not shown: {printed}"
        );
    }
    let misspelt = file(
        &format!("{CLERK}, api_ulr: \"https://api.clerk.com\"}}\n"),
        env(),
    );
    assert!(printed(misspelt).contains("did you mean `api_url`"));
}

#[test]
fn what_leads_nowhere_is_said() {
    let without = file(
        &format!("{CLERK}, api_url: \"https://api.clerk.eu\"}}\n"),
        env(),
    );
    assert!(
        printed(without).contains("warning[B011]: `api_url` has no effect without `secret_key`")
    );
    assert_eq!(
        printed(file(
            &format!("{CLERK}}}\n"),
            env().with_var("CLERK_API_URL", "https://api.clerk.eu")
        )),
        ""
    );

    let further = "issuers: [{name: b, issuer: \"https://b.example\", jwks_url: \"https://b.example/j\", \
                   authorized_parties: [https://a.example], secret_key: \"${B_SECRET}\"}]\n";
    let env = FakeEnv::new()
        .with_var("BAILIFF_UPSTREAM", APP)
        .with_var("B_SECRET", SECRET);
    let loaded = file(further, env.clone().with_var("CLERK_SECRET_KEY", SECRET)).expect("a config");
    let warnings = loaded.warnings.to_string();
    assert!(
        warnings.contains("`secret_key` of a further issuer has no effect"),
        "{warnings}"
    );
    assert!(
        warnings.contains("`CLERK_SECRET_KEY` has no effect, because the config has `issuers`"),
        "{warnings}"
    );
    assert!(!warnings.contains("hunter2"), "{warnings}");
    assert_eq!(backend(Ok(loaded)), None, "of which instance is it?");
}

#[test]
fn without_any_issuer_the_variables_alone_say_whom_to_ask() {
    let env = FakeEnv::new()
        .with_var("BAILIFF_UPSTREAM", APP)
        .with_var("CLERK_SECRET_KEY", SECRET);
    let settings =
        backend(file("routes: [{path: /**, access: public}]\n", env)).expect("a backend");
    assert_eq!(settings.api_url, BackendSettings::API_URL);
}
