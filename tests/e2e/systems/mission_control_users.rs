//! Mission Control's users: recorded at first sight, described by their tokens or by Clerk, changed and deleted there.

use std::thread;

use bailiff::dev::issuer::{DevUser, UserBehaviour};
use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use super::mission_control::{BOOTSTRAP, ME, SECRET_KEY, full, system};
use super::{deletion, no_token_opens_the_way_of_webhooks, user_event, with_body};
use crate::harness::{App, Product, Request, Upstream, eventually, now};

const WEBHOOK: &str = "/api/v1/webhooks/clerk";

/// How Clerk's Backend API knows somebody.
fn person(user_id: &str, email: Option<&str>, full_name: &str) -> DevUser {
    let (name, email, full_name) = (
        user_id.to_owned(),
        email.map(str::to_owned),
        full_name.to_owned(),
    );
    DevUser {
        name,
        user_id: user_id.to_owned(),
        email,
        full_name,
        orgs: vec![],
    }
}

fn with(product: &Product, mint: &Mint, method: &str, path: &str) -> Request {
    product.request(method, path).bearer(&product.sign(mint))
}

/// E-mail and name as the app reads them.
fn contact(upstream: &Upstream) -> (Option<String>, Option<String>) {
    let seen = upstream.only();
    (seen.header("x-user-email"), seen.header("x-user-name"))
}

fn is(email: &str, name: &str) -> (Option<String>, Option<String>) {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (known(email), known(name))
}

#[test]
fn bootstrap_answers_as_documented() {
    let app = App::start("mission_control_app", &[]);
    let product = system(&app.url()).start();
    let alex = full(&product, "user_2abcXYZ");
    // What Clerk does not know users tell the app themselves.
    let own = json!({
        "preferred_name": "Alex", "pronouns": "they/them", "timezone": "America/Los_Angeles",
        "notes": "Primary operator for board triage.", "context": "Handles incident coordination and escalation.",
    });
    with_body(with(&product, &alex, "PATCH", ME), &own)
        .send()
        .passed();
    let answer = with(&product, &alex, "POST", BOOTSTRAP).send().passed();
    assert_eq!(
        answer.text(),
        r#"{"id":"11111111-1111-1111-1111-111111111111","clerk_user_id":"user_2abcXYZ","email":"alex@example.com","name":"Alex Chen","preferred_name":"Alex","pronouns":"they/them","timezone":"America/Los_Angeles","notes":"Primary operator for board triage.","context":"Handles incident coordination and escalation.","is_super_admin":false}"#
    );
    assert_eq!(
        with(&product, &alex, "GET", ME).send().passed().text(),
        answer.text()
    );
}

#[test]
fn the_very_first_request_brings_everything_that_bootstrap_needs() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    product.clerk().knows(
        SECRET_KEY,
        vec![person("user_new", Some("nora@example.com"), "Nora Newman")],
    );
    let mint = product
        .mint("user_new")
        .org("org_2xyz", "ours", "admin", &[]);
    with(&product, &mint, "POST", BOOTSTRAP).send().passed();
    assert_eq!(
        upstream.only().identity(),
        [
            "x-access-status: active",
            "x-auth-issuer: clerk",
            "x-auth-kind: user",
            "x-clerk-user-id: user_new",
            "x-org-id: org_2xyz",
            "x-org-role: org:admin",
            "x-session-id: sess_new",
            "x-user-email: nora@example.com",
            "x-user-id: user_new",
            "x-user-name: Nora Newman",
        ]
    );
    assert_eq!(product.clerk().user_hits("user_new"), (1, 0));
}

