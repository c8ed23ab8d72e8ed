//! What the gate answers itself: who the caller is, and whether a token is good. The app is never asked.

use bailiff::dev::issuer::Behaviour;
use serde_json::{Value, json};

use crate::harness::{
    A_ID, APP, Delivery, Plan, Response, World, event, eventually, foreign_key, now,
};

const ME: &str = "/api/auth/me";
const VERIFY: &str = "/auth/verify";

fn plan() -> Plan {
    World::plan()
        .route(json!({"path": ME, "access": "user", "answer": "profile"}))
        .route(json!({"path": VERIFY, "access": "user", "answer": "verify"}))
}

/// An answer that is ours: never stored, and with the id of its request.
#[track_caller]
fn ours(world: &World, answer: Response, status: u16) -> Value {
    let answer = answer.refused(status);
    world.upstream.saw_nothing();
    answer.json()
}

#[test]
fn a_profile_is_answered_without_the_app() {
    let world = plan().start();
    let answer = world.get(ME).bearer(&world.token("user_a")).send();
    assert_eq!(
        answer.text(),
        format!(
            r#"{{"id":"{A_ID}","email":"alex@example.com","name":"Alex Chen","clerkUserId":"user_a","accessStatus":"active","hasProductAccess":true,"isFounder":false,"referralCode":null,"activatedAt":null}}"#
        )
    );
    ours(&world, answer, 200);
}

#[test]
fn nothing_that_a_client_sends_changes_whose_profile_it_is() {
    let world = plan().start();
    let answer = world
        .get(&format!("{ME}?id=root&user_id=user_owner"))
        .bearer(&world.token("user_b"))
        .headers([
            ("x-user-id", "root"),
            ("X_Clerk_User_Id", "user_owner"),
            ("x-user-email", "root@example.com"),
        ])
        .headers([
            ("x-access-status", "active"),
            ("x-original-url", "/api/me"),
            ("x-http-method-override", "POST"),
        ])
        .send();
    let profile = ours(&world, answer, 200);
    assert_eq!(
        (&profile["id"], &profile["clerkUserId"], &profile["email"]),
        (&json!("user_b"), &json!("user_b"), &Value::Null)
    );
}

#[test]
fn a_profile_follows_the_membership() {
    let membership = "users:\n  user_a: {access: pending, attributes: {referral_code: ALEX42}}\n";
    let world = plan()
        .config(|c| {
            c["profile"] = json!({"access": "access_status", "code": "attributes.referral_code"})
        })
        .membership(membership)
        .config(|c| {
            // No role but those of the file is asked for.
            c["membership"] = json!({"file": "membership.yaml"});
        })
        .start();
    let me = || {
        ours(
            &world,
            world.get(ME).bearer(&world.token("user_a")).send(),
            200,
        )
    };
    assert_eq!(me(), json!({"access": "pending", "code": "ALEX42"}));
    world
        .gate
        .write_membership("users:\n  user_a: {access: active, activated_at: \"2026-01-31\"}\n");
    eventually("the profile said so", || {
        (me() == json!({"access": "active", "code": null})).then_some(())
    });
}

#[test]
fn who_may_not_come_in_sees_no_profile() {
    let world = plan().start();
    ours(&world, world.get(ME).send(), 401);
    ours(&world, world.get(ME).bearer("x").send(), 401);
    ours(
        &world,
        world
            .get(ME)
            .bearer(&world.mint("user_a").sign(&foreign_key()))
            .send(),
        401,
    );
    world
        .get(ME)
        .bearer(&world.token("user_suspended"))
        .send()
        .forbidden();
    world.upstream.saw_nothing();
    let shown = plan()
        .route(json!({"path": ME, "access": "user", "answer": "profile", "allow_suspended": true}))
        .start();
    let profile = ours(
        &shown,
        shown.get(ME).bearer(&shown.token("user_suspended")).send(),
        200,
    );
    assert_eq!(
        (&profile["accessStatus"], &profile["hasProductAccess"]),
        (&json!("suspended"), &json!(false))
    );
}

#[test]
fn a_user_who_is_deleted_while_the_gate_runs_is_refused_at_once() {
    let world = plan().start();
    let token = world.token("user_b");
    assert_eq!(
        ours(&world, world.get(VERIFY).bearer(&token).send(), 200)["valid"],
        true
    );
    Delivery::event(&event(
        "user.deleted",
        json!({"id": "user_b", "deleted": true}),
        now() * 1000,
    ))
    .to(&world)
    .send()
    .passed();
    world.upstream.take(1);
    eventually("user_b was out", || {
        (world.get(ME).bearer(&token).send().status == 403).then_some(())
    });
    let said = ours(&world, world.get(VERIFY).bearer(&token).send(), 401);
    assert_eq!(said, json!({"valid": false, "reason": "user_refused"}));
}

#[test]
fn head_has_the_head_of_get_and_the_connection_is_kept() {
    let world = plan().start();
    let token = world.token("user_a");
    let mut connection = world.connect();
    for target in [ME, VERIFY] {
        let get = world.get(target).bearer(&token).send_on(&mut connection);
        let head = world
            .request("HEAD", target)
            .bearer(&token)
            .send_on(&mut connection);
        assert_eq!(
            (get.status, head.status, head.text()),
            (200, 200, String::new())
        );
        assert_eq!(
            head.header("content-length"),
            Some(get.body.len().to_string())
        );
    }
    let refused = world.get(VERIFY).send_on(&mut connection);
    assert_eq!(refused.status, 401);
    assert_eq!(
        world.get(ME).bearer(&token).send_on(&mut connection).status,
        200
    );
    world.upstream.saw_nothing();
}

