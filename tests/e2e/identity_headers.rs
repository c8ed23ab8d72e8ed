//! Attacks: speaking under a name that the app believes.
//!
//! What counts is what the app recorded: the whole list of lines that it could read as identity,
//! however they are spelt.

use serde_json::json;

use crate::harness::{NOBODY, USER_A, World};

/// Names that the app believes, in plain spelling.
const TRUSTED: [&str; 14] = [
    "x-user-id",
    "x-clerk-user-id",
    "x-session-id",
    "x-user-email",
    "x-user-name",
    "x-access-status",
    "x-workspace-id",
    "x-workspace-role",
    "x-org-id",
    "x-org-role",
    "x-org-permissions",
    "x-actor-id",
    "x-auth-kind",
    "x-service-name",
];

#[test]
fn a_01_a_client_cannot_speak_under_a_trusted_name() {
    let world = World::start();
    let forged = || TRUSTED.map(|name| (name, "forged"));

    world.get("/public/x").headers(forged()).send().passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);

    let token = world.token("user_a");
    world
        .get("/api/x")
        .headers(forged())
        .bearer(&token)
        .send()
        .passed();
    assert_eq!(world.upstream.only().identity(), USER_A);
}

#[test]
fn a_02_a_name_that_the_gate_has_no_value_for_is_absent_and_not_the_clients() {
    let world = World::start();
    let token = world.token("user_b");

    let request = world.get("/api/me").bearer(&token);
    let request = request.header("X-Workspace-Role", "owner");
    request
        .header("X-User-Email", "root@app.test")
        .send()
        .passed();

    let seen = world.upstream.only();
    assert_eq!(seen.values("x-workspace-role"), [""; 0]);
    assert_eq!(seen.values("x-user-email"), [""; 0]);
    assert_eq!(
        seen.identity(),
        [
            "x-access-status: active",
            "x-auth-issuer: clerk",
            "x-auth-kind: user",
            "x-clerk-user-id: user_b",
            "x-session-id: sess_b",
            "x-user-id: user_b",
        ],
    );
}

#[test]
fn a_03_letter_case_makes_no_other_name() {
    let world = World::start();
    let token = world.token("user_a");
    for name in ["x-USER-id", "X-USER-ID", "X-User-Id", "x-user-iD"] {
        world
            .get("/api/x")
            .header(name, "user_admin")
            .bearer(&token)
            .send()
            .passed();
        assert_eq!(world.upstream.only().identity(), USER_A, "given: {name}");
    }
}

#[test]
fn a_03_a_name_from_the_config_is_guarded_in_every_letter_case() {
    let with =
        |name: &str| World::plan().config(|c| c["headers"] = json!({"claims": {name: "pla"}}));
    let world = with("x-plan").start();
    let token = world.sign(&world.mint("user_a").claim("pla", "u:free"));

    for name in ["x-plan", "X-PLAN", "x_plan", "X.Plan"] {
        world
            .get("/api/x")
            .header(name, "o:pro")
            .bearer(&token)
            .send()
            .passed();
        let seen = world.upstream.only();
        assert_eq!(seen.values("x-plan"), ["u:free"], "given: {name}");
        assert!(
            !seen.contains("o:pro"),
            "given: {name}, the app got {:?}",
            seen.head
        );
    }
    let world = with("X-PLAN").start();
    let token = world.sign(&world.mint("user_a").claim("pla", "u:free"));
    world
        .get("/api/x")
        .header("x-plan", "o:pro")
        .bearer(&token)
        .send()
        .passed();
    assert_eq!(world.upstream.only().values("x-plan"), ["u:free"]);
    // No claim can take a name that is the gate's own, or that an app server could read as another.
    for name in [
        "x_plan",
        "X-User-Id",
        "x-user-id",
        "x-clerk-plan",
        "x-forwarded-for",
        "authorization",
        "host",
    ] {
        let finished = with(name).run();
        assert_eq!(finished.code(), 78, "given: {name}\n{}", finished.stderr);
    }
}

