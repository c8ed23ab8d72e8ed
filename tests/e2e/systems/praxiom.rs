//! Praxiom: who gets in, and what members of a workspace may do.

use serde_json::json;

use super::{NOT_AUTHENTICATED, forged, refused_as_documented, with_body};
use crate::harness::{
    App, Product, System, Upstream, WEBHOOK_SECRET, eventually, foreign_key, now,
};

pub(super) const ME: &str = "/api/auth/me";
/// The app's ids of those of whom the membership file speaks.
const OLGA: &str = "4f6c0a51-6a0e-4c1f-9b1e-0e9d6b0f2f10";
const MIA: &str = "1c8b9d63-3a1a-4e7a-9b66-3a2a2d4bae12";

pub(super) fn system(upstream: &str) -> System {
    System::new("praxiom", upstream).env("CLERK_WEBHOOK_SIGNING_SECRET", WEBHOOK_SECRET)
}

/// Documented requests, one of each kind.
const REQUESTS: [(&str, &str); 7] = [
    ("GET", ME),
    ("POST", "/api/workspaces"),
    ("GET", "/api/workspaces/ws_research"),
    ("DELETE", "/api/workspaces/ws_research"),
    ("POST", "/api/workspaces/ws_research/sources"),
    ("GET", "/api/workspaces/ws_research/insights"),
    ("GET", "/api/research"),
];