#[test]
fn a_membership_of_the_organization_is_made_from_the_headers() {
    let app = App::start("mission_control_app", &[]);
    let product = system(&app.url()).start();
    let mint = full(&product, "user_2abcXYZ").org("org_2xyz", "ours", "admin", &[]);
    with(&product, &mint, "POST", BOOTSTRAP).send().passed();
    let ours = with(&product, &mint, "GET", "/api/v1/organization")
        .send()
        .passed()
        .json();
    assert_eq!(
        ours,
        json!({"id": "org_2xyz", "members": {"user_2abcXYZ": "org:admin"}})
    );
    let made = with_body(
        with(&product, &mint, "POST", "/api/v1/boards"),
        &json!({"title": "Triage"}),
    )
    .send();
    assert_eq!(
        (made.status, &made.json()["scope"]),
        (201, &json!("org_2xyz"))
    );
    let other = full(&product, "user_other").org("org_other", "theirs", "admin", &[]);
    let boards = |mint: &Mint| {
        with(&product, mint, "GET", "/api/v1/boards")
            .send()
            .passed()
            .json()["boards"]
            .clone()
    };
    assert_eq!(boards(&mint)[0]["title"], "Triage");
    assert_eq!(boards(&other), json!([]));
}

#[test]
fn the_e_mail_address_comes_from_the_first_claim_that_has_one() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let list = |address: &str| json!([{"id": "idn_1", "email_address": address}]);
    let cases = [
        (
            "email",
            json!({"email": "a@x.test", "email_address": "b@x.test", "email_addresses": list("d@x.test")}),
            "a@x.test",
        ),
        (
            "email_address",
            json!({"email_address": "b@x.test", "primary_email_address": "c@x.test"}),
            "b@x.test",
        ),
        (
            "primary",
            json!({"primary_email_address": "c@x.test", "email_addresses": list("d@x.test")}),
            "c@x.test",
        ),
        (
            "list",
            json!({"email_addresses": list("d@x.test")}),
            "d@x.test",
        ),
        (
            "empty ones do not count",
            json!({"email": "", "email_address": null, "email_addresses": list("d@x.test")}),
            "d@x.test",
        ),
    ];
    for (n, (given, claims, expected)) in cases.into_iter().enumerate() {
        let mint = product.mint(&format!("user_e{n}")).claim("name", "N");
        let claims = claims.as_object().expect("claims").clone();
        let mint = claims
            .into_iter()
            .fold(mint, |mint, (name, value)| mint.claim(&name, value));
        with(&product, &mint, "GET", ME).send().passed();
        assert_eq!(contact(&upstream), is(expected, "N"), "given: {given}");
    }
}

#[test]
fn the_name_comes_from_name_then_full_name_then_its_parts() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let cases = [
        (
            "name",
            json!({"name": "Alex Chen", "full_name": "A. Chen", "first_name": "A"}),
            "Alex Chen",
        ),
        (
            "full_name",
            json!({"full_name": "A. Chen", "first_name": "A", "last_name": "C"}),
            "A. Chen",
        ),
        (
            "both parts",
            json!({"first_name": "Alex", "last_name": "Chen"}),
            "Alex Chen",
        ),
        ("first alone", json!({"first_name": "Alex"}), "Alex"),
        (
            "last alone",
            json!({"name": "", "last_name": "Chen"}),
            "Chen",
        ),
    ];
    for (n, (given, claims, expected)) in cases.into_iter().enumerate() {
        let mint = product
            .mint(&format!("user_n{n}"))
            .claim("email", "a@x.test");
        let claims = claims.as_object().expect("claims").clone();
        let mint = claims
            .into_iter()
            .fold(mint, |mint, (name, value)| mint.claim(&name, value));
        with(&product, &mint, "GET", ME).send().passed();
        assert_eq!(
            contact(&upstream),
            is("a@x.test", expected),
            "given: {given}"
        );
    }
}

#[test]
fn a_record_of_the_first_sight_survives_a_restart() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    with(&product, &full(&product, "user_new"), "POST", BOOTSTRAP)
        .send()
        .passed();
    assert_eq!(contact(&upstream), is("alex@example.com", "Alex Chen"));
    let product = product.restarted();
    product.as_user("user_new", "GET", ME).send().passed();
    assert_eq!(
        contact(&upstream),
        is("alex@example.com", "Alex Chen"),
        "the token says neither"
    );
    assert_eq!(
        product.clerk().user_hits("user_new"),
        (0, 0),
        "what is known is not asked for"
    );
}

