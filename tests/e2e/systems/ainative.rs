//! AINative: the documented requests with Clerk's tokens, verification, row-level security and streams. Its other identity providers
//! are in `ainative_providers`.

use bailiff::dev::issuer::Behaviour;
use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use super::{forged, with_body};
use crate::harness::{
    App, Clerk, Connection, Postgres, Product, Request, Response, Script, System, Upstream,
    eventually, foreign_key, now,
};

pub(super) const VERIFY: &str = "/api/v1/auth/verify";
const CHAT: &str = "/api/v1/chat/completions";
const REMEMBER: &str = "/api/v1/public/memory/v2/remember";
const MEMORIES: &str = "/api/v1/public/memory/v2/memories";
const SEARCH: &str = "/api/v1/zerodb/vectors/search";
pub(super) const ADMIN_TOKEN: &str = "admin-token-0123456789abcdef";

pub(super) fn system(upstream: &str) -> System {
    System::new("ainative", upstream)
        .env("BAILIFF_ADMIN_TOKEN", ADMIN_TOKEN)
        .env("ENTERPRISE_ISSUER", "http://127.0.0.1:1")
}

/// A token of a JWT template as the document advises: with the address, without session and without `azp`.
pub(super) fn template(product: &Product, user: &str) -> Mint {
    let mint = Mint::new(&product.clerk().url(), user, now()).template();
    mint.claim(
        "email",
        format!("{}@example.com", user.trim_start_matches("user_")),
    )
}

fn verified(product: &Product, token: &str) -> Response {
    product.get(VERIFY).bearer(token).send()
}

#[test]
fn verify_answers_the_documented_body_byte_for_byte_without_the_app() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let token =
        product.sign(&template(&product, "user_2abc123").claim("email", "user@example.com"));
    let answer = verified(&product, &token).passed();
    assert_eq!(
        answer.text(),
        r#"{"valid":true,"provider":"clerk","user_id":"user_2abc123","email":"user@example.com"}"#
    );
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"));
    // "Missing email claim: email not in default JWT."
    let plain = verified(&product, &product.token("user_2abc123"))
        .passed()
        .json();
    assert_eq!(
        plain,
        json!({"valid": true, "provider": "clerk", "user_id": "user_2abc123", "email": null})
    );
    app.saw_nothing();
}

