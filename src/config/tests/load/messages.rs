use super::*;

#[track_caller]
fn assert_text(got: &str, expected: &str) {
    assert!(got == expected, "got:\n{got}\nexpected:\n{expected}");
}

/// What is wrong with a config that is right but for `text`, which may override the right parts.
fn complaint(text: &str) -> String {
    let right = [
        ("upstream:", "upstream: http://127.0.0.1:3000\n"),
        (
            "clerk:",
            "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, authorized_parties: [https://a.example]}\n",
        ),
        ("membership:", "membership: {file: m.yaml}\n"),
        ("routes:", "routes: [{path: /**, access: user}]\n"),
    ];
    let mut all = text.to_owned();
    for (_, line) in right.iter().filter(|(key, _)| !text.lines().any(|line| line.starts_with(key))) {
        all.push_str(line);
    }
    let env = FakeEnv::new().with_file("b.yaml", all.as_bytes(), 0o600);
    printed(load(Some(Path::new("b.yaml")), &Overrides::default(), &env))
}

/// `routes:` with one line.
fn route(line: &str) -> String {
    complaint(&format!("routes:\n  - {line}\n"))
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
    let twin = FakeEnv::new().with_var("VITE_CLERK_PUBLISHABLE_KEY", KEY).with_var("BAILIFF_UPSTREAM", APP);
    let expected = "\
error[B004]: the route `/**` asks for a token, and there is no issuer whose tokens count
  saw    `VITE_CLERK_PUBLISHABLE_KEY`, which is for the build of a web page and is not read
  fix    export CLERK_PUBLISHABLE_KEY=pk_…, or add `clerk: {publishable_key: pk_…}`
";
    assert_text(&printed(alone(&twin)), expected);
}

#[test]
fn a_config_that_is_not_there_says_so() {
    let faults = printed(load(Some(Path::new("/none.yaml")), &Overrides::default(), &env()));
    assert_text(&faults, "error[B006]: cannot read /none.yaml\n  saw    entity not found\n");
}

#[test]
fn a_wrong_flag_is_shown_as_it_was_typed() {
    let flags = Overrides { upstream: Some("127.0.0.1:3000".into()), ..Overrides::default() };
    let expected = "\
error[B002]: `--upstream` has no scheme
 --> command line:1:12
1 | --upstream 127.0.0.1:3000
  |            ^^^^^^^^^^^^^^ expected http://host:port, h2c://host:port or unix:/path/of/socket
";
    let env = FakeEnv::new().with_var("CLERK_PUBLISHABLE_KEY", KEY).with_var("AUTH_MODE", "clerk");
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
        ("upstream: http://127.0.0.1:8484\nlisten: 127.0.0.2:8484\n", false),
    ] {
        assert_eq!(complaint(given).contains("in circles"), circle, "{given}{}", complaint(given));
    }
}

