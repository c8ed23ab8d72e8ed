use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;

use super::*;
use crate::config::secret::Secret;
use crate::dev::issuer::{DevIssuer, DevUser, UserBehaviour};
use crate::domain::event::{Change, UserChange};
use crate::domain::ids::text_header;
use crate::fetch::FetchError;
use crate::listen;

const KEY: &str = "sk_test_hunter2hunter2hunter2";

fn user(id: &str) -> ClerkUserId {
    ClerkUserId::parse(id).unwrap()
}

fn at(api_url: &str, key: &str, live: bool) -> Backend {
    let secret = Arc::new(Secret::from(key.to_owned()));
    Backend::new(
        BackendSettings {
            api_url: api_url.to_owned(),
            secret,
            live,
        },
        Fetcher::new().unwrap(),
    )
}

/// A Backend API that knows Alice. It serves for as long as this lives.
struct Clerk {
    issuer: DevIssuer,
    _serving: watch::Sender<bool>,
}

impl Clerk {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = DevIssuer::new(
            format!("http://{}", listener.local_addr().unwrap()),
            Vec::new(),
        );
        issuer.set_people(vec![DevUser {
            name: "alice".to_owned(),
            user_id: "user_alice".to_owned(),
            email: Some("alice@example.com".to_owned()),
            full_name: "Alice Archer".to_owned(),
            orgs: Vec::new(),
        }]);
        issuer.set_secret_key(Some(KEY.to_owned()));
        let (serving, shutdown) = watch::channel(false);
        listen::spawn("issuer", issuer.clone(), listener, shutdown);
        Self {
            issuer,
            _serving: serving,
        }
    }

    fn backend(&self) -> Backend {
        at(self.issuer.url(), KEY, true)
    }

    fn hits(&self) -> (u64, u64) {
        self.issuer.user_hits("user_alice")
    }
}

/// The printed error. It must not contain the secret key, in any form.
fn told(error: &BackendError) -> String {
    let (text, all) = (
        error.to_string(),
        format!("{error} {error:?} {} {}", error.cause(), error.cure()),
    );
    assert!(!all.contains("hunter2"), "{all}");
    text
}

#[tokio::test]
async fn a_user_says_what_a_webhook_about_them_would_say() {
    let clerk = Clerk::start();

    let MembershipEvent { change, at } = clerk.backend().user(&user("user_alice")).await.unwrap();

    let (email, name) = (
        text_header("alice@example.com"),
        text_header("Alice Archer"),
    );
    let expected = UserChange::Described {
        banned: false,
        email,
        name,
    };
    assert_eq!(change, Change::User(user("user_alice").into(), expected));
    assert!(
        at.0 <= clock::now_ms() && at.0 > clock::now_ms() - 60_000,
        "{at:?}"
    );
    assert_eq!(clerk.hits(), (1, 0));
}

#[tokio::test]
async fn a_user_is_deleted_once_and_then_gone() {
    let clerk = Clerk::start();
    let (backend, alice) = (clerk.backend(), user("user_alice"));

    assert_eq!(
        backend.delete_user(&alice).await.unwrap(),
        Deletion::Deleted
    );
    assert!(clerk.issuer.people().is_empty());
    assert_eq!(
        backend.delete_user(&alice).await.unwrap(),
        Deletion::AlreadyGone
    );
    let error = backend.user(&alice).await.unwrap_err();
    assert!(
        matches!(error, BackendError::NotFound { .. })
            && told(&error).contains("has no user user_alice"),
        "{error}"
    );
}

