//! Wordloop's people: the browser client, and users who come by webhook.

use serde_json::{Value, json};

use super::{
    a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app, deletion, forged, kept,
    no_token_opens_the_way_of_webhooks, refused_as_documented, user_event, with_body,
};
use crate::harness::{
    App, Product, System, Upstream, WEBHOOK_SECRET, eventually, foreign_key, now,
};

const WEBHOOK: &str = "/webhooks/clerk";
const FRONTEND: &str = "https://app.wordloop.example";
pub(super) const ENGINE: &str = "token-of-the-ml-engine-0123456789";

pub(super) fn system(upstream: &str) -> System {
    let system =
        System::new("wordloop", upstream).env("CLERK_WEBHOOK_SIGNING_SECRET", WEBHOOK_SECRET);
    system.env("SERVICE_AUTH_TOKEN", ENGINE)
}

pub(super) fn app() -> App {
    App::start("wordloop_app", &[("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)])
}

/// Makes a meeting and gives the path of its recording.
pub(super) fn meeting(product: &Product, user: &str) -> String {
    let made = with_body(
        product.as_user(user, "POST", "/meetings"),
        &json!({"title": "Standup"}),
    )
    .send();
    assert_eq!(made.status, 201, "{made:?}");
    format!(
        "/meetings/{}",
        made.json()["id"].as_str().expect("a meeting has an id")
    )
}

#[test]
fn the_clerk_user_id_is_in_the_context_of_every_request() {
    let app = app();
    let product = system(&app.url()).start();
    let me = product
        .as_user("user_nora", "GET", "/users/me")
        .send()
        .passed()
        .json();
    assert_eq!(
        (&me["kind"], &me["user"], &me["service"]),
        (&json!("user"), &json!("user_nora"), &Value::Null)
    );
    assert_eq!(
        me["synchronised"], false,
        "no webhook has come yet, and the token is enough"
    );
    meeting(&product, "user_nora");
    let titles = |user| {
        product
            .as_user(user, "GET", "/meetings")
            .send()
            .passed()
            .json()["meetings"]
            .clone()
    };
    assert_eq!(titles("user_nora")[0]["title"], "Standup");
    assert_eq!(titles("user_other"), json!([]));
}

#[test]
fn no_client_writes_into_that_context() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    forged(
        product.as_user("user_nora", "GET", "/meetings"),
        "user_other",
    )
    .send()
    .passed();
    let seen = upstream.only();
    assert_eq!(
        seen.identity(),
        [
            "x-auth-issuer: clerk",
            "x-auth-kind: user",
            "x-clerk-user-id: user_nora",
            "x-session-id: sess_nora",
            "x-user-id: user_nora",
        ]
    );
    forged(product.get("/meetings"), "user_other")
        .send()
        .not_authenticated();
    upstream.saw_nothing();
}

/// "Validates the JWT symmetrically": whoever did that would take the published key for a secret.
#[test]
fn tokens_are_verified_asymmetrically_whatever_the_document_says() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let mint = || product.mint("user_nora");
    for (given, token, reason) in [
        (
            "HS256",
            product.sign(&mint().header("alg", "HS256")),
            "wrong_algorithm",
        ),
        (
            "HS512",
            product.sign(&mint().header("alg", "HS512")),
            "wrong_algorithm",
        ),
        (
            "none",
            product.sign(&mint().header("alg", "none")),
            "wrong_algorithm",
        ),
        (
            "of somebody else",
            mint().header("kid", "ins_standard").sign(&foreign_key()),
            "bad_signature",
        ),
        (
            "expired",
            product.sign(&mint().issued_at(now() - 120)),
            "expired",
        ),
        (
            "of another page",
            product.sign(&mint().azp("https://evil.example")),
            "wrong_party",
        ),
        (
            "of a template",
            product.sign(&mint().template()),
            "wrong_token_type",
        ),
    ] {
        let answer = product.get("/meetings").bearer(&token).send();
        assert_eq!(
            refused_as_documented(&product, answer, given),
            reason,
            "given: {given}"
        );
    }
    assert_eq!(
        refused_as_documented(&product, product.get("/meetings").send(), "none"),
        "missing_token"
    );
    upstream.saw_nothing();
}

#[test]
fn the_browser_client_sends_its_token_as_bearer_and_no_other_page_may_ask() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let preflight = |origin: &str| {
        let request = product
            .request("OPTIONS", "/meetings")
            .header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "GET");
        request
            .header("Access-Control-Request-Headers", "authorization")
            .send()
    };
    let allowed = preflight(FRONTEND);
    assert_eq!(
        allowed.header("access-control-allow-origin").as_deref(),
        Some(FRONTEND),
        "{allowed:?}"
    );
    assert!(
        allowed
            .head
            .says("access-control-allow-headers", "authorization"),
        "{allowed:?}"
    );
    assert_eq!(
        preflight("https://evil.example").header("access-control-allow-origin"),
        None
    );
    upstream.saw_nothing();
    let token = product.token("user_nora");
    product
        .get("/meetings")
        .bearer(&token)
        .header("Origin", FRONTEND)
        .send()
        .passed();
    upstream.only();
    for request in [
        product.get(&format!("/meetings?token={token}")),
        product
            .get("/meetings")
            .header("Cookie", format!("__session={token}")),
        product.get("/meetings").header("Authorization", &token),
    ] {
        request.send().not_authenticated();
    }
    upstream.saw_nothing();
}

