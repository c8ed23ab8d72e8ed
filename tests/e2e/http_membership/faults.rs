//! Endpoints that fail, lie, or answer with something else: the last good membership stays, and not for ever.

use super::*;
use crate::harness::{SaidFraming, Script};

const NONE: &[&str] = &[];

/// Status, header lines, body and framing of an answer, and what is said of it.
type Case = (
    u16,
    &'static [&'static str],
    String,
    SaidFraming,
    &'static [&'static str],
);

#[test]
fn whatever_is_no_good_answer_changes_nothing_and_is_said_with_its_cure() {
    let endpoint = Endpoint::saying(&document());
    let world = plan(&endpoint)
        .config(|c| c["membership"]["http"]["max_bytes"] = json!("64KiB"))
        .start();
    let less = without_a().to_string();
    let large = format!("{}{less}", " ".repeat(70_000));
    let cases: Vec<Case> = vec![
        (
            401,
            NONE,
            less.clone(),
            SaidFraming::Length,
            &["answered 401", "membership.http.token"],
        ),
        (
            404,
            NONE,
            less.clone(),
            SaidFraming::Length,
            &["answered 404", "membership.http.url"],
        ),
        (
            500,
            NONE,
            less.clone(),
            SaidFraming::Length,
            &["answered 500", "its own log"],
        ),
        (
            302,
            &["Location: http://127.0.0.1:1/"],
            less.clone(),
            SaidFraming::Length,
            &["a redirect"],
        ),
        (
            304,
            NONE,
            String::new(),
            SaidFraming::Length,
            &["answered 304"],
        ),
        (
            204,
            NONE,
            String::new(),
            SaidFraming::Length,
            &["answered 204"],
        ),
        (
            200,
            NONE,
            less.clone(),
            SaidFraming::Cut,
            &["the connection was cut"],
        ),
        (
            200,
            NONE,
            less.clone(),
            SaidFraming::CutChunks,
            &["the connection was cut"],
        ),
        (
            200,
            NONE,
            less[..less.len() / 2].to_owned(),
            SaidFraming::Length,
            &["ends in the middle"],
        ),
        (
            200,
            NONE,
            large.clone(),
            SaidFraming::Length,
            &["more than 65536 bytes", "max_bytes"],
        ),
        (
            200,
            NONE,
            large,
            SaidFraming::Chunks,
            &["more than 65536 bytes", "max_bytes"],
        ),
        (
            200,
            NONE,
            "<!doctype html><p>Sign in".to_owned(),
            SaidFraming::Length,
            &["a web page"],
        ),
        (
            200,
            NONE,
            String::new(),
            SaidFraming::Length,
            &["ends in the middle"],
        ),
        (
            200,
            NONE,
            "[]".to_owned(),
            SaidFraming::Length,
            &["the document: is a list"],
        ),
        (
            200,
            NONE,
            r#"{"users": {}}"#.to_owned(),
            SaidFraming::Length,
            &["without a single user", "allow_empty"],
        ),
        (
            200,
            NONE,
            less.replace("\"access\":\"suspended\"", "\"access\":\"susspended\"")
                .replace("owner", "root"),
            SaidFraming::Length,
            &[
                "users.user_suspended.access",
                "`susspended`",
                "workspaces.ws_1.members.user_suspended",
                "`root`",
            ],
        ),
    ];
    for (answer, lines, body, framing, parts) in cases {
        endpoint.answers(answer, lines, body, framing);
        let told = fails(&world);
        let told = if parts.iter().all(|part| told.contains(part)) {
            told
        } else {
            fails(&world)
        };
        for part in parts {
            assert!(told.contains(part), "{answer} {framing:?}: {told}");
        }
        assert_eq!(
            status(&world, "user_a"),
            200,
            "{answer} {framing:?}: {told}"
        );
    }
    endpoint.plays(Script::Close);
    fails(&world);
    assert_eq!(status(&world, "user_a"), 200);
    assert_eq!(loads(&world, "ok"), 1.0);

    endpoint.answers(200, NONE, less, SaidFraming::Chunks);
    becomes(&world, "user_a", 403);
}

#[test]
fn an_endpoint_that_is_silent_for_too_long_leaves_nobody_in_and_public_routes_open() {
    let endpoint = Endpoint::saying(&document());
    let world = plan(&endpoint)
        .config(|c| c["membership"]["max_age"] = json!("2s"))
        .start();
    assert_eq!(status(&world, "user_a"), 200);
    let confirmed = world
        .gate
        .metrics()
        .sum("bailiff_membership_confirmed_timestamp_seconds", &[]);
    assert!(confirmed > (now() - 60) as f64, "{confirmed}");
    endpoint.plays(Script::Status(500));
    becomes(&world, "user_a", 503);
    let answer = world
        .get("/api/x")
        .bearer(&world.token("user_a"))
        .send()
        .refused(503);
    assert_eq!(world.gate.reason(&answer), "members_stale");
    assert_eq!(world.get("/healthz").send().status, 200);
    let service = crate::harness::SERVICE_TOKEN;
    assert_eq!(world.get("/internal/x").bearer(service).send().status, 200);
    endpoint.says(&document());
    becomes(&world, "user_a", 200);
}

#[test]
fn an_empty_answer_is_believed_where_that_can_be_right() {
    let endpoint = Endpoint::saying(&document());
    let world = plan(&endpoint)
        .config(|c| c["membership"]["http"]["allow_empty"] = json!(true))
        .start();
    assert_eq!(status(&world, "user_a"), 200);
    endpoint.says(&json!({"users": {}}));
    becomes(&world, "user_a", 403);
}

#[test]
fn check_asks_only_with_online_and_says_every_fault() {
    let endpoint = Endpoint::saying(&json!({"users": {"user_1": {"access": "x"}, "bob": {}}}));
    let checked = plan(&endpoint)
        .command(&["check", "--config", "bailiff.yaml"])
        .run();
    let text = format!("{}{}", checked.stdout, checked.stderr);
    checked.exits(0);
    assert!(text.contains("not asked: --online does"), "{text}");
    assert!(
        endpoint.asked().is_empty(),
        "an offline check connects to nobody"
    );

    let checked = plan(&endpoint)
        .command(&["check", "--config", "bailiff.yaml", "--online"])
        .run();
    let text = format!("{}{}", checked.stdout, checked.stderr);
    checked.exits(69);
    for part in [
        "users.user_1.access: is `x`",
        "users.bob: is neither",
        "B025",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("hunter2"), "{text}");

    endpoint.says(&document());
    let checked = plan(&endpoint)
        .command(&["check", "--config", "bailiff.yaml", "--online"])
        .run();
    let text = checked.stdout.clone();
    checked.exits(0);
    assert!(
        text.contains("3 users, 2 workspaces, 3 memberships"),
        "{text}"
    );
}