#[tokio::test]
async fn every_way_in_which_clerk_can_fail_is_named_with_its_cure_and_deletes_nobody() {
    let clerk = Clerk::start();
    for (given, expected, cure) in [
        (
            UserBehaviour::Status(500),
            "answered 500",
            "status.clerk.com",
        ),
        (
            UserBehaviour::Status(404),
            "answered 404, and not as Clerk does",
            "CLERK_API_URL",
        ),
        (UserBehaviour::Status(302), "answered 302", "CLERK_API_URL"),
        (
            UserBehaviour::Status(401),
            "answered 401, and not as Clerk does",
            "CLERK_API_URL",
        ),
        (UserBehaviour::Html, "a web page", "CLERK_API_URL"),
        (
            UserBehaviour::Huge,
            "more than 1048576 bytes",
            "CLERK_API_URL",
        ),
        (
            UserBehaviour::RateLimited(Some(7)),
            "for the next 7 s",
            "wait",
        ),
    ] {
        clerk.issuer.set_user_behaviour(given.clone());
        let asked = clerk
            .backend()
            .user(&user("user_alice"))
            .await
            .expect_err("an error");
        let deleted = clerk
            .backend()
            .delete_user(&user("user_alice"))
            .await
            .expect_err("an error");
        for error in [asked, deleted] {
            let text = told(&error);
            assert!(
                text.contains(expected) && text.contains(cure),
                "given: {given:?}: {text}"
            );
        }
    }
    assert_eq!(clerk.issuer.people().len(), 1);
    assert_eq!(clerk.hits(), (7, 7));
}

#[tokio::test]
async fn an_answer_about_another_user_is_nobodys() {
    let clerk = Clerk::start();
    clerk.issuer.set_user_behaviour(UserBehaviour::WrongId);

    let error = clerk.backend().user(&user("user_alice")).await.unwrap_err();
    assert!(matches!(error, BackendError::OtherUser { .. }), "{error}");
    assert!(
        told(&error).contains("answered with another user"),
        "{error}"
    );
    let error = clerk
        .backend()
        .delete_user(&user("user_alice"))
        .await
        .unwrap_err();
    assert!(matches!(error, BackendError::OtherUser { .. }), "{error}");
}

#[tokio::test]
async fn a_secret_key_of_another_instance_is_named_and_not_shown() {
    let clerk = Clerk::start();
    let other = at(clerk.issuer.url(), "sk_test_hunter2anotherinstance", false);
    let error = other.user(&user("user_alice")).await.unwrap_err();

    let expected = format!(
        "CLERK_SECRET_KEY is not of the instance at {}",
        clerk.issuer.url()
    );
    assert!(told(&error).starts_with(&expected), "{error}");
    assert!(!format!("{other:?}").contains("hunter2"), "{other:?}");
    assert!(other.delete_user(&user("user_alice")).await.is_err());
    assert_eq!(clerk.issuer.people().len(), 1);
}

#[tokio::test]
async fn after_a_429_clerk_is_left_alone() {
    let clerk = Clerk::start();
    let backend = clerk.backend();
    clerk
        .issuer
        .set_user_behaviour(UserBehaviour::RateLimited(Some(200)));
    assert!(matches!(
        backend.user(&user("user_alice")).await,
        Err(BackendError::TooMany { .. })
    ));
    clerk.issuer.set_user_behaviour(UserBehaviour::Normal);

    for _ in 0..10 {
        let error = backend.user(&user("user_alice")).await.unwrap_err();
        let BackendError::Limited { wait, .. } = &error else {
            panic!("{error}")
        };
        assert!((100..=200).contains(&wait.as_secs()), "{wait:?}");
    }
    assert_eq!(clerk.hits(), (1, 0));
}

#[tokio::test]
async fn a_development_instance_gets_its_smaller_share() {
    let clerk = Clerk::start();
    let backend = at(clerk.issuer.url(), KEY, false);
    let mut limited = 0;
    for _ in 0..30 {
        limited += u64::from(matches!(
            backend.user(&user("user_alice")).await,
            Err(BackendError::Limited { .. })
        ));
    }
    let (asked, _) = clerk.hits();
    assert_eq!(asked + limited, 30);
    // Five at once, and one more for each two seconds that this takes.
    assert!((5..=15).contains(&asked), "{asked}");
}