#[test]
fn the_e_mail_address_follows_clerk_and_the_name_only_while_there_is_none() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    product.clerk().tell_of_users(UserBehaviour::Status(503));
    let says = |at: u64, email: &str, name: &str| {
        let mint = product
            .mint("user_2abcXYZ")
            .issued_at(at)
            .claim("email", email);
        let mint = if name.is_empty() {
            mint
        } else {
            mint.claim("name", name)
        };
        with(&product, &mint, "GET", ME).send().passed();
        contact(&upstream)
    };
    let at = now();
    assert_eq!(says(at - 40, "old@x.test", ""), is("old@x.test", ""));
    assert_eq!(
        says(at - 30, "old@x.test", "Alex Chen"),
        is("old@x.test", "Alex Chen")
    );
    assert_eq!(
        says(at - 20, "new@x.test", "Another Name"),
        is("new@x.test", "Alex Chen")
    );
    assert_eq!(
        says(at - 35, "old@x.test", "Old Name"),
        is("new@x.test", "Alex Chen"),
        "an older token is no news"
    );
}

#[test]
fn what_a_token_lacks_is_fetched_once_however_many_ask() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    product.clerk().knows(
        SECRET_KEY,
        vec![person(
            "user_2abcXYZ",
            Some("alex@example.com"),
            "Alex Chen",
        )],
    );
    let token = product.token("user_2abcXYZ");
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| product.get(ME).bearer(&token).send().passed());
        }
    });
    for seen in upstream.take(16) {
        assert_eq!(
            seen.header("x-user-email").as_deref(),
            Some("alex@example.com")
        );
        assert_eq!(seen.header("x-user-name").as_deref(), Some("Alex Chen"));
    }
    // Only the name was missing of this one.
    let mint = product
        .mint("user_2abcXYZ")
        .claim("email", "alex@example.com");
    with(&product, &mint, "GET", ME).send().passed();
    assert_eq!(product.clerk().user_hits("user_2abcXYZ"), (1, 0));
}

#[test]
fn a_failing_user_api_never_refuses_a_valid_token() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    for (n, (behaviour, cause)) in [
        (UserBehaviour::Status(500), "answered 500"),
        (UserBehaviour::Status(404), "answered 404"),
        (UserBehaviour::Html, "a web page"),
        (UserBehaviour::WrongId, "another user"),
        (UserBehaviour::Huge, ""),
        // It waits for a moment, and no longer.
        (UserBehaviour::Hang, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("user_f{n}");
        product
            .clerk()
            .knows(SECRET_KEY, vec![person(&user, Some("f@x.test"), "F")]);
        product.clerk().tell_of_users(behaviour.clone());
        let mint = product.mint(&user).claim("name", "Of the token");
        with(&product, &mint, "POST", BOOTSTRAP).send().passed();
        assert_eq!(
            contact(&upstream),
            is("", "Of the token"),
            "given: {behaviour:?}"
        );
        if !cause.is_empty() {
            product
                .gate
                .log_line(&format!("about {behaviour:?}"), |line| {
                    let said = line.to_string();
                    said.contains(&user)
                        && said.contains(cause)
                        && said.contains("no profile fetched")
                });
        }
    }
}

#[test]
fn over_the_rate_limit_nobody_is_asked_about_and_everybody_passes() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    product
        .clerk()
        .tell_of_users(UserBehaviour::RateLimited(Some(60)));
    for user in ["user_r1", "user_r2", "user_r3"] {
        product.as_user(user, "POST", BOOTSTRAP).send().passed();
        assert_eq!(contact(&upstream), is("", ""), "given: {user}");
    }
    let hits = ["user_r1", "user_r2", "user_r3"].map(|user| product.clerk().user_hits(user).0);
    assert_eq!(hits, [1, 0, 0], "429 means everybody");
    assert!(
        product
            .gate
            .metrics()
            .text
            .contains("bailiff_profile_fetches_total"),
        "and the metrics count it"
    );
}