#[test]
fn what_this_version_cannot_do_is_said_and_not_ignored() {
    for (given, expected) in [
        ("listen: {address: \"0.0.0.0:443\", tls: {cert: a, key: b}}\n", "TLS listeners are not part of this version"),
        ("listen: [{address: \"0.0.0.0:443\", tls: {cert: a, key: b}}]\n", "terminate TLS in front of bailiff"),
        ("upstream: https://app:3000\n", "TLS to the upstream is not part of this version"),
        ("upstream: http://u:hunter2@app:3000\n", "has a user name or password in it"),
        ("upstream: http://app:3000/base\n", "has a path or query"),
        ("upstream: http://169.254.169.254\n", "at which clouds hand out credentials"),
        ("listen: 8484\n", "has no IP address before its port"),
        ("listen: localhost:8484\n", "127.0.0.1 for `localhost`"),
        ("listen: unix:sock\n", "is not an absolute path"),
        ("listen: 127.0.0.1:8485\n", "`admin` and `listen` are both 127.0.0.1:8485"),
        ("listen: [127.0.0.1:1, 0.0.0.0:1]\n", "names 0.0.0.0:1 twice"),
        ("membership: {file: m.yaml, http: x}\n", "unknown key `http`"),
    ] {
        assert!(complaint(given).contains(expected), "{given}{}", complaint(given));
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
    assert_text(&route("{path: \"/w/{workspace}\", access: ownr}"), &expected);
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
    let given = "routes:\n  - {path: \"/a/{x}\", access: user}\n  - {path: \"/a/{y}\", access: public}\n";
    assert_text(&complaint(given), expected);
}

#[test]
fn a_route_that_asks_for_what_is_not_configured_is_refused() {
    for (given, expected) in [
        ("{path: /h, access: webhook}", "access `webhook` without a secret"),
        ("{path: /h, access: service}", "access `service` without a service token"),
        ("{path: /h, access: owner}", "and the route does not say in which"),
        ("{path: /h, access: user, require: {role: owner}}", "`require.role` is a role in a workspace"),
        ("{path: /h, access: user, require: {issuer: clark}}", "did you mean `clerk`?"),
        ("{path: /h, access: user, require: {role: ownr}}", "did you mean `owner`?"),
    ] {
        assert!(route(given).contains(expected), "{given}\n{}", route(given));
    }
    let without = |line: &str| {
        let text = format!("upstream: {APP}\nroutes:\n  - {line}\n");
        printed(file(&text, env()))
    };
    assert!(without("{path: /h, access: active}").contains("access `active` needs to know who is active"));
    assert!(
        without("{path: \"/{workspace}\", access: user}")
            .contains("a route with a workspace needs to know its members")
    );
    assert!(without("{path: /h, access: owner}").contains("roles need a `membership:` section"));
    assert!(!without("{path: \"/{workspace}\", access: public}").contains("error["), "a plain segment here");
}

#[test]
fn a_132_rules_that_can_never_hold_or_never_be_looked_at_are_errors() {
    for (given, expected) in [
        (
            "{path: /h, access: public, require: {plan: pro}}",
            "`require` is never looked at on a route with access `public`",
        ),
        ("{path: /h, access: optional, workspace: {claim: org}}", "`workspace` is never looked at"),
        ("{path: /h, access: deny, require: {plan: pro}}", "`require` is never looked at"),
        ("{path: /h, access: active, allow_suspended: true}", "`allow_suspended` has no effect"),
        ("{path: /h, access: public, mode: report}", "`mode` cannot be `report`"),
        ("{path: /h, access: user, methods: []}", "`methods` is an empty list"),
        ("{path: /h, access: user, methods: [get]}", "did you mean `GET`?"),
        ("{path: /h, access: user, methods: [GET, GET]}", "`methods` names GET twice"),
        ("{path: /h, access: webhook, methods: [POST, PUT]}", "`methods` of a webhook are wrong"),
        ("{path: /h, access: webhook, max_body: 1MiB}", "set `webhooks.max_body`"),
        ("{path: /h/, access: user}", "`path` is not a pattern"),
        ("{path: /h, access: user, require: {}}", "`require` demands nothing"),
        ("{path: /h, access: user, require: {permission: org:sys_memberships:read}}", "which no token carries"),
        ("{path: /h, access: user, require: {permission: read}}", "is not a permission"),
        ("{path: /h, access: user, require: {plan: x:pro}}", "has an unknown scope"),
        ("{path: /h, access: user, require: {impersonation: allow}}", "has an unknown value"),
        ("{path: /h, access: user, workspace: {}}", "names no source"),
        ("{path: /h, access: user, workspace: {header: authorization}}", "a header with a meaning of its own"),
        ("{path: /h, access: user, workspace: {header: x-user-id}}", "never comes from outside"),
        ("{path: /h, access: user, workspace: {claim: sub}}", "expected `org`"),
    ] {
        assert!(route(given).contains(expected), "{given}\n{}", route(given));
    }
    for (given, expected) in [
        ("routes: []\n", "`routes` is an empty list"),
        (
            "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, authorized_parties: []}\n",
            "`authorized_parties` is an empty list",
        ),
        (
            "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, azp: required}\n",
            "`azp` without `authorized_parties`",
        ),
        ("cors: {origins: []}\n", "`origins` is an empty list"),
        ("cors: {credentials: true}\n", "`cors` has no `origins`"),
        ("issuers: []\n", "`issuers` is an empty list"),
        ("service_tokens: []\n", "`service_tokens` is an empty list"),
        ("webhooks: {tolerance: 5m}\n", "`webhooks` without `secrets`"),
        ("membership: {file: m.yaml, roles: []}\n", "`roles` is an empty list"),
        ("membership: {file: m.yaml, roles: [user]}\n", "the role `user` has the name of a word"),
        ("membership: {file: m.yaml, roles: [a, b, a]}\n", "names `a` twice"),
        ("membership: {file: m.yaml, roles: [\"org:admin\"]}\n", "has the prefix `org:`"),
        ("keys: {refresh: 2h, max_age: 1h}\n", "`keys.max_age` is not longer than `keys.refresh`"),
    ] {
        assert!(complaint(given).contains(expected), "{given}{}", complaint(given));
    }
}

#[test]
fn issuers_that_cannot_be_told_apart_or_have_no_keys_are_refused() {
    let clerk = "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, authorized_parties: [https://a.example]";
    for (given, expected) in [
        (
            "issuers: [{name: clerk, issuer: \"https://x.example\", jwks_url: \"https://x.example/j\"}]\n",
            "two issuers have the name `clerk`",
        ),
        (
            "issuers: [{name: b, issuer: \"https://clerk.example.com\", jwks_url: \"https://x.example/j\"}]\n",
            "the issuers `clerk` and `b` are both `https://clerk.example.com`",
        ),
        ("issuers: [{name: b, issuer: \"https://x.example\"}]\n", "no keys for the issuer `https://x.example`"),
        (
            "issuers: [{name: b, jwks_url: \"https://x.example/j\"}]\n",
            "an issuer without `publishable_key` or `issuer`",
        ),
        (
            "issuers: [{name: b, issuer: \"https://x.example/\", jwks_url: \"https://x.example/j\"}]\n",
            "`issuer` ends with a slash",
        ),
        (
            "issuers: [{name: b, issuer: \"http://x.example\", jwks_url: \"https://x.example/j\"}]\n",
            "`issuer` is not https",
        ),
        (
            "issuers: [{name: b, issuer: \"https://x.example\", jwks_url: \"https://x.example/j\", jwt_key: x}]\n",
            "`jwt_key` does not serve",
        ),
    ] {
        assert!(complaint(given).contains(expected), "{given}{}", complaint(given));
    }
    for (given, expected) in [
        (
            ", issuer: \"https://other.example\"}\n",
            "the publishable key is of `https://clerk.example.com`, and `issuer` says `https://other.example`",
        ),
        (
            ", issuer: \"https://a.clerk.accounts.dev\"}\n",
            "`issuer` is of a development instance, and the publishable key is a live one",
        ),
        (", jwks_url: \"https://a.clerk.accounts.dev/j\"}\n", "`jwks_url` is of a development instance"),
        (", secret_key: sk_test_abcdefghijklmnop}\n", "of a development and a production instance"),
        (", instance_id: org_1}\n", "`instance_id` is not the id of a Clerk instance"),
        (", leeway: 61s}\n", "`leeway` is out of range"),
        (", name: x}\n", "unknown key `name`"),
    ] {
        let text = format!("{clerk}{given}");
        assert!(complaint(&text).contains(expected), "{text}{}", complaint(&text));
    }
}

#[test]
fn a_74_keys_are_not_fetched_from_where_a_config_should_not_lead() {
    for url in [
        "http://keys.example/j",
        "http://8.8.8.8/j",
        "file:///etc/passwd",
        "https://u:p@x.example/j",
        "https://169.254.169.254/j",
        "http://[fd00:ec2::254]/j",
        "https://x.example",
        "https://x.example/j#k",
        "ftp://x.example/j",
    ] {
        let text = format!("issuers: [{{name: b, issuer: \"https://x.example\", jwks_url: \"{url}\"}}]\n");
        assert!(complaint(&text).contains("error[B002]: `jwks_url` "), "{url}\n{}", complaint(&text));
    }
    for url in ["https://x.example/j?k", "http://127.0.0.1:8486/j", "http://localhost/j", "http://[fd12::1]/j"] {
        let text = format!("issuers: [{{name: b, issuer: \"https://x.example\", jwks_url: \"{url}\"}}]\n");
        assert!(!complaint(&text).contains("error["), "{url}\n{}", complaint(&text));
    }
}

#[test]
fn names_that_bailiff_or_http_needs_are_no_headers_for_claims() {
    let long = "x".repeat(65);
    for name in [
        "x-user-id",
        "x-clerk-plan",
        "x-request-id",
        "x-forwarded-for",
        "host",
        "cookie",
        "content-length",
        "connection",
        "authorization",
        "X-Plan",
        "x_plan",
        &long,
    ] {
        let got = complaint(&format!("headers: {{claims: {{{name}: pla}}}}\n"));
        assert!(got.contains("error[B002]") && got.contains("a header of your own such as x-plan"), "{name}\n{got}");
    }
    assert_eq!(complaint("headers: {claims: {x-plan: pla}}\n"), "");
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
    assert!(got.starts_with("warning[B010]: `webhooks` has no effect"), "{got}");
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
    let env = FakeEnv::new().with_file("b.yaml", text.as_bytes(), 0o600).with_var("AUTH_MODE", "x");
    let faults = load(Some(Path::new("b.yaml")), &Overrides::default(), &env).expect_err("faults");
    let lines: Vec<_> =
        faults.sorted().iter().filter_map(|fault| fault.place.as_ref().map(|place| place.line())).collect();
    for line in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 20] {
        assert!(lines.contains(&line), "line {line} is missing:\n{faults}");
    }
    assert_eq!(lines.iter().filter(|line| **line == 5).count(), 5, "{faults}");
    assert!(faults.to_string().contains("`AUTH_MODE` is not a mode of this version"));
}
