//! What the people on both sides of the gate see on an ordinary day: who passes, what the app
//! learns of them, and how connections are kept.

use serde_json::json;

use crate::harness::{NOBODY, SERVICE_TOKEN, Script, USER_A, World, eventually};

#[test]
fn a_member_passes_and_the_app_sees_the_role() {
    let world = World::start();
    let token = world.token("user_a");

    let answer = world.get("/api/ws/ws_1/boards?page=2").bearer(&token).send().passed();

    assert_eq!(answer.text(), "hello from the app");
    let seen = world.upstream.only();
    assert_eq!((seen.method(), seen.target()), ("GET", "/api/ws/ws_1/boards?page=2"));
    let mut expected = USER_A.map(str::to_owned).to_vec();
    expected.extend(["x-workspace-id: ws_1", "x-workspace-role: member"].map(str::to_owned));
    assert_eq!(seen.identity(), expected);
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {token}")));
    assert_eq!(seen.header("host").as_deref(), Some("app.test"));
}

#[test]
fn a_stranger_to_the_workspace_is_forbidden() {
    let world = World::start();
    for (user, path) in [
        ("user_b", "/api/ws/ws_1/boards"),
        ("user_a", "/api/ws/ws_2/boards"),
        ("user_a", "/api/ws/ws_3/boards"),
        ("user_a", "/api/ws/ws_1/settings/name"),
        ("user_new", "/api/ws/ws_1/boards"),
        ("user_a", "/org/boards"),
        ("user_a", "/closed/x"),
    ] {
        let answer = world.get(path).bearer(&world.token(user)).send().forbidden();
        assert_eq!(answer.json()["detail"], "Forbidden", "given: {user} at {path}");
        world.upstream.saw_nothing();
    }
}

#[test]
fn a_higher_role_may_do_what_a_lower_one_may() {
    let world = World::start();
    for (user, role) in [("user_admin", "admin"), ("user_owner", "owner")] {
        let token = world.token(user);
        world.get("/api/ws/ws_1/settings/name").bearer(&token).send().passed();
        assert_eq!(world.upstream.only().header("x-workspace-role").as_deref(), Some(role));
    }
}

#[test]
fn pending_users_wait_and_suspended_ones_are_out() {
    let world = World::start();
    for (user, path, status) in [
        ("user_pending", "/api/me", 200),
        ("user_pending", "/api/x", 403),
        ("user_pending", "/api/ws/ws_1/x", 403),
        ("user_founder", "/api/x", 200),
        ("user_founder", "/api/ws/ws_1/x", 200),
        ("user_suspended", "/api/me", 403),
        ("user_suspended", "/api/x", 403),
        ("user_suspended", "/api/ws/ws_1/x", 403),
        ("user_suspended", "/public/x", 200),
        ("user_new", "/api/me", 200),
        ("user_new", "/api/x", 403),
    ] {
        let answer = world.get(path).bearer(&world.token(user)).send();
        assert_eq!(answer.status, status, "given: {user} at {path}, {answer:?}");
    }
    let statuses: Vec<_> = world.upstream.take(5).iter().map(|r| r.header("x-access-status")).collect();
    let expected = [Some("pending"), Some("active"), Some("active"), None, None];
    assert_eq!(statuses, expected.map(|s| s.map(str::to_owned)));
}

#[test]
fn an_open_route_carries_no_identity_whoever_asks() {
    let world = World::start();

    world.get("/public/x").send().passed();
    world.get("/public/x").bearer(&world.token("user_owner")).send().passed();
    world.get("/public/x").bearer("no token at all").send().passed();
    world.get("/healthz").send().passed();

    for seen in world.upstream.take(4) {
        assert_eq!(seen.identity(), NOBODY);
    }
}