#[test]
fn every_api_request_without_a_token_gets_the_documented_401_as_fastapi_writes_it() {
    let app = App::start("praxiom_app", &[("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)]);
    let product = system(&app.url()).start();
    assert_eq!(
        app.request("GET", ME).send().text(),
        NOT_AUTHENTICATED,
        "what FastAPI itself makes of it"
    );
    for (method, path) in REQUESTS {
        let answer = product.request(method, path).send();
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
        assert_eq!(
            answer.header("content-type").as_deref(),
            Some("application/json")
        );
        let reason = refused_as_documented(&product, answer, path);
        assert_eq!(reason, "missing_token", "given: {method} {path}");
    }
}

#[test]
fn every_bad_token_gets_the_same_401_and_never_reaches_the_app() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let mint = || product.mint("user_olga");
    for (given, token, reason) in [
        (
            "expired",
            product.sign(&mint().issued_at(now() - 3600)),
            "expired",
        ),
        (
            "signed by somebody else",
            mint().sign(&foreign_key()),
            "unknown_key",
        ),
        (
            "with a key of the right name",
            mint().header("kid", "ins_standard").sign(&foreign_key()),
            "bad_signature",
        ),
        (
            "of a JWT template",
            product.sign(&mint().template()),
            "wrong_token_type",
        ),
        (
            "of a machine",
            product.sign(&mint().claim("sub", "mch_1")),
            "wrong_token_type",
        ),
        (
            "without signature",
            product.sign(&mint().header("alg", "none")),
            "wrong_algorithm",
        ),
        (
            "symmetric",
            product.sign(&mint().header("alg", "HS256")),
            "wrong_algorithm",
        ),
        (
            "for another app",
            product.sign(&mint().azp("https://evil.example")),
            "wrong_party",
        ),
        (
            "for no app",
            product.sign(&mint().without("azp")),
            "wrong_party",
        ),
        (
            "the one of the document",
            "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9...".to_owned(),
            "malformed_token",
        ),
    ] {
        for (method, path) in REQUESTS {
            let answer = product.request(method, path).bearer(&token).send();
            assert_eq!(
                refused_as_documented(&product, answer, given),
                reason,
                "given: {given}, {method} {path}"
            );
        }
    }
    upstream.saw_nothing();
}

#[test]
fn a_member_reads_and_writes_the_data_of_the_workspace() {
    let app = App::start("praxiom_app", &[("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)]);
    let product = system(&app.url()).start();
    for collection in ["sources", "insights", "recommendations", "documents"] {
        let path = format!("/api/workspaces/ws_research/{collection}");
        let new = json!({"title": format!("One of the {collection}")});
        let written = with_body(product.as_user("user_mia", "POST", &path), &new).send();
        assert_eq!(written.status, 201, "given: {collection}, {written:?}");
        assert_eq!(
            (&written.json()["role"], &written.json()["user"]),
            (&json!("member"), &json!(MIA))
        );
        let read = product
            .as_user("user_mia", "GET", &path)
            .send()
            .passed()
            .json();
        assert_eq!(
            (&read["workspace"], &read[collection][0]["title"]),
            (&json!("ws_research"), &new["title"])
        );
    }
}

#[test]
fn an_admin_changes_settings_and_members_and_an_owner_deletes_the_workspace() {
    let app = App::start("praxiom_app", &[("CLERK_WEBHOOK_SECRET", WEBHOOK_SECRET)]);
    let product = system(&app.url()).start();
    let admin = |method, path| product.as_user("user_adam", method, path);
    let named = with_body(
        admin("PATCH", "/api/workspaces/ws_research"),
        &json!({"name": "Ours"}),
    )
    .send();
    assert_eq!(named.passed().json()["name"], "Ours");
    let settings = with_body(
        admin("PUT", "/api/workspaces/ws_research/settings"),
        &json!({"language": "de"}),
    )
    .send();
    assert_eq!(
        (
            &settings.json()["role"],
            &settings.json()["settings"]["language"]
        ),
        (&json!("admin"), &json!("de"))
    );
    let invited = json!({"email": "new@praxiom.example"});
    let added = with_body(
        admin("POST", "/api/workspaces/ws_research/members"),
        &invited,
    )
    .send();
    assert_eq!(
        (added.status, &added.json()["added"][0]),
        (201, &invited["email"])
    );
    admin("DELETE", "/api/workspaces/ws_research")
        .send()
        .forbidden();

    let deleted = product
        .as_user("user_olga", "DELETE", "/api/workspaces/ws_research")
        .send()
        .passed()
        .json();
    assert_eq!(
        (&deleted["role"], &deleted["user"]),
        (&json!("owner"), &json!(OLGA))
    );
}

/// Who of mia (member), adam (admin) and olga (owner) may do what, and nobody by another spelling of it.
#[test]
fn each_role_may_do_its_own_and_nothing_above_it() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let ranks = [
        ("user_mia", 0, "member"),
        ("user_adam", 1, "admin"),
        ("user_olga", 2, "owner"),
    ];
    for (method, path, needed) in [
        ("GET", "/api/workspaces/ws_research", 0),
        ("GET", "/api/workspaces/ws_research/settings", 0),
        ("GET", "/api/workspaces/ws_research/members", 0),
        ("POST", "/api/workspaces/ws_research/sources", 0),
        ("DELETE", "/api/workspaces/ws_research/sources/7", 0),
        ("PATCH", "/api/workspaces/ws_research", 1),
        ("PUT", "/api/workspaces/ws_research", 1),
        ("PATCH", "/api/workspaces/ws_research/", 1),
        ("PUT", "/api/workspaces/ws_research/settings", 1),
        ("PUT", "/api/workspaces/ws_research/settings/", 1),
        ("PATCH", "/api/workspaces/ws_research/settings/billing", 1),
        ("POST", "/api/workspaces/ws_research/members", 1),
        ("DELETE", "/api/workspaces/ws_research/members/user_mia", 1),
        ("DELETE", "/api/workspaces/ws_research", 2),
        ("DELETE", "/api/workspaces/ws_research/", 2),
    ] {
        for (user, rank, role) in ranks {
            // A method is what the request line says.
            let overriding = [
                ("x-http-method-override", "GET"),
                ("x-original-url", ME),
                ("x-rewrite-url", ME),
            ];
            let answer = product
                .as_user(user, method, path)
                .headers(overriding)
                .send();
            if rank < needed {
                answer.forbidden();
                upstream.saw_nothing();
            } else {
                answer.passed();
                let seen = upstream.only();
                assert_eq!(
                    seen.header("x-workspace-role").as_deref(),
                    Some(role),
                    "given: {user} {method} {path}"
                );
                assert_eq!(seen.header("x-http-method-override"), None);
            }
        }
    }
}

#[test]
fn a_stranger_to_a_workspace_gets_403_with_the_code_forbidden_on_every_road_into_it() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    for path in [
        "",
        "/",
        "/settings",
        "/members",
        "/sources",
        "/insights/3",
        "/documents",
    ] {
        for workspace in ["ws_research", "ws_that_does_not_exist"] {
            for method in ["GET", "POST", "PATCH", "DELETE"] {
                let path = format!("/api/workspaces/{workspace}{path}");
                let answer = product
                    .as_user("user_zoe", method, &path)
                    .header("x-workspace-id", "ws_other")
                    .send();
                let told = answer.forbidden();
                assert_eq!(
                    told.text(),
                    r#"{"detail":"Forbidden","code":"FORBIDDEN"}"#,
                    "given: {method} {path}"
                );
            }
        }
    }
    for odd in [
        "/api/workspaces/ws_other/../ws_research",
        "/api/workspaces/ws_research%2fsources",
    ] {
        product.as_user("user_zoe", "GET", odd).send().refused(400);
    }
    upstream.saw_nothing();
    product
        .as_user("user_zoe", "GET", "/api/workspaces/ws_other")
        .send()
        .passed();
}

#[test]
fn a_pending_user_cannot_create_workspaces_until_the_app_has_taken_the_access_code() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let create = |path: &str| product.as_user("user_paul", "POST", path).body("{}").send();
    for path in [
        "/api/workspaces",
        "/api/workspaces/",
        "/api/workspaces?x=1",
        "/api/research",
    ] {
        create(path).forbidden();
    }
    upstream.saw_nothing();
    // Redeeming the code is the app's own business, and open to them.
    create("/api/auth/redeem").passed();
    assert_eq!(
        upstream.only().header("x-access-status").as_deref(),
        Some("pending")
    );
    let redeemed = |text: &str| {
        text.replace(
            "name: Paul Pending, access: pending",
            "name: Paul, access: active",
        )
    };
    product.write_membership(redeemed);
    eventually("paul was active", || {
        (create("/api/workspaces").status == 200).then_some(())
    });
    assert_eq!(
        upstream.only().header("x-access-status").as_deref(),
        Some("active")
    );
}

#[test]
fn a_suspended_user_reaches_nothing_but_the_profile() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    for (method, path) in [
        ("POST", ME),
        ("PATCH", ME),
        ("POST", "/api/auth/redeem"),
        ("GET", "/api/auth"),
        ("GET", "/api/workspaces"),
        ("POST", "/api/workspaces"),
        ("GET", "/api/workspaces/ws_research"),
        ("DELETE", "/api/workspaces/ws_research"),
        ("GET", "/api/workspaces/ws_research/sources"),
        ("GET", "/api/research"),
    ] {
        product.as_user("user_sue", method, path).send().forbidden();
    }
    let profile = product
        .as_user("user_sue", "GET", ME)
        .send()
        .passed()
        .json();
    assert_eq!(
        (&profile["accessStatus"], &profile["hasProductAccess"]),
        (&json!("suspended"), &json!(false))
    );
    upstream.saw_nothing();
}

#[test]
fn a_founder_has_access_whatever_the_status() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let may_everything = |product: &Product| {
        for (method, path) in [
            ("POST", "/api/workspaces"),
            ("DELETE", "/api/workspaces/ws_research"),
        ] {
            product.as_user("user_fred", method, path).send().passed();
            assert_eq!(
                upstream.only().header("x-access-status").as_deref(),
                Some("active")
            );
        }
        let profile = product
            .as_user("user_fred", "GET", ME)
            .send()
            .passed()
            .json();
        assert_eq!(
            (&profile["isFounder"], &profile["hasProductAccess"]),
            (&json!(true), &json!(true))
        );
        // Of the workspace of others they are no member.
        product
            .as_user("user_fred", "GET", "/api/workspaces/ws_other")
            .send()
            .forbidden();
    };
    may_everything(&product);
    product.write_membership(|text| {
        text.replace(
            "name: Fred Founder\n    access: pending",
            "name: Fred Fallen\n    access: suspended",
        )
    });
    let name = || product.as_user("user_fred", "GET", ME).send().json()["name"].clone();
    eventually("the file was read again", || {
        (name() == "Fred Fallen").then_some(())
    });
    may_everything(&product);
}

#[test]
fn no_client_forges_who_they_are_or_what_they_may() {
    let upstream = Upstream::start();
    let product = system(&upstream.url()).start();
    let insights = "/api/workspaces/ws_research/insights";
    forged(product.as_user("user_mia", "GET", insights), "owner")
        .send()
        .passed();
    let seen = upstream.only();
    assert_eq!(
        seen.identity(),
        [
            "x-access-status: active",
            "x-auth-issuer: clerk",
            "x-auth-kind: user",
            "x-clerk-user-id: user_mia",
            "x-session-id: sess_mia",
            "x-user-email: mia@praxiom.example",
            "x-user-id: 1c8b9d63-3a1a-4e7a-9b66-3a2a2d4bae12",
            "x-user-name: Mia Member",
            "x-workspace-id: ws_research",
            "x-workspace-role: member",
        ]
    );
    forged(product.get("/healthz"), "owner").send().passed();
    assert_eq!(upstream.only().identity(), ["x-auth-kind: none"]);
    forged(product.get(insights), "owner")
        .send()
        .not_authenticated();
    upstream.saw_nothing();
}
