//! The membership from an endpoint of the app: what changes there counts here, and nothing else does.

mod faults;
mod lookup;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    Delivery, Endpoint, MEMBERSHIP, Plan, Request, World, event, eventually, now,
};

const ADMIN: &str = "admin-token-0123456789abcdef";

/// The standard membership, as the endpoint of an app says it.
fn document() -> Value {
    json!({
        "users": {"user_a": {"email": "alex@example.com"}, "user_b": {}, "user_suspended": {"access": "suspended"}},
        "workspaces": {"ws_1": {"org": "org_one", "members": {"user_a": "member", "user_suspended": "owner"}},
                       "ws_2": {"org": "org_two", "members": {"user_b": "member"}}},
    })
}

/// The same with this role of `user_a`.
fn with_role(role: &str) -> Value {
    let mut document = document();
    document["workspaces"]["ws_1"]["members"]["user_a"] = json!(role);
    document
}

fn without_a() -> Value {
    let mut document = document();
    document["workspaces"]["ws_1"]["members"]
        .as_object_mut()
        .expect("members")
        .remove("user_a");
    document
}

fn plan(endpoint: &Endpoint) -> Plan {
    World::plan().config(|c| {
        c["membership"] = json!({"http": endpoint.source(), "roles": ["member", "admin", "owner"]});
        c["admin"] = json!({"address": "127.0.0.1:0", "token": ADMIN});
    })
}

fn status(world: &World, user: &str) -> u16 {
    world
        .get("/api/ws/ws_1/x")
        .bearer(&world.token(user))
        .send()
        .status
}

#[track_caller]
fn becomes(world: &World, user: &str, expected: u16) {
    eventually(&format!("{user} got {expected}"), || {
        (status(world, user) == expected).then_some(())
    });
}

fn loads(world: &World, result: &str) -> f64 {
    world.gate.metrics().sum(
        "bailiff_reloads_total",
        &[("part", "membership"), ("result", result)],
    )
}

/// Waits until one more look has failed, and gives what the log says of it.
#[track_caller]
fn fails(world: &World) -> String {
    let told = || {
        world
            .gate
            .logs()
            .into_iter()
            .filter(|line| line.contains("the last good one stays"))
    };
    let before = told().count();
    let line = eventually("one more look failed, and the log says so", || {
        told().nth(before)
    });
    assert!(!line.contains("hunter2"), "{line}");
    line
}

fn refresh(world: &World) -> Request {
    refresh_as(world, ADMIN)
}

fn refresh_as(world: &World, token: &str) -> Request {
    let host = world.gate.admin_address().to_string();
    let request = Request::new(world.gate.admin_address(), "POST", "/membership/refresh");
    request
        .header("Host", host)
        .header("Connection", "close")
        .bearer(token)
}

#[track_caller]
fn tell_removed(world: &World, at_ms: u64) {
    let data = json!({"id": "orgmem_a", "object": "organization_membership", "role": "org:member", "updated_at": at_ms,
        "organization": {"id": "org_one"}, "public_user_data": {"user_id": "user_a"}});
    Delivery::event(&event("organizationMembership.deleted", data, at_ms))
        .to(world)
        .send()
        .passed();
}

#[test]
fn members_are_let_in_as_the_endpoint_says_and_the_token_is_shown_to_it_alone() {
    let endpoint = Endpoint::saying(&document());
    let world = plan(&endpoint).start();
    let passed = world
        .get("/api/ws/ws_1/x")
        .bearer(&world.token("user_a"))
        .send();
    assert_eq!(passed.status, 200);
    let seen = world.upstream.only();
    assert_eq!(
        seen.header("x-user-email").as_deref(),
        Some("alex@example.com")
    );
    assert_eq!(seen.header("x-workspace-role").as_deref(), Some("member"));
    for user in ["user_b", "user_suspended", "user_unknown"] {
        assert_eq!(status(&world, user), 403, "{user}");
    }
    let asked = endpoint.asked();
    let first = asked.first().expect("a question");
    assert_eq!((first.method(), first.target()), ("GET", "/membership"));
    assert_eq!(
        first.header("authorization"),
        Some(format!("Bearer {}", Endpoint::TOKEN))
    );
    assert!(
        world
            .gate
            .logs()
            .iter()
            .all(|line| !line.contains("hunter2")),
        "the token is nowhere in the log"
    );
}

#[test]
fn a_change_counts_within_the_interval_and_at_once_when_the_app_says_so() {
    let endpoint = Endpoint::saying(&document());
    let world = plan(&endpoint).start();
    assert_eq!(status(&world, "user_a"), 200);
    endpoint.says(&without_a());
    becomes(&world, "user_a", 403);

    let world = world.restarted_with(|c| c["membership"]["http"]["interval"] = json!("1h"));
    endpoint.says(&document());
    let before = Instant::now();
    assert_eq!(refresh_as(&world, "wrong").send().status, 401);
    assert_eq!(refresh(&world).send().status, 202);
    becomes(&world, "user_a", 200);
    assert!(
        before.elapsed() < Duration::from_secs(30),
        "it did not wait for an hour"
    );
}

