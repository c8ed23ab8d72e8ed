use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::key::tests::key;
use super::super::sample_app::SampleApp;
use super::super::webhook::generate_secret;
use super::*;
use crate::listen;

/// A served issuer. It serves for as long as this lives.
pub(super) struct Running {
    pub(super) issuer: DevIssuer,
    stop: watch::Sender<bool>,
}

fn person(name: &str, orgs: Vec<Org>) -> DevUser {
    DevUser {
        name: name.to_owned(),
        user_id: format!("user_{name}"),
        email: Some(format!("{name}@example.com")),
        full_name: "Alice Archer".to_owned(),
        orgs,
    }
}

pub(super) fn start() -> Running {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = DevIssuer::new(url, vec![key()]);
    let acme = Org {
        id: "org_acme".to_owned(),
        slug: "acme".to_owned(),
        role: "admin".to_owned(),
        permissions: vec!["org:boards:write".to_owned()],
    };
    issuer.set_people(vec![person("alice", vec![acme]), person("bob", Vec::new())]);
    let (stop, shutdown) = watch::channel(false);
    listen::spawn("issuer", issuer.clone(), listener, shutdown);
    Running { issuer, stop }
}

impl Running {
    async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.issuer.url())).await;
        let answer = answer.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let answer = reqwest::Client::builder()
            .build()
            .unwrap()
            .post(format!("{}{path}", self.issuer.url()))
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn claims(&self, path: &str) -> Value {
        let (status, token) = self.get(path).await;
        assert_eq!(status, 200, "{token}");
        let (_, keys) = self.get("/.well-known/jwks.json").await;
        verified(&token, &keys).claims
    }

    /// Sends events to a sample app, which echoes them.
    fn with_webhook(self) -> (Self, WebhookSigner) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        listen::spawn("gate", SampleApp, listener, self.stop.subscribe());
        let signer = WebhookSigner::new(&generate_secret()).unwrap();
        self.issuer.set_webhook(url, signer.clone());
        (self, signer)
    }
}

fn verified(token: &str, keys: &str) -> TokenData<Value> {
    let keys: JwkSet = serde_json::from_str(keys).unwrap();
    let kid = decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    decode(token, &key, &validation).unwrap()
}

#[tokio::test]
async fn a_token_verifies_against_the_keys_that_the_issuer_publishes() {
    let running = start();

    let claims = running.claims("/token/alice").await;

    assert_eq!(claims["iss"], running.issuer.url());
    assert_eq!(claims["sub"], "user_alice");
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        60
    );
    assert_eq!(claims.get("o"), None);
    assert_eq!(claims.get("azp"), None);
}

#[tokio::test]
async fn the_query_bends_the_token() {
    let running = start();
    running
        .issuer
        .set_azp(Some("https://app.example.com".to_owned()));

    let claims = running.claims("/token/alice?org=org_acme&expired=1").await;
    assert_eq!(claims["o"]["rol"], "admin");
    assert_eq!(claims["fea"], "o:boards");
    assert_eq!(claims["azp"], "https://app.example.com");
    assert!(claims["exp"].as_u64().unwrap() + 3000 < super::super::now_ms() / 1000);

    let claims = running
        .claims("/token/alice?azp=https%3A%2F%2Fevil.example")
        .await;
    assert_eq!(claims["azp"], "https://evil.example");
    assert_eq!(running.claims("/token/alice?azp=").await.get("azp"), None);
}

#[tokio::test]
async fn who_is_unknown_gets_a_sentence_with_the_known_names() {
    let running = start();

    let (status, sentence) = running.get("/token/zoe").await;

    assert_eq!(status, 404);
    assert_eq!(
        sentence,
        "there is nobody of this name; known names: alice, bob\n"
    );
    assert_eq!(running.get("/token/bob?org=org_acme").await.0, 404);
    assert_eq!(running.post("/send/user.created/zoe", "").await.0, 404);
    assert_eq!(running.get("/elsewhere").await.0, 404);
}

#[tokio::test]
async fn the_first_page_lists_the_addresses_and_the_names() {
    let (status, page) = start().get("/").await;

    assert_eq!(status, 200);
    assert!(
        page.contains("/token/{name}") && page.contains("alice, bob"),
        "{page}"
    );
}

#[tokio::test]
async fn after_a_rotation_the_new_key_signs_and_both_are_published() {
    let running = start();
    running
        .issuer
        .set_keys(vec![key().renamed("ins_new"), key()]);

    let (_, token) = running.get("/token/alice").await;
    assert_eq!(
        decode_header(&token).unwrap().kid.as_deref(),
        Some("ins_new")
    );
    let (_, keys) = running.get("/.well-known/jwks.json").await;
    assert_eq!(serde_json::from_str::<JwkSet>(&keys).unwrap().keys.len(), 2);

    running.issuer.set_keys(Vec::new());
    assert_eq!(running.get("/token/alice").await.0, 503);
}

#[tokio::test]
async fn the_key_set_misbehaves_as_told_and_every_request_is_counted() {
    let running = start();
    let raw = Behaviour::Raw(b"{\"keys\":7}".to_vec());
    for (given, status, length) in [
        (Behaviour::Status(503), 503, 1..100),
        (Behaviour::Status(42), 500, 1..100),
        (Behaviour::Status(101), 500, 1..100),
        (Behaviour::Html, 200, 1..100),
        (Behaviour::EmptyKeys, 200, 1..30),
        (Behaviour::Huge, 200, 1024 * 1024..2 * 1024 * 1024),
        (
            Behaviour::Redirect(format!("{}/", running.issuer.url())),
            200,
            200..2000,
        ),
        (raw, 200, 10..11),
        (
            Behaviour::Raw(vec![b' '; 3 << 20]),
            200,
            (2 << 20)..(2 << 20) + 1,
        ),
    ] {
        running.issuer.set_behaviour(given.clone());
        let (seen, body) = running.get("/.well-known/jwks.json").await;

        assert_eq!(seen, status, "given: {given:.40?}");
        assert!(
            length.contains(&body.len()),
            "given: {given:.40?}, {} bytes",
            body.len()
        );
    }
    assert_eq!(running.issuer.jwks_hits(), 9);
}

