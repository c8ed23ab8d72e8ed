use crate::harness::{Demo, Ended, assert_no_token, file, folder, get, run, run_with};

/// A demo, its config, and a function that asks about a request with the token of `who`.
struct Asking {
    _demo: Demo,
    config: String,
    issuer: String,
}

impl Asking {
    fn start() -> Self {
        let (demo, addresses) = Demo::json(&[]);
        let text = |name: &str| addresses[name].as_str().expect("an address").to_owned();
        Self {
            config: text("config"),
            issuer: text("issuer"),
            _demo: demo,
        }
    }

    fn token(&self, who: &str) -> String {
        get(&format!("{}/token/{who}", self.issuer))
    }

    fn explain(&self, who: &str, more: &[&str]) -> Ended {
        let token = self.token(who);
        let args = ["explain", "--config", &self.config, "--token", "-"];
        let ended = run_with(&[&args[..], more].concat(), &[], &token);
        assert_no_token(&ended, &token);
        ended
    }
}

#[test]
fn a_request_that_passes_shows_exactly_what_the_app_gets_and_what_was_taken_away() {
    let asking = Asking::start();
    let more = [
        "--path",
        "/workspaces/ws_acme/board",
        "-H",
        "X_User_Id: root",
        "-H",
        "x-workspace-role: god",
        "-H",
        "accept: */*",
    ];
    let ended = asking.explain("alice", &more);
    assert_eq!(ended.status, 0, "{ended:?}");
    for part in [
        "1  route /workspaces/{workspace}/** asks for the role `member`",
        "signature good",
        "forwarded to http://127.0.0.1:",
        "x-clerk-user-id: user_alice",
        "x-workspace-role: owner",
        "authorization: Bearer ***",
        "accept: */*",
        "stripped from the request\n    x_user_id\n    x-workspace-role",
    ] {
        assert!(
            ended.out.contains(part),
            "{part} is missing in {}",
            ended.out
        );
    }
    assert!(
        !ended.out.contains("root") && !ended.out.contains("god"),
        "{}",
        ended.out
    );
}

#[test]
fn a_field_that_overrides_and_a_reading_that_decided_are_named() {
    let routes = "routes:\n  - {path: \"/items/{id}/open\", access: public}\n  - {path: /items/**, access: user}\n";
    let config = format!(
        "upstream: http://127.0.0.1:3000\nclerk: {{publishable_key: pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ}}\n{routes}"
    );
    let folder = folder();
    let config = file(&folder, "b.yaml", &config);
    let explain = |path: &str, more: &[&str]| {
        run(&[
            &["explain", "--offline", "--config", &config, "--path", path][..],
            more,
        ]
        .concat())
    };
    let open = explain(
        "/items/x/open",
        &["-H", "SCRIPT_NAME: /public", "-H", "remote.user: root"],
    );
    assert_eq!(open.status, 0, "{open:?}");
    for part in [
        "script_name: some apps take the path from it",
        "remote.user: some apps take the user from it",
    ] {
        assert!(open.out.contains(part), "{part} is missing in {}", open.out);
    }
    let json = explain("/items/x/open", &["--json", "-H", "SCRIPT_NAME: /public"]);
    assert!(
        json.out.contains("\"script_name\": \"the path\""),
        "{}",
        json.out
    );

    let encoded = explain("/items/x/%6Fpen", &[]);
    assert_eq!(encoded.status, 1, "{encoded:?}");
    for part in [
        "1  route /items/{id}/open asks for nothing",
        "2  some app servers read the path otherwise, and must be let in there too",
        "3  route /items/** asks for a valid token",
        "4  the strictest of these readings decides: /items/**",
        "refused: missing_token",
    ] {
        assert!(
            encoded.out.contains(part),
            "{part} is missing in {}",
            encoded.out
        );
    }
    let nowhere = explain("/%69tems/x", &[]);
    let why = "no route covers GET /items/x in each of its readings (decoded, and as it stands)";
    assert!(nowhere.out.contains(why), "{}", nowhere.out);
}

#[test]
fn a_program_reads_the_same_as_json() {
    let asking = Asking::start();
    let ended = asking.explain("bob", &["--path", "/me", "--json"]);
    let explained = ended.json();
    let names: Vec<_> = explained["headers_from_bailiff"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair[0].clone())
        .collect();
    for name in [
        "x-user-id",
        "x-clerk-user-id",
        "x-session-id",
        "x-auth-kind",
        "x-access-status",
        "x-request-id",
    ] {
        assert!(
            names.iter().any(|seen| seen == name),
            "{name} is missing in {names:?}"
        );
    }
    assert_eq!(explained["verdict"], "forward");
}

#[test]
fn every_refusal_has_a_cause_and_a_cure() {
    let asking = Asking::start();
    for (who, path, reason, parts) in [
        (
            "bob",
            "/workspaces/ws_globex/x",
            "not_a_member",
            &["gives user_bob no role in ws_globex", "403"][..],
        ),
        ("dan", "/api/x", "not_active", &["user_dan", "403"]),
        ("eve", "/me", "suspended", &["user_eve"]),
        (
            "bob?expired=1",
            "/me",
            "expired",
            &["ended 3", "leeway is 10 s", "clock"],
        ),
        (
            "bob?azp=https://evil.example",
            "/me",
            "wrong_party",
            &["`https://evil.example`", "https://app.example.com"],
        ),
        ("bob", "/nowhere", "no_route", &["404", "add a route"]),
        ("bob", "/a/../b", "ambiguous_path", &["400"]),
    ] {
        let ended = asking.explain(who, &["--path", path]);
        assert_eq!(ended.status, 1, "{ended:?}");
        for part in [&format!("refused: {reason}")]
            .into_iter()
            .map(String::as_str)
            .chain(parts.iter().copied())
        {
            assert!(
                ended.out.contains(part),
                "{part} is missing in {}",
                ended.out
            );
        }
    }
    let ended = run(&["explain", "--config", &asking.config, "--path", "/me"]);
    assert!(
        ended.out.contains("refused: missing_token") && ended.out.contains("getToken()"),
        "{ended:?}"
    );
}

