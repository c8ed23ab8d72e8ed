//! Attacks: what verified webhooks do to the membership, and what becomes of
//! them when either the gate or the app cannot follow.

use serde_json::{Value, json};

use crate::harness::{Delivery, Response, Script, World, event, eventually, now};

/// Milliseconds, this many seconds ago.
fn ago_ms(secs: u64) -> u64 {
    (now() - secs) * 1000
}

/// A change in the organization that stands behind `ws_1`.
fn membership(change: &str, user: &str, role: &str, at_ms: u64) -> Value {
    let data = json!({
        "id": format!("orgmem_{user}"),
        "object": "organization_membership",
        "role": role,
        "organization": {"id": "org_one", "object": "organization", "slug": "one", "name": "One"},
        "public_user_data": {"user_id": user},
        "created_at": 1,
        "updated_at": at_ms,
    });
    event(&format!("organizationMembership.{change}"), data, at_ms)
}

fn ws_1(world: &World, user: &str) -> Response {
    world
        .get("/api/ws/ws_1/x")
        .bearer(&world.token(user))
        .send()
}

/// Waits until the verdict is this one: the app's answer may come before the change is published.
#[track_caller]
fn becomes(world: &World, user: &str, status: u16) {
    eventually(&format!("{user} got {status} in ws_1"), || {
        (ws_1(world, user).status == status).then_some(())
    });
}

#[test]
fn a_114_an_older_event_never_undoes_a_newer_one() {
    let world = World::start();
    assert_eq!(ws_1(&world, "user_a").status, 200);

    Delivery::event(&membership("deleted", "user_a", "org:member", ago_ms(10)))
        .to(&world)
        .send()
        .passed();
    becomes(&world, "user_a", 403);
    for (change, at) in [("updated", ago_ms(20)), ("created", ago_ms(30))] {
        let older = membership(change, "user_a", "org:owner", at);
        Delivery::event(&older).to(&world).send().passed();
        assert_eq!(
            ws_1(&world, "user_a").status,
            403,
            "after an older {change}"
        );
    }

    Delivery::event(&membership("created", "user_a", "org:admin", ago_ms(5)))
        .to(&world)
        .send()
        .passed();
    becomes(&world, "user_a", 200);
    assert_eq!(
        world
            .upstream
            .recorded()
            .last()
            .and_then(|r| r.header("x-workspace-role"))
            .as_deref(),
        Some("admin")
    );
}

#[test]
fn a_114_a_banned_or_deleted_user_is_out_at_once_and_stays_out() {
    let world = World::start();
    let banned = |banned: bool, at: u64| {
        let user = json!({"id": "user_a", "object": "user", "banned": banned, "locked": false, "updated_at": at});
        Delivery::event(&event("user.updated", user, at))
            .to(&world)
            .send()
            .passed();
    };
    banned(true, ago_ms(10));
    becomes(&world, "user_a", 403);
    world
        .get("/api/me")
        .bearer(&world.token("user_a"))
        .send()
        .forbidden();
    banned(false, ago_ms(20));
    assert_eq!(
        ws_1(&world, "user_a").status,
        403,
        "an older event does not lift the ban"
    );
    banned(false, ago_ms(5));
    becomes(&world, "user_a", 200);

    let gone = json!({"id": "user_a", "object": "user", "deleted": true});
    Delivery::event(&event("user.deleted", gone, ago_ms(3)))
        .to(&world)
        .send()
        .passed();
    becomes(&world, "user_a", 403);
    banned(false, ago_ms(4));
    assert_eq!(
        ws_1(&world, "user_a").status,
        403,
        "who was deleted does not come back by an older event"
    );
}

#[test]
fn a_115_an_event_of_another_instance_changes_nothing_and_is_logged() {
    let world = World::plan()
        .config(|c| c["clerk"]["instance_id"] = json!("ins_standard"))
        .start();
    let mut foreign = membership("deleted", "user_a", "org:member", ago_ms(1));
    foreign["instance_id"] = json!("ins_other");

    Delivery::event(&foreign).to(&world).send();

    world.gate.log_line("about the other instance", |line| {
        line["message"] != "request" && line.to_string().contains("instance")
    });
    assert_eq!(ws_1(&world, "user_a").status, 200);

    let ours = membership("deleted", "user_a", "org:member", ago_ms(1));
    Delivery::event(&ours).to(&world).send().passed();
    becomes(&world, "user_a", 403);
}

#[test]
fn a_118_what_the_app_says_goes_back_and_the_change_holds_all_the_same() {
    let world = World::start();
    let removal = Delivery::event(&membership("deleted", "user_a", "org:member", ago_ms(5)));

    world.upstream.once(Script::Status(503));
    assert_eq!(
        removal.to(&world).send().status,
        503,
        "so that the sender tries again"
    );
    world.upstream.only();
    becomes(&world, "user_a", 403);

    removal.to(&world).send().passed();
    world.upstream.only();
}

#[test]
fn a_118_an_app_that_cannot_be_reached_is_a_failure_that_the_sender_sees() {
    let world = World::start();
    let delivery = Delivery::of("{}");
    world.upstream.once(Script::Close);

    let answer = delivery.to(&world).send();

    assert!([502, 504].contains(&answer.status), "{answer:?}");
    world.upstream.take(1);
    delivery.to(&world).send().passed();
}

#[test]
fn a_118_what_the_gate_cannot_read_goes_to_the_app_and_changes_nothing() {
    let world = World::start();
    let unread = [
        "not json".to_owned(),
        "[]".to_owned(),
        "\u{1f}".to_owned(),
        event("session.created", json!({"id": "sess_a"}), 1).to_string(),
        event("something.new", json!({}), 1).to_string(),
        event("organizationMembership.deleted", json!({"role": 7}), ago_ms(1)).to_string(),
        event("user.deleted", json!({"deleted": true}), ago_ms(1)).to_string(),
        event("organizationMembership.updated", json!({"organization": {"id": "org_none"}, "public_user_data": {"user_id": "user_a"}, "role": "org:member"}), ago_ms(1)).to_string(),
    ];
    for body in unread {
        let answer = Delivery::of(&body).to(&world).send();
        assert_eq!(answer.status, 200, "given: {body}, {answer:?}");
        assert_eq!(world.upstream.only().body, body.as_bytes());
    }
    assert_eq!(ws_1(&world, "user_a").status, 200);
}
