//! Changes without leave, and descriptions that mean harm.

use serde_json::{Value, json};

use super::{
    TOKEN, access, add, admin, anybody, asked, clerk_is_unharmed, described, list, names, plan,
    provider,
};
use crate::harness::{APP, Request, Response, SERVICE_TOKEN, World};

/// Every change and every look that there is.
const REQUESTS: [(&str, &str); 4] = [
    ("GET", "/providers"),
    ("POST", "/providers"),
    ("DELETE", "/providers/partner"),
    ("DELETE", "/users/user_b"),
];

fn with_body(request: Request, provider: &Value) -> Request {
    request
        .header("Content-Type", "application/json")
        .body(provider.to_string())
}

#[track_caller]
fn refused(answer: &Response, status: u16, given: &str) {
    assert_eq!(answer.status, status, "given: {given}, {answer:?}");
    assert!(
        answer.json()["detail"].is_string(),
        "given: {given}, {answer:?}"
    );
    assert_eq!(
        answer.header("cache-control").as_deref(),
        Some("no-store"),
        "given: {given}"
    );
}

#[test]
fn nobody_changes_anything_without_the_token() {
    let (partner, evil) = (provider(), provider());
    let world = plan().start();
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    let user = world.token("user_owner");
    let query = format!("?access_token={TOKEN}&token={TOKEN}");
    let basic = format!("Basic {TOKEN}");
    let longer = format!("{TOKEN}0");
    let twice = [
        ("Authorization", format!("Bearer {TOKEN}")),
        ("Authorization", format!("Bearer {TOKEN}")),
    ];

    for (method, path) in REQUESTS {
        let request = || {
            with_body(
                anybody(&world.gate, method, path),
                &described("evil", &evil),
            )
        };
        let doubled = twice.iter().fold(request(), |request, (name, value)| {
            request.header(name, value)
        });
        let queried = anybody(&world.gate, method, &format!("{path}{query}"));
        for (given, request) in [
            ("no token", request()),
            ("another", request().bearer("admin-token-0123456789abcdeg")),
            ("a longer one", request().bearer(&longer)),
            (
                "a shorter one",
                request().bearer("admin-token-0123456789abcde"),
            ),
            ("an empty one", request().header("Authorization", "Bearer ")),
            ("another case", request().bearer(&TOKEN.to_uppercase())),
            ("another scheme", request().header("Authorization", &basic)),
            ("another header", request().header("X-Admin-Token", TOKEN)),
            ("twice", doubled),
            (
                "in the query",
                with_body(queried, &described("evil", &evil)),
            ),
            (
                "in a cookie",
                request().header("Cookie", format!("token={TOKEN}")),
            ),
            ("a service's", request().bearer(SERVICE_TOKEN)),
            ("a user's", request().bearer(&user)),
        ] {
            refused(&request.send(), 401, &format!("{given}, {method} {path}"));
        }
    }
    assert_eq!(
        (names(&world.gate), evil.metadata_hits()),
        (vec!["clerk".to_owned(), "partner".to_owned()], 0)
    );
    world
        .get("/api/x")
        .bearer(&world.token("user_b"))
        .send()
        .passed();
    asked(&world.gate, &partner, &access(&partner, "a")).passed();
    let told = world.gate.logs();
    assert!(
        told.iter().all(|line| !line.contains(TOKEN)),
        "the token was printed: {told:#?}"
    );
}

#[test]
fn without_a_token_in_the_config_nobody_may_whatever_they_show() {
    let world = plan().config(|c| c["admin"] = json!("127.0.0.1:0")).start();
    let evil = provider();
    for (method, path) in REQUESTS {
        for shown in [None, Some(TOKEN), Some("undefined")] {
            let request = with_body(
                anybody(&world.gate, method, path),
                &described("evil", &evil),
            );
            let answer = shown.into_iter().fold(request, Request::bearer).send();
            refused(&answer, 403, path);
            assert!(answer.text().contains("admin.token"), "{answer:?}");
        }
    }
    assert_eq!(evil.metadata_hits(), 0);
    // Health and metrics need no token.
    assert_eq!(world.gate.admin("/readyz").status, 200);
    world
        .get("/api/x")
        .bearer(&world.token("user_b"))
        .send()
        .passed();
}

#[test]
fn a_token_of_the_environment_counts_more_than_that_of_the_config_and_two_while_rotating() {
    let world = plan()
        .env("BAILIFF_ADMIN_TOKEN", "of-the-environment-0123")
        .start();
    let with = |token: &str| {
        anybody(&world.gate, "GET", "/providers")
            .bearer(token)
            .send()
            .status
    };
    assert_eq!((with("of-the-environment-0123"), with(TOKEN)), (200, 401));
    let new = "the-new-admin-token-0123";
    let world = plan()
        .config(|c| c["admin"] = json!({"address": "127.0.0.1:0", "token": [new, TOKEN]}))
        .start();
    for token in [new, TOKEN] {
        anybody(&world.gate, "GET", "/providers")
            .bearer(token)
            .send()
            .passed();
    }
}

