use super::*;

#[track_caller]
pub(super) fn assert_text(got: &str, expected: &str) {
    assert!(got == expected, "got:\n{got}\nexpected:\n{expected}");
}

#[test]
fn nothing_at_all_says_what_is_needed() {
    let expected = "\
error[B004]: no upstream: nobody said where the app is
  fix    `upstream: http://127.0.0.1:3000` in the config, BAILIFF_UPSTREAM, or --upstream

error[B004]: the route `/**` asks for a token, and there is no issuer whose tokens count
  fix    export CLERK_PUBLISHABLE_KEY=pk_…, or add `clerk: {publishable_key: pk_…}`
";
    assert_text(&printed(alone(&FakeEnv::new())), expected);
    let twin = FakeEnv::new()
        .with_var("VITE_CLERK_PUBLISHABLE_KEY", KEY)
        .with_var("BAILIFF_UPSTREAM", APP);
    let expected = "\
error[B004]: the route `/**` asks for a token, and there is no issuer whose tokens count
  saw    `VITE_CLERK_PUBLISHABLE_KEY`, which is for the build of a web page and is not read
  fix    export CLERK_PUBLISHABLE_KEY=pk_…, or add `clerk: {publishable_key: pk_…}`
";
    assert_text(&printed(alone(&twin)), expected);
}

#[test]
fn a_config_that_is_not_there_says_so() {
    let faults = printed(load(
        Some(Path::new("/none.yaml")),
        &Overrides::default(),
        &env(),
    ));
    assert_text(
        &faults,
        "error[B006]: cannot read /none.yaml\n  saw    entity not found\n",
    );
}

#[test]
fn a_wrong_flag_is_shown_as_it_was_typed() {
    let flags = Overrides {
        upstream: Some("127.0.0.1:3000".into()),
        ..Overrides::default()
    };
    let expected = "\
error[B002]: `--upstream` has no scheme
 --> command line:1:12
1 | --upstream 127.0.0.1:3000
  |            ^^^^^^^^^^^^^^ expected http://host:port, h2c://host:port or unix:/path/of/socket
";
    let env = FakeEnv::new()
        .with_var("CLERK_PUBLISHABLE_KEY", KEY)
        .with_var("AUTH_MODE", "clerk");
    let got = printed(load(None, &flags, &env));
    assert!(got.starts_with(expected), "{got}");
}

#[test]
fn swapped_api_keys_are_called_by_name_and_not_shown() {
    let env = FakeEnv::new()
        .with_var("BAILIFF_UPSTREAM", APP)
        .with_var("CLERK_PUBLISHABLE_KEY", "sk_test_abcdefghijklmnopqrst")
        .with_var("CLERK_SECRET_KEY", KEY);
    let got = printed(alone(&env));
    let expected = "\
error[B009]: `CLERK_PUBLISHABLE_KEY` is a secret key, which begins with `sk_`: change it in the dashboard if others could see this place
  expect pk_test_… or pk_live_… as the Clerk dashboard shows it under API keys

error[B009]: `CLERK_SECRET_KEY` is a publishable key, which begins with `pk_`
  expect sk_test_… or sk_live_… as the Clerk dashboard shows it under API keys
";
    assert!(got.starts_with(expected), "{got}");
}

