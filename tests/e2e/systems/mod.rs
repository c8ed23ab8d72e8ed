//! Five products behind the gate, each with the very config that `config/systems` has for it, and with an app of its kind. What each
//! document promises is a test here, and `docs/systems.md` says which. None of the apps has auth code beyond reading headers.

mod ainative;
mod ainative_providers;
mod finance_agent;
mod finance_agent_users;
mod mission_control;
mod mission_control_agents;
mod mission_control_users;
mod praxiom;
mod praxiom_users;
mod wordloop;
mod wordloop_services;

use bailiff::dev::webhook::data::{self, WebhookUser};
use serde_json::{Value, json};

use crate::harness::{App, Delivery, Product, Request, Response, event, fold, now, trusted_names};

/// What the documents show for a missing or bad token. FastAPI itself writes no blanks.
const NOT_AUTHENTICATED: &str = r#"{"detail":"Not authenticated"}"#;

fn with_body(request: Request, body: &Value) -> Request {
    request
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

/// A `user.…` event about somebody of this first name.
fn user_event(kind: &str, id: &str, first_name: &str, at_ms: u64) -> Delivery {
    let email = format!("{}@example.com", first_name.to_lowercase());
    let user = WebhookUser {
        id,
        email: Some(&email),
        first_name: Some(first_name),
        updated_at_ms: at_ms,
        ..WebhookUser::default()
    };
    Delivery::event(&event(kind, data::user(&user), at_ms))
}

fn deletion(id: &str) -> Delivery {
    Delivery::event(&event(
        "user.deleted",
        data::deleted("user", id),
        now() * 1000,
    ))
}

/// What the app keeps, asked past the gate.
fn kept(app: &App) -> Value {
    app.request("GET", "/control").send().passed().json()
}

/// Every trusted name in the spellings that one server or another takes for the same.
fn forged(request: Request, value: &str) -> Request {
    trusted_names().iter().fold(request, |request, name| {
        let spellings = [
            name.replace('_', "-"),
            name.to_uppercase(),
            name.replace('_', "."),
        ];
        assert!(spellings.iter().all(|spelling| fold(spelling) == *name));
        spellings
            .iter()
            .fold(request, |request, spelling| request.header(spelling, value))
    })
}

/// Asserts the documented answer, and gives the reason that only the log tells.
#[track_caller]
fn refused_as_documented(product: &Product, answer: Response, given: &str) -> String {
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (401, NOT_AUTHENTICATED),
        "given: {given}"
    );
    product.gate.reason(&answer)
}

/// No webhook reaches these apps but through the gate, and each checks the signature again.
#[track_caller]
fn a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app(
    product: &Product,
    app: &App,
    path: &str,
) {
    let forged = user_event("user.created", "user_forged", "Mallory", now() * 1000).body(b"{}");
    product.deliver(&forged, path).send().not_authenticated();
    assert_eq!(forged.sent_as(app.request("POST", path)).send().status, 400);
}

/// The path of the webhook, with good tokens in place of a signature: by every method and with a slash at the end.
#[track_caller]
fn no_token_opens_the_way_of_webhooks(product: &Product, user: &str, path: &str) {
    let event = json!({"type": "user.deleted", "data": {"id": user, "deleted": true}});
    with_body(product.as_user(user, "POST", path), &event)
        .send()
        .not_authenticated();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
        assert_eq!(
            product.as_user(user, method, path).send().status,
            404,
            "given: {method}"
        );
    }
    let slash = format!("{path}/");
    with_body(product.as_user(user, "POST", &slash), &event)
        .send()
        .refused(404);
    product.deliver(&deletion(user), &slash).send().refused(404);
}
