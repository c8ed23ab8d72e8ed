//! AINative's identity providers beside Clerk: one in the config, others added while it runs.

use bailiff::dev::issuer::{Behaviour, Metadata};
use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use super::ainative::{ADMIN_TOKEN, VERIFY, system, template};
use crate::harness::{Clerk, Product, Request, Response, Upstream, eventually, foreign_key, now};

fn provider() -> Clerk {
    Clerk::with_key(foreign_key().renamed("ins_standard"))
}

fn admin(product: &Product, method: &str, path: &str) -> Request {
    let address = product.gate.admin_address();
    let request = Request::new(address, method, path).header("Host", address.to_string());
    request
        .bearer(ADMIN_TOKEN)
        .header("Connection", "close")
        .header("Content-Type", "application/json")
}

fn add(product: &Product, body: &Value) -> Response {
    admin(product, "POST", "/providers")
        .body(body.to_string())
        .send()
}

/// The body of the document, for a provider whose address is that of this issuer.
fn documented(name: &str, client_id: &str, issuer: &str) -> Value {
    json!({
        "provider": name,
        "domain": "127.0.0.1",
        "client_id": client_id,
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "issuer": issuer,
        "claim_mapping": {"user_id": "sub", "email": "email"},
    })
}

/// An ID token that this client got.
fn id_token(provider: &Clerk, sub: &str, client: &str) -> Mint {
    Mint::new(&provider.url(), sub, now())
        .oidc(client)
        .claim("email", format!("{sub}@partner.example"))
}

fn verified(product: &Product, token: &str) -> Value {
    product.get(VERIFY).bearer(token).send().json()
}

#[test]
fn a_provider_of_the_config_is_verified_under_its_own_name_with_its_mapped_claims() {
    let (app, enterprise) = (Upstream::start(), provider());
    let product = system(&app.url())
        .env("ENTERPRISE_ISSUER", &enterprise.url())
        .start();
    let token = id_token(&enterprise, "7", "ainative")
        .claim("org_id", "tenant-9")
        .sign(&enterprise.key());
    assert_eq!(
        verified(&product, &token),
        json!({"valid": true, "provider": "enterprise", "user_id": "enterprise:7", "email": "7@partner.example"})
    );
    product.get("/api/v1/models").bearer(&token).send().passed();
    let seen = app.only();
    assert_eq!(
        (seen.values("x-user-id"), seen.values("x-org-id")),
        (
            vec!["enterprise:7".into()],
            vec!["enterprise:tenant-9".into()]
        )
    );
    assert_eq!(
        seen.values("x-clerk-user-id"),
        [""; 0],
        "it is no user of Clerk's"
    );
    // Found by its metadata, with keys of its own.
    assert_eq!((enterprise.metadata_hits(), enterprise.hits()), (1, 1));
    let other_client = id_token(&enterprise, "7", "another-app").sign(&enterprise.key());
    assert_eq!(
        verified(&product, &other_client),
        json!({"valid": false, "reason": "invalid_token"})
    );
}

#[test]
fn the_documents_fields_register_a_provider_at_run_time_and_its_users_come_in() {
    let (app, partner) = (Upstream::start(), provider());
    let product = system(&app.url()).start();
    let token = id_token(&partner, "7", "acme-app").sign(&partner.key());
    assert_eq!(
        verified(&product, &token),
        json!({"valid": false, "reason": "invalid_token"})
    );

    let answer = add(&product, &documented("acme", "acme-app", &partner.url()));
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        verified(&product, &token),
        json!({"valid": true, "provider": "acme", "user_id": "acme:7", "email": "7@partner.example"})
    );
    product.get("/api/v1/models").bearer(&token).send().passed();
    assert_eq!(app.only().values("x-user-id"), ["acme:7"]);

    // Kept across restarts.
    let product = product.restarted();
    eventually("its keys were there", || {
        (verified(&product, &token)["valid"] == true).then_some(())
    });
    let listed = admin(&product, "GET", "/providers").send().passed().json();
    let names: Vec<_> = listed["providers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["provider"].clone())
        .collect();
    assert_eq!(names, ["clerk", "enterprise", "acme"]);

    admin(&product, "DELETE", "/providers/acme").send().passed();
    assert_eq!(
        verified(&product, &token),
        json!({"valid": false, "reason": "invalid_token"})
    );
}

#[test]
fn the_documents_own_registration_of_clerk_is_there_already() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let mut body = documented("clerk", "", &product.clerk().url());
    body.as_object_mut().expect("an object").remove("client_id");
    let answer = add(&product, &body);
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(
        answer.text().contains("`clerk` is there already"),
        "{answer:?}"
    );
}

