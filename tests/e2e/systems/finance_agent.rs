//! Finance Agent: tokens, flags, keys, and the development bypass. Its users and their webhooks are in `finance_agent_users`.

use bailiff::dev::mint::{CATEGORY_SESSION, Mint};
use serde_json::{Value, json};

use super::{NOT_AUTHENTICATED, forged, refused_as_documented};
use crate::harness::{
    App, Clerk, Product, Request, System, WEBHOOK_SECRET, eventually, foreign_key, now,
};

pub(super) const WEBHOOK: &str = "/auth/clerk/webhook";
/// The id of Ada in the product's own table.
const ADA: &str = "7b0f2c11-9a5c-4f0e-8f59-0a1f7f6d3e21";
const PARTY: &str = "https://your-domain.com";

pub(super) fn app() -> App {
    App::start("finance_app", &[("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)])
}

/// The product with the variables of its `.env`.
pub(super) fn system(app: &App) -> System {
    let system = System::new("finance-agent", &app.url());
    let system = system.env("CLERK_SECRET_KEY", "sk_test_abcdefghijklmnopqrst");
    // Nobody is asked for names here: the tests of the Backend API are elsewhere.
    system
        .env("CLERK_API_URL", "http://127.0.0.1:1")
        .env("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)
}

#[test]
fn the_documented_request_with_a_token_gets_the_documented_answer() {
    let app = app();
    let product = system(&app).start();
    let said = product
        .as_user("user_ada", "GET", "/protected")
        .send()
        .passed()
        .json();
    assert_eq!(said["message"], "You are authenticated");
    assert_eq!(
        (&said["user_id"], &said["email"]),
        (&json!(ADA), &json!("ada@finance.example"))
    );
    let expected = json!({
        "id": ADA, "clerk_user_id": "user_ada", "username": "ada", "email": "ada@finance.example", "full_name": "Ada Admin",
        "is_admin": true, "is_active": true, "is_approved": true,
    });
    assert_eq!(
        said["user"], expected,
        "what `get_current_user` knew before"
    );
}

#[test]
fn only_a_session_token_of_this_app_that_is_good_now_authenticates() {
    let app = app();
    let product = system(&app).start();
    let other = Clerk::with_key(foreign_key());
    let mint = || product.mint("user_ada");
    let none = json!({"alg": "none", "typ": "JWT", "cat": CATEGORY_SESSION});
    let key = product.clerk().key();
    for (given, token, reason) in [
        ("another key", mint().sign(&foreign_key()), "unknown_key"),
        (
            "another key of the same name",
            mint().sign(&foreign_key().renamed("ins_standard")),
            "bad_signature",
        ),
        (
            "another instance",
            Mint::new(&other.url(), "user_ada", now())
                .azp(PARTY)
                .sign(&other.key()),
            "wrong_issuer",
        ),
        (
            "expired",
            product.sign(&mint().issued_at(now() - 120)),
            "expired",
        ),
        (
            "from the future",
            product.sign(&mint().issued_at(now() + 300)),
            "not_yet_valid",
        ),
        (
            "another website's",
            product.sign(&mint().azp("https://evil.test")),
            "wrong_party",
        ),
        (
            "a template's",
            product.sign(&mint().template().azp(PARTY)),
            "wrong_token_type",
        ),
        (
            "without a subject",
            product.sign(&mint().without("sub")),
            "missing_subject",
        ),
        (
            "alg none",
            key.sign(&none, &mint().claims()),
            "wrong_algorithm",
        ),
        (
            "an HMAC",
            product.sign(&mint().header("alg", "HS256")),
            "wrong_algorithm",
        ),
        ("the literal null", "null".to_owned(), "malformed_token"),
    ] {
        let answer = product.get("/protected").bearer(&token).send();
        assert_eq!(
            refused_as_documented(&product, answer, given),
            reason,
            "given: {given}"
        );
    }
    let answer = product.get("/protected").send();
    assert_eq!(
        refused_as_documented(&product, answer, "no token"),
        "missing_token"
    );
    let answer = product
        .get(&format!("/protected?token={}", product.token("user_ada")))
        .send();
    assert_eq!(
        refused_as_documented(&product, answer, "in the query"),
        "missing_token"
    );
}

#[test]
fn the_keys_are_asked_for_once_however_many_requests_come() {
    let app = app();
    let product = system(&app).start();
    for number in 0..40 {
        let mint = product.mint("user_ada").claim("jti", format!("{number}"));
        product
            .get("/protected")
            .bearer(&product.sign(&mint))
            .send()
            .passed();
    }
    assert_eq!(product.clerk().hits(), 1);
    // That they are asked for again after 3600 s is what the config says, which `tests/config_files.rs` reads.
}

#[test]
fn without_both_keys_of_clerk_it_does_not_start() {
    let app = app();
    let finished = System::new("finance-agent", &app.url())
        .env("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .run()
        .exits(78);
    assert!(
        finished.stderr.contains("CLERK_SECRET_KEY"),
        "{}",
        finished.stderr
    );
    // The document's own placeholders, left in the `.env`.
    for (name, value) in [
        ("CLERK_SECRET_KEY", "sk_test_your-clerk-secret-key"),
        ("CLERK_WEBHOOK_SECRET", "whsec_your-webhook-secret"),
    ] {
        let finished = system(&app).env(name, value).run().exits(78);
        assert!(
            finished.stderr.contains("error[B009]") && !finished.stderr.contains(value),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn a_route_can_ask_for_flags_of_a_user() {
    let app = app();
    let product = system(&app).start();
    let get = |user: &str, path: &str| product.as_user(user, "GET", path).send();
    for (user, protected, admin) in [
        ("user_ada", 200, 200),
        ("user_ben", 200, 403),
        // Not approved, and not active: not even the open part.
        ("user_una", 403, 403),
        ("user_ian", 403, 403),
    ] {
        let answers = (get(user, "/protected"), get(user, "/admin"));
        assert_eq!(
            (answers.0.status, answers.1.status),
            (protected, admin),
            "given: {user}"
        );
        for answer in [answers.0, answers.1]
            .into_iter()
            .filter(|answer| answer.status == 403)
        {
            assert_eq!(product.gate.reason(&answer), "no_flag", "given: {user}");
            answer.forbidden();
        }
    }
    let user = get("user_ben", "/protected").passed().json()["user"].clone();
    assert_eq!(
        (&user["is_admin"], &user["is_active"], &user["is_approved"]),
        (&json!(false), &json!(true), &json!(true))
    );
}

#[test]
fn no_client_gives_itself_a_flag_or_another_name() {
    let app = app();
    let product = system(&app).start();
    let plain = product
        .as_user("user_ben", "GET", "/protected")
        .send()
        .passed()
        .json();
    for value in ["is_admin,is_active,is_approved", "user_ada", ADA] {
        let request = forged(product.as_user("user_ben", "GET", "/protected"), value);
        assert_eq!(request.send().passed().json(), plain, "given: {value}");
        forged(product.as_user("user_ben", "GET", "/admin"), value)
            .send()
            .forbidden();
        forged(product.as_user("user_una", "GET", "/protected"), value)
            .send()
            .forbidden();
        forged(product.get("/protected"), value)
            .send()
            .not_authenticated();
    }
    // Nor by what the token says of itself: flags are the product's own.
    let mint = product
        .mint("user_ben")
        .claim("is_admin", true)
        .claim("public_metadata", json!({"is_admin": true}));
    product
        .get("/admin")
        .bearer(&product.sign(&mint))
        .send()
        .forbidden();
}

#[test]
fn another_method_a_slash_or_a_deeper_path_is_no_way_around_a_flag() {
    let app = app();
    let product = system(&app).start();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        for path in ["/admin", "/admin/", "/admin/users", "/admin?x=/protected"] {
            let status = product.as_user("user_ben", method, path).send().status;
            assert_eq!(status, 403, "given: {method} {path}");
        }
    }
    for path in [
        "/protected/../admin",
        "//admin",
        "/%61dmin/..%2fadmin",
        "/admin;x",
        "/protected%2f..%2fadmin",
    ] {
        assert_eq!(
            product.as_user("user_ada", "GET", path).send().status,
            400,
            "given: {path}"
        );
    }
    // Another spelling is another path, of which the app knows nothing.
    assert_eq!(
        product.as_user("user_ben", "GET", "/ADMIN").send().status,
        404
    );
}

#[test]
fn a_flag_that_the_product_takes_away_is_gone_while_the_gate_runs() {
    let app = app();
    let product = system(&app).start();
    product.as_user("user_ada", "GET", "/admin").send().passed();
    product.write_membership(|text| {
        text.replace(
            "[is_active, is_admin, is_approved]",
            "[is_active, is_approved]",
        )
    });
    eventually("Ada was no admin", || {
        (product.as_user("user_ada", "GET", "/admin").send().status == 403).then_some(())
    });
    product
        .as_user("user_ada", "GET", "/protected")
        .send()
        .passed();
    product.write_membership(|text| {
        text.replace("flags: [is_active]}", "flags: [is_active, is_approved]}")
    });
    eventually("Una was approved", || {
        (product
            .as_user("user_una", "GET", "/protected")
            .send()
            .status
            == 200)
            .then_some(())
    });
}

// ---- Troubleshooting ----

#[test]
fn check_passes_on_the_config_and_explain_says_that_a_token_is_of_another_clerk_app() {
    let app = app();
    let product = system(&app).start();
    let config = product.config_name();
    product.command(&["check", "--config", &config]).exits(0);
    let other = Clerk::with_key(foreign_key());
    let token = Mint::new(&other.url(), "user_ada", now())
        .azp(PARTY)
        .sign(&other.key());
    let asked = [
        "explain",
        "--config",
        &config,
        "--method",
        "GET",
        "--path",
        "/protected",
        "--token",
        "-",
    ];
    let said = product.command_with(&asked, &token).exits(1);
    for part in [
        "wrong_issuer",
        other.url().as_str(),
        product.clerk().url().as_str(),
        "publishable key",
    ] {
        assert!(
            said.stdout.contains(part),
            "{part} is missing in\n{}",
            said.stdout
        );
    }
    let good = product
        .command_with(&asked, &product.token("user_ada"))
        .exits(0);
    assert!(good.stdout.contains("x-user-flags"), "{}", good.stdout);
}

#[test]
fn a_page_of_the_frontend_reads_answers_once_cors_origins_names_it() {
    let app = app();
    let (ours, evil) = ("https://finance.example", "https://evil.test");
    let product = system(&app).env("CORS_ORIGINS", ours).start();
    let preflight = |origin: &str| {
        let request = product
            .request("OPTIONS", "/protected")
            .header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "GET");
        request
            .header("Access-Control-Request-Headers", "authorization")
            .send()
    };
    let allowed = preflight(ours);
    assert_eq!(
        allowed.header("access-control-allow-origin").as_deref(),
        Some(ours),
        "{allowed:?}"
    );
    assert_eq!(preflight(evil).header("access-control-allow-origin"), None);
    let refused = product.get("/protected").header("Origin", ours).send();
    assert_eq!(
        refused.header("access-control-allow-origin").as_deref(),
        Some(ours),
        "a page can read why"
    );
    refused.not_authenticated();
}

// ---- AUTH_DISABLED ----

/// A request as somebody at this machine sends it.
fn here(product: &Product, method: &str, target: &str) -> Request {
    product
        .request(method, target)
        .header("Host", product.gate.address().to_string())
}

#[test]
fn auth_disabled_gives_every_request_the_documented_mock_user_on_loopback() {
    let app = app();
    let product = system(&app).env("AUTH_DISABLED", "true").start();
    for path in ["/protected", "/admin"] {
        let user = here(&product, "GET", path).send().passed().json()["user"].clone();
        assert_eq!(
            (&user["clerk_user_id"], &user["username"]),
            (&json!("dev_user"), &json!("dev")),
            "given: {path}"
        );
        assert_eq!(
            (&user["is_admin"], &user["is_active"], &user["is_approved"]),
            (&json!(true), &json!(true), &json!(true))
        );
        assert!(
            user["email"].is_string() && user["id"].is_string(),
            "{user}"
        );
    }
    // A token is neither needed nor looked at.
    let ben = here(&product, "GET", "/protected")
        .bearer(&product.token("user_ben"))
        .send()
        .passed()
        .json();
    assert_eq!(ben["user"]["clerk_user_id"], "dev_user");
    // The webhook keeps its signature.
    here(&product, "POST", WEBHOOK)
        .body("{}")
        .send()
        .not_authenticated();
    product.gate.log_line("a warning", |line| {
        line["level"] == "WARN" && line.to_string().contains("authentication is switched off")
    });
}

#[test]
fn auth_disabled_refuses_to_start_anywhere_but_on_loopback_and_beside_a_live_key() {
    let app = app();
    let off = || system(&app).env("AUTH_DISABLED", "true");
    for (given, system, reason) in [
        (
            "the listener of the config",
            off().env("BAILIFF_LISTEN", ""),
            "0.0.0.0:8484, which is not this machine alone",
        ),
        (
            "another address",
            off().env("BAILIFF_LISTEN", "0.0.0.0:0"),
            "which is not this machine alone",
        ),
        (
            "a live secret key",
            off().env("CLERK_SECRET_KEY", "sk_live_abcdefghijklmnopqrst"),
            "live key",
        ),
        (
            "a live key of the frontend",
            off().env("VITE_CLERK_PUBLISHABLE_KEY", "pk_live_x"),
            "VITE_CLERK_PUBLISHABLE_KEY",
        ),
        (
            "a live key for the backend",
            off().env("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"),
            "live key",
        ),
    ] {
        let finished = system.run().exits(78);
        assert!(
            finished.stderr.contains("AUTH_DISABLED") && finished.stderr.contains(reason),
            "given: {given}\n{}",
            finished.stderr
        );
        assert!(
            !finished.stderr.contains("sk_live_abc"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn auth_disabled_is_not_for_whoever_comes_through_a_tunnel_or_from_a_website() {
    let app = app();
    let product = system(&app).env("AUTH_DISABLED", "true").start();
    // The document itself advises ngrok, which forwards from everywhere to here.
    here(&product, "GET", "/protected")
        .header("X-Forwarded-For", "203.0.113.9")
        .send()
        .forbidden();
    product
        .get("/protected")
        .header("Host", "abc123.ngrok.io")
        .send()
        .forbidden();
    here(&product, "POST", "/protected")
        .header("Origin", "https://evil.test")
        .body("{}")
        .send()
        .forbidden();
}

#[test]
fn auth_disabled_false_and_unset_disable_nothing() {
    let app = app();
    for value in ["false", "0", ""] {
        let product = system(&app).env("AUTH_DISABLED", value).start();
        let answer = here(&product, "GET", "/protected").send();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (401, NOT_AUTHENTICATED),
            "given: {value:?}"
        );
    }
    let finished = system(&app).env("AUTH_DISABLED", "yes").run().exits(78);
    assert!(
        finished.stderr.contains("neither on nor off"),
        "{}",
        finished.stderr
    );
}

/// What the app says of a user.
pub(super) fn seen(product: &Product, user: &str) -> Option<Value> {
    let answer = product.as_user(user, "GET", "/protected").send();
    (answer.status == 200).then(|| answer.json()["user"].clone())
}
