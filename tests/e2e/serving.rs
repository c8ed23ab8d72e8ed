//! What the people on both sides of the gate see on an ordinary day: who passes, and what the
//! app learns of them.

use serde_json::json;

use crate::harness::{NOBODY, SERVICE_TOKEN, USER_A, World};

#[test]
fn a_member_passes_and_the_app_sees_the_role() {
    let world = World::start();
    let token = world.token("user_a");

    let answer = world
        .get("/api/ws/ws_1/boards?page=2")
        .bearer(&token)
        .send()
        .passed();

    assert_eq!(answer.text(), "hello from the app");
    let seen = world.upstream.only();
    assert_eq!(
        (seen.method(), seen.target()),
        ("GET", "/api/ws/ws_1/boards?page=2")
    );
    let mut expected = USER_A.map(str::to_owned).to_vec();
    expected.extend(["x-workspace-id: ws_1", "x-workspace-role: member"].map(str::to_owned));
    assert_eq!(seen.identity(), expected);
    assert_eq!(
        seen.header("authorization"),
        Some(format!("Bearer {token}"))
    );
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
        let answer = world
            .get(path)
            .bearer(&world.token(user))
            .send()
            .forbidden();
        assert_eq!(
            answer.json()["detail"],
            "Forbidden",
            "given: {user} at {path}"
        );
        world.upstream.saw_nothing();
    }
}

#[test]
fn a_higher_role_may_do_what_a_lower_one_may() {
    let world = World::start();
    for (user, role) in [("user_admin", "admin"), ("user_owner", "owner")] {
        let token = world.token(user);
        world
            .get("/api/ws/ws_1/settings/name")
            .bearer(&token)
            .send()
            .passed();
        assert_eq!(
            world.upstream.only().header("x-workspace-role").as_deref(),
            Some(role)
        );
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
    let statuses: Vec<_> = world
        .upstream
        .take(5)
        .iter()
        .map(|r| r.header("x-access-status"))
        .collect();
    let expected = [Some("pending"), Some("active"), Some("active"), None, None];
    assert_eq!(statuses, expected.map(|s| s.map(str::to_owned)));
}

#[test]
fn an_open_route_carries_no_identity_whoever_asks() {
    let world = World::start();

    world.get("/public/x").send().passed();
    world
        .get("/public/x")
        .bearer(&world.token("user_owner"))
        .send()
        .passed();
    world
        .get("/public/x")
        .bearer("no token at all")
        .send()
        .passed();
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
    world
        .get("/org/boards")
        .bearer(&elsewhere)
        .send()
        .forbidden();
    world.upstream.saw_nothing();
}

#[test]
fn claims_of_an_organization_reach_the_app_in_both_versions() {
    let world = World::start();
    let permissions = [
        "org:dashboard:read",
        "org:dashboard:manage",
        "org:teams:read",
    ];
    let v2 = world
        .mint("user_a")
        .org("org_x", "x", "admin", &permissions);
    let v1 = world
        .mint("user_a")
        .v1_org("org_x", "x", "org:admin", &permissions);
    // The example of Clerk's documentation, word for word.
    let documented = world
        .mint("user_a")
        .claim("fea", "o:dashboard,o:teams")
        .claim(
            "o",
            json!({"id": "org_x", "slg": "x", "rol": "admin", "per": "manage,read", "fpm": "3,2"}),
        );
    let unknown = world
        .mint("user_a")
        .org("org_x", "x", "admin", &permissions)
        .claim("v", 3);

    let mut lists = Vec::new();
    for mint in [v2, v1, documented] {
        world
            .get("/api/x")
            .bearer(&world.sign(&mint))
            .send()
            .passed();
        let seen = world.upstream.only();
        assert_eq!(seen.header("x-org-id").as_deref(), Some("org_x"));
        assert_eq!(seen.header("x-org-role").as_deref(), Some("org:admin"));
        let list = seen.header("x-org-permissions").unwrap_or_default();
        let mut list: Vec<_> = list.split(',').map(str::to_owned).collect();
        list.sort();
        lists.push(list);
    }
    let sorted = [
        "org:dashboard:manage",
        "org:dashboard:read",
        "org:teams:read",
    ];
    assert!(lists.iter().all(|list| *list == sorted), "{lists:?}");

    world
        .get("/api/x")
        .bearer(&world.sign(&unknown))
        .send()
        .passed();
    assert_eq!(
        world.upstream.only().identity(),
        USER_A,
        "an unknown version has no organization"
    );
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
    world
        .get("/private/x")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
}

#[test]
fn a_service_passes_with_its_token_and_the_app_does_not_get_it() {
    let world = World::start();

    world
        .post("/internal/jobs", "{}")
        .bearer(SERVICE_TOKEN)
        .send()
        .passed();

    let seen = world.upstream.only();
    assert_eq!(seen.header("x-auth-kind").as_deref(), Some("service"));
    assert!(!seen.contains(SERVICE_TOKEN), "{:?}", seen.head);
}

#[test]
fn a_route_may_keep_the_token_to_itself() {
    let plan =
        World::plan().route(json!({"path": "/quiet/**", "access": "user", "forward_token": false}));
    let world = plan.start();
    let token = world.token("user_a");

    world.get("/quiet/x").bearer(&token).send().passed();

    let seen = world.upstream.only();
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.identity(), USER_A);
}

#[test]
fn report_mode_forwards_what_it_would_refuse_but_without_identity() {
    let plan =
        World::plan().route(json!({"path": "/new/**", "access": "active", "mode": "report"}));
    let world = plan.start();

    let nobody = world
        .get("/new/x")
        .header("x-user-id", "root")
        .send()
        .passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);
    let suspended = world.token("user_suspended");
    world.get("/new/x").bearer(&suspended).send().passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);
    world
        .get("/new/x")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
    assert_eq!(world.upstream.only().identity(), USER_A);

    let id = nobody.header("x-request-id").expect("answers carry an id");
    let line = world.gate.access_line(&id);
    assert_eq!(
        (&line["verdict"], &line["reason"]),
        (&json!("report"), &json!("missing_token"))
    );
    let labels = [
        ("route", "/new/**"),
        ("verdict", "report"),
        ("reason", "missing_token"),
    ];
    world
        .gate
        .metric_becomes("bailiff_requests_total", &labels, 1.0);
}

#[test]
fn a_request_id_is_kept_when_it_is_well_formed_and_made_when_it_is_not() {
    let world = World::start();
    let ask = |id: &str| {
        let answer = world
            .get("/public/x")
            .header("X-Request-Id", id)
            .send()
            .passed();
        let seen = world.upstream.only().header("x-request-id");
        assert_eq!(
            seen,
            answer.header("x-request-id"),
            "both sides see the same"
        );
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
