//! Mission Control with `AUTH_MODE=clerk`: what its variables mean, which tokens pass, and what the document is wrong about.

use std::time::Duration;

use bailiff::dev::issuer::UserBehaviour;
use bailiff::dev::mint::Mint;
use serde_json::json;

use super::{NOT_AUTHENTICATED, forged, refused_as_documented};
use crate::harness::{App, Clerk, Product, System, Upstream, WEBHOOK_SECRET, foreign_key, now};

pub(super) const ME: &str = "/api/v1/users/me";
pub(super) const BOOTSTRAP: &str = "/api/v1/auth/bootstrap";
pub(super) const SECRET_KEY: &str = "sk_test_hunter2hunter2hunter2";
pub(super) const TRIAGE: &str = "token-of-the-triage-agent-0123456789";
pub(super) const REPORT: &str = "token-of-the-report-agent-0123456789";
const FRONTEND: &str = "https://app.example.com";

/// With the variables of the document, and Clerk's Backend API on this machine.
pub(super) fn system(upstream: &str) -> System {
    let system = System::new("mission-control", upstream);
    system.clerk.knows(SECRET_KEY, Vec::new());
    let api = system.clerk.url();
    system
        .env("AUTH_MODE", "clerk")
        .env("CLERK_SECRET_KEY", SECRET_KEY)
        .env("CLERK_API_URL", &api)
        .env("CLERK_VERIFY_IAT", "true")
        .env("CLERK_LEEWAY", "10.0")
        .env(
            "CORS_ORIGINS",
            "http://localhost:3000,https://app.example.com",
        )
        .env("CLERK_WEBHOOK_SIGNING_SECRET", WEBHOOK_SECRET)
        .env("TRIAGE_AGENT_TOKEN", TRIAGE)
        .env("REPORT_AGENT_TOKEN", REPORT)
}

/// A good token that says everything, so that nobody needs to ask Clerk.
pub(super) fn full(product: &Product, user: &str) -> Mint {
    product
        .mint(user)
        .claim("email", "alex@example.com")
        .claim("name", "Alex Chen")
}

/// Status, and the reason of the log.
fn verdict(product: &Product, mint: &Mint) -> (u16, String) {
    let answer = product.get(ME).bearer(&product.sign(mint)).send();
    (answer.status, product.gate.reason(&answer))
}

fn passes(product: &Product, mint: &Mint) -> bool {
    let (status, reason) = verdict(product, mint);
    assert!(status == 200 || status == 401, "{status} {reason}");
    status == 200
}

/// A token of this age, which lives for an hour from now.
fn aged(product: &Product, age: Duration) -> Mint {
    full(product, "user_2abcXYZ")
        .issued_at(now() - age.as_secs())
        .claim("exp", now() + 3600)
}

/// A token that is issued in the future, as a clock that runs ahead makes it.
fn ahead(product: &Product, by: u64) -> Mint {
    full(product, "user_2abcXYZ")
        .issued_at(now() + by)
        .claim("nbf", now())
}

#[test]
fn missing_invalid_expired_and_nameless_tokens_get_the_documented_401() {
    let app = App::start("mission_control_app", &[]);
    let product = system(&app.url()).start();
    assert_eq!(
        app.request("GET", ME).send().text(),
        NOT_AUTHENTICATED,
        "what FastAPI itself makes of it"
    );
    let mint = || full(&product, "user_2abcXYZ");
    let missing = refused_as_documented(&product, product.get(ME).send(), "missing");
    assert_eq!(missing, "missing_token");
    for (given, token, reason) in [
        ("invalid", "invalid.jwt.token".to_owned(), "malformed_token"),
        (
            "expired",
            product.sign(&mint().issued_at(now() - 120)),
            "expired",
        ),
        (
            "without sub",
            product.sign(&mint().without("sub")),
            "missing_subject",
        ),
        (
            "without exp",
            product.sign(&mint().without("exp")),
            "malformed_token",
        ),
        (
            "signed by somebody else",
            mint().header("kid", "ins_standard").sign(&foreign_key()),
            "bad_signature",
        ),
        (
            "symmetric",
            product.sign(&mint().header("alg", "HS256")),
            "wrong_algorithm",
        ),
        (
            "without algorithm",
            product.sign(&mint().header("alg", "none")),
            "wrong_algorithm",
        ),
    ] {
        let answer = product.get(ME).bearer(&token).send();
        assert_eq!(
            refused_as_documented(&product, answer, given),
            reason,
            "given: {given}"
        );
    }
    assert!(passes(&product, &mint()));
}