#[test]
fn a_127_a_website_cannot_reach_it_through_the_browser_of_somebody_inside() {
    let evil = provider();
    let world = plan().start();
    // Its own name that points here: whatever it shows, also the token.
    for host in [
        "evil.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "",
        "bailiff.monitoring",
    ] {
        for (method, path) in REQUESTS {
            let request = Request::new(world.gate.admin_address(), method, path)
                .header("Host", host)
                .bearer(TOKEN);
            let answer = with_body(request, &described("evil", &evil))
                .header("Connection", "close")
                .send();
            assert!(
                [400, 403].contains(&answer.status),
                "given: {host}, {answer:?}"
            );
        }
    }
    // The right name, from its own page: a form needs no preflight, and has no token.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json",
    ] {
        let request =
            anybody(&world.gate, "POST", "/providers").header("Origin", "https://evil.test");
        let answer = request
            .header("Content-Type", kind)
            .body(described("evil", &evil).to_string())
            .send();
        refused(&answer, 401, kind);
    }
    // What needs a preflight gets no leave, not even a page of the app.
    for origin in ["https://evil.test", "null", APP] {
        let preflight = anybody(&world.gate, "OPTIONS", "/providers").header("Origin", origin);
        let preflight = preflight.header("Access-Control-Request-Method", "POST");
        let answer = preflight
            .header("Access-Control-Request-Headers", "authorization")
            .send();
        assert_ne!(answer.status, 200, "given: {origin}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "given: {origin}"
        );
    }
    assert_eq!(
        (names(&world.gate), evil.metadata_hits()),
        (vec!["clerk".to_owned()], 0)
    );
}

#[test]
fn the_public_side_has_no_such_routes() {
    let evil = provider();
    let world = plan().start();
    for (method, path) in REQUESTS {
        let request = world.request(method, path).bearer(TOKEN);
        let answer = with_body(request, &described("evil", &evil))
            .send()
            .refused(404);
        assert_eq!(world.gate.reason(&answer), "no_route");
    }
    world.upstream.saw_nothing();
    assert_eq!(names(&world.gate), ["clerk"]);
}

#[test]
fn another_path_or_method_is_nothing_and_changes_nothing() {
    let partner = provider();
    let world = plan().start();
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    for (method, path) in [
        ("PUT", "/providers"),
        ("PATCH", "/providers/partner"),
        ("POST", "/providers/partner"),
        ("DELETE", "/providers"),
        ("DELETE", "/providers/"),
        ("DELETE", "/providers/partner/"),
        ("DELETE", "/providers/partner/keys"),
        ("DELETE", "/providers/%70artner"),
        ("DELETE", "/providers/PARTNER"),
        ("GET", "/providers/partner"),
        ("GET", "/users"),
        ("GET", "/users/user_b"),
        ("DELETE", "/users"),
        ("DELETE", "/users/user_b/sessions"),
    ] {
        let answer = with_body(admin(&world.gate, method, path), &json!({})).send();
        refused(&answer, 404, &format!("{method} {path}"));
    }
    for path in [
        "/providersx",
        "/Providers",
        "//providers",
        "/metrics/../providers",
        "/user",
    ] {
        let answer = admin(&world.gate, "GET", path).send();
        assert!(answer.status >= 400, "given: {path}, {answer:?}");
    }
    assert_eq!(names(&world.gate), ["clerk", "partner"]);
    world
        .get("/api/x")
        .bearer(&world.token("user_b"))
        .send()
        .passed();
}