#[test]
fn a_04_an_underscore_alias_never_reaches_the_app() {
    let world = World::start();
    let token = world.token("user_a");
    for name in TRUSTED {
        let bare = name.replace('-', "_");
        let half = name.replacen('-', "_", 1);
        let upper = bare.to_uppercase();
        let dots = name.replace('-', ".");
        let mixed = name.replacen('-', "!", 1);
        let aliases = [&bare, &half, &upper, &dots, &mixed].map(|n| (n.as_str(), "forged"));

        world.get("/public/x").headers(aliases).send().passed();
        let open = world.upstream.only();
        assert_eq!(open.identity(), NOBODY, "given: {name}");
        assert!(!open.contains("forged"), "given: {name}");

        world
            .get("/api/x")
            .headers(aliases)
            .bearer(&token)
            .send()
            .passed();
        assert_eq!(world.upstream.only().identity(), USER_A, "given: {name}");
    }
}

#[test]
fn a_05_a_trusted_name_sent_twice_is_stripped_twice() {
    let world = World::start();
    let twice = [("X-User-Id", "a"), ("X-User-Id", "b"), ("x-user-id", "c")];

    world.get("/public/x").headers(twice).send().passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);

    let token = world.token("user_a");
    world
        .get("/api/x")
        .headers(twice)
        .bearer(&token)
        .send()
        .passed();
    assert_eq!(world.upstream.only().identity(), USER_A);
}

#[test]
fn a_05_a_header_that_a_rule_reads_counts_only_when_it_is_there_once() {
    let world = World::start();
    let token = world.token("user_admin");
    let admin = || world.get("/admin/x").bearer(&token);

    for (given, request) in [
        (
            "two lines",
            admin().headers([("x-workspace-id", "ws_1"), ("x-workspace-id", "ws_2")]),
        ),
        (
            "two lines alike",
            admin().headers([("x-workspace-id", "ws_1"), ("X-Workspace-Id", "ws_1")]),
        ),
        ("a list", admin().header("x-workspace-id", "ws_1,ws_2")),
        (
            "a list with a space",
            admin().header("x-workspace-id", "ws_1, ws_1"),
        ),
    ] {
        assert_eq!(
            request.send().refused(400).json()["detail"],
            "Bad request",
            "given: {given}"
        );
        world.upstream.saw_nothing();
    }

    // An alias beside it is stripped like any other: the app sees one workspace, the judged one.
    admin()
        .headers([("x-workspace-id", "ws_1"), ("x_workspace_id", "ws_2")])
        .send()
        .passed();
    let seen = world.upstream.only();
    assert_eq!(
        (
            seen.values("x-workspace-id"),
            seen.values("x-workspace-role")
        ),
        (vec!["ws_1".into()], vec!["admin".into()])
    );
    assert!(!seen.contains("ws_2"), "{:?}", seen.head);
}

#[test]
fn a_06_a_client_cannot_delete_our_headers_by_naming_them_in_connection() {
    let world = World::start();
    let token = world.token("user_a");

    let request = world.get("/api/x").bearer(&token);
    request
        .header("Connection", "close, x-user-id")
        .send()
        .passed();

    assert_eq!(world.upstream.only().identity(), USER_A);
}

#[test]
fn a_07_nor_in_any_other_spelling_nor_in_a_second_connection_field() {
    let world = World::start();
    let token = world.token("user_a");

    let request = world.get("/api/ws/ws_1/x").bearer(&token);
    let request = request.header("connection", "X-WORKSPACE-ROLE, X-USER-ID");
    request
        .header("Connection", "x-workspace-id,X-Auth-Kind")
        .send()
        .passed();

    let mut expected = USER_A.map(str::to_owned).to_vec();
    expected.extend(["x-workspace-id: ws_1", "x-workspace-role: member"].map(str::to_owned));
    assert_eq!(world.upstream.only().identity(), expected);
}

