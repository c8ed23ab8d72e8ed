//! The exact headers that the upstream gets.

use super::*;

fn listing(request: &Request, snapshot: &Snapshot) -> Vec<String> {
    let grant = request.grant(snapshot);
    let mut lines: Vec<_> = grant
        .headers()
        .values()
        .map(|(name, v)| format!("{name}: {}", v.to_str().expect("ASCII")))
        .collect();
    lines.retain(|line| !line.starts_with("x-forwarded-"));
    lines.sort();
    lines
}

fn every_word() -> Snapshot {
    gate([
        route("/public", Access::Public),
        route("/user", Access::User),
        route("/ws/{workspace}", Access::Role(role("member"))),
        route("/service", Access::Service),
    ])
}

#[test]
fn a_member_in_a_workspace_is_told_with_everything_that_is_known() {
    let token = mint("user_admin")
        .org("org_1", "acme", "admin", &["billing:manage", "teams:read"])
        .actor("user_support");
    assert_eq!(
        listing(&get("/ws/ws_1").bearer(&token.sign(key())), &every_word()),
        [
            "x-access-status: active",
            "x-actor-id: user_support",
            "x-auth-issuer: clerk",
            "x-auth-kind: user",
            "x-clerk-user-id: user_admin",
            "x-org-id: org_1",
            "x-org-permissions: org:billing:manage,org:teams:read",
            "x-org-role: org:admin",
            "x-request-id: req-1",
            "x-session-id: sess_admin",
            "x-user-email: admin@example.com",
            "x-user-id: app-admin",
            "x-user-name: Zo%C3%AB %C5%9C",
            "x-workspace-id: ws_1",
            "x-workspace-role: admin",
        ]
    );
}

#[test]
fn a_user_without_more_is_told_with_nothing_more() {
    let template = claiming(every_word(), |p| p.allow_jwt_templates = true);
    for (given, snapshot, request, expected) in [
        (
            "unknown to the membership",
            every_word(),
            get("/user").bearer(&token("user_new")),
            &[
                "x-auth-issuer: clerk",
                "x-auth-kind: user",
                "x-clerk-user-id: user_new",
                "x-request-id: req-1",
                "x-session-id: sess_new",
                "x-user-id: user_new",
            ][..],
        ),
        (
            "a template's token, with claims of its own",
            template,
            get("/user").bearer(
                &mint("user_new")
                    .template()
                    .claim("email", "n@x.test")
                    .claim("name", "N, M")
                    .sign(key()),
            ),
            &[
                "x-auth-issuer: clerk",
                "x-auth-kind: user",
                "x-clerk-user-id: user_new",
                "x-request-id: req-1",
                "x-user-email: n@x.test",
                "x-user-id: user_new",
                "x-user-name: N, M",
            ],
        ),
        (
            "nobody",
            every_word(),
            get("/public"),
            &["x-auth-kind: none", "x-request-id: req-1"],
        ),
        (
            "a token on a public route is not looked at",
            every_word(),
            get("/public").bearer(&token("user_admin")),
            &["x-auth-kind: none", "x-request-id: req-1"],
        ),
        (
            "a service",
            every_word(),
            get("/service").bearer(SERVICE_TOKEN),
            &[
                "x-auth-kind: service",
                "x-request-id: req-1",
                "x-service-name: engine",
            ],
        ),
    ] {
        assert_eq!(listing(&request, &snapshot), expected, "{given}");
    }
}

#[test]
fn a_user_goes_by_the_apps_id_and_else_by_clerks() {
    for (user, id, status) in [
        ("user_admin", "app-admin", Some("active")),
        ("user_pending", "app-pending", Some("pending")),
        ("user_founder", "app-founder", Some("active")),
        ("user_two", "user_two", Some("active")),
        ("user_new", "user_new", None),
    ] {
        let headers = get("/user").bearer(&token(user)).upstream(&every_word());
        assert_eq!(values(&headers, "x-user-id"), [id], "{user}");
        assert_eq!(values(&headers, "x-clerk-user-id"), [user]);
        assert_eq!(
            values(&headers, "x-access-status"),
            Vec::from_iter(status),
            "{user}"
        );
    }
    let suspended = gate([Route {
        allow_suspended: true,
        ..route("/me", Access::User)
    }]);
    let headers = get("/me")
        .bearer(&token("user_suspended"))
        .upstream(&suspended);
    assert_eq!(values(&headers, "x-access-status"), ["suspended"]);
}

// Attacks.
#[test]
fn what_the_client_says_under_a_trusted_name_is_gone_on_every_route() {
    let names = [
        "x-user-id",
        "X-USER-ID",
        "x_user_id",
        "x-workspace-role",
        "x-actor-id",
        "x-auth-kind",
        "x-clerk-auth-status",
    ];
    for request in [
        get("/public"),
        get("/user").bearer(&token("user_new")),
        get("/service").bearer(SERVICE_TOKEN),
    ] {
        let forged = names.iter().fold(request, |request, name| {
            request.field(name, "forged").field(name, "twice")
        });
        let headers = forged.upstream(&every_word());
        assert!(
            headers.values().all(|v| v != "forged" && v != "twice"),
            "{}: {headers:?}",
            forged.target
        );
        assert!(!headers.contains_key("x-workspace-role"));
    }
}