#[test]
fn a_workspace_may_be_the_organization_of_the_token() {
    let world = World::start();
    let in_org = world.sign(&world.mint("user_a").org("org_one", "one", "member", &[]));

    world.get("/org/boards").bearer(&in_org).send().passed();

    let seen = world.upstream.only();
    assert_eq!(seen.header("x-workspace-id").as_deref(), Some("ws_1"));
    let elsewhere = world.sign(&world.mint("user_a").org("org_two", "two", "owner", &[]));
    world.get("/org/boards").bearer(&elsewhere).send().forbidden();
    world.upstream.saw_nothing();
}

#[test]
fn claims_of_an_organization_reach_the_app_in_both_versions() {
    let world = World::start();
    let permissions = ["org:dashboard:read", "org:dashboard:manage", "org:teams:read"];
    let v2 = world.mint("user_a").org("org_x", "x", "admin", &permissions);
    let v1 = world.mint("user_a").v1_org("org_x", "x", "org:admin", &permissions);
    // The example of Clerk's documentation, word for word.
    let documented = world
        .mint("user_a")
        .claim("fea", "o:dashboard,o:teams")
        .claim("o", json!({"id": "org_x", "slg": "x", "rol": "admin", "per": "manage,read", "fpm": "3,2"}));
    let unknown = world.mint("user_a").org("org_x", "x", "admin", &permissions).claim("v", 3);

    let mut lists = Vec::new();
    for mint in [v2, v1, documented] {
        world.get("/api/x").bearer(&world.sign(&mint)).send().passed();
        let seen = world.upstream.only();
        assert_eq!(seen.header("x-org-id").as_deref(), Some("org_x"));
        assert_eq!(seen.header("x-org-role").as_deref(), Some("org:admin"));
        let list = seen.header("x-org-permissions").unwrap_or_default();
        let mut list: Vec<_> = list.split(',').map(str::to_owned).collect();
        list.sort();
        lists.push(list);
    }
    let sorted = ["org:dashboard:manage", "org:dashboard:read", "org:teams:read"];
    assert!(lists.iter().all(|list| *list == sorted), "{lists:?}");

    world.get("/api/x").bearer(&world.sign(&unknown)).send().passed();
    assert_eq!(world.upstream.only().identity(), USER_A, "an unknown version has no organization");
}

#[test]
fn an_impersonator_is_named_and_never_takes_the_place_of_the_user() {
    let plan = World::plan().route(json!({
        "path": "/private/**", "access": "user", "require": {"impersonation": "deny"},
    }));
    let world = plan.start();
    let token = world.sign(&world.mint("user_a").actor("user_support"));

    world.get("/api/x").bearer(&token).send().passed();
    let seen = world.upstream.only();
    assert_eq!(seen.header("x-actor-id").as_deref(), Some("user_support"));
    assert_eq!(seen.header("x-clerk-user-id").as_deref(), Some("user_a"));

    world.get("/private/x").bearer(&token).send().forbidden();
    world.upstream.saw_nothing();
    world.get("/private/x").bearer(&world.token("user_a")).send().passed();
}

#[test]
fn a_service_passes_with_its_token_and_the_app_does_not_get_it() {
    let world = World::start();

    world.post("/internal/jobs", "{}").bearer(SERVICE_TOKEN).send().passed();

    let seen = world.upstream.only();
    assert_eq!(seen.header("x-auth-kind").as_deref(), Some("service"));
    assert!(!seen.contains(SERVICE_TOKEN), "{:?}", seen.head);
}

#[test]
fn a_route_may_keep_the_token_to_itself() {
    let plan = World::plan().route(json!({"path": "/quiet/**", "access": "user", "forward_token": false}));
    let world = plan.start();
    let token = world.token("user_a");

    world.get("/quiet/x").bearer(&token).send().passed();

    let seen = world.upstream.only();
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.identity(), USER_A);
}

