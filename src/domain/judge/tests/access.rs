//! The word of `access:` and the status of the user.

use super::*;

fn every_word() -> Snapshot {
    gate([
        route("/public", Access::Public),
        route("/optional", Access::Optional),
        route("/user", Access::User),
        route("/active", Access::Active),
        route("/ws/{workspace}", Access::Role(role("admin"))),
        route("/service", Access::Service),
        route("/webhook", Access::Webhook),
        route("/deny", Access::Deny),
    ])
}

#[test]
fn a_request_without_a_token_gets_as_far_as_the_word_of_the_route() {
    for (target, verdict) in [
        ("/public", "forward nobody"),
        ("/optional", "forward nobody"),
        ("/user", "reject missing_token"),
        ("/active", "reject missing_token"),
        ("/ws/ws_1", "reject missing_token"),
        ("/service", "reject missing_token"),
        ("/webhook", "reject webhook_headers"),
        ("/deny", "reject denied"),
        ("/", "reject no_route"),
        ("/public/x", "reject no_route"),
        ("/public/", "reject no_route"),
        ("/user/", "reject missing_token"),
    ] {
        assert_eq!(get(target).at(&every_word()), verdict, "{target}");
    }
}

#[test]
fn a_good_token_gets_as_far_as_the_word_of_the_route() {
    for (target, verdict) in [
        ("/public", "forward nobody"),
        ("/optional", "forward user_admin"),
        ("/user", "forward user_admin"),
        ("/active", "forward user_admin"),
        ("/ws/ws_1", "forward user_admin"),
        ("/ws/ws_2", "reject not_a_member"),
        ("/service", "reject unknown_service"),
        ("/webhook", "reject webhook_headers"),
        ("/deny", "reject denied"),
        ("/", "reject no_route"),
    ] {
        assert_eq!(
            get(target).bearer(&token("user_admin")).at(&every_word()),
            verdict,
            "{target}"
        );
    }
}

#[test]
fn a_bad_token_is_worse_than_none() {
    for (target, verdict) in [
        ("/public", "forward nobody"),
        ("/optional", "reject malformed_token"),
        ("/user", "reject malformed_token"),
        ("/active", "reject malformed_token"),
        ("/ws/ws_1", "reject malformed_token"),
        ("/service", "reject unknown_service"),
        ("/deny", "reject denied"),
    ] {
        assert_eq!(
            get(target).bearer("garbage").at(&every_word()),
            verdict,
            "{target}"
        );
    }
    let basic = get("/optional").field("authorization", "Basic eDp5");
    assert_eq!(
        basic.at(&every_word()),
        "reject malformed_token",
        "never taken for no token"
    );
}

#[test]
fn a_status_opens_and_closes_the_words_as_the_contract_says() {
    //   status             user            optional        active            role admin in ws_1
    for (user, [as_user, optional, active, in_role]) in [
        (
            "unknown",
            ["forward", "forward", "unknown_user", "unknown_user"],
        ),
        (
            "pending",
            ["forward", "forward", "not_active", "not_active"],
        ),
        ("owner", ["forward", "forward", "forward", "forward"]),
        ("admin", ["forward", "forward", "forward", "forward"]),
        ("member", ["forward", "forward", "forward", "role_too_low"]),
        ("founder", ["forward", "forward", "forward", "forward"]),
        ("two", ["forward", "forward", "forward", "not_a_member"]),
        (
            "suspended",
            ["suspended", "suspended", "suspended", "suspended"],
        ),
        (
            "banned",
            ["user_banned", "user_banned", "user_banned", "user_banned"],
        ),
        (
            "deleted",
            [
                "user_deleted",
                "user_deleted",
                "user_deleted",
                "user_deleted",
            ],
        ),
    ] {
        let id = format!("user_{user}");
        let rows = [
            ("/user", as_user),
            ("/optional", optional),
            ("/active", active),
            ("/ws/ws_1", in_role),
        ];
        for (target, verdict) in rows {
            let verdict = if verdict == "forward" {
                format!("forward {id}")
            } else {
                format!("reject {verdict}")
            };
            assert_eq!(
                get(target).bearer(&token(&id)).at(&every_word()),
                verdict,
                "{user} on {target}"
            );
        }
    }
}

