//! One shared token instead of Clerk, for set-ups of one's own.

use serde_json::json;

use crate::harness::{NOBODY, Plan, Response, SERVICE_TOKEN, World, eventually};

const SHARED: &str = "the-shared-token-of-this-set-up-0123456789";

/// The standard scene without Clerk.
fn bare() -> Plan {
    World::plan().config(|c| {
        c.as_object_mut().map(|c| c.remove("clerk"));
    })
}

fn plan() -> Plan {
    bare().config(|c| c["local"] = json!({"token": SHARED, "email": "me@home.test", "name": "Zoë"}))
}

/// What the app may read of the local user.
const LOCAL: [&str; 6] = [
    "x-access-status: active",
    "x-auth-issuer: local",
    "x-auth-kind: user",
    "x-user-email: me@home.test",
    "x-user-id: local:local",
    "x-user-name: Zo%C3%AB",
];

#[track_caller]
fn refused(world: &World, answer: Response, reason: &str) {
    assert_eq!(world.gate.reason(&answer), reason);
    answer.not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn the_shared_token_is_the_local_user_and_the_app_does_not_get_it() {
    let world = plan().start();
    let forged = [
        ("x-user-id", "root"),
        ("X_Auth_Issuer", "clerk"),
        ("x-user-flags", "is_admin"),
    ];
    world
        .get("/api/x")
        .bearer(SHARED)
        .headers(forged)
        .send()
        .passed();
    let seen = world.upstream.only();
    assert_eq!(seen.identity(), LOCAL);
    assert!(!seen.contains(SHARED));
}

#[test]
fn two_variables_do_the_same() {
    let world = bare()
        .env("AUTH_MODE", "local")
        .env("LOCAL_AUTH_TOKEN", SHARED)
        .start();
    world.get("/api/me").bearer(SHARED).send().passed();
    assert_eq!(
        world.upstream.only().header("x-user-id").as_deref(),
        Some("local:local")
    );
    refused(&world, world.get("/api/me").send(), "missing_token");
}

#[test]
fn everything_that_is_not_the_shared_token_is_refused_alike() {
    let world = plan().start();
    refused(&world, world.get("/api/x").send(), "missing_token");
    refused(
        &world,
        world.get("/api/x").bearer(SERVICE_TOKEN).send(),
        "service_route",
    );
    for (given, token) in [
        ("one letter less", SHARED[1..].to_owned()),
        ("one letter more", format!("{SHARED}0")),
        ("other case", SHARED.to_uppercase()),
        ("a good token of Clerk", world.token("user_a")),
        ("nothing like it", "x".to_owned()),
    ] {
        let answer = world.get("/api/x").bearer(&token).send();
        assert_eq!(answer.status, 401, "given: {given}");
        refused(&world, answer, "wrong_local_token");
    }
    for (given, request) in [
        (
            "another scheme",
            world
                .get("/api/x")
                .header("Authorization", format!("Basic {SHARED}")),
        ),
        (
            "no scheme",
            world.get("/api/x").header("Authorization", SHARED),
        ),
        ("the query", world.get(&format!("/api/x?token={SHARED}"))),
        (
            "a cookie",
            world
                .get("/api/x")
                .header("Cookie", format!("__session={SHARED}")),
        ),
        ("twice", world.get("/api/x").bearer(SHARED).bearer(SHARED)),
    ] {
        assert_eq!(request.send().status, 401, "given: {given}");
        world.upstream.saw_nothing();
    }
}

#[test]
fn the_shared_token_is_no_service_and_a_service_no_local_user() {
    let world = plan().start();
    refused(
        &world,
        world.get("/internal/x").bearer(SHARED).send(),
        "unknown_service",
    );
    world
        .get("/internal/x")
        .bearer(SERVICE_TOKEN)
        .send()
        .passed();
    assert_eq!(
        world.upstream.only().identity(),
        ["x-auth-kind: service", "x-service-name: engine"]
    );
    world.get("/public/x").bearer(SHARED).send().passed();
    let seen = world.upstream.only();
    assert_eq!(seen.identity(), NOBODY);
    assert!(
        !seen.contains(SHARED),
        "an open route is no way to the token either"
    );
}

#[test]
fn roles_come_from_the_row_of_the_local_user() {
    let world = plan().start();
    let ws = |world: &World| world.get("/api/ws/ws_1/x").bearer(SHARED).send();
    ws(&world).forbidden();
    world.upstream.saw_nothing();
    world.gate.write_membership(
        "users: {\"local:local\": {id: me}}\nworkspaces: {ws_1: {members: {\"local:local\": admin}}}\n",
    );
    eventually("the local user was a member", || {
        (ws(&world).status == 200).then_some(())
    });
    let seen = world.upstream.only();
    assert_eq!(seen.header("x-user-id").as_deref(), Some("me"));
    assert_eq!(seen.header("x-workspace-role").as_deref(), Some("admin"));
    world
        .gate
        .write_membership("users: {\"local:local\": {access: suspended}}\n");
    eventually("the local user was out", || {
        (ws(&world).status == 403).then_some(())
    });
}

#[test]
fn a_shared_token_is_replaced_without_a_restart() {
    let world = plan().start();
    let status = |token: &str| world.get("/api/x").bearer(token).send().status;
    let next = "the-shared-token-that-comes-after-0123456789";
    world.rewrite_config(|c| c["local"] = json!({"token": [SHARED, next]}));
    eventually("both counted", || (status(next) == 200).then_some(()));
    assert_eq!(status(SHARED), 200);
    world.rewrite_config(|c| c["local"] = json!({"token": next}));
    eventually("the old one was out", || {
        (status(SHARED) == 401).then_some(())
    });
    assert_eq!(status(next), 200);
}

#[test]
fn a_shared_token_beside_clerk_does_not_start() {
    for (given, plan, expected) in [
        (
            "both sections",
            World::plan().config(|c| c["local"] = json!({"token": SHARED})),
            "`clerk` beside local mode",
        ),
        (
            "AUTH_MODE=local",
            World::plan()
                .env("AUTH_MODE", "local")
                .env("LOCAL_AUTH_TOKEN", SHARED),
            "`clerk` beside local mode",
        ),
        (
            "AUTH_MODE=clerk",
            plan().env("AUTH_MODE", "clerk"),
            "`local` beside `AUTH_MODE` `clerk`",
        ),
        (
            "a short token",
            bare()
                .env("AUTH_MODE", "local")
                .env("LOCAL_AUTH_TOKEN", "hunter2"),
            "openssl rand -hex 32",
        ),
        (
            "no token",
            bare().env("AUTH_MODE", "local"),
            "openssl rand -hex 32",
        ),
        (
            "AUTH_MODE=none",
            World::plan().env("AUTH_MODE", "none"),
            "is not a mode of this version",
        ),
    ] {
        let finished = plan.run().exits(78);
        assert!(
            finished.stderr.contains(expected),
            "given: {given}\n{}",
            finished.stderr
        );
        assert!(
            !finished.stderr.contains(SHARED) && !finished.stderr.contains("hunter2"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn the_shared_token_is_in_no_log_and_no_metric() {
    let world = plan()
        .env("RUST_LOG", "trace")
        .env("BAILIFF_LOG", "trace")
        .start();
    world.get("/api/x").bearer(SHARED).send().passed();
    world.get(&format!("/api/x?token={SHARED}")).send();
    let last = world
        .get("/api/x")
        .header("Authorization", format!("Token {SHARED}"))
        .send();
    world
        .gate
        .access_line(&last.header("x-request-id").expect("an id"));
    let metrics = world.gate.admin("/metrics").text();
    for (place, text) in [
        ("the log", world.gate.logs().join("\n")),
        ("the metrics", metrics),
    ] {
        assert!(!text.contains(SHARED), "in {place}");
    }
}

#[test]
fn verify_and_profile_speak_of_the_local_user() {
    let world = plan()
        .route(json!({"path": "/me", "access": "user", "answer": "profile"}))
        .route(json!({"path": "/verify", "access": "user", "answer": "verify"}))
        .start();
    let verified = world.get("/verify").bearer(SHARED).send().json();
    assert_eq!(
        verified,
        json!({"valid": true, "provider": "local", "user_id": "local:local", "email": "me@home.test"})
    );
    assert_eq!(
        world.get("/verify").bearer("x").send().json(),
        json!({"valid": false, "reason": "invalid_token"})
    );
    let profile = world.get("/me").bearer(SHARED).send().json();
    assert_eq!(
        (&profile["name"], &profile["hasProductAccess"]),
        (&json!("Zoë"), &json!(true))
    );
    world.upstream.saw_nothing();
}