#[test]
fn a_changed_role_is_in_the_next_request() {
    let endpoint = Endpoint::saying(&document());
    let world = plan(&endpoint).start();
    let settings = || {
        world
            .get("/api/ws/ws_1/settings/x")
            .bearer(&world.token("user_a"))
            .send()
            .status
    };
    assert_eq!(settings(), 403);
    endpoint.says(&with_role("admin"));
    eventually("the new role counted", || (settings() == 200).then_some(()));
}

#[test]
fn an_answer_that_is_here_already_is_asked_for_by_its_etag_and_confirms_it() {
    let endpoint = Endpoint::start();
    endpoint.answers(
        200,
        &["ETag: \"v1\""],
        document().to_string(),
        Default::default(),
    );
    let world = plan(&endpoint)
        .config(|c| c["membership"]["max_age"] = json!("3s"))
        .start();
    endpoint.forget();
    endpoint.answers(304, &["ETag: \"v1\""], "", Default::default());
    eventually("it was asked by its ETag", || {
        let asked = endpoint.asked();
        let by_etag = asked
            .iter()
            .filter(|asked| asked.header("if-none-match").as_deref() == Some("\"v1\""));
        (by_etag.count() >= 4).then_some(())
    });
    assert_eq!(
        status(&world, "user_a"),
        200,
        "though it is older than max_age: it was confirmed"
    );
    assert_eq!(loads(&world, "ok"), 1.0, "nothing was loaded again");
    endpoint.answers(
        200,
        &["ETag: \"v2\""],
        without_a().to_string(),
        Default::default(),
    );
    becomes(&world, "user_a", 403);
}

#[test]
fn the_same_answer_without_an_etag_changes_nothing() {
    let endpoint = Endpoint::saying(&document());
    let world = plan(&endpoint).start();
    endpoint.forget();
    eventually("it was asked again", || {
        (endpoint.asked().len() >= 3).then_some(())
    });
    assert_eq!(loads(&world, "ok"), 1.0);
    // So what a webhook took stays taken.
    tell_removed(&world, now() * 1000);
    endpoint.forget();
    eventually("it was asked again", || {
        (endpoint.asked().len() >= 2).then_some(())
    });
    assert_eq!(status(&world, "user_a"), 403);
}

#[test]
fn a_webhook_between_two_looks_counts_until_the_row_is_another() {
    let endpoint = Endpoint::saying(&document());
    let world = plan(&endpoint).start();
    tell_removed(&world, now() * 1000);
    assert_eq!(status(&world, "user_a"), 403);
    // The app follows with something else: the row of user_a is the same.
    let mut other = document();
    other["users"]["user_c"] = json!({});
    endpoint.says(&other);
    eventually("it was loaded", || {
        (loads(&world, "ok") >= 2.0).then_some(())
    });
    assert_eq!(
        status(&world, "user_a"),
        403,
        "the same row takes nothing back"
    );
    endpoint.says(&with_role("admin"));
    becomes(&world, "user_a", 200);
    tell_removed(&world, (now() - 100) * 1000);
    assert_eq!(
        status(&world, "user_a"),
        200,
        "an older event does not undo the row"
    );
}

#[test]
fn switching_between_file_and_endpoint_refuses_nobody_in_between() {
    let endpoint = Endpoint::start();
    endpoint.plays(crate::harness::Script::Hold);
    let world = World::plan().start();
    world.rewrite_config(|c| {
        c["membership"] = json!({"http": endpoint.source(), "roles": ["member", "admin", "owner"]})
    });
    eventually("the endpoint was asked", || {
        (!endpoint.asked().is_empty()).then_some(())
    });
    assert_eq!(
        status(&world, "user_a"),
        200,
        "the file counts until the endpoint has spoken"
    );
    endpoint.says(&without_a());
    endpoint.release();
    becomes(&world, "user_a", 403);
    assert_eq!(
        status(&world, "user_owner"),
        403,
        "whom the endpoint does not know"
    );

    world.gate.write_membership(MEMBERSHIP);
    world.rewrite_config(|_| ());
    becomes(&world, "user_a", 200);
    let before = endpoint.asked().len();
    let later = Instant::now() + Duration::from_millis(1500);
    eventually("a second went by", || {
        (Instant::now() > later).then_some(())
    });
    assert!(
        endpoint.asked().len() <= before + 1,
        "nobody asks it any more"
    );
    assert_eq!(status(&world, "user_a"), 200);
}

#[test]
fn a_gate_that_starts_before_its_endpoint_is_not_ready_and_refuses_users_alone() {
    let endpoint = Endpoint::start();
    let world = plan(&endpoint).start_unready();
    let ready = world.gate.admin("/readyz");
    assert_eq!(ready.status, 503);
    assert!(
        ready.text().contains("the membership is not loaded"),
        "{}",
        ready.text()
    );
    let answer = world
        .get("/api/x")
        .bearer(&world.token("user_a"))
        .send()
        .refused(503);
    assert_eq!(world.gate.reason(&answer), "members_unavailable");
    assert_eq!(world.get("/healthz").send().status, 200);
    endpoint.says(&document());
    becomes(&world, "user_a", 200);
    eventually("it was ready", || {
        (world.gate.admin("/readyz").status == 200).then_some(())
    });
}