#[test]
fn verify_says_of_every_token_that_is_not_good_why_in_one_word() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let (other, user) = (Clerk::with_key(foreign_key()), "user_2abc123");
    let (expired, key) = (
        template(&product, user).issued_at(now() - 3_600),
        product.clerk().key(),
    );
    for (given, token, word, reason) in [
        ("expired", product.sign(&expired), "expired", "expired"),
        (
            "another app of Clerk",
            Mint::new(&other.url(), user, now()).sign(&other.key()),
            "invalid_token",
            "wrong_issuer",
        ),
        (
            "another key",
            product.mint(user).sign(&foreign_key()),
            "invalid_token",
            "unknown_key",
        ),
        (
            "another website",
            product.sign(&product.mint(user).azp("https://evil.test")),
            "invalid_token",
            "wrong_party",
        ),
        (
            "from the future",
            product.sign(&product.mint(user).issued_at(now() + 300)),
            "invalid_token",
            "not_yet_valid",
        ),
        (
            "without a user",
            product.sign(&template(&product, user).without("sub")),
            "invalid_token",
            "missing_subject",
        ),
        (
            "an HMAC",
            product.sign(&product.mint(user).header("alg", "HS256")),
            "invalid_token",
            "wrong_algorithm",
        ),
        (
            "a machine's",
            key.sign(
                &json!({"alg": "RS256", "typ": "JWT", "kid": key.kid(), "cat": "cl_B7d4PD333AAA"}),
                &template(&product, "mch_1").claims(),
            ),
            "invalid_token",
            "wrong_token_type",
        ),
        (
            "what getToken() gives to nobody",
            "null".to_owned(),
            "invalid_token",
            "malformed_token",
        ),
    ] {
        let answer = verified(&product, &token);
        assert_eq!(product.gate.reason(&answer), reason, "given: {given}");
        assert_eq!(
            (answer.status, answer.text()),
            (401, format!(r#"{{"valid":false,"reason":"{word}"}}"#)),
            "given: {given}"
        );
    }
    let answer = product.get(VERIFY).send();
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (401, r#"{"valid":false,"reason":"missing_token"}"#)
    );
    app.saw_nothing();
}

/// The document calls this `invalid_token`; but of the token nothing is known, and another one would not help.
#[test]
fn an_issuer_that_cannot_be_reached_is_said_to_be_that() {
    let app = Upstream::start();
    let system = system(&app.url());
    system.clerk.behave(Behaviour::Status(503));
    let product = system.start_unready();
    let answer = verified(&product, &product.token("user_2abc123"));
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (503, r#"{"valid":false,"reason":"issuer unreachable"}"#)
    );
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    product.gate.log_line("about the keys", |line| {
        line["issuer"] == "clerk"
            && line["why"]
                .as_str()
                .is_some_and(|why| why.contains("jwks.json answered 503"))
    });
}

#[test]
fn verify_is_one_path_and_one_method() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let token = product.token("user_2abc123");
    assert_eq!(
        product.request("HEAD", VERIFY).bearer(&token).send().status,
        200
    );
    // Whatever else is the app's, for whoever is signed in.
    for (method, path) in [("POST", VERIFY), ("GET", "/api/v1/auth/verify/x")] {
        product.request(method, path).send().not_authenticated();
    }
    app.saw_nothing();
    let slash = product.get("/api/v1/auth/verify/").bearer("null").send();
    assert_eq!(
        slash.json(),
        json!({"valid": false, "reason": "invalid_token"}),
        "a slash is judged as the path without it"
    );
}

#[test]
fn the_documented_requests_reach_the_app_with_whom_they_are_of_and_with_their_own_headers() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let chat = json!({"model": "llama-3.3-70b", "messages": [{"role": "user", "content": "Hello from Clerk!"}]});
    let search = json!({"query": "user authentication patterns", "top_k": 5});
    let remember =
        json!({"content": "User signed up via Google OAuth", "entity_name": "user_events"});
    for (path, body) in [(CHAT, chat), (SEARCH, search), (REMEMBER, remember)] {
        let request = with_body(product.as_user("user_2abc123", "POST", path), &body)
            .header("X-Project-ID", "YOUR_PROJECT_ID");
        assert_eq!(request.send().passed().json(), body, "given: {path}");
        let seen = app.only();
        assert_eq!(
            seen.header("x-user-id").as_deref(),
            Some("user_2abc123"),
            "given: {path}"
        );
        assert_eq!(
            seen.header("x-auth-issuer").as_deref(),
            Some("clerk"),
            "given: {path}"
        );
        assert_eq!(
            seen.header("x-project-id").as_deref(),
            Some("YOUR_PROJECT_ID"),
            "given: {path}"
        );
        assert_eq!((seen.target(), seen.method()), (path, "POST"));
        with_body(product.request("POST", path), &body)
            .send()
            .not_authenticated();
        with_body(product.request("POST", path), &body)
            .bearer("YOUR_AINATIVE_API_KEY")
            .send()
            .not_authenticated();
    }
    app.saw_nothing();
}

#[test]
fn a_template_passes_with_its_tenant_and_without_a_session_as_the_config_says() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let token = product.sign(
        &template(&product, "user_2abc123")
            .claim("org_id", "org_one")
            .claim("role", "admin"),
    );
    product.get("/api/v1/models").bearer(&token).send().passed();
    assert_eq!(
        app.only().identity(),
        [
            "x-auth-issuer: clerk",
            "x-auth-kind: user",
            "x-clerk-user-id: user_2abc123",
            "x-org-id: org_one",
            "x-user-email: 2abc123@example.com",
            "x-user-id: user_2abc123",
        ]
    );
}

