//! An endpoint that is asked for one user at a time.

use super::*;
use crate::harness::{SaidFraming, Script};

fn asking(endpoint: &Endpoint) -> Plan {
    plan(endpoint).config(|c| c["membership"]["http"] = endpoint.lookup())
}

fn of_a(role: &str) -> Value {
    json!({"user": {"email": "alex@example.com"}, "workspaces": {"ws_1": {"org": "org_one", "role": role}}})
}

#[test]
fn a_user_is_asked_for_when_they_come_and_once_for_as_long_as_the_answer_counts() {
    let endpoint = Endpoint::saying(&of_a("member"));
    let world = asking(&endpoint)
        .config(|c| c["membership"]["http"]["ttl"] = json!("10m"))
        .start();
    for _ in 0..5 {
        assert_eq!(status(&world, "user_a"), 200);
    }
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].target(), "/users/user_a");
    assert_eq!(
        asked[0].header("authorization"),
        Some(format!("Bearer {}", Endpoint::TOKEN))
    );
    assert_eq!(world.get("/healthz").send().status, 200);
    assert_eq!(
        endpoint.asked().len(),
        1,
        "nobody is asked for a public route"
    );
    // The app changes the role, and says so.
    endpoint.says(&of_a("admin"));
    assert_eq!(refresh(&world).send().status, 202);
    let settings = || {
        world
            .get("/api/ws/ws_1/settings/x")
            .bearer(&world.token("user_a"))
            .send()
            .status
    };
    eventually("the new role counted", || (settings() == 200).then_some(()));
}

#[test]
fn whom_the_endpoint_does_not_know_is_out_until_it_does() {
    let endpoint = Endpoint::start();
    endpoint.plays(Script::Status(404));
    let world = asking(&endpoint).start();
    assert_eq!(status(&world, "user_a"), 403);
    endpoint.says(&of_a("member"));
    becomes(&world, "user_a", 200);
    endpoint.says(&json!({"user": {}}));
    becomes(&world, "user_a", 403);
}

#[test]
fn an_id_cannot_lead_the_question_to_another_place() {
    let endpoint = Endpoint::saying(&of_a("member"));
    let other = crate::harness::Clerk::start();
    let world = asking(&endpoint).beside(&other).start();
    for (sub, segment) in [
        ("user_../../admin", "other%3Auser_..%2F..%2Fadmin"),
        ("user_a/b?c=d#e", "other%3Auser_a%2Fb%3Fc%3Dd%23e"),
        ("user_%2e%2e%2fx", "other%3Auser_%252e%252e%252fx"),
    ] {
        endpoint.forget();
        let mint = bailiff::dev::mint::Mint::new(&other.url(), sub, now()).azp(crate::harness::APP);
        let answer = world
            .get("/other/x")
            .bearer(&mint.sign(&other.key()))
            .send();
        assert_eq!(answer.status, 200, "{sub}: {}", world.gate.reason(&answer));
        let asked = endpoint.asked();
        let targets: Vec<&str> = asked.iter().map(|asked| asked.target()).collect();
        assert_eq!(targets, [format!("/users/{segment}")], "{sub}");
    }
}

#[test]
fn a_failing_endpoint_leaves_those_in_who_were_known_and_not_for_ever() {
    let endpoint = Endpoint::saying(&of_a("member"));
    let world = asking(&endpoint)
        .config(|c| c["membership"]["max_age"] = json!("4s"))
        .start();
    assert_eq!(status(&world, "user_a"), 200);
    for (code, body) in [
        (500, ""),
        (200, r#"{"user": {"access": "x"}}"#),
        (200, "<p>"),
        (401, ""),
    ] {
        endpoint.answers(code, &[], body, SaidFraming::Length);
        let answer = world
            .get("/api/x")
            .bearer(&world.token("user_b"))
            .send()
            .refused(503);
        assert_eq!(
            world.gate.reason(&answer),
            "members_unavailable",
            "whom nobody knows yet: {code} {body}"
        );
    }
    assert_eq!(world.get("/healthz").send().status, 200);
    becomes(&world, "user_a", 503);
    endpoint.says(&of_a("member"));
    becomes(&world, "user_a", 200);
}

#[test]
fn a_webhook_stands_above_what_the_endpoint_says() {
    let endpoint = Endpoint::saying(&of_a("member"));
    let world = asking(&endpoint).start();
    assert_eq!(status(&world, "user_a"), 200);
    tell_removed(&world, now() * 1000);
    assert_eq!(status(&world, "user_a"), 403);
    assert_eq!(refresh(&world).send().status, 202);
    assert_eq!(status(&world, "user_a"), 403, "rows have no history");
}
