use std::time::Duration;

use serde_json::Value;

use super::tests::{Running, start};
use super::*;

const KEY: &str = "sk_test_abcdefghijklmnopqrst";

/// Status, `Retry-After` and body.
async fn ask(running: &Running, method: &str, path: &str, key: &str) -> (u16, String, String) {
    let method = http::Method::from_bytes(method.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let request = client
        .request(method, format!("{}{path}", running.issuer.url()))
        .bearer_auth(key);
    let answer = request.send().await.unwrap();
    let after = answer
        .headers()
        .get("retry-after")
        .map(|after| after.to_str().unwrap().to_owned());
    (
        answer.status().as_u16(),
        after.unwrap_or_default(),
        answer.text().await.unwrap(),
    )
}

fn open() -> Running {
    let running = start();
    running.issuer.set_secret_key(Some(KEY.to_owned()));
    running
}

#[tokio::test]
async fn a_user_is_given_to_whoever_has_the_secret_key_and_to_nobody_else() {
    let running = start();
    for (key, set) in [
        ("", false),
        (KEY, false),
        ("", true),
        ("sk_test_other", true),
    ] {
        running.issuer.set_secret_key(set.then(|| KEY.to_owned()));
        for method in ["GET", "DELETE"] {
            let (status, _, body) = ask(&running, method, "/v1/users/user_alice", key).await;
            assert_eq!(status, 401, "given: {method} {key:?} {set}");
            assert!(body.contains("clerk_key_invalid"), "{body}");
        }
    }
    let (status, _, body) = ask(&running, "GET", "/v1/users/user_alice", KEY).await;
    let user: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &user["id"], &user["object"]),
        (200, &"user_alice".into(), &"user".into())
    );
    assert_eq!(
        user["email_addresses"][0]["email_address"],
        "alice@example.com"
    );
    assert_eq!(running.issuer.user_hits("user_alice"), (5, 4));
}

#[tokio::test]
async fn a_deleted_user_is_gone_everywhere() {
    let running = open();
    let (status, _, body) = ask(&running, "DELETE", "/v1/users/user_alice", KEY).await;
    assert_eq!(status, 200);
    let deleted: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&deleted["id"], &deleted["deleted"]),
        (&"user_alice".into(), &true.into())
    );

    for (method, path) in [
        ("GET", "/v1/users/user_alice"),
        ("DELETE", "/v1/users/user_alice"),
        ("GET", "/v1/users/x"),
    ] {
        let (status, _, body) = ask(&running, method, path, KEY).await;
        assert_eq!(status, 404, "given: {method} {path}");
        assert!(body.contains("resource_not_found"), "{body}");
    }
    assert_eq!(ask(&running, "GET", "/token/alice", KEY).await.0, 404);
    assert_eq!(
        ask(&running, "GET", "/v1/users/user%5Fbob", KEY).await.0,
        200,
        "a segment is decoded once"
    );
    assert_eq!(
        ask(&running, "PATCH", "/v1/users/user_bob", KEY).await.0,
        405
    );
}

#[tokio::test]
async fn the_backend_api_misbehaves_as_told_and_the_keys_do_not() {
    let running = open();
    for (given, status, after, part) in [
        (UserBehaviour::Status(503), 503, "", "told to answer this"),
        (
            UserBehaviour::RateLimited(Some(7)),
            429,
            "7",
            "too_many_requests",
        ),
        (
            UserBehaviour::RateLimited(None),
            429,
            "",
            "too_many_requests",
        ),
        (UserBehaviour::Html, 200, "", "<!doctype html>"),
        (UserBehaviour::WrongId, 200, "", "user_of_somebody_else"),
        (UserBehaviour::Huge, 200, "", "xxxxxxxx"),
        (UserBehaviour::Banned, 200, "", r#""banned": true"#),
    ] {
        running.issuer.set_user_behaviour(given.clone());
        let (seen, retry, body) = ask(&running, "GET", "/v1/users/user_alice", KEY).await;
        assert_eq!((seen, retry.as_str()), (status, after), "given: {given:?}");
        assert!(body.contains(part), "given: {given:?}: {body:.200}");
        assert_eq!(
            ask(&running, "GET", "/.well-known/jwks.json", "").await.0,
            200,
            "given: {given:?}"
        );
    }
    running.issuer.set_user_behaviour(UserBehaviour::Hang);
    let impatient = reqwest::Client::builder()
        .timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let url = format!("{}/v1/users/user_alice", running.issuer.url());
    assert!(
        impatient
            .get(url)
            .bearer_auth(KEY)
            .send()
            .await
            .unwrap_err()
            .is_timeout()
    );
}

#[tokio::test]
async fn a_user_who_is_held_is_given_once_the_behaviour_is_another() {
    let running = open();
    running.issuer.set_user_behaviour(UserBehaviour::Hold);
    let asked = ask(&running, "GET", "/v1/users/user_alice", KEY);
    tokio::pin!(asked);
    while running.issuer.user_hits("user_alice").0 == 0 {
        let soon = tokio::time::timeout(Duration::from_millis(5), &mut asked).await;
        assert!(soon.is_err(), "nothing is answered yet");
    }

    running.issuer.set_user_behaviour(UserBehaviour::Normal);

    assert_eq!(asked.await.0, 200);
}

#[tokio::test]
async fn lists_come_in_pages_to_whoever_has_the_secret_key() {
    let running = open();
    for path in [
        "/v1/users",
        "/v1/users/count",
        "/v1/organizations",
        "/v1/organization_memberships",
    ] {
        assert_eq!(
            ask(&running, "GET", path, "sk_test_other").await.0,
            401,
            "{path}"
        );
    }
    let get = async |path: &str| -> Value {
        let (status, _, body) = ask(&running, "GET", path, KEY).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    };
    let users = get("/v1/users?limit=1&offset=1").await;
    assert_eq!(
        (users.as_array().unwrap().len(), &users[0]["id"]),
        (1, &"user_bob".into())
    );
    assert_eq!(get("/v1/users/count").await["total_count"], 2);
    let orgs = get("/v1/organizations").await;
    assert_eq!(
        (&orgs["total_count"], &orgs["data"][0]["id"]),
        (&1.into(), &"org_acme".into())
    );
    let members = get("/v1/organization_memberships").await;
    assert_eq!(
        members["data"][0]["public_user_data"]["user_id"],
        "user_alice"
    );
    assert_eq!(members["data"][0]["role"], "org:admin");
    for bad in ["limit=0", "limit=501", "limit=x", "offset=-1"] {
        assert_eq!(
            ask(&running, "GET", &format!("/v1/users?{bad}"), KEY)
                .await
                .0,
            422,
            "{bad}"
        );
    }
    running.issuer.next_lists(vec![
        ListBehaviour::Status(500),
        ListBehaviour::RateLimited(Some(3)),
    ]);
    assert_eq!(ask(&running, "GET", "/v1/users", KEY).await.0, 500);
    assert_eq!(ask(&running, "GET", "/v1/users", KEY).await.1, "3");
    assert_eq!(
        get("/v1/users").await.as_array().unwrap().len(),
        2,
        "each by one of these, and then as always"
    );
}