#[test]
fn a_route_may_let_the_suspended_in_by_name_and_nobody_else_with_them() {
    let allowed = |access| Route {
        allow_suspended: true,
        ..route("/x", access)
    };
    for (given, access, user, verdict) in [
        (
            "the profile page",
            Access::User,
            "user_suspended",
            "forward user_suspended",
        ),
        (
            "identity if there is one",
            Access::Optional,
            "user_suspended",
            "forward user_suspended",
        ),
        (
            "active means active",
            Access::Active,
            "user_suspended",
            "reject suspended",
        ),
        (
            "banned is not suspended",
            Access::User,
            "user_banned",
            "reject user_banned",
        ),
        (
            "deleted is not suspended",
            Access::User,
            "user_deleted",
            "reject user_deleted",
        ),
    ] {
        let gate = gate([allowed(access)]);
        assert_eq!(get("/x").bearer(&token(user)).at(&gate), verdict, "{given}");
    }
    let ranked = Route {
        allow_suspended: true,
        ..route("/ws/{workspace}", Access::Role(role("member")))
    };
    assert_eq!(
        get("/ws/ws_1")
            .bearer(&token("user_suspended"))
            .at(&gate([ranked])),
        "reject suspended"
    );
}

#[test]
fn a_role_is_held_by_those_who_have_it_or_a_higher_one() {
    for (asked, [member, admin, owner]) in [
        ("member", [true, true, true]),
        ("admin", [false, true, true]),
        ("owner", [false, false, true]),
    ] {
        let gate = gate([route("/ws/{workspace}/**", Access::Role(role(asked)))]);
        for (user, passes) in [
            ("user_member", member),
            ("user_admin", admin),
            ("user_owner", owner),
        ] {
            let verdict = if passes {
                format!("forward {user}")
            } else {
                "reject role_too_low".into()
            };
            assert_eq!(
                get("/ws/ws_1/boards").bearer(&token(user)).at(&gate),
                verdict,
                "{user} where {asked} is asked"
            );
        }
    }
}

#[test]
fn a_service_is_known_by_its_whole_token_on_its_routes_alone() {
    let gate = every_word();
    assert_eq!(
        get("/service").bearer(SERVICE_TOKEN).at(&gate),
        "forward service engine"
    );
    for wrong in [
        "a-service-token-of-some-lengt",
        "a-service-token-of-some-lengthy",
        "A-service-token-of-some-length",
    ] {
        assert_eq!(
            get("/service").bearer(wrong).at(&gate),
            "reject unknown_service",
            "{wrong}"
        );
    }
    for target in ["/user", "/active", "/optional", "/ws/ws_1"] {
        assert_eq!(
            get(target).bearer(SERVICE_TOKEN).at(&gate),
            "reject service_route",
            "{target}"
        );
    }
    let twice = get("/service").bearer(SERVICE_TOKEN).bearer(SERVICE_TOKEN);
    assert_eq!(twice.at(&gate), "reject several_tokens");
    let off = ruled(every_word(), |rules| rules.services.clear());
    assert_eq!(
        get("/service").bearer(SERVICE_TOKEN).at(&off),
        "reject unknown_service",
        "no service, no entry"
    );
}

#[test]
fn a_method_that_nobody_named_is_not_covered() {
    let posts = Route {
        methods: Methods::These(vec![Method::POST]),
        ..route("/x", Access::User)
    };
    let gate = gate([posts, route("/y", Access::User)]);
    for (method, target, verdict) in [
        ("POST", "/x", "forward user_admin"),
        ("GET", "/x", "reject no_route"),
        ("post", "/x", "reject no_route"),
        ("PROPFIND", "/y", "reject no_route"),
        ("OPTIONS", "/y", "forward user_admin"),
    ] {
        let request = get(target).method(method).bearer(&token("user_admin"));
        assert_eq!(request.at(&gate), verdict, "{method} {target}");
        let overridden = request.field("x-http-method-override", "POST");
        assert_eq!(
            overridden.at(&gate),
            verdict,
            "an override changes nothing (A-39): {method} {target}"
        );
    }
}