#[test]
fn only_session_tokens_pass() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let mint = || full(&product, "user_2abcXYZ");
    for (given, token) in [
        ("of a JWT template", product.sign(&mint().template())),
        ("of a machine", product.sign(&mint().claim("sub", "mch_1"))),
        ("of OAuth", product.sign(&mint().header("typ", "at+jwt"))),
        (
            "machine category",
            product.sign(&mint().header("cat", "cl_B7d4PD333AAA")),
        ),
        (
            "opaque, of OAuth",
            "oat_abcdefghijklmnopqrstuvwxyz".to_owned(),
        ),
        (
            "opaque, of a machine",
            "mt_abcdefghijklmnopqrstuvwxyz".to_owned(),
        ),
        ("an API key", "ak_abcdefghijklmnopqrstuvwxyz".to_owned()),
        ("the secret key", SECRET_KEY.to_owned()),
    ] {
        refused_as_documented(&product, product.get(ME).bearer(&token).send(), given);
    }
    upstream.saw_nothing();
}

/// "Issued 15 seconds ago, leeway 10 seconds: invalid" would refuse three quarters of the life of every session token.
#[test]
fn a_token_of_fifteen_seconds_is_valid_under_a_leeway_of_ten_whatever_the_document_says() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    for age in [0, 5, 15, 45, 600] {
        assert!(
            passes(&product, &aged(&product, Duration::from_secs(age))),
            "given: {age} s"
        );
    }
}

#[test]
fn whoever_wants_tokens_of_no_great_age_says_so() {
    let upstream = Upstream::start();
    let line = "  authorized_parties: [https://app.example.com]\n";
    let product = system(&upstream.url())
        .edit(line, &format!("{line}  max_token_age: 40s\n"))
        .start();
    assert!(passes(&product, &aged(&product, Duration::from_secs(15))));
    let old = verdict(&product, &aged(&product, Duration::from_secs(90)));
    assert_eq!(old, (401, "token_too_old".to_owned()));
}

#[test]
fn the_leeway_forgives_clocks_at_both_ends_of_a_token() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let ended = |ago: u64| full(&product, "user_2abcXYZ").issued_at(now() - 60 - ago);
    assert!(passes(&product, &ended(4)));
    assert_eq!(verdict(&product, &ended(25)), (401, "expired".to_owned()));
    assert!(passes(&product, &ahead(&product, 5)));
    assert_eq!(
        verdict(&product, &ahead(&product, 25)),
        (401, "issued_in_future".to_owned())
    );
}

/// "Valid tokens rejected with timing errors: increase CLERK_LEEWAY."
#[test]
fn a_larger_leeway_cures_a_clock_that_is_off() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).env("CLERK_LEEWAY", "30.0").start();
    assert!(passes(&product, &ahead(&product, 25)));
    let much = system(&upstream.url())
        .env("CLERK_LEEWAY", "3600.0")
        .run()
        .exits(78);
    assert!(
        much.stderr.contains("CLERK_LEEWAY"),
        "a leeway is a longer life for stolen tokens: {}",
        much.stderr
    );
}

#[test]
fn clerk_verify_iat_decides_whether_the_time_of_issue_counts() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let timeless = |product: &Product| full(product, "user_2abcXYZ").without("iat");
    assert_eq!(
        verdict(&product, &timeless(&product)),
        (401, "issued_in_future".to_owned())
    );
    let product = system(&upstream.url())
        .env("CLERK_VERIFY_IAT", "false")
        .start();
    assert!(passes(&product, &timeless(&product)));
    assert!(passes(&product, &ahead(&product, 300)));
}

/// "Browser blocks API requests with CORS errors: add your frontend origin to CORS_ORIGINS."
#[test]
fn cors_origins_are_the_pages_that_may_ask_and_read_refusals() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let allowed = "access-control-allow-origin";
    for origin in ["http://localhost:3000", FRONTEND] {
        let preflight = product.request("OPTIONS", ME).header("Origin", origin);
        let preflight = preflight.header("Access-Control-Request-Method", "GET");
        let answer = preflight
            .header("Access-Control-Request-Headers", "authorization")
            .send();
        assert_eq!(
            answer.header(allowed).as_deref(),
            Some(origin),
            "{answer:?}"
        );
        let refused = product
            .get(ME)
            .header("Origin", origin)
            .send()
            .not_authenticated();
        assert_eq!(
            refused.header(allowed).as_deref(),
            Some(origin),
            "{refused:?}"
        );
    }
    for origin in [
        "https://app.example.com.evil.test",
        "http://app.example.com",
        "null",
    ] {
        let refused = product
            .get(ME)
            .header("Origin", origin)
            .send()
            .not_authenticated();
        assert_eq!(refused.header(allowed), None, "given: {origin}");
    }
    upstream.saw_nothing();
}