#[test]
fn a_description_that_is_not_in_order_is_refused_before_anybody_is_asked() {
    let evil = provider();
    let world = plan().start();
    let url = evil.url();
    let described = |more: Value| {
        let mut provider = json!({"provider": "evil", "issuer": url, "client_id": "x"});
        let (into, more) = (provider.as_object_mut().expect("an object"), more);
        into.extend(more.as_object().cloned().unwrap_or_default());
        provider.to_string()
    };
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for (given, body, why) in [
        ("nothing", String::new(), "JSON object"),
        ("no JSON", "provider: evil".to_owned(), "JSON object"),
        (
            "half of it",
            described(json!({}))[..20].to_owned(),
            "JSON object",
        ),
        ("more behind it", described(json!({})) + "{}", "JSON object"),
        (
            "a list",
            format!("[{}]", described(json!({}))),
            "JSON object",
        ),
        (
            "a key twice",
            format!(
                r#"{{"provider":"evil","issuer":"{url}","client_id":"x","issuer":"https://a.test"}}"#
            ),
            "no key twice",
        ),
        (
            "deep",
            format!(
                r#"{{"provider":"evil","issuer":"{url}","client_id":"x","claim_mapping":{deep}}}"#
            ),
            "",
        ),
        (
            "no name",
            json!({"issuer": url, "client_id": "x"}).to_string(),
            "`name`",
        ),
        (
            "for everybody",
            json!({"provider": "evil", "issuer": url}).to_string(),
            "audience",
        ),
        (
            "an unknown key",
            described(json!({"trust_all": true})),
            "unknown key",
        ),
        (
            "a name of ours",
            described(json!({"provider": "local"})),
            "local",
        ),
        (
            "a name with a sign",
            described(json!({"provider": "a:b"})),
            "is not a name",
        ),
        (
            "a name with a line end",
            described(json!({"provider": "a\r\nX-User-Id: root"})),
            "is not a name",
        ),
        (
            "a variable",
            described(json!({"client_id": "${BAILIFF_ADMIN_TOKEN}"})),
            "nothing is replaced",
        ),
        (
            "a file",
            described(json!({"jwt_key": "${file:/etc/passwd}"})),
            "nothing is replaced",
        ),
        (
            "another host's domain",
            described(json!({"domain": "evil.test"})),
            "another host",
        ),
        (
            "plain http",
            described(json!({"issuer": "http://login.example"})),
            "is not https",
        ),
        (
            "a cloud's metadata",
            described(json!({"jwks_uri": "http://169.254.169.254/latest"})),
            "169.254.169.254",
        ),
        (
            "an inner file",
            described(json!({"jwks_uri": "file:///etc/passwd"})),
            "",
        ),
        (
            "two words for one thing",
            described(json!({"name": "evil"})),
            "two words",
        ),
    ] {
        let request =
            admin(&world.gate, "POST", "/providers").header("Content-Type", "application/json");
        let answer = request.body(&body).send();
        refused(&answer, 400, given);
        assert!(answer.text().contains(why), "given: {given}, {answer:?}");
        assert!(
            !answer.text().contains(TOKEN) && !answer.text().contains("root:"),
            "given: {given}, {answer:?}"
        );
    }
    assert_eq!(
        (names(&world.gate), evil.metadata_hits(), evil.hits()),
        (vec!["clerk".to_owned()], 0, 0)
    );
    clerk_is_unharmed(&world);
}

#[test]
fn a_body_has_a_bound_whatever_it_says_about_its_length() {
    let world = plan().start();
    let large = vec![b' '; (16 << 10) + 1];
    let request = admin(&world.gate, "POST", "/providers").body(&large).send();
    refused(&request, 413, "a length");
    let mut chunked = format!("{:X}\r\n", large.len()).into_bytes();
    chunked.extend([large.as_slice(), b"\r\n0\r\n\r\n"].concat());
    let request = admin(&world.gate, "POST", "/providers")
        .header("Transfer-Encoding", "chunked")
        .body(chunked);
    refused(&request.send(), 413, "chunked");
    let within = [
        vec![b' '; 8 << 10],
        described("p", &world.clerk).to_string().into_bytes(),
    ]
    .concat();
    refused(
        &admin(&world.gate, "POST", "/providers").body(within).send(),
        409,
        "white space within the bound",
    );
    assert_eq!(names(&world.gate), ["clerk"]);
}

#[test]
fn without_a_store_nothing_is_added_as_a_restart_would_forget_it() {
    let partner = provider();
    let world = plan()
        .config(|c| _ = c.as_object_mut().expect("a table").remove("store"))
        .start();
    for answer in [
        add(&world.gate, &described("partner", &partner)),
        admin(&world.gate, "DELETE", "/providers/x").send(),
    ] {
        refused(&answer, 409, "no store");
        assert!(
            answer.text().contains("the config has no `store`"),
            "{answer:?}"
        );
    }
    assert_eq!(
        (names(&world.gate), partner.metadata_hits()),
        (vec!["clerk".to_owned()], 0)
    );
}

#[test]
fn the_number_of_added_providers_has_a_bound() {
    let partner = provider();
    let world = plan().start();
    let pem = partner.key().public_pem();
    let described = |number: usize| json!({"provider": format!("p{number}"), "issuer": format!("https://p{number}.test"), "client_id": "x", "jwt_key": pem});
    for number in 0..100 {
        assert_eq!(
            add(&world.gate, &described(number)).status,
            201,
            "given: {number}"
        );
    }
    let answer = add(&world.gate, &described(100));
    refused(&answer, 507, "one more");
    assert!(answer.text().contains("100 providers"), "{answer:?}");
    assert_eq!(list(&world.gate).len(), 101);
    admin(&world.gate, "DELETE", "/providers/p7")
        .send()
        .passed();
    assert_eq!(
        add(&world.gate, &described(100)).status,
        201,
        "one that goes makes room"
    );
    clerk_is_unharmed(&world);
}

#[test]
fn of_many_who_add_the_same_name_at_once_one_succeeds() {
    let providers: Vec<_> = (0..8).map(|_| provider()).collect();
    let world: World = plan().start();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let adding: Vec<_> = providers
            .iter()
            .map(|provider| {
                scope.spawn(|| add(&world.gate, &described("partner", provider)).status)
            })
            .collect();
        adding
            .into_iter()
            .map(|adding| adding.join().expect("an answer"))
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [201, 409].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(names(&world.gate), ["clerk", "partner"]);
    let passed = providers
        .iter()
        .filter(|provider| asked(&world.gate, provider, &access(provider, "a")).status == 200);
    assert_eq!(passed.count(), 1, "only the one that was added");
}