#[tokio::test]
async fn a_hanging_key_set_leaves_the_other_addresses_alone() {
    let running = start();
    running.issuer.set_behaviour(Behaviour::Hang);
    let impatient = reqwest::Client::builder().timeout(Duration::from_millis(200));
    let answer = impatient
        .build()
        .unwrap()
        .get(running.issuer.jwks_url())
        .send()
        .await;

    assert!(answer.unwrap_err().is_timeout());
    assert_eq!(running.issuer.jwks_hits(), 1);
    assert_eq!(running.get("/token/alice").await.0, 200);
}

#[tokio::test]
async fn an_event_is_sent_signed_and_the_answer_comes_back() {
    let (running, signer) = start().with_webhook();

    let path = "/send/organizationMembership.deleted/bob?org=org_acme";
    let (status, echoed) = running.post(path, "").await;

    assert_eq!(status, 200);
    let echoed: Value = serde_json::from_str(&echoed).unwrap();
    let body = echoed["body"].as_str().unwrap();
    let event: Value = serde_json::from_str(body).unwrap();
    assert_eq!(event["type"], "organizationMembership.deleted");
    assert_eq!(event["data"]["organization"]["id"], "org_acme");
    assert_eq!(event["data"]["public_user_data"]["user_id"], "user_bob");
    assert_eq!(event["data"]["role"], "org:member");
    assert_eq!(event["instance_id"], INSTANCE_ID);
    let header = |name: &str| {
        let headers = echoed["headers"].as_array().unwrap();
        headers.iter().find(|pair| pair[0] == name).unwrap()[1]
            .as_str()
            .unwrap()
    };
    let timestamp = header("svix-timestamp").parse().unwrap();
    assert_eq!(
        header("svix-signature"),
        signer.sign(header("svix-id"), timestamp, body.as_bytes())
    );
}

#[tokio::test]
async fn every_listed_event_can_be_sent_and_no_other() {
    let (running, _) = start().with_webhook();
    let (status, sentence) = running.post("/send/user.exploded/alice", "").await;
    assert_eq!(status, 404);

    let (_, known) = sentence.trim().split_once("known kinds: ").unwrap();
    for kind in known.split(", ") {
        let (status, echoed) = running.post(&format!("/send/{kind}/alice"), "").await;
        assert_eq!(status, 200, "given: {kind}");
        assert!(echoed.contains(kind), "given: {kind}");
    }
}

#[tokio::test]
async fn an_unreachable_gate_is_a_502_and_a_missing_one_a_503() {
    let running = start();
    assert_eq!(running.post("/send/user.updated/alice", "").await.0, 503);
    assert_eq!(running.post("/sign", "x").await.0, 503);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);

    let signer = WebhookSigner::new(&generate_secret()).unwrap();
    running.issuer.set_webhook(url, signer);
    let (status, sentence) = running.post("/send/user.updated/alice", "").await;
    assert_eq!(status, 502);
    assert!(sentence.contains("refused"), "{sentence}");
}

#[tokio::test]
async fn a_posted_body_is_signed_as_it_is() {
    let (running, signer) = start().with_webhook();

    let (status, headers) = running.post("/sign?id=msg_1&timestamp=7", "{ }").await;

    assert_eq!(status, 200);
    let headers: Value = serde_json::from_str(&headers).unwrap();
    assert_eq!(
        headers,
        json!({
            "svix-id": "msg_1",
            "svix-timestamp": "7",
            "svix-signature": signer.sign("msg_1", 7, b"{ }"),
        })
    );
    assert_eq!(running.post("/sign?timestamp=soon", "x").await.0, 400);
    let long = "x".repeat(1024 * 1024 + 1);
    assert_eq!(running.post("/sign", &long).await.0, 413);
}

#[tokio::test]
async fn the_metadata_name_the_issuer_and_its_keys_and_can_be_told_to_lie() {
    let running = start();
    let path = "/.well-known/openid-configuration";
    let said = |(status, text): (u16, String)| {
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let metadata = said(running.get(path).await);
    assert_eq!(
        (&metadata["issuer"], &metadata["jwks_uri"]),
        (
            &json!(running.issuer.url()),
            &json!(running.issuer.jwks_url())
        )
    );
    for (metadata, issuer, jwks_uri) in [
        (
            Metadata::Issuer("https://other.test".to_owned()),
            "https://other.test",
            Some(running.issuer.jwks_url()),
        ),
        (
            Metadata::JwksUri("https://x.test/j".to_owned()),
            running.issuer.url(),
            Some("https://x.test/j".to_owned()),
        ),
        (
            Metadata::Instead(Behaviour::EmptyKeys),
            running.issuer.url(),
            None,
        ),
    ] {
        running.issuer.set_metadata(metadata.clone());
        let said = said(running.get(path).await);
        assert_eq!(
            (&said["issuer"], said["jwks_uri"].as_str()),
            (&json!(issuer), jwks_uri.as_deref()),
            "{metadata:?}"
        );
    }
    running
        .issuer
        .set_metadata(Metadata::Instead(Behaviour::Status(404)));
    assert_eq!(running.get(path).await.0, 404);
    assert_eq!(running.issuer.metadata_hits(), 5);
    assert_eq!(running.issuer.jwks_hits(), 0, "the keys were not asked for");
}