#[test]
fn a_08_internal_headers_of_gates_and_sdks_are_removed_at_the_door() {
    let world = World::start();
    let internal = [
        ("X-Bailiff-Verified", "1"),
        ("x_bailiff_demo", "1"),
        ("X-Clerk-Auth-Status", "signed-in"),
        ("x-clerk-auth-token", "e30.e30.e30"),
        ("X-Clerk-Clerk-Url", "http://evil.test"),
        ("x_clerk_request_data", "{}"),
    ];

    world.get("/public/x").headers(internal).send().passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);

    world
        .get("/api/x")
        .headers(internal)
        .send()
        .not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn a_09_an_assertion_from_the_client_is_not_passed_on() {
    let world = World::start();
    let replayed = world.token("user_owner");

    for name in [
        "X-Bailiff-Assertion",
        "x_bailiff_assertion",
        "X-Clerk-Auth-Signature",
    ] {
        world
            .get("/public/x")
            .header(name, &replayed)
            .send()
            .passed();
        assert!(!world.upstream.only().contains(&replayed), "given: {name}");
    }
}

#[test]
fn a_10_a_value_that_is_not_header_safe_never_splits_a_header() {
    let name = "Zo\\u00eb\\r\\nX-User-Id: root 100%";
    let membership =
        format!("users: {{user_a: {{access: active, name: \"{name}\"}}}}\nworkspaces: {{}}\n");
    let world = World::plan().membership(&membership).start();

    world
        .get("/api/x")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
    let seen = world.upstream.only();
    assert_eq!(
        seen.values("x-user-name"),
        ["Zo%C3%AB%0D%0AX-User-Id: root 100%25"]
    );
    assert_eq!(seen.values("x-user-id"), ["user_a"]);

    let claims = world
        .mint("user_new")
        .claim("name", "n".repeat(10_000))
        .claim("email", "a\0b@example.com\r\nx: y");
    world
        .get("/api/me")
        .bearer(&world.sign(&claims))
        .send()
        .passed();
    let seen = world.upstream.only();
    assert_eq!(seen.values("x-user-name"), [""; 0], "too long to be sent");
    assert_eq!(seen.values("x-user-email"), ["a%00b@example.com%0D%0Ax: y"]);
    assert_eq!(seen.values("x"), [""; 0]);
}

#[test]
fn a_10_an_identifier_that_is_not_header_safe_is_no_identity() {
    let world = World::start();
    for claim in ["sub", "sid"] {
        for value in [
            "user_a\r\nX-User-Id: root",
            "user_a, user_b",
            "user_\u{e4}",
            "user_a\0",
        ] {
            let token = world.sign(&world.mint("user_a").claim(claim, value));
            world
                .get("/api/me")
                .bearer(&token)
                .send()
                .not_authenticated();
            world.upstream.saw_nothing();
        }
    }
}

#[test]
fn a_11_bytes_that_are_no_text_in_a_header_that_a_rule_reads_are_refused() {
    let world = World::start();
    let token = world.token("user_admin");
    for value in [&b"\xff"[..], b"ws_1\xff", b"ws_\xc3\xa4"] {
        let request = world.get("/admin/x").bearer(&token);
        request.header("X-Workspace-Id", value).send().refused(400);
        world.upstream.saw_nothing();
    }
}

#[test]
fn a_12_headers_of_a_trusted_proxy_from_a_stranger_are_removed_or_rebuilt() {
    let world = World::start();
    let request = world.get("/public/x").headers([
        ("X-Forwarded-For", "10.6.6.6"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "666"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Uri", "/evil"),
        ("X-Forwarded-Method", "DELETE"),
        ("X_Forwarded_For", "10.6.6.6"),
        ("Forwarded", "for=10.6.6.6"),
        ("X-Real-IP", "10.6.6.6"),
        ("X-Original-URL", "/evil"),
        ("X-Rewrite-URL", "/evil"),
        ("X-HTTP-Method-Override", "DELETE"),
    ]);

    request.send().passed();

    let seen = world.upstream.only();
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.values("x-forwarded-host"), ["app.test"]);
    for claim in ["10.6.6.6", "evil", "666", "DELETE"] {
        assert!(!seen.contains(claim), "the app got {:?}", seen.head);
    }
}

