//! A provider beside Clerk, as `check`, `explain` and `token inspect` see it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;

use bailiff::dev::key::SigningKey;
use bailiff::dev::mint::Mint;
use bailiff::domain::UnixTime;
use serde_json::json;

use crate::harness::{Ended, assert_no_token, file, folder, run, run_with};

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("key_1").expect("a key"))
}

/// A provider that says `issuer` in its metadata, or its own address.
fn provider(issuer: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or(0);
            let asked = String::from_utf8_lossy(&head[..length]).into_owned();
            let own = format!("http://{address}");
            let body = match asked.split_whitespace().nth(1) {
                Some("/.well-known/openid-configuration") => {
                    json!({"issuer": issuer.unwrap_or(&own), "jwks_uri": format!("{own}/keys")})
                }
                _ => json!({"keys": [key().jwk()]}),
            };
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// A config whose only issuer is the provider.
fn config(provider: SocketAddr) -> String {
    let upstream = TcpListener::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("an address");
    let text = format!(
        "upstream: http://{upstream}
issuers: [{{name: partner, kind: oidc, issuer: \"http://{provider}\", client_id: app-1}}]
routes: [{{path: /**, access: user}}]
"
    );
    file(&folder(), "bailiff.yaml", &text)
}

fn mint(provider: SocketAddr) -> Mint {
    let UnixTime(now) = bailiff::clock::now();
    Mint::new(&format!("http://{provider}"), "auth0|7", now).oidc("app-1")
}

#[test]
fn check_asks_the_metadata_and_says_where_the_keys_are() {
    let provider = provider(None);
    let path = config(provider);
    let ended = run(&["check", "--online", "--config", &path]);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.err.contains(&format!(
        "asking http://{provider}/.well-known/openid-configuration for the metadata"
    )));
    assert!(
        ended
            .out
            .contains(&format!("found key_1 at http://{provider}/keys")),
        "{ended:?}"
    );
    let json = run(&["check", "--online", "--json", "--config", &path]).json();
    let issuer = &json["issuers"][0];
    assert_eq!(
        (&issuer["kind"], &issuer["kids"][0]),
        (&json!("oidc"), &json!("key_1"))
    );
    assert_eq!(issuer["jwks_url"], format!("http://{provider}/keys"));
    assert_eq!(
        issuer["metadata_url"],
        format!("http://{provider}/.well-known/openid-configuration")
    );
}

#[test]
fn metadata_of_another_issuer_are_69_with_what_was_seen_and_what_to_do() {
    let path = config(provider(Some("https://other.test/")));
    let ended = run(&["check", "--online", "--config", &path]);
    assert_eq!(ended.status, 69, "{ended:?}");
    for part in [
        "error[B022]",
        "of another issuer: saw `https://other.test/`",
        "to the letter",
        "a typo in the domain",
    ] {
        assert!(
            ended.err.contains(part),
            "{part} is missing in {}",
            ended.err
        );
    }
}

fn explain(config: &str, token: &str) -> Ended {
    let ended = run_with(
        &[
            "explain", "--config", config, "--path", "/x", "--token", "-",
        ],
        &[],
        token,
    );
    assert_no_token(&ended, token);
    ended
}

#[test]
fn explain_judges_a_token_of_a_provider_and_says_what_the_app_will_miss() {
    let provider = provider(None);
    let path = config(provider);
    let ended = explain(&path, &mint(provider).sign(key()));
    assert_eq!(ended.status, 0, "{ended:?}");
    for part in [
        "x-user-id: partner:auth0|7",
        "x-auth-issuer: partner",
        "the token has no e-mail address (looked in email): ask for the scope `email`",
    ] {
        assert!(
            ended.out.contains(part),
            "{part} is missing in {}",
            ended.out
        );
    }
    let with_email = explain(
        &path,
        &mint(provider).claim("email", "a@x.test").sign(key()),
    );
    assert!(!with_email.out.contains("note"), "{with_email:?}");

    for (given, token, reason, cause) in [
        (
            "another client",
            mint(provider).azp("app-2"),
            "wrong_party",
            "azp `app-2`, client_id none, aud `app-1`; `client_id` is `app-1`",
        ),
        (
            "a client",
            mint(provider).claim("sub", "app-1").azp("app-1"),
            "missing_subject",
            "client credentials",
        ),
        (
            "a logout token",
            mint(provider).header("typ", "logout+jwt"),
            "wrong_token_type",
            "access token or the ID token",
        ),
        (
            "expired",
            mint(provider).claim("exp", 1000),
            "expired",
            "get a fresh one. If it is fresh",
        ),
    ] {
        let ended = explain(&path, &token.sign(key()));
        assert_eq!(ended.status, 1, "{given}: {ended:?}");
        for part in [&format!("refused: {reason}"), cause] {
            assert!(
                ended.out.contains(part),
                "{given}: {part} is missing in {}",
                ended.out
            );
        }
    }
}

#[test]
fn inspect_finds_every_fault_by_the_rules_of_the_provider() {
    let provider = provider(None);
    let path = config(provider);
    let inspect = |token: &Mint| {
        run_with(
            &["token", "inspect", "--config", &path],
            &[],
            &token.sign(key()),
        )
    };
    let good = inspect(
        &mint(provider)
            .access_token("app-1")
            .claim("email", "a@x.test"),
    );
    assert_eq!(good.status, 0, "{good:?}");
    assert!(
        good.out.contains("an OAuth access token") && good.out.contains("nothing is wrong"),
        "{good:?}"
    );
    assert!(!good.out.contains("no e-mail"), "{good:?}");

    let bad = mint(provider)
        .claim("exp", 1000)
        .azp("app-2")
        .claim("sub", 7)
        .header("typ", "dpop+jwt");
    let ended = inspect(
        &bad.claim("email", "a@x.test")
            .claim("email_verified", false),
    );
    assert_eq!(ended.status, 1);
    for part in [
        "expired",
        "wrong_party",
        "missing_subject",
        "wrong_token_type",
        "4 faults",
        "email_verified is false",
    ] {
        assert!(
            ended.out.contains(part),
            "{part} is missing in {}",
            ended.out
        );
    }
}