/// "Users created with null email/name": of whom Clerk itself knows neither, the app learns neither.
#[test]
fn a_user_without_e_mail_at_clerk_passes_without_one() {
    let app = App::start("mission_control_app", &[]);
    let product = system(&app.url()).start();
    product
        .clerk()
        .knows(SECRET_KEY, vec![person("user_new", None, "")]);
    let record = product
        .as_user("user_new", "POST", BOOTSTRAP)
        .send()
        .passed()
        .json();
    assert_eq!(
        (&record["id"], &record["email"], &record["name"]),
        (&json!("user_new"), &Value::Null, &Value::Null)
    );
    // Where to look is said to whoever asks.
    let args = [
        "explain",
        "--config",
        &product.config_name(),
        "--method",
        "GET",
        "--path",
        ME,
        "--token",
        "-",
    ];
    let told = product.command_with(&args, &product.token("user_new"));
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(
        said.contains("no e-mail address")
            && said.contains("does the Clerk application collect it"),
        "{said}"
    );
}

#[test]
fn an_update_by_webhook_counts_at_once() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    with(&product, &full(&product, "user_2abcXYZ"), "GET", ME)
        .send()
        .passed();
    assert_eq!(contact(&upstream), is("alex@example.com", "Alex Chen"));
    let update = user_event(
        "user.updated",
        "user_2abcXYZ",
        "Alexandra",
        now() * 1000 + 1000,
    );
    product.deliver(&update, WEBHOOK).send().passed();
    upstream.take(1);
    let email = || {
        product.as_user("user_2abcXYZ", "GET", ME).send().passed();
        upstream.only().header("x-user-email")
    };
    eventually("the address was the new one", || {
        (email().as_deref() == Some("alexandra@example.com")).then_some(())
    });
    no_token_opens_the_way_of_webhooks(&product, "user_2abcXYZ", WEBHOOK);
    upstream.saw_nothing();
}

#[test]
fn a_user_is_deleted_at_clerk_by_command_and_is_out_here_with_the_webhook() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    product.clerk().knows(
        SECRET_KEY,
        vec![person(
            "user_2abcXYZ",
            Some("alex@example.com"),
            "Alex Chen",
        )],
    );
    let config = product.config_name();
    let delete = ["clerk", "delete-user", "user_2abcXYZ", "--config", &config];
    // Nobody is there to be asked, so nobody is deleted.
    product.command(&delete).exits(2);
    assert!(product.clerk().has("user_2abcXYZ"));
    let deleted = product
        .command(&[&delete[..], &["--yes"]].concat())
        .exits(0);
    assert!(
        deleted.stdout.contains("user_2abcXYZ is deleted at Clerk"),
        "{}",
        deleted.stdout
    );
    assert!(!product.clerk().has("user_2abcXYZ"));
    assert_eq!(
        product.clerk().user_hits("user_2abcXYZ").1,
        1,
        "DELETE /v1/users/user_2abcXYZ"
    );

    product
        .deliver(&deletion("user_2abcXYZ"), WEBHOOK)
        .send()
        .passed();
    let me = || {
        with(&product, &full(&product, "user_2abcXYZ"), "GET", ME)
            .send()
            .status
    };
    eventually("the deleted user was out", || (me() == 403).then_some(()));
    let product = product.restarted();
    with(&product, &full(&product, "user_2abcXYZ"), "POST", BOOTSTRAP)
        .send()
        .forbidden();
}

#[test]
fn an_operator_drops_a_user_here_without_waiting_for_a_webhook() {
    const TOKEN: &str = "token-of-the-operator-0123456789";
    let upstream = Upstream::start();
    let product = system(&upstream.url())
        .env("BAILIFF_ADMIN_TOKEN", TOKEN)
        .start();
    with(&product, &full(&product, "user_new"), "POST", BOOTSTRAP)
        .send()
        .passed();
    let drop = |token: &str| {
        let host = product.gate.admin_address().to_string();
        let request =
            Request::new(product.gate.admin_address(), "DELETE", "/users/user_new").bearer(token);
        request
            .header("Host", host)
            .header("Connection", "close")
            .send()
    };
    assert_eq!(drop("token-of-somebody-else-0123456789").status, 401);
    assert_eq!(drop(TOKEN).passed().json(), json!({"dropped": "user_new"}));
    let me = || {
        with(&product, &full(&product, "user_new"), "GET", ME)
            .send()
            .status
    };
    eventually("the user was out", || (me() == 403).then_some(()));
}