#[test]
fn templates_are_an_option_that_can_be_taken_back_while_the_gate_runs() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let token = product.sign(&template(&product, "user_2abc123"));
    let models = || product.get("/api/v1/models").bearer(&token).send();
    models().passed();
    product.write_config(|text| text.replace("  allow_jwt_templates: true\n", ""));
    let refused = eventually("templates were refused", || {
        Some(models()).filter(|answer| answer.status == 401)
    });
    assert_eq!(
        product.gate.reason(&refused),
        "wrong_token_type",
        "that its token was proven before makes no difference"
    );
    product
        .get("/api/v1/models")
        .bearer(&product.token("user_2abc123"))
        .send()
        .passed();
}

#[test]
fn user_and_tenant_cannot_be_forged_in_any_spelling() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let token = product.sign(&template(&product, "user_thief").claim("org_id", "org_thief"));
    for value in ["user_victim", "org_victim", "enterprise:victim"] {
        forged(product.get(MEMORIES).bearer(&token), value)
            .send()
            .passed();
        let seen = app.only();
        assert!(!seen.contains("victim"), "given: {value}\n{:?}", seen.head);
        assert_eq!(
            (seen.values("x-user-id"), seen.values("x-org-id")),
            (vec!["user_thief".into()], vec!["org_thief".into()])
        );
        forged(product.get(MEMORIES), value)
            .send()
            .not_authenticated();
    }
    // A tenant that is no id is no token.
    for tenant in [
        json!("a,b"),
        json!(["org_one"]),
        json!("org one\r\nx-user-id: root"),
    ] {
        let token = product.sign(&template(&product, "user_thief").claim("org_id", tenant));
        product
            .get(MEMORIES)
            .bearer(&token)
            .send()
            .not_authenticated();
    }
    app.saw_nothing();
}

#[test]
fn no_user_registers_a_provider_or_switches_row_level_security_off_through_the_public_side() {
    let app = Upstream::start();
    let product = system(&app.url()).start();
    let rls = "/api/v1/zerodb/projects/YOUR_PROJECT_ID/rls";
    let policy = json!({"enabled": false, "user_id_claim": "sub", "policy": "strict"});
    for path in [
        rls,
        "/api/v1/auth/providers",
        "/api/v1/auth/providers/clerk",
    ] {
        for method in ["POST", "PUT", "DELETE", "GET"] {
            with_body(product.as_user("user_2abc123", method, path), &policy)
                .send()
                .forbidden();
            with_body(
                product.as_user("user_2abc123", method, &format!("{path}/")),
                &policy,
            )
            .send()
            .forbidden();
            // Not even the token that opens the admin listener.
            let request = product.request(method, path).bearer(ADMIN_TOKEN);
            assert!(
                [401, 403].contains(&request.send().status),
                "given: {method} {path}"
            );
        }
    }
    app.saw_nothing();
}

// ---- Row-level security ----

struct Someone<'a> {
    product: &'a Product,
    token: String,
}

impl<'a> Someone<'a> {
    fn of(product: &'a Product, user: &str, org: &str) -> Self {
        Self {
            product,
            token: product.sign(&template(product, user).claim("org_id", org)),
        }
    }

    fn posts(&self, path: &str, body: &Value) -> Response {
        let request = with_body(self.product.request("POST", path), body)
            .header("X-Project-ID", "YOUR_PROJECT_ID");
        request.bearer(&self.token).send()
    }