/// "JWT verification fails with valid tokens": the log names the reason, `explain` the cause and the cure.
#[test]
fn a_token_of_the_wrong_clerk_instance_is_told_as_that() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let other = Clerk::start();
    let token = Mint::new(&other.url(), "user_2abcXYZ", now())
        .azp(FRONTEND)
        .sign(&other.key());
    let answer = product.get(ME).bearer(&token).send();
    assert_eq!(
        refused_as_documented(&product, answer, "another instance"),
        "wrong_issuer"
    );
    upstream.saw_nothing();
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
    let told = product.command_with(&args, &token);
    assert!(
        told.stdout.contains(&other.url()) && told.stdout.contains("wrong_issuer"),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout
            .contains("use the publishable key of the Clerk instance"),
        "{}",
        told.stdout
    );
}

#[test]
fn the_api_of_the_eu_instance_may_be_named_and_a_secret_key_goes_nowhere_in_the_clear() {
    let upstream = Upstream::start();
    let check = |api: &str| {
        let system = system(&upstream.url()).env("CLERK_API_URL", api);
        system
            .command(&["check", "--config", "mission-control.yaml"])
            .run()
    };
    check("https://api.clerk.eu").exits(0);
    check("https://api.clerk.com").exits(0);
    let clear = check("http://api.clerk.com").exits(78);
    assert!(
        clear.stderr.contains("CLERK_API_URL") && !clear.stderr.contains("hunter2"),
        "{}",
        clear.stderr
    );
}

/// "Wrong Clerk instance: ensure CLERK_SECRET_KEY matches": tokens pass all the same, as keys are public, and the log says it.
#[test]
fn a_secret_key_of_another_instance_refuses_nobody_and_the_log_says_how_to_cure_it() {
    let upstream = Upstream::start();
    let product = system(&upstream.url())
        .env("CLERK_SECRET_KEY", "sk_test_hunter2ofanotherinstance")
        .start();
    product
        .as_user("user_new", "POST", BOOTSTRAP)
        .send()
        .passed();
    assert_eq!(upstream.only().header("x-user-email"), None);
    let line = product.gate.log_line("about the secret key", |line| {
        line["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("no profile fetched"))
    });
    let said = line.to_string();
    assert!(
        said.contains("CLERK_SECRET_KEY is not of the instance") && said.contains("API keys"),
        "{said}"
    );
    assert!(
        !product
            .gate
            .logs()
            .iter()
            .any(|line| line.contains("hunter2")),
        "the secret key is in the log"
    );
}

#[test]
fn custom_claims_are_passed_on_and_come_from_the_token_alone() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let paying = product.sign(&full(&product, "user_2abcXYZ").claim("plan", "enterprise"));
    product
        .get(ME)
        .bearer(&paying)
        .header("x-plan", "free")
        .header("X_Plan", "free")
        .send()
        .passed();
    let seen = upstream.only();
    assert_eq!(
        (seen.values("x-plan"), seen.values("x_plan")),
        (vec!["enterprise".to_owned()], vec![])
    );
    product
        .get(ME)
        .bearer(&product.sign(&full(&product, "user_2abcXYZ")))
        .header("x-plan", "free")
        .send()
        .passed();
    assert_eq!(upstream.only().values("x-plan"), Vec::<String>::new());
}

#[test]
fn a_user_whom_somebody_has_suspended_stays_out_with_the_best_of_tokens() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let token = product.sign(&full(&product, "user_sam"));
    for (method, path) in [("POST", BOOTSTRAP), ("GET", ME), ("GET", "/api/v1/boards")] {
        product
            .request(method, path)
            .bearer(&token)
            .send()
            .forbidden();
    }
    upstream.saw_nothing();
    assert_eq!(
        product.clerk().user_hits("user_sam"),
        (0, 0),
        "nobody is asked about them"
    );
}

#[test]
fn no_client_forges_who_they_are() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    product.clerk().tell_of_users(UserBehaviour::Status(503));
    forged(product.as_user("user_new", "POST", BOOTSTRAP), "root")
        .send()
        .passed();
    let expected = [
        "x-access-status: active",
        "x-auth-issuer: clerk",
        "x-auth-kind: user",
        "x-clerk-user-id: user_new",
        "x-session-id: sess_new",
        "x-user-id: user_new",
    ];
    assert_eq!(upstream.only().identity(), expected);
    for (method, path, status) in [
        ("GET", BOOTSTRAP, 200),
        ("POST", "/api/v1/auth/bootstrap/", 200),
        ("POST", "/api", 404),
    ] {
        let answer = forged(product.as_user("user_new", method, path), "root").send();
        assert_eq!(answer.status, status, "given: {method} {path}");
        upstream
            .recorded()
            .iter()
            .for_each(|seen| assert!(!seen.contains("root"), "given: {method} {path}"));
        assert_eq!(
            forged(product.request(method, path), "root").send().status,
            if status == 404 { 404 } else { 401 }
        );
    }
    let identity = json!({"clerk_user_id": "user_2abcXYZ"});
    super::with_body(product.request("POST", BOOTSTRAP), &identity)
        .send()
        .not_authenticated();
}
