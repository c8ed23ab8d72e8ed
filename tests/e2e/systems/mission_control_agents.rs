//! Mission Control's agents, and its self-hosted set-up with one shared token.

use serde_json::{Value, json};

use super::mission_control::{ME, REPORT, TRIAGE, full, system};
use super::{forged, refused_as_documented, with_body};
use crate::harness::{App, Product, System, Upstream};

const SHARED: &str = "the-shared-token-of-this-set-up-0123456789";

fn local(upstream: &str) -> System {
    let system = System::new("mission-control-local", upstream).env("AUTH_MODE", "local");
    system
        .env("LOCAL_AUTH_TOKEN", SHARED)
        .env("TRIAGE_AGENT_TOKEN", TRIAGE)
}

#[track_caller]
fn refused(product: &Product, method: &str, path: &str, token: &str) -> String {
    refused_as_documented(
        product,
        product.request(method, path).bearer(token).send(),
        &format!("{method} {path}"),
    )
}

#[test]
fn an_agent_is_known_by_its_name_and_by_nothing_of_a_user() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    for (token, name, method, path) in [
        (TRIAGE, "triage-agent", "GET", "/api/v1/agent/triage"),
        (
            TRIAGE,
            "triage-agent",
            "POST",
            "/api/v1/agent/triage/tasks/7",
        ),
        (REPORT, "report-agent", "POST", "/api/v1/agent/reports"),
        (REPORT, "report-agent", "GET", "/api/v1/boards"),
        (REPORT, "report-agent", "GET", "/api/v1/boards/b-1"),
    ] {
        forged(product.request(method, path).bearer(token), "user_2abcXYZ")
            .send()
            .passed();
        let seen = upstream.only();
        assert_eq!(
            seen.identity(),
            [
                "x-auth-kind: service".to_owned(),
                format!("x-service-name: {name}")
            ]
        );
        assert!(
            !seen.contains(token),
            "the app got the token: {method} {path}"
        );
    }
}

#[test]
fn an_agent_gets_nowhere_but_on_its_own_routes() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    for (token, method, path) in [
        (TRIAGE, "POST", "/api/v1/agent/reports"),
        (TRIAGE, "GET", "/api/v1/boards"),
        (TRIAGE, "GET", ME),
        (TRIAGE, "POST", "/api/v1/auth/bootstrap"),
        (REPORT, "GET", "/api/v1/agent/triage/tasks"),
        (REPORT, "POST", "/api/v1/boards"),
        (REPORT, "DELETE", "/api/v1/boards/b-1"),
        (REPORT, "GET", ME),
    ] {
        assert_eq!(
            refused(&product, method, path, token),
            "service_route",
            "given: {method} {path}"
        );
    }
    for token in [TRIAGE, REPORT] {
        // Agents that nobody has thought of yet have no way in.
        product
            .get("/api/v1/agent/other")
            .bearer(token)
            .send()
            .forbidden();
        product
            .get("/api/v1/agentry")
            .bearer(token)
            .send()
            .not_authenticated();
    }
    upstream.saw_nothing();
}

#[test]
fn a_user_is_no_agent_and_a_part_of_a_token_is_none() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let user = product.sign(&full(&product, "user_2abcXYZ"));
    for token in [
        user.as_str(),
        &TRIAGE[1..],
        &format!("{TRIAGE}0"),
        &TRIAGE.to_uppercase(),
        SHARED,
    ] {
        assert_eq!(
            refused(&product, "GET", "/api/v1/agent/triage/tasks", token),
            "unknown_service"
        );
    }
    upstream.saw_nothing();
    product.get("/api/v1/boards").bearer(&user).send().passed();
    assert_eq!(
        upstream.only().values("x-clerk-user-id"),
        ["user_2abcXYZ"],
        "on a shared route users stay users"
    );
}