#[test]
fn report_mode_forwards_as_nobody_what_would_be_refused_and_says_so() {
    let report = |path, access| Route {
        mode: Mode::Report,
        ..route(path, access)
    };
    let gate = gate([
        report("/user", Access::User),
        report("/ws/{workspace}", Access::Role(role("admin"))),
        report("/deny", Access::Deny),
        report("/webhook", Access::Webhook),
    ]);
    let stranger = Mint::new(ISS, "user_admin", NOW).sign(other_key());
    for (given, request, verdict) in [
        (
            "no token",
            get("/user"),
            "forward nobody, reported missing_token",
        ),
        (
            "a role too low",
            get("/ws/ws_1").bearer(&token("user_member")),
            "forward nobody, reported role_too_low",
        ),
        (
            "all is well",
            get("/user").bearer(&token("user_admin")),
            "forward user_admin",
        ),
        ("closed", get("/deny"), "forward nobody, reported denied"),
        (
            "an unknown key",
            get("/user").bearer(&stranger),
            "need key clerk, else forward nobody, reported unknown_key",
        ),
        (
            "a webhook is never let through unsigned",
            get("/webhook"),
            "reject webhook_headers",
        ),
        ("no route is no route", get("/other"), "reject no_route"),
    ] {
        assert_eq!(request.at(&gate), verdict, "{given}");
    }
    let refused = get("/ws/ws_1")
        .bearer(&token("user_member"))
        .field("x-user-id", "forged");
    let headers = refused.upstream(&gate);
    assert_eq!(values(&headers, "x-auth-kind"), ["none"]);
    for name in [
        "x-user-id",
        "x-clerk-user-id",
        "x-workspace-id",
        "x-workspace-role",
        "x-session-id",
    ] {
        assert!(
            !headers.contains_key(name),
            "forwarded without identity: {name}"
        );
    }
    assert_eq!(
        refused
            .decision(&gate)
            .subject
            .user
            .as_ref()
            .map(UserId::as_str),
        Some("user_member"),
        "for the log"
    );
}

#[test]
fn a_preflight_is_answered_before_any_rule_and_only_a_whole_one() {
    let gate = every_word();
    let asks = |request: Request| request.field("access-control-request-method", "POST");
    let options = || get("/deny").method("OPTIONS");
    assert_eq!(
        asks(options())
            .field("origin", "https://app.test")
            .at(&gate),
        "preflight"
    );
    assert_eq!(
        asks(options())
            .field("origin", "https://evil.test")
            .at(&gate),
        "reject denied"
    );
    assert_eq!(
        options().field("origin", "https://app.test").at(&gate),
        "reject denied"
    );
    assert_eq!(
        asks(get("/user").method("OPTIONS")).at(&gate),
        "reject missing_token"
    );
    assert_eq!(
        asks(get("/user").method("OPTIONS"))
            .field("origin", "https://evil.test")
            .at(&gate),
        "reject origin_not_listed"
    );
}

#[test]
fn without_a_membership_only_what_a_token_alone_can_tell_is_let_in() {
    let mut gate = ruled(every_word(), |rules| rules.roles = None);
    gate.members = None;
    let header = WorkspaceSource::Header(HeaderName::from_static("x-tenant"));
    let bound = Route {
        workspace: vec![header],
        ..route("/bound", Access::User)
    };
    let bound = ruled(gate.clone(), |rules| {
        rules.routes = RouteTable::new(vec![bound], PathRules::default()).expect("one route")
    });
    let request = |target| get(target).bearer(&token("user_admin"));
    assert_eq!(request("/user").at(&gate), "forward user_admin");
    assert_eq!(request("/optional").at(&gate), "forward user_admin");
    assert_eq!(request("/active").at(&gate), "reject not_active");
    assert_eq!(request("/ws/ws_1").at(&gate), "reject not_a_member");
    assert_eq!(
        request("/bound").field("x-tenant", "ws_1").at(&bound),
        "reject not_a_member"
    );
}

#[test]
fn while_a_configured_membership_is_missing_no_user_can_be_judged() {
    let mut gate = every_word();
    gate.members = None;
    for (target, verdict) in [
        ("/user", "reject members_unavailable"),
        ("/optional", "reject members_unavailable"),
        ("/active", "reject members_unavailable"),
        ("/ws/ws_1", "reject members_unavailable"),
        ("/public", "forward nobody"),
    ] {
        assert_eq!(
            get(target).bearer(&token("user_admin")).at(&gate),
            verdict,
            "{target}"
        );
    }
    assert_eq!(get("/optional").at(&gate), "forward nobody");
    assert_eq!(
        get("/service").bearer(SERVICE_TOKEN).at(&gate),
        "forward service engine"
    );
    let expired = mint("user_admin")
        .lifetime(1)
        .issued_at(NOW - 60)
        .sign(key());
    assert_eq!(
        get("/user").bearer(&expired).at(&gate),
        "reject expired",
        "the token comes first"
    );
}