#[test]
fn a_publishable_key_that_was_cut_off_says_so() {
    let expected = "\
error[B009]: `publishable_key` is cut off before its end
 --> b.yaml:1:26
1 | clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20, authorized_parties: [https://a.example]}
  |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected pk_test_… or pk_live_… as the Clerk dashboard shows it under API keys
";
    let given = "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20, authorized_parties: [https://a.example]}\n";
    assert_text(&complaint(given), expected);
}

#[test]
fn an_upstream_that_is_bailiff_itself_is_a_circle() {
    let expected = "\
error[B011]: `upstream` http://localhost:8484 is bailiff's own address 0.0.0.0:8484: requests would go in circles
 --> b.yaml:1:11
1 | upstream: http://localhost:8484
  |           ^^^^^^^^^^^^^^^^^^^^^
  fix    let the app listen on another port, and name that one
";
    assert_text(&complaint("upstream: http://localhost:8484\n"), expected);
    for (given, circle) in [
        ("upstream: http://127.0.0.1:8485\n", true),
        ("upstream: http://[::1]:1\nlisten: \"[::]:1\"\n", true),
        ("upstream: unix:/a\nlisten: unix:/a\n", true),
        ("upstream: unix:/a\nlisten: unix:/b\n", false),
        ("upstream: http://10.0.0.9:8484\n", false),
        (
            "upstream: http://127.0.0.1:8484\nlisten: 127.0.0.2:8484\n",
            false,
        ),
    ] {
        assert_eq!(
            complaint(given).contains("in circles"),
            circle,
            "{given}{}",
            complaint(given)
        );
    }
}

#[test]
fn what_this_version_cannot_do_is_said_and_not_ignored() {
    for (given, expected) in [
        (
            "listen: {address: \"0.0.0.0:443\", tls: {cert: a, key: b}}\n",
            "TLS listeners are not part of this version",
        ),
        (
            "listen: [{address: \"0.0.0.0:443\", tls: {cert: a, key: b}}]\n",
            "terminate TLS in front of bailiff",
        ),
        (
            "upstream: https://app:3000\n",
            "TLS to the upstream is not part of this version",
        ),
        (
            "upstream: http://u:hunter2@app:3000\n",
            "has a user name or password in it",
        ),
        ("upstream: http://app:3000/base\n", "has a path or query"),
        (
            "upstream: http://169.254.169.254\n",
            "at which clouds hand out credentials",
        ),
        ("listen: 8484\n", "has no IP address before its port"),
        ("listen: localhost:8484\n", "127.0.0.1 for `localhost`"),
        ("listen: unix:sock\n", "is not an absolute path"),
        (
            "listen: 127.0.0.1:8485\n",
            "`admin` and `listen` are both 127.0.0.1:8485",
        ),
        (
            "listen: [127.0.0.1:1, 0.0.0.0:1]\n",
            "names 0.0.0.0:1 twice",
        ),
        (
            "membership: {file: m.yaml, ldap: x}\n",
            "unknown key `ldap`",
        ),
    ] {
        assert!(
            complaint(given).contains(expected),
            "{given}{}",
            complaint(given)
        );
    }
}

#[test]
fn a_misspelt_access_word_names_the_near_one() {
    let expected = "\
error[B010]: `access` is neither an access word nor a role
 --> b.yaml:2:34
2 |   - {path: \"/w/{workspace}\", access: ownr}
  |                                      ^^^^ did you mean `owner`?
";
    let expected = expected.replace("2:34", "2:38");
    assert_text(
        &route("{path: \"/w/{workspace}\", access: ownr}"),
        &expected,
    );
    assert!(route("{path: /a, access: pubic}").contains("did you mean `public`?"));
    let listed = "expected one of `public`, `optional`, `user`, `active`, `service`, `webhook`, `deny`, `member`, `admin`, `owner`";
    assert!(route("{path: /a, access: everybody}").contains(listed));
}

#[test]
fn two_routes_for_the_same_requests_are_both_named() {
    let expected = "\
error[B010]: the route `/a/{y}` is for requests that another one is for
 --> b.yaml:3:5
3 |   - {path: \"/a/{y}\", access: public}
  |     ^
  saw    `/a/{x}` at b.yaml:2:5
  fix    remove one of them, or give them different `methods`
";
    let given =
        "routes:\n  - {path: \"/a/{x}\", access: user}\n  - {path: \"/a/{y}\", access: public}\n";
    assert_text(&complaint(given), expected);
}

#[test]
fn secrets_without_a_route_are_a_warning() {
    let got = complaint("service_tokens: [{name: a, token: 0123456789abcdef}]\n");
    let expected = "\
warning[B010]: `service_tokens` has no effect, because no route has `access: service`
 --> b.yaml:1:1
1 | service_tokens: [{name: a, token: ***}]
  | ^^^^^^^^^^^^^^
  fix    add such a route, or remove `service_tokens`
";
    assert_text(&got, expected);
    let got = complaint("webhooks: {secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}\n");
    assert!(
        got.starts_with("warning[B010]: `webhooks` has no effect"),
        "{got}"
    );
}

#[test]
fn a_guarded_method_beside_open_ones_is_a_warning_until_somebody_has_decided() {
    let open = "routes:\n  - {path: /a/**, access: public}\n  - {path: /a/admin, methods: [GET, POST], access: user}\n";
    let expected = "\
warning[B010]: a request with PUT, PATCH, DELETE, OPTIONS goes on to `/a/**`, which is open to everybody
 --> b.yaml:3:52
3 |   - {path: /a/admin, methods: [GET, POST], access: user}
  |                                                    ^^^^
  fix    if that is not meant: `- {path: /a/admin, access: deny}` beside it
";
    let said = format!("{open}paths: {{case: sensitive, suffix: significant}}\n");
    assert_text(&complaint(&said), expected);
    let denied = "  - {path: /a/admin, access: deny}\npaths:";
    assert_text(&complaint(&said.replace("paths:", denied)), "");
    let mixed = complaint(open);
    assert!(
        mixed.contains("`/a/ADMIN` is covered only by `/a/**`"),
        "{mixed}"
    );
    assert_text(&complaint(&open.replace("public", "user")), "");
}

#[test]
fn an_open_variant_of_a_guarded_path_is_a_warning_until_somebody_has_said_how_the_app_reads_it() {
    let open = "routes:\n  - {path: /**, access: public}\n  - {path: /admin/**, access: user}\n";
    let expected = "\
warning[B010]: `/ADMIN` is covered only by `/**`, which is open to everybody
 --> b.yaml:3:31
3 |   - {path: /admin/**, access: user}
  |                               ^^^^ expected how the app reads letter case
  fix    `paths: {case: insensitive}` for Express, NestJS, Koa, React Router and ASP.NET; `paths: {case: sensitive}` for Flask, FastAPI, Django and Rails

warning[B010]: `/admin.json` is covered only by `/**`, which is open to everybody
 --> b.yaml:3:31
3 |   - {path: /admin/**, access: user}
  |                               ^^^^ expected whether `.json` at the end makes another path for the app
  fix    `paths: {suffix: ignored}` for Rails and old versions of Spring; else `paths: {suffix: significant}`
";
    assert_text(&complaint(open), expected);
    for said in ["sensitive", "insensitive"] {
        let half = complaint(&format!("{open}paths: {{case: {said}}}\n"));
        assert_eq!(half.matches("warning[").count(), 1, "{half}");
        let whole = format!("{open}paths: {{case: {said}, suffix: significant}}\n");
        assert_text(&complaint(&whole), "");
    }
    let elsewhere = open.replace("/**, access: public", "/x/**, access: public");
    assert_text(&complaint(&elsewhere), "");
    assert_text(&complaint(&open.replace("public", "user")), "");
}

#[test]
fn a_header_that_is_let_through_is_a_warning() {
    let expected = "\
warning[B002]: every client may send `script_name`, and an app that takes the path from it does what was not judged
 --> b.yaml:1:18
1 | headers: {pass: [SCRIPT_NAME]}
  |                  ^^^^^^^^^^^
  fix    list it under `headers.pass_from_proxies` if a proxy in front writes it; else be sure that the app does not act on it
";
    assert_text(&complaint("headers: {pass: [SCRIPT_NAME]}\n"), expected);
    let idle = complaint("headers: {pass_from_proxies: [x-scheme]}\n");
    let what = "warning[B011]: `pass_from_proxies` has no effect without `trusted_proxies`";
    assert!(idle.starts_with(what), "{idle}");
    let proxied = "trusted_proxies: 10.0.0.0/8\nheaders: {pass_from_proxies: [x-scheme]}\n";
    assert_text(&complaint(proxied), "");
}

#[test]
fn every_fault_is_found_in_one_run() {
    let text = "\
listen: x
admin: y
upstream: z
threads: many
clerk: {leway: 1s, publishable_key: pk, authorized_parties: [x], azp: no, max_token_age: 0s}
keys: {wait: 1h}
membership: {flie: x}
webhooks: {secrets: [whsec_], max_body: 1GiB}
service_tokens: [{name: a}]
cors: {origins: [\"*\"]}
trusted_proxies: [0.0.0.0/0]
headers: {claims: {host: x}}
answers: {200: {}}
timeouts: {connect: 0s}
shutdown: {drain: 1d}
routes:
  - {path: /a, access: nobody}
  - {path: b, access: user}
  - {path: /c, access: service}
colour: red
";
    let env = FakeEnv::new()
        .with_file("b.yaml", text.as_bytes(), 0o600)
        .with_var("AUTH_MODE", "x");
    let faults = load(Some(Path::new("b.yaml")), &Overrides::default(), &env).expect_err("faults");
    let lines: Vec<_> = faults
        .sorted()
        .iter()
        .filter_map(|fault| fault.place.as_ref().map(|place| place.line()))
        .collect();
    for line in [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 20,
    ] {
        assert!(lines.contains(&line), "line {line} is missing:\n{faults}");
    }
    assert_eq!(
        lines.iter().filter(|line| **line == 5).count(),
        5,
        "{faults}"
    );
    assert!(
        faults
            .to_string()
            .contains("`AUTH_MODE` is not a mode of this version")
    );
}