#[test]
fn agents_report_and_users_do_not_see_their_tasks() {
    let app = App::start("mission_control_app", &[]);
    let product = system(&app.url()).start();
    let report = with_body(
        product
            .request("POST", "/api/v1/agent/reports")
            .bearer(REPORT),
        &json!({"text": "Done."}),
    );
    assert_eq!(
        report.send().json(),
        json!({"agent": "report-agent", "reports": 1})
    );
    let tasks = product
        .get("/api/v1/agent/triage/tasks")
        .bearer(TRIAGE)
        .send()
        .passed()
        .json();
    assert_eq!(
        tasks,
        json!({"agent": "triage-agent", "user": null, "reports": []})
    );
    let boards = product
        .get("/api/v1/boards")
        .bearer(REPORT)
        .send()
        .passed()
        .json();
    assert_eq!(
        (&boards["agent"], &boards["user"]),
        (&json!("report-agent"), &Value::Null)
    );
}

#[test]
fn local_mode_knows_one_shared_token_and_one_user() {
    let app = App::start("mission_control_app", &[]);
    let product = local(&app.url()).start();
    let record = product
        .request("POST", "/api/v1/auth/bootstrap")
        .bearer(SHARED)
        .send()
        .passed()
        .json();
    assert_eq!(
        (&record["id"], &record["clerk_user_id"]),
        (&json!("local:operator"), &Value::Null)
    );
    assert_eq!(
        (&record["email"], &record["name"]),
        (&json!("operator@localhost"), &json!("Local Operator"))
    );
    assert_eq!(
        product.get(ME).bearer(SHARED).send().passed().json(),
        record
    );
}

#[test]
fn local_mode_refuses_every_other_token_as_documented() {
    let upstream = Upstream::start();
    let product = local(&upstream.url()).start();
    assert_eq!(
        refused_as_documented(&product, product.get(ME).send(), "none"),
        "missing_token"
    );
    for token in [
        &SHARED[1..],
        &format!("{SHARED}0"),
        "invalid.jwt.token",
        &product.token("user_2abcXYZ"),
    ] {
        assert_eq!(refused(&product, "GET", ME, token), "wrong_local_token");
    }
    assert_eq!(refused(&product, "GET", ME, TRIAGE), "service_route");
    product
        .get(&format!("{ME}?token={SHARED}"))
        .send()
        .not_authenticated();
    upstream.saw_nothing();
    forged(product.get(ME).bearer(SHARED), "root")
        .send()
        .passed();
    let seen = upstream.only();
    assert_eq!(
        seen.identity(),
        [
            "x-access-status: active",
            "x-auth-issuer: local",
            "x-auth-kind: user",
            "x-user-email: operator@localhost",
            "x-user-id: local:operator",
            "x-user-name: Local Operator",
        ]
    );
    assert!(!seen.contains(SHARED), "the app does not get the token");
}

#[test]
fn agents_work_in_local_mode_too_and_the_shared_token_is_none_of_theirs() {
    let upstream = Upstream::start();
    let product = local(&upstream.url()).start();
    product
        .get("/api/v1/agent/triage/tasks")
        .bearer(TRIAGE)
        .send()
        .passed();
    assert_eq!(
        upstream.only().identity(),
        ["x-auth-kind: service", "x-service-name: triage-agent"]
    );
    assert_eq!(
        refused(&product, "GET", "/api/v1/agent/triage/tasks", SHARED),
        "unknown_service"
    );
    product
        .get("/api/v1/agent/other")
        .bearer(SHARED)
        .send()
        .forbidden();
    upstream.saw_nothing();
}

#[test]
fn auth_mode_and_config_must_not_contradict_each_other() {
    let upstream = Upstream::start();
    let clerk = local(&upstream.url())
        .env("AUTH_MODE", "clerk")
        .run()
        .exits(78);
    assert!(
        clerk
            .stderr
            .contains("remove `local`, or set AUTH_MODE=local"),
        "{}",
        clerk.stderr
    );
    let shared = system(&upstream.url())
        .env("AUTH_MODE", "local")
        .env("LOCAL_AUTH_TOKEN", SHARED)
        .run()
        .exits(78);
    assert!(shared.stderr.contains("AUTH_MODE"), "{}", shared.stderr);
    let other = system(&upstream.url())
        .env("AUTH_MODE", "none")
        .run()
        .exits(78);
    assert!(
        other.stderr.contains("`clerk`, `local`"),
        "{}",
        other.stderr
    );
    for ended in [clerk, shared, other] {
        assert!(
            !ended.stderr.contains(SHARED) && !ended.stderr.contains("hunter2"),
            "{}",
            ended.stderr
        );
    }
}