#[test]
fn a_token_of_another_instance_names_both_issuers_and_their_keys() {
    let (asking, folder) = (Asking::start(), folder());
    let key = folder.join("key.pem").to_str().unwrap().to_owned();
    for (issuer, reason) in [
        ("https://other.test", "wrong_issuer"),
        (asking.issuer.as_str(), "unknown_key"),
    ] {
        let token = run(&[
            "token", "mint", "--issuer", issuer, "--user", "user_x", "--key", &key,
        ])
        .out;
        let ended = run_with(
            &[
                "explain",
                "--config",
                &asking.config,
                "--path",
                "/me",
                "--token",
                "-",
            ],
            &[],
            &token,
        );
        assert_eq!(ended.status, 1);
        for part in [
            reason,
            issuer,
            "ins_bailiff_dev_key",
            &asking.issuer,
            "ins_bailiff_demo",
            "publishable key",
        ] {
            assert!(
                ended.out.contains(part),
                "{part} is missing in {}",
                ended.out
            );
        }
        assert_no_token(&ended, &token);
    }
}

#[test]
fn without_keys_it_says_that_and_does_not_guess() {
    let asking = Asking::start();
    let ended = asking.explain("bob", &["--path", "/me", "--offline"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.out.contains("keys_unavailable") && ended.out.contains("--offline"),
        "{ended:?}"
    );
}

#[test]
fn a_webhook_is_verified_over_its_body() {
    let (asking, folder) = (Asking::start(), folder());
    let secret = asking.config.replace("bailiff.yaml", "webhook-secret");
    let body = r#"{"type":"user.deleted","data":{"id":"user_bob"},"timestamp":1700000000000,"instance_id":"ins_bailiff_dev"}"#;
    let body_file = file(&folder, "body.json", body);
    let signed = run_with(&["webhook", "sign", "--secret-file", &secret], &[], body);
    let headers = format!("@{}", file(&folder, "headers", &signed.out));
    let base = [
        "explain",
        "--config",
        &asking.config,
        "--method",
        "POST",
        "--path",
        "/webhooks/clerk",
        "-H",
        &headers,
    ];

    let ended = run(&[&base[..], &["--body", &body_file]].concat());
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        ended
            .out
            .contains("would change the membership: user_bob is deleted"),
        "{ended:?}"
    );
    let (_, signature) = signed.out.split_once("v1,").unwrap();
    assert!(!ended.all().contains(signature.trim()), "{ended:?}");

    let forged = file(&folder, "forged.json", &body.replace("bob", "eve"));
    let ended = run(&[&base[..], &["--body", &forged]].concat());
    assert_eq!(ended.status, 1);
    assert!(
        ended.out.contains("refused: webhook_signature"),
        "{ended:?}"
    );

    let ended = run(&base);
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(ended.err.contains("--body"), "{ended:?}");
}

#[test]
fn a_125_a_token_on_the_command_line_is_refused_and_not_repeated() {
    let asking = Asking::start();
    let token = asking.token("bob");
    let field = format!("Authorization: Bearer {token}");
    let cookie = format!("Cookie: __session={token}");
    let with_equals = format!("--tokn={token}");
    for args in [
        &[
            "explain",
            "--config",
            &asking.config,
            "--path",
            "/me",
            "--token",
            &token,
        ][..],
        &[
            "explain",
            "--config",
            &asking.config,
            "--path",
            "/me",
            "-H",
            &field,
        ],
        &[
            "explain",
            "--config",
            &asking.config,
            "--path",
            "/me",
            "-H",
            &cookie,
        ],
        &["explain", "--path", "/me", &token],
        &["explain", "--path", "/me", &with_equals],
        &["token", "inspect", &token],
        &[&token],
    ] {
        let ended = run(args);
        assert_eq!(ended.status, 2, "{ended:?}");
        assert!(!ended.err.is_empty(), "{ended:?}");
        assert_no_token(&ended, &token);
    }
}

#[test]
fn a_cookie_from_a_file_counts_and_is_not_shown() {
    let (asking, folder) = (Asking::start(), folder());
    let alice = asking.token("alice");
    let headers = format!(
        "@{}",
        file(&folder, "headers", &format!("Cookie: __session={alice}\n"))
    );
    let ended = asking.explain("bob", &["--path", "/me", "-H", &headers]);
    assert!(ended.out.contains("refused: several_tokens"), "{ended:?}");
    assert_no_token(&ended, &alice);
    let ended = asking.explain("alice", &["--path", "/me", "-H", &headers]);
    assert!(ended.out.contains("cookie: ***"), "{ended:?}");
}

#[test]
fn a_preflight_or_a_public_route_needs_no_token() {
    let asking = Asking::start();
    let ended = run(&["explain", "--config", &asking.config, "--path", "/public"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.out.contains("x-auth-kind: none"), "{ended:?}");
    assert!(
        !ended.err.contains("asking"),
        "no key is needed, none is fetched: {ended:?}"
    );
}