#[test]
fn report_mode_forwards_what_it_would_refuse_but_without_identity() {
    let plan = World::plan().route(json!({"path": "/new/**", "access": "active", "mode": "report"}));
    let world = plan.start();

    let nobody = world.get("/new/x").header("x-user-id", "root").send().passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);
    let suspended = world.token("user_suspended");
    world.get("/new/x").bearer(&suspended).send().passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);
    world.get("/new/x").bearer(&world.token("user_a")).send().passed();
    assert_eq!(world.upstream.only().identity(), USER_A);

    let id = nobody.header("x-request-id").expect("answers carry an id");
    let line = world.gate.access_line(&id);
    assert_eq!((&line["verdict"], &line["reason"]), (&json!("report"), &json!("missing_token")));
    let labels = [("route", "/new/**"), ("verdict", "report"), ("reason", "missing_token")];
    world.gate.metric_becomes("bailiff_requests_total", &labels, 1.0);
}

#[test]
fn a_request_id_is_kept_when_it_is_well_formed_and_made_when_it_is_not() {
    let world = World::start();
    let ask = |id: &str| {
        let answer = world.get("/public/x").header("X-Request-Id", id).send().passed();
        let seen = world.upstream.only().header("x-request-id");
        assert_eq!(seen, answer.header("x-request-id"), "both sides see the same");
        seen.expect("there is an id")
    };

    assert_eq!(ask("trace-7f.a:1_b"), "trace-7f.a:1_b");
    let long = "a".repeat(129);
    for bad in ["", "two words", "a,b", "semi;colon", "quo\"te", &long] {
        let made = ask(bad);
        assert_ne!(made, bad);
        assert!(!made.is_empty());
    }
    let first = world.get("/api/x").send().header("x-request-id");
    let second = world.get("/api/x").send().header("x-request-id");
    assert_ne!(first, second);
}

#[test]
fn a_refusal_without_a_body_keeps_the_connection() {
    let world = World::start();
    let token = world.token("user_a");
    let mut connection = world.connect();
    for _ in 0..3 {
        world.get("/api/x").send_on(&mut connection).not_authenticated();
        world.get("/nowhere").send_on(&mut connection).refused(404);
        world.get("/api/ws/ws_2/x").bearer(&token).send_on(&mut connection).forbidden();
        world.get("/api/x").bearer(&token).send_on(&mut connection).passed();
    }
    assert_eq!(world.upstream.take(3).len(), 3);
}

#[test]
fn a_refused_request_with_an_unread_body_closes_and_its_body_is_never_a_request() {
    let world = World::start();
    let token = world.token("user_a");
    let hidden = format!("GET /api/x HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {token}\r\n\r\n");
    for (given, sent) in [
        ("whole", hidden.as_str()),
        ("announced and not sent", ""),
        ("in part", &hidden[..20]),
    ] {
        let length = hidden.len();
        let head = format!("POST /api/x HTTP/1.1\r\nHost: app.test\r\nContent-Length: {length}\r\n\r\n");
        let mut connection = world.connect();
        let answer = connection.send(format!("{head}{sent}").as_bytes()).answer("POST");

        answer.not_authenticated();
        if given != "whole" {
            connection.send(hidden.as_bytes());
        }
        assert!(connection.try_answer("GET").is_err(), "given: {given}, a body was read as a request");
        world.upstream.saw_nothing();
    }
}

