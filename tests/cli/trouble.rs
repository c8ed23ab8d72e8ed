//! The troubleshooting lists of the systems behind the gate, on the command line. docs/troubleshooting.md puts them together.

use std::net::TcpListener;
use std::sync::OnceLock;

use bailiff::dev::issuer::{DevIssuer, UserBehaviour};
use bailiff::dev::key::SigningKey;
use bailiff::listen;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::harness::{Ended, assert_no_token, file, folder, run, run_with};

const KEY: &str = "sk_test_hunter2hunter2hunter2";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// A Clerk instance with one key of this name. It serves for as long as this lives.
struct Instance {
    issuer: DevIssuer,
    _serving: watch::Sender<bool>,
}

impl Instance {
    fn start(kid: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let issuer = DevIssuer::new(url, vec![SigningKey::generate(kid).expect("a key")]);
        issuer.set_secret_key(Some(KEY.to_owned()));
        let (serving, shutdown) = watch::channel(false);
        let _inside = runtime().enter();
        let _served = listen::spawn("issuer", issuer.clone(), listener, shutdown);
        Self {
            issuer,
            _serving: serving,
        }
    }
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

/// `bailiff check --online` with the issuer of one instance and the Backend API at `api`.
fn online(own: &Instance, api: &str, secret: &str, more: &[&str]) -> Ended {
    let text = format!(
        "upstream: {0}\nclerk: {{issuer: \"{0}\", jwks_url: \"{1}\", secret_key: \"${{CLERK_SECRET_KEY}}\", api_url: \"{api}\"}}\n",
        own.issuer.url(),
        own.issuer.jwks_url(),
    );
    let path = file(&folder(), "bailiff.yaml", &text);
    let args = [&["check", "--online", "--config", &path], more].concat();
    let ended = run_with(&args, &[("CLERK_SECRET_KEY", secret)], "");
    assert!(
        !ended.all().contains("hunter2"),
        "the secret key was printed: {ended:?}"
    );
    ended
}

#[test]
fn a_secret_key_of_the_same_instance_is_fine() {
    let own = Instance::start("ins_own");
    let ended = online(&own, own.issuer.url(), KEY, &[]);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(!ended.err.contains("B02"), "{ended:?}");
    says(&ended.out, &["with a secret key (test)"]);
    let json = online(&own, own.issuer.url(), KEY, &["--json"]).json();
    assert_eq!(json["backend_api"]["url"], own.issuer.url());
    assert_eq!(
        (
            &json["backend_api"]["secret_key"],
            &json["backend_api"]["live"]
        ),
        (&true.into(), &false.into())
    );
}

#[test]
fn a_secret_key_of_another_instance_is_told_with_the_keys_of_both() {
    // The same name: only the keys themselves tell them apart.
    for kid in ["ins_other", "ins_own"] {
        let (own, other) = (Instance::start("ins_own"), Instance::start(kid));
        let ended = online(&own, other.issuer.url(), KEY, &[]);
        assert_eq!(ended.status, 78, "{ended:?}");
        let saw = format!(
            "{kid} at {}, ins_own of the issuer `clerk`",
            other.issuer.url()
        );
        says(
            &ended.err,
            &[
                "error[B023]",
                "the secret key is of another instance than the publishable key",
                &saw,
            ],
        );
        says(
            &ended.err,
            &[
                "CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY",
                "CLERK_API_URL",
            ],
        );
    }
}

#[test]
fn a_secret_key_that_opens_nothing_is_told_and_an_api_that_is_down_is_a_warning() {
    let own = Instance::start("ins_own");
    let base = own.issuer.url().to_owned();
    let ended = online(&own, &base, "sk_test_hunter2anotherinstance", &[]);
    assert_eq!(ended.status, 78, "{ended:?}");
    says(
        &ended.err,
        &[
            "error[B024]",
            &format!("the secret key is not accepted by {base}"),
            "clerk_key_invalid",
            "rotated",
        ],
    );

    let ended = online(&own, "http://127.0.0.1:1", KEY, &[]);
    assert_eq!(ended.status, 0, "{ended:?}");
    says(
        &ended.err,
        &[
            "warning[B024]",
            "http://127.0.0.1:1 could not be asked",
            "refused",
            "firewall",
        ],
    );
    for (behaviour, part) in [
        (UserBehaviour::Html, "a web page"),
        (UserBehaviour::Status(503), "answered 503"),
    ] {
        own.issuer.set_user_behaviour(behaviour);
        let ended = online(&own, &base, KEY, &[]);
        assert_eq!(ended.status, 0, "{ended:?}");
        says(&ended.err, &["warning[B024]", part]);
    }
}

#[test]
fn check_says_what_the_gate_asks_and_keeps_and_what_may_surprise() {
    let check = |text: &str, variables: &[(&str, &str)]| {
        let path = file(
            &folder(),
            "bailiff.yaml",
            &format!("upstream: http://127.0.0.1:1\n{text}"),
        );
        let ended = run_with(&["check", "--config", &path], variables, "");
        assert_eq!(ended.status, 0, "{ended:?}");
        let json = run_with(&["check", "--json", "--config", &path], variables, "").json();
        (ended.out, json)
    };
    let issuer = "clerk: {issuer: https://amused-cat-7.clerk.acounts.dev, jwks_url: https://clerk.test/jwks.json}\n";
    let (out, json) = check(issuer, &[]);
    says(
        &out,
        &[
            "backend api not asked, as there is no secret key",
            "store       none",
            "almost like clerk.accounts.dev",
        ],
    );
    assert_eq!(
        (&json["backend_api"]["secret_key"], &json["first_sight"]),
        (&false.into(), &false.into())
    );
    assert_eq!(json["hints"].as_array().map(Vec::len), Some(1), "{json}");

    let clerk = "clerk: {issuer: https://clerk.test, jwks_url: https://clerk.test/jwks.json}\n";
    let seen =
        format!("{clerk}store: s.redb\nmembership: {{first_sight: true, roles: [member]}}\n");
    let (out, json) = check(&seen, &[]);
    says(
        &out,
        &[
            "s.redb",
            "recorded as pending",
            "session tokens have none by themselves",
            "CLERK_SECRET_KEY",
        ],
    );
    assert_eq!(json["first_sight"], true);
    let (out, json) = check(&seen, &[("CLERK_SECRET_KEY", KEY)]);
    assert!(!out.contains("hint") && !out.contains("hunter2"), "{out}");
    says(&out, &["https://api.clerk.com, with a secret key (test)"]);
    assert_eq!(json["hints"].as_array().map(Vec::len), Some(0), "{json}");
}

#[test]
fn check_says_why_users_are_never_created() {
    let check = |text: &str| {
        let clerk = "clerk: {issuer: https://clerk.test, jwks_url: https://clerk.test/jwks.json}\n";
        let path = file(
            &folder(),
            "bailiff.yaml",
            &format!("upstream: http://127.0.0.1:1\n{clerk}{text}"),
        );
        run_with(
            &["check", "--config", &path],
            &[("CLERK_WEBHOOK_SECRET", SECRET)],
            "",
        )
    };
    let ended = check("routes: [{path: /**, access: user}]\n");
    says(
        &ended.out,
        &[
            "no route for them, so Clerk's are refused and users are not created",
            "access: webhook",
        ],
    );
    let routes = "routes: [{path: /hooks, access: webhook}]\n";
    let ended = check(&format!("listen: 127.0.0.1:8484\n{routes}"));
    says(
        &ended.out,
        &[
            "webhooks to /hooks",
            "publicly accessible",
            "ngrok",
            "bailiff webhook send",
        ],
    );
    let ended = check(&format!("listen: 0.0.0.0:8484\n{routes}"));
    assert!(!ended.out.contains("hint"), "{ended:?}");
}

#[test]
fn a_wrong_webhook_secret_is_called_what_it_is_and_one_without_its_prefix_is_fine() {
    let check = |secret: &str, key: &str| {
        let text = "upstream: http://127.0.0.1:1\nclerk: {issuer: https://clerk.test, jwks_url: https://clerk.test/j}\n\
                    routes: [{path: /hooks, access: webhook}]\n";
        let path = file(&folder(), "bailiff.yaml", text);
        run_with(
            &["check", "--config", &path],
            &[("CLERK_WEBHOOK_SECRET", secret), ("CLERK_SECRET_KEY", key)],
            "",
        )
    };
    assert_eq!(check(SECRET, KEY).status, 0);
    assert_eq!(check(SECRET.trim_start_matches("whsec_"), KEY).status, 0);
    for (secret, key, part) in [
        ("whsec_not base64", KEY, "no base64 after `whsec_`"),
        (
            "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            KEY,
            "`whpk_`, `whsk_`",
        ),
        (KEY, KEY, "is a Clerk API key"),
        (SECRET, SECRET, "is the signing secret of a webhook"),
    ] {
        let ended = check(secret, key);
        assert_eq!(ended.status, 78, "{ended:?}");
        says(&ended.err, &[part]);
        assert!(
            !ended.all().contains("hunter2") && !ended.all().contains("MfKQ9r8G"),
            "{ended:?}"
        );
    }
}

#[test]
fn keys_that_cannot_be_had_are_named_with_address_cause_and_cure() {
    let path = file(
        &folder(),
        "bailiff.yaml",
        "upstream: http://127.0.0.1:1\nclerk: {issuer: http://127.0.0.1:1, jwks_url: http://127.0.0.1:1/jwks.json}\n",
    );
    let ended = run(&["check", "--online", "--config", &path]);
    assert_eq!(ended.status, 69, "{ended:?}");
    says(
        &ended.err,
        &[
            "error[B022]",
            "http://127.0.0.1:1/jwks.json",
            "Connection refused",
            "nobody listens there",
        ],
    );
}

const GATE: &str = "upstream: http://127.0.0.1:1
clerk: {issuer: https://clerk.test, jwt_key: \"${CLERK_JWT_KEY}\"}
membership: {file: membership.yaml, roles: [member, admin, owner]}
cors: {origins: [https://app.test]}
routes:
  - {path: /me, access: user}
  - {path: /named, access: active}
  - {path: \"/ws/{workspace}\", access: owner}
";
const MEMBERS: &str = "users:
  user_a: {id: app-1, access: active}
  user_b: {access: active, email: b@example.com, name: Bea}
  user_s: {access: suspended}
workspaces: {ws_1: {members: {user_a: member}}}
";

/// A gate's config and a key that it believes.
struct Asking {
    config: String,
    key: String,
    public: String,
}

impl Asking {
    fn new(text: &str) -> Self {
        let folder = folder();
        file(&folder, "membership.yaml", MEMBERS);
        let (config, key) = (file(&folder, "bailiff.yaml", text), folder.join("dev.pem"));
        let key = key.to_str().expect("a path in ASCII").to_owned();
        run(&[
            "token",
            "mint",
            "--issuer",
            "https://clerk.test",
            "--user",
            "user_a",
            "--key",
            &key,
        ]);
        let public = std::fs::read_to_string(format!("{key}.pub")).expect("the public half");
        Self {
            config,
            key,
            public,
        }
    }

    fn token(&self, user: &str, more: &[&str]) -> String {
        let args = [
            "token",
            "mint",
            "--issuer",
            "https://clerk.test",
            "--user",
            user,
            "--key",
            &self.key,
        ];
        run(&[&args[..], more].concat()).out
    }

    fn run(&self, args: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
        let variables = [&[("CLERK_JWT_KEY", self.public.as_str())], variables].concat();
        run_with(
            &[args, &["--config", &self.config]].concat(),
            &variables,
            input,
        )
    }

    fn explain(&self, path: &str, token: &str) -> Ended {
        let ended = self.run(&["explain", "--path", path, "--token", "-"], &[], token);
        if token.len() > 100 {
            assert_no_token(&ended, token);
        }
        ended
    }
}

#[test]
fn explain_says_by_how_much_a_clock_is_off_and_inspect_too() {
    let asking = Asking::new(GATE);
    let token = asking.token("user_a", &["--claim", "iat=9999999999"]);
    let ended = asking.explain("/me", &token);
    says(
        &ended.out,
        &[
            "refused: issued_in_future",
            "s in the future, and the leeway is 10 s",
            "timedatectl set-ntp",
        ],
    );
    let ended = asking.run(&["token", "inspect"], &[], &token);
    says(
        &ended.out,
        &["issued_in_future", "iat is in", "is a clock wrong?"],
    );
}

#[test]
fn explain_says_that_null_is_no_token() {
    let asking = Asking::new(GATE);
    for word in ["null", "undefined"] {
        let ended = asking.explain("/me", word);
        assert_eq!(ended.status, 1, "{ended:?}");
        says(
            &ended.out,
            &[
                "refused: malformed_token",
                &format!("`Bearer {word}`"),
                "not signed in",
                "<SignedIn>",
            ],
        );
        let ended = asking.run(&["token", "inspect"], &[], word);
        says(
            &ended.out,
            &[
                &format!("the word `{word}` and no token"),
                "nobody is signed in",
            ],
        );
    }
    let promise = file(
        &folder(),
        "headers",
        "Authorization: Bearer [object Promise]\n",
    );
    let ended = asking.run(
        &["explain", "--path", "/me", "-H", &format!("@{promise}")],
        &[],
        "",
    );
    says(
        &ended.out,
        &["refused: malformed_token", "await getToken()"],
    );
}

#[test]
fn explain_says_whether_an_origin_is_listed_and_what_to_add() {
    let asking = Asking::new(GATE);
    let preflight = |origin: &str| {
        let (origin, asks) = (
            format!("Origin: {origin}"),
            "Access-Control-Request-Method: GET",
        );
        asking.run(
            &[
                "explain", "--method", "OPTIONS", "--path", "/me", "-H", &origin, "-H", asks,
            ],
            &[],
            "",
        )
    };
    let ended = preflight("https://new.test");
    assert_eq!(ended.status, 1, "{ended:?}");
    says(
        &ended.out,
        &[
            "refused: origin_not_listed",
            "401",
            "`https://new.test`",
            "https://app.test",
            "CORS_ORIGINS",
        ],
    );
    let ended = preflight("https://app.test");
    assert_eq!(ended.status, 0, "{ended:?}");
    says(
        &ended.out,
        &[
            "answered by bailiff: 204",
            "`https://app.test` is listed in `cors.origins`",
        ],
    );

    let args = [
        "explain",
        "--path",
        "/me",
        "--json",
        "-H",
        "Origin: https://new.test",
    ];
    let json = asking.run(&args, &[], "").json();
    assert_eq!(json["reason"], "missing_token", "no preflight: {json}");
    says(
        &json["hints"].to_string(),
        &[
            "https://new.test",
            "is not listed",
            "lists https://app.test",
        ],
    );
    let without = Asking::new(&GATE.replace("cors: {origins: [https://app.test]}\n", ""));
    says(
        &without.run(&args, &[], "").out,
        &["there is no `cors.origins` (CORS_ORIGINS)"],
    );
}

#[test]
fn explain_says_who_is_refused_where_and_in_which_role() {
    let asking = Asking::new(GATE);
    for (user, path, parts) in [
        (
            "user_a",
            "/ws/ws_1",
            [
                "refused: role_too_low",
                "user_a in ws_1 is `member`, and the route asks for `owner`",
            ],
        ),
        (
            "user_a",
            "/ws/ws_2",
            ["refused: not_a_member", "gives user_a no role in ws_2"],
        ),
        (
            "user_s",
            "/named",
            ["refused: suspended", "says of user_s: suspended"],
        ),
        (
            "user_x",
            "/named",
            ["refused: unknown_user", "does not list user_x"],
        ),
    ] {
        let ended = asking.explain(path, &asking.token(user, &[]));
        assert_eq!(ended.status, 1, "{ended:?}");
        says(&ended.out, &parts);
    }
    let ended = asking.explain("/named", &asking.token("user_x", &[]));
    says(&ended.out, &["publicly accessible", "access: webhook"]);
}

#[test]
fn explain_says_what_row_level_security_compares() {
    let asking = Asking::new(GATE);
    let ended = asking.explain("/me", &asking.token("user_a", &[]));
    assert_eq!(ended.status, 0, "{ended:?}");
    says(
        &ended.out,
        &[
            "a 403 to this request would be the app's own",
            "x-user-id `app-1`",
            "sub is `user_a`",
        ],
    );
}

#[test]
fn explain_and_inspect_say_where_a_missing_email_or_name_comes_from() {
    let asking = Asking::new(GATE);
    let whole = [
        "--claim",
        "email=\"a@example.com\"",
        "--claim",
        "name=\"Alex\"",
    ];
    for (user, claims, what) in [
        ("user_a", &[][..], Some("no e-mail address and no name")),
        ("user_a", &whole[..2], Some("no name")),
        ("user_a", &whole[2..], Some("no e-mail address")),
        ("user_a", &whole, None),
        ("user_b", &[], None),
    ] {
        let ended = asking.explain("/me", &asking.token(user, claims));
        assert_eq!(ended.status, 0, "{ended:?}");
        match what {
            Some(what) => says(
                &ended.out,
                &[
                    &format!("the app gets {what}:"),
                    "session token",
                    "CLERK_SECRET_KEY",
                ],
            ),
            None => assert!(!ended.out.contains("the app gets"), "{ended:?}"),
        }
    }
    let token = asking.token("user_a", &[]);
    let explain = ["explain", "--path", "/me", "--token", "-"];
    let ended = asking.run(&explain, &[("CLERK_SECRET_KEY", KEY)], &token);
    says(
        &ended.out,
        &[
            "A running gate asks https://api.clerk.com for it",
            "at sign-up",
        ],
    );
    let ended = asking.run(
        &explain,
        &[("CLERK_SECRET_KEY", KEY)],
        &asking.token("user_x", &[]),
    );
    says(
        &ended.out,
        &[
            "Clerk is not asked about a user whom the membership does not know",
            "first_sight: true",
        ],
    );

    let ended = asking.run(&["token", "inspect"], &[], &token);
    assert_eq!(ended.status, 0, "a hint is no fault: {ended:?}");
    says(
        &ended.out,
        &[
            "the token has no e-mail address and no name",
            "JWT template",
            "CLERK_SECRET_KEY",
        ],
    );
    let ended = asking.run(&["token", "inspect"], &[], &asking.token("user_a", &whole));
    assert!(!ended.out.contains("hint"), "{ended:?}");
}