// Attack A-10.
#[test]
fn a_claim_that_is_not_safe_in_a_header_is_encoded_or_left_out_whole() {
    let told = |name: &str, value: serde_json::Value, header: &str| {
        let token = mint("user_new").claim(name, value).sign(key());
        values(&get("/user").bearer(&token).upstream(&every_word()), header)
    };
    assert_eq!(
        told("name", json!("a\r\nx-user-id: root\0"), "x-user-name"),
        ["a%0D%0Ax-user-id: root%00"]
    );
    assert_eq!(
        told("email", json!("zoë@x.test"), "x-user-email"),
        ["zo%C3%AB@x.test"]
    );
    assert_eq!(
        told("name", json!("n".repeat(2000)), "x-user-name"),
        [""; 0]
    );
    assert_eq!(told("name", json!(["n"]), "x-user-name"), [""; 0]);
    let org = |role: &str| json!({"id": "org_1", "rol": role});
    assert_eq!(
        told("o", org("a,b"), "x-org-role"),
        [""; 0],
        "a role that splits a list is none"
    );
    assert_eq!(told("o", org("a\r\nb"), "x-org-role"), [""; 0]);
    assert_eq!(
        told("o", json!({"id": "org_1"}), "x-org-role"),
        [""; 0],
        "no role, no header"
    );
    assert_eq!(
        told("v", json!(3), "x-org-id"),
        [""; 0],
        "an unknown version has no organization"
    );
}

#[test]
fn a_list_of_permissions_is_whole_or_absent() {
    let told = |count: usize| {
        let names: Vec<_> = (0..count)
            .map(|i| format!("org:feature:permission-{i}"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let token = mint("user_new")
            .v1_org("org_1", "acme", "org:admin", &names)
            .sign(key());
        values(
            &get("/user").bearer(&token).upstream(&every_word()),
            "x-org-permissions",
        )
    };
    assert_eq!(told(0), [""; 0]);
    assert_eq!(
        told(2),
        ["org:feature:permission-0,org:feature:permission-1"]
    );
    assert_eq!(told(280)[0].split(',').count(), 280);
    assert_eq!(told(330), [""; 0], "half a list would be a lie");
    let odd = mint("user_new")
        .v1_org(
            "org_1",
            "acme",
            "org:admin",
            &["org:a:b", "org:c,org:d:e", "x\r\ny"],
        )
        .sign(key());
    let headers = get("/user").bearer(&odd).upstream(&every_word());
    assert_eq!(values(&headers, "x-org-permissions"), ["org:a:b"]);
}

#[test]
fn a_header_from_a_claim_carries_what_has_one_reading() {
    let names = ["x-plan", "x-none"].map(HeaderName::from_static);
    let gate = ruled(every_word(), |rules| {
        rules.names = Arc::new(TrustedNames::new(["x-plan", "x-none"]));
        rules.claim_headers = names
            .into_iter()
            .zip(["plan".into(), "absent".into()])
            .collect();
    });
    for (claim, header) in [
        (json!("pro"), Some("pro")),
        (json!("Größe\n"), Some("Gr%C3%B6%C3%9Fe%0A")),
        (json!(7), Some("7")),
        (json!(true), Some("true")),
        (json!(["a", "b"]), Some("a,b")),
        (json!(["a,b"]), None),
        (json!(["a", 1]), None),
        (json!([]), None),
        (json!(""), None),
        (json!(null), None),
        (json!({"a": 1}), None),
        (json!("x".repeat(1025)), None),
    ] {
        let request =
            get("/user").bearer(&mint("user_new").claim("plan", claim.clone()).sign(key()));
        let forged = request
            .field("x-plan", "forged")
            .field("X_Plan", "forged")
            .field("x-none", "forged");
        let headers = forged.upstream(&gate);
        assert_eq!(
            values(&headers, "x-plan"),
            Vec::from_iter(header),
            "{claim}"
        );
        assert!(
            !headers.contains_key("x_plan") && !headers.contains_key("x-none"),
            "{claim}"
        );
    }
}

#[test]
fn the_token_goes_on_to_the_upstream_unless_it_is_a_services_or_the_route_says_no() {
    let with = |access, forward_token| {
        gate([Route {
            forward_token,
            ..route("/x", access)
        }])
    };
    let user = get("/x").bearer(&token("user_new"));
    let service = get("/x").bearer(SERVICE_TOKEN);
    for (given, request, access, forward_token, arrives) in [
        ("a user's", &user, Access::User, None, true),
        (
            "a user's, not wanted",
            &user,
            Access::User,
            Some(false),
            false,
        ),
        (
            "anybody's on a public route",
            &user,
            Access::Public,
            None,
            true,
        ),
        (
            "anybody's on a public route, not wanted",
            &user,
            Access::Public,
            Some(false),
            false,
        ),
        ("a service's", &service, Access::Service, None, false),
        (
            "a service's, wanted",
            &service,
            Access::Service,
            Some(true),
            true,
        ),
    ] {
        let headers = request.upstream(&with(access, forward_token));
        assert_eq!(headers.contains_key("authorization"), arrives, "{given}");
    }
}

#[test]
fn applying_twice_is_the_same_as_once() {
    let request = get("/ws/ws_1")
        .bearer(&token("user_admin"))
        .field("x_user_id", "forged");
    let once = request.upstream(&every_word());
    let mut twice = once.clone();
    request.grant(&every_word()).headers().apply(&mut twice);
    assert_eq!(once, twice);
}
