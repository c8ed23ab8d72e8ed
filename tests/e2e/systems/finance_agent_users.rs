//! Finance Agent's users: what webhooks do, what deactivates, and the table in PostgreSQL.

use bailiff::dev::webhook::data::{self, WebhookUser};
use serde_json::{Value, json};

use super::finance_agent::{WEBHOOK, app, seen, system};
use super::{
    a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app, deletion, kept,
    no_token_opens_the_way_of_webhooks, user_event,
};
use crate::harness::{App, Delivery, Postgres, WEBHOOK_SECRET, event, eventually, now};

const DOCS: &str = include_str!("../../../docs/systems.md");

#[test]
fn the_webhook_secret_counts_with_and_without_its_prefix_under_both_names() {
    let bare = WEBHOOK_SECRET
        .strip_prefix("whsec_")
        .expect("the secret has its prefix");
    for name in ["CLERK_WEBHOOK_SECRET", "CLERK_WEBHOOK_SIGNING_SECRET"] {
        for secret in [WEBHOOK_SECRET, bare] {
            let app = App::start("finance_app", &[("CLERK_WEBHOOK_SECRET", secret)]);
            let product = system(&app)
                .env("CLERK_WEBHOOK_SECRET", "")
                .env(name, secret)
                .start();
            let created = user_event("user.created", "user_new", "Nora", now() * 1000);
            let said = product.deliver(&created, WEBHOOK).send().passed();
            assert_eq!(
                said.text(),
                r#"{"status":"success","event":"user.created"}"#,
                "given: {name}={secret}"
            );
        }
    }
}

#[test]
fn user_created_makes_a_user_who_is_active_and_approved_and_no_admin() {
    let app = app();
    let product = system(&app).start();
    assert_eq!(seen(&product, "user_new"), None, "nobody has heard of them");
    let created = user_event("user.created", "user_new", "Nora", now() * 1000);
    product.deliver(&created, WEBHOOK).send().passed();

    let user = seen(&product, "user_new").expect("Nora is in");
    assert_eq!(
        (&user["email"], &user["full_name"]),
        (&json!("nora@example.com"), &json!("Nora"))
    );
    assert_eq!(
        (&user["is_active"], &user["is_approved"], &user["is_admin"]),
        (&json!(true), &json!(true), &json!(false))
    );
    product
        .as_user("user_new", "GET", "/admin")
        .send()
        .forbidden();
    assert_eq!(
        kept(&app)["users"]["user_new"]["email"],
        "nora@example.com",
        "the app has its record too"
    );
    // Delivered once more, it is no second user and no way back to the first state.
    product
        .deliver(&created.clone().id("msg_again"), WEBHOOK)
        .send()
        .passed();
    assert_eq!(seen(&product, "user_new"), Some(user));
}

#[test]
fn user_updated_brings_the_new_address_and_name_and_an_older_one_changes_nothing() {
    let app = app();
    let product = system(&app).start();
    let at = now() * 1000;
    let say = |kind, name, at| {
        product
            .deliver(&user_event(kind, "user_new", name, at), WEBHOOK)
            .send()
            .passed()
    };
    say("user.created", "Nora", at - 2_000);
    say("user.updated", "Eleonora", at);
    let expected = (json!("eleonora@example.com"), json!("Eleonora"));
    let told = || {
        seen(&product, "user_new").map(|user| (user["email"].clone(), user["full_name"].clone()))
    };
    assert_eq!(told(), Some(expected.clone()));
    say("user.updated", "Late", at - 1_000);
    assert_eq!(told(), Some(expected));
}

#[test]
fn user_deleted_deactivates_and_keeps_the_user_also_over_a_restart() {
    let app = app();
    let product = system(&app).start();
    product
        .deliver(
            &user_event("user.created", "user_new", "Nora", now() * 1000),
            WEBHOOK,
        )
        .send()
        .passed();
    for user in ["user_new", "user_ada"] {
        assert!(seen(&product, user).is_some(), "given: {user}");
        product.deliver(&deletion(user), WEBHOOK).send().passed();
        let answer = product
            .as_user(user, "GET", "/protected")
            .send()
            .forbidden();
        assert_eq!(product.gate.reason(&answer), "suspended", "given: {user}");
        product.as_user(user, "GET", "/admin").send().forbidden();
        assert_eq!(
            kept(&app)["users"][user]["is_active"],
            false,
            "given: {user}: the app keeps its row"
        );
    }
    // A late event does not bring them back, nor does a restart.
    let late = user_event("user.updated", "user_ada", "Ada", now() * 1000 + 5_000);
    product.deliver(&late, WEBHOOK).send().passed();
    let product = product.restarted();
    for user in ["user_new", "user_ada"] {
        product
            .as_user(user, "GET", "/protected")
            .send()
            .forbidden();
    }
    product
        .as_user("user_ben", "GET", "/protected")
        .send()
        .passed();
}