#[test]
fn another_method_is_no_question_to_the_gate() {
    let world = plan().start();
    let token = world.token("user_a");
    // `/api/**` covers it, and the app answers.
    world.post(ME, "{}").bearer(&token).send().passed();
    assert_eq!(world.upstream.only().target(), ME);
    // Nothing covers it.
    ours(&world, world.post(VERIFY, "{}").bearer(&token).send(), 404);
}

#[test]
fn a_listed_origin_may_read_the_answer_and_no_other() {
    let world = plan().start();
    let token = world.token("user_a");
    for (request, status) in [
        (world.get(ME).bearer(&token), 200),
        (world.get(VERIFY), 401),
    ] {
        let answer = request.header("Origin", APP).send();
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.header("access-control-allow-origin").as_deref(),
            Some(APP)
        );
        assert_eq!(
            answer.header("access-control-allow-credentials").as_deref(),
            Some("true")
        );
    }
    let other = world
        .get(ME)
        .bearer(&token)
        .header("Origin", "https://evil.test")
        .send();
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert!(other.head.says("vary", "origin"), "{other:?}");
}

#[test]
fn a_caller_learns_whether_a_token_is_good_and_the_log_why_not() {
    let world = plan().start();
    let good = ours(
        &world,
        world.get(VERIFY).bearer(&world.token("user_a")).send(),
        200,
    );
    assert_eq!(
        good,
        json!({"valid": true, "provider": "clerk", "user_id": A_ID, "email": "alex@example.com"})
    );
    let expired = world.sign(&world.mint("user_a").issued_at(now() - 3600));
    let azp = world.sign(&world.mint("user_a").azp("https://evil.test"));
    let template = world.sign(&world.mint("user_a").template());
    for (given, request, word, reason) in [
        ("none", world.get(VERIFY), "missing_token", "missing_token"),
        (
            "expired",
            world.get(VERIFY).bearer(&expired),
            "expired",
            "expired",
        ),
        (
            "another party's",
            world.get(VERIFY).bearer(&azp),
            "invalid_token",
            "wrong_party",
        ),
        (
            "a template's",
            world.get(VERIFY).bearer(&template),
            "invalid_token",
            "wrong_token_type",
        ),
        (
            "nonsense",
            world.get(VERIFY).bearer("nonsense"),
            "invalid_token",
            "malformed_token",
        ),
        (
            "suspended",
            world.get(VERIFY).bearer(&world.token("user_suspended")),
            "user_refused",
            "suspended",
        ),
    ] {
        let answer = request.send();
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(
            challenge.starts_with("Bearer"),
            "given: {given}, {answer:?}"
        );
        assert_eq!(world.gate.reason(&answer), reason, "given: {given}");
        let line = world
            .gate
            .access_line(&answer.header("x-request-id").expect("an id"));
        assert_eq!(
            (&line["verdict"], &line["route"]),
            (&json!("answer"), &json!(VERIFY)),
            "given: {given}"
        );
        assert_eq!(
            ours(&world, answer, 401),
            json!({"valid": false, "reason": word}),
            "given: {given}"
        );
    }
}

#[test]
fn an_unknown_key_is_fetched_before_a_token_is_called_invalid() {
    let world = plan()
        .config(|c| c["keys"] = json!({"cooldown": "1s", "wait": "5s"}))
        .start();
    let next = world.clerk.next_key();
    world.clerk.publish(&[world.clerk.key(), next.clone()]);
    let said = ours(
        &world,
        world
            .get(VERIFY)
            .bearer(&world.mint("user_a").sign(&next))
            .send(),
        200,
    );
    assert_eq!(said["valid"], true);
    let forged = world
        .mint("user_a")
        .header("kid", "ins_unknown")
        .sign(&foreign_key());
    let said = ours(&world, world.get(VERIFY).bearer(&forged).send(), 401);
    assert_eq!(said, json!({"valid": false, "reason": "invalid_token"}));
}

#[test]
fn an_issuer_that_cannot_be_reached_is_no_verdict_on_a_token() {
    let plan = plan();
    plan.clerk.behave(Behaviour::Status(500));
    let world = plan.start_unready();
    let answer = world.get(VERIFY).bearer(&world.token("user_a")).send();
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(
        ours(&world, answer, 503),
        json!({"valid": false, "reason": "issuer unreachable"})
    );
}

#[test]
fn answers_are_counted_like_everything_else() {
    let world = plan().start();
    let requests = "bailiff_requests_total";
    let labels = |reason| [("route", VERIFY), ("verdict", "answer"), ("reason", reason)];
    let before = world.gate.metrics();
    for (route, verdict, reason) in [
        (ME, "answer", "none"),
        (VERIFY, "answer", "none"),
        (VERIFY, "answer", "expired"),
    ] {
        let there = before.samples.iter().any(|sample| {
            let is = |label: &str, value: &str| {
                sample.labels.get(label).is_some_and(|seen| seen == value)
            };
            sample.name == requests
                && is("route", route)
                && is("verdict", verdict)
                && is("reason", reason)
        });
        assert!(there, "no series {route} {verdict} {reason} at the start");
    }
    world.get(VERIFY).bearer(&world.token("user_a")).send();
    world.get(VERIFY).send();
    world.get(VERIFY).send();
    world.get(ME).send();
    world.gate.metric_becomes(requests, &[], 4.0);
    world.gate.metric_becomes(requests, &labels("none"), 1.0);
    world
        .gate
        .metric_becomes(requests, &labels("missing_token"), 2.0);
    world.gate.metric_becomes(
        requests,
        &[
            ("route", ME),
            ("verdict", "refuse"),
            ("reason", "missing_token"),
        ],
        1.0,
    );
    assert_eq!(
        world.gate.metrics().series(),
        before.series(),
        "no series but those from the start"
    );
}