#[test]
fn user_created_is_applied_once_however_often_and_in_whatever_order_it_comes() {
    let app = app();
    let product = system(&app.url()).start();
    let at = now() * 1000;
    let newer = user_event("user.updated", "user_new", "Nora", at);
    let older = user_event("user.created", "user_new", "Eleonora", at - 9_000);
    // The gate takes one id once; the sender may send the same event anew.
    for delivery in [
        &newer,
        &older,
        &older,
        &newer.clone().id("msg_newer_again"),
        &newer,
    ] {
        product.deliver(delivery, WEBHOOK).send().passed();
    }
    let users = kept(&app)["users"].clone();
    assert_eq!(users["user_new"]["name"], "Nora");
    assert_eq!(
        users.as_object().map(serde_json::Map::len),
        Some(1),
        "{users}"
    );
    let me = || {
        product
            .as_user("user_new", "GET", "/users/me")
            .send()
            .passed()
            .json()
    };
    eventually("the gate knew the name", || {
        (me()["name"] == "Nora").then_some(())
    });
    assert_eq!(
        (&me()["email"], &me()["synchronised"]),
        (&json!("nora@example.com"), &json!(true))
    );

    product
        .deliver(&deletion("user_new"), WEBHOOK)
        .send()
        .passed();
    product
        .deliver(&older.id("msg_older_again"), WEBHOOK)
        .send()
        .passed();
    assert_eq!(kept(&app)["users"], json!({}));
    let status = || {
        product
            .as_user("user_new", "GET", "/users/me")
            .send()
            .status
    };
    eventually("the deleted user was out", || {
        (status() == 403).then_some(())
    });
}

#[test]
fn a_webhook_is_opened_by_its_svix_headers_and_by_no_token() {
    let app = app();
    let product = system(&app.url()).start();
    a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app(&product, &app, WEBHOOK);
    no_token_opens_the_way_of_webhooks(&product, "user_nora", WEBHOOK);
    let event = user_event("user.created", "user_new", "Nora", now() * 1000);
    let delivery = || product.deliver(&event, WEBHOOK);
    for (given, request) in [
        (
            "the service token alone",
            product.request("POST", WEBHOOK).bearer(ENGINE).body("{}"),
        ),
        (
            "an old signature",
            product.deliver(&event.clone().at(now() - 3600), WEBHOOK),
        ),
        (
            "a signature of another secret",
            product.deliver(
                &event
                    .clone()
                    .signed("whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXI="),
                WEBHOOK,
            ),
        ),
        (
            "no signature",
            product.deliver(&event.clone().signature(""), WEBHOOK),
        ),
    ] {
        assert_eq!(request.send().status, 401, "given: {given}");
    }
    assert_eq!(kept(&app)["users"], json!({}));
    delivery().send().passed();
    assert_eq!(kept(&app)["users"]["user_new"]["name"], "Nora");
}

#[test]
fn users_of_webhooks_are_still_known_after_a_restart() {
    let app = app();
    let product = system(&app.url()).start();
    product
        .deliver(
            &user_event("user.created", "user_new", "Nora", now() * 1000),
            WEBHOOK,
        )
        .send()
        .passed();
    let audio = format!("{}/audio", meeting(&product, "user_new"));
    let hears = |product: &Product, user: &str| product.as_user(user, "GET", &audio).send().status;
    eventually("the new user was known", || {
        (hears(&product, "user_new") == 200).then_some(())
    });
    // Of whom no webhook has spoken.
    assert_eq!(hears(&product, "user_unheard_of"), 403);
    let product = product.restarted();
    assert_eq!(hears(&product, "user_new"), 200);
}