#[test]
fn a_user_whom_clerk_bans_is_out_at_once() {
    let app = app();
    let product = system(&app).start();
    let user = WebhookUser {
        id: "user_ben",
        banned: true,
        updated_at_ms: now() * 1000,
        ..WebhookUser::default()
    };
    let banned = Delivery::event(&event("user.updated", data::user(&user), now() * 1000));
    assert!(seen(&product, "user_ben").is_some());
    product.deliver(&banned, WEBHOOK).send().passed();
    product
        .as_user("user_ben", "GET", "/protected")
        .send()
        .forbidden();
}

#[test]
fn nothing_but_a_good_signature_opens_the_webhook() {
    let app = app();
    let product = system(&app).start();
    a_forged_webhook_is_taken_neither_by_the_gate_nor_by_the_app(&product, &app, WEBHOOK);
    no_token_opens_the_way_of_webhooks(&product, "user_ada", WEBHOOK);
    assert_eq!(kept(&app), json!({"users": {}}));
    assert!(seen(&product, "user_ada").is_some());
}

/// The document's own check knows no time and compares one signature.
#[test]
fn an_old_webhook_is_refused_and_each_signature_of_a_list_counts_by_itself() {
    let app = app();
    let product = system(&app).start();
    let created = || user_event("user.created", "user_new", "Nora", now() * 1000);
    for at in [now() - 3_600, now() + 3_600] {
        let answer = product
            .deliver(&created().at(at), WEBHOOK)
            .send()
            .not_authenticated();
        assert_eq!(product.gate.reason(&answer), "webhook_time");
    }
    let two = created();
    let list = format!("v1,{} {}", "A".repeat(43) + "=", two.signature);
    product
        .deliver(&two.signature(&list), WEBHOOK)
        .send()
        .passed();
    assert!(seen(&product, "user_new").is_some());
}

#[test]
fn a_webhook_of_another_secret_is_refused_and_the_log_says_that_it_is_the_signature() {
    let app = app();
    let product = system(&app).start();
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let delivery = user_event("user.created", "user_new", "Nora", now() * 1000).signed(other);
    let answer = product
        .deliver(&delivery, WEBHOOK)
        .send()
        .not_authenticated();
    assert_eq!(product.gate.reason(&answer), "webhook_signature");
    assert!(
        product
            .gate
            .logs()
            .iter()
            .all(|line| !line.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    );
}

// ---- PostgreSQL ----

/// The first block of this language behind `## finance-agent` in docs/systems.md.
fn documented(language: &str) -> &'static str {
    let section = DOCS.split("## finance-agent").nth(1).expect("a section");
    let section = section.split("\n## ").next().expect("a section");
    let start = format!("```{language}\n");
    let (_, block) = section.split_once(&start).expect("a block");
    block.split("```").next().expect("a block")
}

/// `CREATE TABLE users` of the product's document, word for word.
const SCHEMA: &str = "
CREATE TABLE users (
id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
clerk_user_id VARCHAR(255) UNIQUE, -- Clerk's user ID
username VARCHAR(255) UNIQUE NOT NULL,
email VARCHAR(255) UNIQUE NOT NULL,
full_name VARCHAR(255),
first_name VARCHAR(255),
last_name VARCHAR(255),
is_active BOOLEAN DEFAULT TRUE,
is_approved BOOLEAN DEFAULT TRUE,
is_admin BOOLEAN DEFAULT FALSE,
onboarded_via_invitation BOOLEAN DEFAULT FALSE,
created_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP
);";

#[test]
fn the_table_in_postgresql_maps_to_a_membership_with_ids_and_flags() {
    let server = Postgres::start();
    server.psql("postgres", SCHEMA).succeeded();
    let rows = "
INSERT INTO users (id, clerk_user_id, username, email, full_name, is_admin) VALUES
('11111111-1111-1111-1111-111111111111', 'user_pia', 'pia', 'pia@finance.example', 'Pia \"P\" Ünal', TRUE);
INSERT INTO users (clerk_user_id, username, email, is_active) VALUES ('user_oto', 'oto', 'oto@finance.example', FALSE);
INSERT INTO users (username, email) VALUES ('before-clerk', 'old@finance.example');";
    server.psql("postgres", rows).succeeded();
    let export = || server.psql("postgres", documented("sql")).succeeded();

    let app = app();
    let product = system(&app).start();
    assert_eq!(seen(&product, "user_pia"), None);
    product.write_membership(|_| export());
    let pia = eventually("the rows of the table counted", || {
        seen(&product, "user_pia")
    });
    let expected: Value = json!({
        "id": "11111111-1111-1111-1111-111111111111", "clerk_user_id": "user_pia", "username": "pia",
        "email": "pia@finance.example", "full_name": "Pia \"P\" Ünal", "is_admin": true, "is_active": true, "is_approved": true,
    });
    assert_eq!(pia, expected);
    product.as_user("user_pia", "GET", "/admin").send().passed();
    product
        .as_user("user_oto", "GET", "/protected")
        .send()
        .forbidden();
    product
        .as_user("user_ada", "GET", "/protected")
        .send()
        .forbidden();

    server
        .psql(
            "postgres",
            "UPDATE users SET is_admin = FALSE WHERE username = 'pia'",
        )
        .succeeded();
    product.write_membership(|_| export());
    eventually("Pia was no admin", || {
        (product.as_user("user_pia", "GET", "/admin").send().status == 403).then_some(())
    });
}