#[test]
fn an_upload_that_will_be_refused_is_refused_before_it_is_sent() {
    let world = World::start();
    let head = "POST /api/x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1073741824\r\n\
        Expect: 100-continue\r\n\r\n";

    let answer = world.connect().send(head.as_bytes()).next("POST").expect("an answer");

    answer.not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn an_upload_that_passes_waits_for_the_app() {
    let world = World::start();
    world.upstream.once(Script::Continue);
    let request = world.post("/api/x", "a body").bearer(&world.token("user_a"));
    let bytes = request.header("Expect", "100-continue").bytes();
    let (head, body) = bytes.split_at(bytes.len() - 6);
    let mut connection = world.connect();

    let interim = connection.send(head).next("POST").expect("an interim answer");

    assert_eq!(interim.status, 100);
    assert_eq!(connection.send(body).answer("POST").passed().text(), "a body");
    assert_eq!(world.upstream.only().body, b"a body");
}

#[test]
fn a_head_request_gets_no_body_from_the_app_nor_from_the_gate() {
    let world = World::start();
    let mut connection = world.connect();

    let passed = world.request("HEAD", "/public/x").send_on(&mut connection);
    let refused = world.request("HEAD", "/api/x").send_on(&mut connection);
    let next = world.get("/public/y").send_on(&mut connection);

    assert_eq!((passed.status, refused.status, next.status), (200, 401, 200));
    assert_eq!(next.text(), "hello from the app", "no stray bytes before this answer");
}

#[test]
fn a_web_socket_opens_for_a_member_and_for_nobody_else() {
    let world = World::start();
    world.upstream.play(Script::WebSocket);
    let upgrade = |token: &str| {
        let request = world.get("/api/ws/ws_1/live").headers([
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        if token.is_empty() { request } else { request.bearer(token) }
    };
    upgrade("").send().not_authenticated();
    upgrade(&world.token("user_b")).send().forbidden();
    world.upstream.saw_nothing();

    let mut connection = world.connect();
    let answer = upgrade(&world.token("user_a")).send_on(&mut connection);

    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(world.upstream.head().header("x-workspace-role").as_deref(), Some("member"));
    for message in [&b"\x81\x02hi"[..], b"\x82\x00", b"GET /admin HTTP/1.1\r\n\r\n"] {
        connection.send(message);
        assert_eq!(connection.exactly(message.len()), message);
    }
    assert_eq!(world.upstream.recorded().len(), 1);
}

#[test]
fn events_are_passed_on_as_they_come() {
    let world = World::start();
    world.upstream.once(Script::Events);
    let mut connection = world.connect();
    let request = world.get("/public/events").header("Accept", "text/event-stream");

    let head = connection.send(&request.bytes()).head();
    assert_eq!(head.value("content-type").as_deref(), Some("text/event-stream"));
    let first = connection.exactly(18);
    assert!(first.ends_with(b"data: first\n\n\r\n"), "{}", first.escape_ascii());

    world.upstream.release();
    let second = connection.exactly(19);
    assert!(second.ends_with(b"data: second\n\n\r\n"), "{}", second.escape_ascii());
}

#[test]
fn an_app_that_is_down_gives_502_and_comes_back_by_itself() {
    let world = World::start();
    let token = world.token("user_a");
    world.upstream.once(Script::Close);

    let answer = world.post("/api/x", "once").bearer(&token).send().refused(502);

    assert_eq!(answer.json()["detail"], "Bad gateway");
    assert_eq!(world.gate.reason(&answer).split('_').next(), Some("upstream"));
    world.upstream.take(1);
    world.upstream.drop_connections();
    eventually("the app was reached again", || {
        let answer = world.get("/api/x").bearer(&token).send();
        (answer.status == 200).then_some(())
    });
}

#[test]
fn a_route_waits_as_long_as_it_says_and_takes_a_body_as_large_as_it_says() {
    let plan = World::plan()
        .route(json!({"path": "/slow/**", "access": "public", "timeout": "200ms"}))
        .route(json!({"path": "/small/**", "access": "public", "max_body": "1KiB"}));
    let world = plan.start();

    world.upstream.once(Script::Hold);
    let answer = world.get("/slow/x").send().refused(504);
    assert_eq!(answer.json()["detail"], "Gateway timeout");
    world.upstream.release();
    world.upstream.take(1);

    world.post("/small/x", [b'x'; 1024]).send().passed();
    world.upstream.take(1);
    world.post("/small/x", [b'x'; 1025]).send().refused(413);
    world.upstream.saw_nothing();
}