    fn column(answer: &Response, name: &str) -> Vec<String> {
        let rows = answer.json();
        let rows = rows.as_array().expect("rows").iter();
        rows.map(|row| row[name].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    fn recalls(&self) -> Vec<String> {
        let answer = self
            .product
            .get(MEMORIES)
            .bearer(&self.token)
            .send()
            .passed();
        Self::column(&answer, "content")
    }

    fn finds(&self) -> Vec<String> {
        let answer = self
            .posts(SEARCH, &json!({"query": "plan", "top_k": 100}))
            .passed();
        Self::column(&answer, "document")
    }
}

fn rls_app() -> App {
    App::start(
        "rls_app",
        &[("DATABASE_URL", &Postgres::of_the_recipe().url_of("app"))],
    )
}

#[test]
fn postgresql_gives_each_user_and_each_tenant_their_own_rows_and_no_other() {
    let app = rls_app();
    let product = system(&app.url()).start();
    let (ann, ben) = (
        Someone::of(&product, "user_ai_ann", "org_ai_a"),
        Someone::of(&product, "user_ai_ben", "org_ai_b"),
    );
    for (who, name) in [(&ann, "ann"), (&ben, "ben")] {
        let memory = json!({"content": format!("signed up: {name}"), "entity_name": "user_events"});
        who.posts(REMEMBER, &memory).passed();
        who.posts(
            "/api/v1/zerodb/vectors",
            &json!({"document": format!("plan of {name}")}),
        )
        .passed();
    }
    assert_eq!(
        (ann.recalls(), ben.recalls()),
        (
            vec!["signed up: ann".to_owned()],
            vec!["signed up: ben".to_owned()]
        )
    );
    assert_eq!(
        (ann.finds(), ben.finds()),
        (
            vec!["plan of ann".to_owned()],
            vec!["plan of ben".to_owned()]
        )
    );
    // "403 Forbidden: RLS blocking access."
    let planted = json!({"content": "planted", "entity_name": "x", "user_id": "user_ai_ben"});
    assert_eq!(ann.posts(REMEMBER, &planted).status, 403);
    let request: Request = forged(product.get(MEMORIES).bearer(&ann.token), "user_ai_ben");
    assert_eq!(
        Someone::column(&request.send().passed(), "content"),
        ["signed up: ann"]
    );
}

#[test]
fn a_user_of_another_provider_is_another_user_to_the_database_whatever_the_provider_calls_them() {
    let app = rls_app();
    let enterprise = Clerk::with_key(foreign_key().renamed("ins_standard"));
    let product = system(&app.url())
        .env("ENTERPRISE_ISSUER", &enterprise.url())
        .start();
    let ours = Someone::of(&product, "user_ai_cleo", "org_ai_c");
    ours.posts(REMEMBER, &json!({"content": "Cleo's", "entity_name": "x"}))
        .passed();
    let token = Mint::new(&enterprise.url(), "user_ai_cleo", now())
        .oidc("ainative")
        .claim("org_id", "org_ai_d");
    let theirs = Someone {
        product: &product,
        token: token.sign(&enterprise.key()),
    };
    assert_eq!(theirs.recalls(), [""; 0]);
    theirs
        .posts(
            REMEMBER,
            &json!({"content": "the other Cleo's", "entity_name": "x"}),
        )
        .passed();
    assert_eq!(
        (ours.recalls(), theirs.recalls()),
        (
            vec!["Cleo's".to_owned()],
            vec!["the other Cleo's".to_owned()]
        )
    );
}

// ---- Streams ----

/// Opens an event stream and reads up to its first event.
fn stream(product: &Product, path: &str) -> Connection {
    let body = json!({"model": "llama-3.3-70b", "messages": [], "stream": true});
    let request = with_body(product.as_user("user_2abc123", "POST", path), &body);
    let mut connection = Connection::open(product.gate.address());
    let head = connection.send(&request.bytes()).head();
    assert_eq!(head.word(1), "200", "{head:?}");
    assert_eq!(connection.exactly(18), b"D\r\ndata: first\n\n\r\n");
    connection
}

#[test]
fn a_long_streamed_answer_is_not_cut_on_the_route_that_says_so() {
    let app = Upstream::start();
    app.play(Script::Events);
    // How long something lasts is told by the gate itself: it cuts a silent stream elsewhere after `read`.
    let product = system(&app.url())
        .edit("routes:\n", "timeouts: {read: 1s}\n\nroutes:\n")
        .start();
    let mut long = stream(&product, CHAT);
    let mut short = stream(&product, "/api/v1/other");
    assert!(
        short.is_closed(),
        "a stream that falls silent elsewhere is cut"
    );
    assert!(short.leftover().is_empty());

    app.release();
    app.release();
    assert_eq!(long.exactly(24), b"E\r\ndata: second\n\n\r\n0\r\n\r\n");
}