#[test]
fn a_field_by_which_an_app_would_override_what_was_judged_never_arrives() {
    let world = World::plan()
        .config(|c| c["trusted_proxies"] = json!(["127.0.0.0/8"]))
        .start();
    let token = world.token("user_a");
    let fields = [
        "SCRIPT_NAME",
        "Path_Info",
        "Daphne-Root-Path",
        "x.script.name",
        "X_Original_URL",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-HTTP-Method-Override",
        "Front-End-Https",
        "Forwarded",
        "X-Forwarded-Ssl",
        "Remote-User",
        "X-Forwarded-User",
        "X-Remote-Group",
        "Php-Auth-User",
        "$WSRU",
        "ssl-client-cert",
        "X-Accel-Mapping",
        "spring.cloud.function.definition",
    ];
    for path in ["/public/x", "/api/me"] {
        let twice = fields
            .iter()
            .chain(&fields)
            .map(|name| (*name, "forged"))
            .chain(fields.map(|name| (name, "")));
        world
            .get(path)
            .headers(twice)
            .bearer(&token)
            .send()
            .passed();
        let seen = world.upstream.only();
        assert!(!seen.contains("forged"), "the app got {:?}", seen.head);
        for name in fields {
            assert_eq!(
                seen.values(&name.to_lowercase()),
                [""; 0],
                "the app got {name}"
            );
        }
    }
}

#[test]
fn a_field_that_the_config_names_gets_through_in_its_own_spelling() {
    let pass =
        json!({"pass": ["x-http-method-override"], "pass_from_proxies": ["x-forwarded-prefix"]});
    for (proxies, expected) in [
        (json!(["10.0.0.0/8"]), vec![]),
        (json!(["127.0.0.0/8"]), vec!["/app"]),
    ] {
        let plan = World::plan().config(|c| {
            c["headers"] = pass.clone();
            c["trusted_proxies"] = proxies;
        });
        let world = plan.start();
        let request = world
            .get("/public/x")
            .header("X-HTTP-Method-Override", "PUT");
        request
            .header("X_HTTP_Method_Override", "DELETE")
            .header("X-Forwarded-Prefix", "/app")
            .send()
            .passed();
        let seen = world.upstream.only();
        assert_eq!(seen.values("x-http-method-override"), ["PUT"]);
        assert_eq!(seen.values("x-forwarded-prefix"), expected);
        assert!(!seen.contains("DELETE"), "the app got {:?}", seen.head);
    }
}

#[test]
fn a_12_a_proxy_on_the_list_is_believed() {
    let plan = World::plan().config(|c| c["trusted_proxies"] = json!(["127.0.0.0/8"]));
    let world = plan.start();
    let request = world.get("/public/x").headers([
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Proto", "https"),
    ]);

    request.send().passed();

    let seen = world.upstream.only();
    assert_eq!(seen.values("x-forwarded-for"), ["203.0.113.7, 127.0.0.1"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["https"]);
}

#[test]
fn a_12_another_spelling_passes_not_even_from_a_proxy_on_the_list() {
    let plan = World::plan().config(|c| c["trusted_proxies"] = json!(["127.0.0.0/8"]));
    let world = plan.start();

    // The proxy writes the plain name; the alias beside it is what its client smuggled through.
    let request = world
        .get("/public/x")
        .header("X-Forwarded-For", "203.0.113.7");
    let request = request.header("X_Forwarded_For", "10.6.6.6");
    request.header("X-Original-URL", "/evil").send().passed();

    let seen = world.upstream.only();
    assert!(!seen.contains("10.6.6.6"), "the app got {:?}", seen.head);
    assert!(!seen.contains("evil"), "the app got {:?}", seen.head);
}

#[test]
fn a_13_a_host_that_is_no_plain_host_is_refused() {
    let world = World::start();
    for host in [
        "a\";proto=https;x=\"",
        "app.test/x",
        "app.test x",
        "user@app.test",
        "",
        "app.test:",
        "[::1",
    ] {
        let answer = world.get("/public/x").header("Host", host).send();
        assert_eq!(answer.status, 400, "given: {host:?}, {answer:?}");
        world.upstream.saw_nothing();
    }
}