#[test]
fn another_clerk_app_is_registered_under_a_name_of_its_own_and_its_users_are_not_the_first_ones() {
    let (app, second) = (Upstream::start(), provider());
    let product = system(&app.url()).start();
    let mut body = documented("second", "", &second.url());
    body["kind"] = json!("clerk");
    body.as_object_mut().expect("an object").remove("client_id");
    assert_eq!(add(&product, &body).status, 201);

    let token = Mint::new(&second.url(), "user_2abc123", now())
        .azp("https://your-app.com")
        .sign(&second.key());
    assert_eq!(verified(&product, &token)["user_id"], "second:user_2abc123");
    assert_eq!(
        verified(&product, &product.token("user_2abc123"))["user_id"],
        "user_2abc123"
    );
    // What one app's key has signed is never the other's.
    let crossed = product.mint("user_2abc123").sign(&second.key());
    assert_eq!(
        verified(&product, &crossed),
        json!({"valid": false, "reason": "invalid_token"})
    );
    let crossed = Mint::new(&second.url(), "user_2abc123", now()).sign(&product.clerk().key());
    assert_eq!(
        verified(&product, &crossed),
        json!({"valid": false, "reason": "invalid_token"})
    );
}

#[test]
fn no_token_of_one_provider_passes_for_one_of_another() {
    let app = Upstream::start();
    let (enterprise, partner) = (
        provider(),
        Clerk::with_key(foreign_key().renamed("ins_partner")),
    );
    let product = system(&app.url())
        .env("ENTERPRISE_ISSUER", &enterprise.url())
        .start();
    assert_eq!(
        add(&product, &documented("acme", "ainative", &partner.url())).status,
        201
    );
    let key = product.clerk().key();
    for (given, token) in [
        (
            "Clerk's in the name of the enterprise",
            id_token(&enterprise, "7", "ainative").sign(&key),
        ),
        (
            "the enterprise's in the name of Clerk",
            template(&product, "user_a").sign(&enterprise.key()),
        ),
        (
            "the enterprise's in the name of acme",
            id_token(&partner, "7", "ainative").sign(&enterprise.key()),
        ),
        (
            "a template's of the enterprise",
            product
                .mint("user_a")
                .claim("iss", enterprise.url())
                .sign(&enterprise.key()),
        ),
        (
            "nobody's",
            id_token(&enterprise, "7", "ainative")
                .claim("iss", "https://evil.test")
                .sign(&enterprise.key()),
        ),
    ] {
        assert_eq!(
            verified(&product, &token),
            json!({"valid": false, "reason": "invalid_token"}),
            "given: {given}"
        );
        product
            .get("/api/v1/models")
            .bearer(&token)
            .send()
            .not_authenticated();
    }
    app.saw_nothing();
    for (provider, name) in [(&enterprise, "enterprise"), (&partner, "acme")] {
        assert_eq!(
            verified(
                &product,
                &id_token(provider, "7", "ainative").sign(&provider.key())
            )["provider"],
            name
        );
    }
}

#[test]
fn a_provider_that_does_not_answer_answers_html_or_for_another_issuer_harms_nobody_else() {
    let app = Upstream::start();
    let enterprise = provider();
    enterprise.say_in_metadata(Metadata::Issuer("https://evil.test".into()));
    let product = system(&app.url())
        .env("ENTERPRISE_ISSUER", &enterprise.url())
        .start();
    let token = id_token(&enterprise, "7", "ainative").sign(&enterprise.key());
    let answer = product.get(VERIFY).bearer(&token).send();
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (503, r#"{"valid":false,"reason":"issuer unreachable"}"#)
    );
    product.gate.log_line("about the metadata", |line| {
        line["issuer"] == "enterprise"
            && line["why"]
                .as_str()
                .is_some_and(|why| why.contains("the metadata of another issuer"))
    });

    let html = provider();
    html.behave(Behaviour::Html);
    let answer = add(&product, &documented("html", "x", &html.url()));
    assert_eq!(answer.status, 502, "{answer:?}");
    let nowhere = json!({"provider": "typo", "issuer": "http://127.0.0.1:1", "client_id": "x"});
    let answer = add(&product, &nowhere);
    assert!(
        answer.status == 502 && answer.text().contains("a typo in the domain"),
        "{answer:?}"
    );

    assert_eq!(product.gate.admin("/readyz").status, 200);
    assert_eq!(
        verified(&product, &product.token("user_2abc123"))["valid"],
        true
    );
}
