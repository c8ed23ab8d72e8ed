//! Praxiom: how users come, change and go, and what `GET /api/auth/me` says of them.

use serde_json::{Value, json};

use super::praxiom::{ME, system};
use super::{
    a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app, deletion, kept,
    no_token_opens_the_way_of_webhooks, user_event, with_body,
};
use crate::harness::{App, Product, Upstream, WEBHOOK_SECRET, eventually, now};

const WEBHOOK: &str = "/api/webhooks/clerk";

fn app() -> App {
    App::start("praxiom_app", &[("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)])
}

fn profile(product: &Product, user: &str) -> Value {
    product.as_user(user, "GET", ME).send().json()
}

/// Waits until the profile says so: the app's answer to a webhook may come before the change is published.
#[track_caller]
fn becomes(product: &Product, user: &str, key: &str, value: &Value) {
    eventually(&format!("{key} of {user} was {value}"), || {
        (profile(product, user)[key] == *value).then_some(())
    });
}

#[test]
fn the_profile_has_the_documented_fields_and_nothing_else() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let answer = product.as_user("user_olga", "GET", ME).send().passed();
    assert_eq!(
        answer.text(),
        r#"{"id":"4f6c0a51-6a0e-4c1f-9b1e-0e9d6b0f2f10","email":"olga@praxiom.example","name":"Olga Owner","clerkUserId":"user_olga","accessStatus":"active","hasProductAccess":true,"isFounder":false,"referralCode":"OLGA42","activatedAt":"2026-01-31T10:00:00Z"}"#
    );
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    for (user, status, access, founder) in [
        ("user_paul", json!("pending"), false, false),
        ("user_sue", json!("suspended"), false, false),
        ("user_mia", json!("active"), true, false),
        // What a founder has is access, and so they are told.
        ("user_fred", json!("active"), true, true),
        // Of whom no webhook has spoken yet.
        ("user_unheard_of", Value::Null, false, false),
    ] {
        let profile = profile(&product, user);
        assert_eq!(profile["clerkUserId"], user);
        assert_eq!(profile["accessStatus"], status, "given: {user}");
        assert_eq!(
            (&profile["hasProductAccess"], &profile["isFounder"]),
            (&json!(access), &json!(founder)),
            "given: {user}"
        );
    }
    upstream.saw_nothing();
}

#[test]
fn the_profile_is_passed_on_to_an_app_that_answers_itself() {
    let app = app();
    let product = system(&app.url()).edit(", answer: profile", "").start();
    let profile = profile(&product, "user_olga");
    // The app makes referral codes of its own.
    assert_ne!(profile["referralCode"], "OLGA42");
    assert_eq!(
        (&profile["name"], &profile["accessStatus"]),
        (&json!("Olga Owner"), &json!("active"))
    );
    assert_eq!(profile["clerkUserId"], "user_olga");
}

#[test]
fn a_new_user_is_pending_while_the_gate_of_the_product_is_on() {
    let app = app();
    let product = system(&app.url()).start();
    let event = user_event("user.created", "user_new", "Nora", now() * 1000);
    assert_eq!(
        product.deliver(&event, WEBHOOK).send().passed().json(),
        json!({"received": "user.created"})
    );
    becomes(&product, "user_new", "accessStatus", &json!("pending"));
    let told = profile(&product, "user_new");
    assert_eq!(
        (&told["email"], &told["name"]),
        (&json!("nora@example.com"), &json!("Nora"))
    );
    assert_eq!(
        (&told["hasProductAccess"], &told["activatedAt"]),
        (&json!(false), &Value::Null)
    );
    with_body(
        product.as_user("user_new", "POST", "/api/workspaces"),
        &json!({"name": "Mine"}),
    )
    .send()
    .forbidden();
    assert_eq!(
        kept(&app)["users"]["user_new"]["email"],
        "nora@example.com",
        "the app has its own record"
    );
}

#[test]
fn a_new_user_is_active_while_the_gate_of_the_product_is_off() {
    let app = app();
    let product = system(&app.url())
        .env("PRAXIOM_NEW_USERS", "active")
        .start();
    product
        .deliver(
            &user_event("user.created", "user_new", "Nora", now() * 1000),
            WEBHOOK,
        )
        .send()
        .passed();
    becomes(&product, "user_new", "accessStatus", &json!("active"));
    let told = profile(&product, "user_new");
    assert_eq!(told["hasProductAccess"], true);
    assert!(
        told["activatedAt"].is_string(),
        "access was given when the user came: {told}"
    );
    let created = with_body(
        product.as_user("user_new", "POST", "/api/workspaces"),
        &json!({"name": "Mine"}),
    )
    .send();
    assert_eq!(created.status, 201);
}

#[test]
fn an_update_brings_e_mail_and_name_and_leaves_the_status() {
    let app = app();
    let product = system(&app.url()).start();
    let at = now() * 1000;
    product
        .deliver(
            &user_event("user.created", "user_new", "Nora", at - 5000),
            WEBHOOK,
        )
        .send()
        .passed();
    product
        .deliver(
            &user_event("user.updated", "user_new", "Eleonora", at),
            WEBHOOK,
        )
        .send()
        .passed();
    becomes(&product, "user_new", "name", &json!("Eleonora"));
    let told = profile(&product, "user_new");
    assert_eq!(
        (&told["email"], &told["accessStatus"]),
        (&json!("eleonora@example.com"), &json!("pending"))
    );
    // Late, and older than what is known.
    product
        .deliver(
            &user_event("user.updated", "user_new", "Nora", at - 4000),
            WEBHOOK,
        )
        .send()
        .passed();
    assert_eq!(profile(&product, "user_new")["name"], "Eleonora");
    // One of the file, whose row says another name.
    product
        .deliver(
            &user_event("user.updated", "user_mia", "Maria", at),
            WEBHOOK,
        )
        .send()
        .passed();
    becomes(&product, "user_mia", "name", &json!("Maria"));
    assert_eq!(profile(&product, "user_mia")["accessStatus"], "active");
}

#[test]
fn a_deleted_user_is_out_everywhere_at_once_and_what_was_theirs_is_gone() {
    let app = app();
    let product = system(&app.url()).start();
    let documents = "/api/workspaces/ws_research/documents";
    let write = || {
        with_body(
            product.as_user("user_mia", "POST", documents),
            &json!({"title": "Findings"}),
        )
        .send()
    };
    assert_eq!(write().status, 201);
    product
        .deliver(&deletion("user_mia"), WEBHOOK)
        .send()
        .passed();
    eventually("mia was out", || (write().status == 403).then_some(()));
    for (method, path) in [
        ("GET", ME),
        ("GET", "/api/workspaces"),
        ("GET", documents),
        ("POST", "/api/auth/redeem"),
    ] {
        product.as_user("user_mia", method, path).send().forbidden();
    }
    assert_eq!(
        kept(&app)["documents"]["ws_research"],
        json!([]),
        "the cascade is the app's, on a verified webhook"
    );
    // The row of the file is still there, and gives nothing back.
    let product = product.restarted();
    product.as_user("user_mia", "GET", ME).send().forbidden();
}

#[test]
fn users_of_webhooks_and_their_status_survive_a_restart() {
    let app = app();
    let product = system(&app.url()).start();
    product
        .deliver(
            &user_event("user.created", "user_new", "Nora", now() * 1000),
            WEBHOOK,
        )
        .send()
        .passed();
    becomes(&product, "user_new", "accessStatus", &json!("pending"));
    let before = profile(&product, "user_new");
    let product = product.restarted();
    assert_eq!(profile(&product, "user_new"), before);
}

#[test]
fn the_webhook_is_opened_by_its_signature_and_by_no_token() {
    let app = app();
    let product = system(&app.url()).start();
    a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app(&product, &app, WEBHOOK);
    no_token_opens_the_way_of_webhooks(&product, "user_olga", WEBHOOK);
    assert_eq!(kept(&app)["events"], json!([]), "no event came through");
    let signed = user_event("user.created", "user_new", "Nora", now() * 1000);
    // A token beside the signature changes nothing: neither a good one nor a bad one.
    product
        .deliver(&signed, WEBHOOK)
        .bearer("nonsense")
        .send()
        .passed();
    assert_eq!(kept(&app)["events"], json!(["user.created"]));
}

#[test]
fn the_signing_secret_is_never_shown() {
    let app = app();
    let product = system(&app.url()).env("BAILIFF_LOG", "trace").start();
    product
        .deliver(&deletion("user_mia"), WEBHOOK)
        .send()
        .passed();
    let secret = WEBHOOK_SECRET.trim_start_matches("whsec_");
    assert!(!product.gate.logs().iter().any(|line| line.contains(secret)));
    let pages = ["/metrics", "/status", "/readyz"].map(|page| product.gate.admin(page).text());
    assert!(!pages.iter().any(|page| page.contains(secret)));
}
