//! Access ends when it ends: a session that was ended, a user who was banned.

use serde_json::json;

use crate::harness::{Delivery, Finished, Launch, Plan, Request, World, event, now};
use crate::streams::{is_open, is_told, web_socket};

pub fn plan() -> Plan {
    World::plan().with_store()
}

/// Delivers an event about a session, as of this many seconds ago.
#[track_caller]
pub fn session_ends(world: &World, kind: &str, session: &str, secs_ago: u64) {
    let at = (now() - secs_ago) * 1000;
    let data = json!({"id": session, "object": "session", "status": "ended", "user_id": "user_a", "updated_at": at});
    Delivery::event(&event(kind, data, at))
        .to(world)
        .send()
        .passed();
    world.upstream.only();
}

#[track_caller]
pub fn user_is_banned(world: &World, user: &str, banned: bool, at_ms: u64) {
    let data = json!({"id": user, "object": "user", "banned": banned, "updated_at": at_ms});
    Delivery::event(&event("user.updated", data, at_ms))
        .to(world)
        .send()
        .passed();
    world.upstream.only();
}

fn get(world: &World, token: &str) -> Request {
    world.get("/api/x").bearer(token)
}

#[track_caller]
fn refused(world: &World, token: &str, reason: &str) {
    let answer = get(world, token).send().not_authenticated();
    assert_eq!(world.gate.reason(&answer), reason);
}

pub fn of_session(world: &World, user: &str, session: &str) -> String {
    world.sign(&world.mint(user).claim("sid", session))
}

#[test]
fn a_session_that_ended_is_refused_at_once_and_over_a_restart_and_no_other_is() {
    for kind in ["session.ended", "session.removed", "session.revoked"] {
        let world = plan().start();
        let (ended, other) = (
            of_session(&world, "user_a", "sess_1"),
            of_session(&world, "user_a", "sess_2"),
        );
        get(&world, &ended).send().passed();
        world.upstream.only();
        session_ends(&world, kind, "sess_1", 0);
        refused(&world, &ended, "session_revoked");
        get(&world, &other).send().passed();
        let world = world.killed();
        refused(&world, &ended, "session_revoked");
        refused(
            &world,
            &of_session(&world, "user_a", "sess_1"),
            "session_revoked",
        );
    }
}

#[test]
fn a_ban_that_is_lifted_does_not_bring_the_old_tokens_back() {
    let world = plan().start();
    let before = world.sign(
        &world
            .mint("user_a")
            .issued_at(now() - 10)
            .claim("exp", now() + 600),
    );
    get(&world, &before).send().passed();
    world.upstream.only();
    let at = (now() - 5) * 1000;
    user_is_banned(&world, "user_a", true, at);
    get(&world, &before).send().forbidden();
    user_is_banned(&world, "user_a", false, at + 1000);
    refused(&world, &before, "user_revoked");
    get(&world, &world.token("user_a")).send().passed();
}

#[test]
fn without_a_membership_a_deleted_users_tokens_are_refused_all_the_same() {
    let world = plan()
        .config(|c| {
            c.as_object_mut().expect("a mapping").remove("membership");
            c["routes"] = json!([{"path": "/webhooks/clerk", "access": "webhook"}, {"path": "/**", "access": "user"}]);
        })
        .start();
    let token = world.token("user_a");
    get(&world, &token).send().passed();
    world.upstream.only();
    let deleted = event(
        "user.deleted",
        json!({"id": "user_a", "deleted": true}),
        now() * 1000,
    );
    Delivery::event(&deleted).to(&world).send().passed();
    refused(&world, &token, "user_revoked");
}

#[test]
fn no_token_may_outlive_the_memory_of_its_revocation() {
    let world = plan()
        .config(|c| c["revocations"] = json!({"keep": "10m"}))
        .start();
    let lives = |secs: u64| world.sign(&world.mint("user_a").claim("exp", now() + secs));
    get(&world, &lives(590)).send().passed();
    refused(&world, &lives(700), "token_lives_too_long");
}

const ADMIN: &str = "admin-0123456789abcdef";

/// `bailiff revoke` against this gate.
fn revoke(world: &World, token: &str, args: &[&str]) -> Finished {
    let args: Vec<&str> = ["revoke"].iter().chain(args).copied().collect();
    let admin = world.gate.admin_address().to_string();
    Launch::with_args(&args)
        .env("BAILIFF_ADMIN", &admin)
        .env("BAILIFF_ADMIN_TOKEN", token)
        .run()
}

#[test]
fn an_operator_who_cannot_wait_ends_a_session_or_a_user_by_command() {
    let world = plan().env("BAILIFF_ADMIN_TOKEN", ADMIN).start();
    let of = |user: &str, session: &str| {
        world.sign(&world.mint(user).issued_at(now() - 5).claim("sid", session))
    };
    let (one, two) = (of("user_a", "sess_1"), of("user_a", "sess_2"));
    let mut live = web_socket(&world, "/api/ws/ws_1/live", &two);
    let said = revoke(&world, ADMIN, &["--session", "sess_1"]).exits(0);
    assert!(
        said.stdout.contains("session sess_1 is revoked"),
        "{}",
        said.stdout
    );
    refused(&world, &one, "session_revoked");
    is_open(&mut live);
    let said = revoke(&world, ADMIN, &["--user", "user_a", "--json"]).exits(0);
    assert!(said.stdout.contains("\"user user_a\""), "{}", said.stdout);
    refused(&world, &two, "user_revoked");
    is_told(&mut live);
    let world = world.killed();
    refused(&world, &two, "user_revoked");
    let later = world.sign(&world.mint("user_a").issued_at(now() + 2));
    get(&world, &later).send().passed();
}

#[test]
fn nobody_else_revokes_anything() {
    let world = plan().env("BAILIFF_ADMIN_TOKEN", ADMIN).start();
    let wrong = revoke(&world, "another-0123456789", &["--user", "user_a"]).exits(1);
    assert!(
        wrong.stderr.contains("is not revoked") && wrong.stderr.contains("401"),
        "{}",
        wrong.stderr
    );
    revoke(&world, ADMIN, &["--user", "a b"]).exits(2);
    revoke(&world, ADMIN, &[]).exits(2);
    for path in ["/sessions/sess_1", "/users/user_a/tokens"] {
        let admin = world.gate.admin_address();
        let asked = Request::new(admin, "DELETE", path)
            .header("Host", admin.to_string())
            .header("Connection", "close");
        assert_eq!(asked.send().status, 401, "{path}");
    }
    get(&world, &world.token("user_a")).send().passed();
    let closed = plan().start();
    let nobody = revoke(&closed, ADMIN, &["--user", "user_a"]).exits(1);
    assert!(
        nobody.stderr.contains("403"),
        "the gate was started without a token: {}",
        nobody.stderr
    );
}