#[tokio::test]
async fn nobody_waits_for_ever_and_nobody_who_listens_is_an_error_too() {
    let clerk = Clerk::start();
    clerk.issuer.set_user_behaviour(UserBehaviour::Hang);
    let fetcher = Fetcher::within(Duration::from_millis(200)).unwrap();
    let backend = Backend {
        fetcher,
        ..clerk.backend()
    };
    let error = backend.user(&user("user_alice")).await.unwrap_err();
    assert!(
        matches!(error, BackendError::Fetch(FetchError::Timeout { .. })),
        "{error}"
    );

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let error = at(&url, KEY, true)
        .user(&user("user_alice"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, BackendError::Fetch(FetchError::Connect { .. })),
        "{error}"
    );
    assert!(told(&error).contains(&url), "{error}");
}

/// One request, as it came over the wire, answered with `answer`.
async fn wire(id: &str, answer: &str) -> (String, Result<MembershipEvent, BackendError>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = at(
        &format!("http://{}", listener.local_addr().unwrap()),
        KEY,
        true,
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{answer}",
        answer.len()
    );
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    };
    let id = user(id);
    tokio::join!(serve, backend.user(&id))
}

#[tokio::test]
async fn an_id_stays_one_segment_whatever_is_in_it() {
    for (id, segment) in [
        ("user_2abcDEF-._~", "user_2abcDEF-._~"),
        ("user_a/../../v1/jwks", "user_a%2F..%2F..%2Fv1%2Fjwks"),
        ("user_a?limit=500#x", "user_a%3Flimit%3D500%23x"),
        ("user_a%2f..%2fuser_b", "user_a%252f..%252fuser_b"),
        ("user_@evil.example/80", "user_%40evil.example%2F80"),
        ("user_..", "user_.."),
    ] {
        let (head, _) = wire(id, "{}").await;
        let line = head.lines().next().unwrap_or_default();
        assert_eq!(
            line,
            format!("GET /v1/users/{segment} HTTP/1.1"),
            "given: {id}"
        );
    }
}

#[tokio::test]
async fn a_request_says_who_asks_and_for_which_version() {
    let (head, _) = wire("user_alice", "{}").await;
    let head = head.to_ascii_lowercase();
    for field in [
        format!("authorization: bearer {KEY}"),
        "clerk-api-version: 2026-05-12".to_owned(),
        format!("user-agent: bailiff/{}", env!("CARGO_PKG_VERSION")),
        "accept: application/json".to_owned(),
    ] {
        assert!(
            head.contains(&format!("\r\n{field}\r\n")),
            "{field} is missing in {head}"
        );
    }
}

#[tokio::test]
async fn what_is_no_user_is_not_taken_for_one() {
    for (given, expected) in [
        ("", "no JSON object"),
        ("[]", "no JSON object"),
        (
            "{\"id\":\"user_alice\",\"id\":\"user_bob\"}",
            "no JSON object",
        ),
        ("{}", "it has no `id`"),
        ("{\"id\":\"user_alice\"}", "no `updated_at`"),
        (
            "{\"id\":\"user_bob\",\"updated_at\":1800000000000}",
            "another user",
        ),
        (
            "{\"id\":[\"user_alice\"],\"updated_at\":1800000000000}",
            "it has no `id`",
        ),
    ] {
        let (_, answered) = wire("user_alice", given).await;
        let error = answered.expect_err(given);
        assert!(told(&error).contains(expected), "given: {given}: {error}");
    }
}

#[test]
fn a_code_is_printed_only_if_it_is_one() {
    let body = |code: &str| serde_json::json!({"errors": [{"code": code}]}).to_string();
    assert_eq!(
        code(body("resource_not_found").as_bytes()).as_deref(),
        Some("resource_not_found")
    );
    for bad in ["", "\u{1b}[2J", "a b", "A", &"a".repeat(65)] {
        assert_eq!(code(body(bad).as_bytes()), None, "given: {bad:?}");
    }
    for bad in [
        "",
        "[]",
        "{\"errors\":[]}",
        "{\"errors\":\"x\"}",
        "{\"errors\":[{\"code\":7}]}",
    ] {
        assert_eq!(code(bad.as_bytes()), None, "given: {bad}");
    }
}
