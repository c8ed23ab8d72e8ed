//! Tokens of services: on which routes and from which networks they count, and which headers the upstream gets.

use super::*;

const AGENT: &str = "agent-token-of-some-length-1";
const AGENT_NEXT: &str = "agent-token-of-some-length-2";

fn listed(routes: &[(&Route, Option<Method>)]) -> Reach {
    let listed = routes
        .iter()
        .map(|(route, only)| ServiceRoute::new(route, only.clone()).expect("a route for services"));
    Reach::These(listed.collect())
}

/// Beside `engine`, which may use every service route, an `agent` with a list.
fn routes() -> Vec<Route> {
    vec![
        route("/public", Access::Public),
        route("/optional", Access::Optional),
        route("/user", Access::User),
        route("/other", Access::User),
        route("/active", Access::Active),
        route("/ws/{workspace}", Access::Role(role("admin"))),
        route("/service", Access::Service),
        route("/jobs", Access::Service),
        route("/deny", Access::Deny),
    ]
}

fn with_agent() -> Snapshot {
    let routes = routes();
    let at = |path: &str| {
        routes
            .iter()
            .find(|route| &**route.pattern.text() == path)
            .expect("a route")
    };
    let reach = listed(&[
        (at("/optional"), None),
        (at("/user"), Some(Method::GET)),
        (at("/active"), None),
        (at("/ws/{workspace}"), None),
        (at("/jobs"), None),
    ]);
    ruled(gate(routes), |rules| {
        rules.services.push(service(
            "agent",
            &[AGENT, AGENT_NEXT],
            reach,
            Networks::private(),
        ));
    })
}

fn near(target: &str, token: &str) -> Request {
    get(target).from("172.20.0.5").bearer(token)
}

#[test]
fn an_agent_passes_on_its_own_routes_and_nowhere_else() {
    let gate = with_agent();
    for token in [AGENT, AGENT_NEXT] {
        for (target, verdict) in [
            ("/optional", "forward service agent"),
            ("/user", "forward service agent"),
            ("/active", "forward service agent"),
            ("/ws/ws_1", "forward service agent"),
            ("/ws/ws_unknown", "forward service agent"),
            ("/jobs", "forward service agent"),
            ("/service", "reject service_route"),
            ("/other", "reject service_route"),
            ("/deny", "reject denied"),
            ("/nowhere", "reject no_route"),
        ] {
            assert_eq!(near(target, token).at(&gate), verdict, "{target}");
        }
    }
    assert_eq!(
        near("/user", AGENT).method("HEAD").at(&gate),
        "forward service agent",
        "GET covers HEAD"
    );
    assert_eq!(
        near("/user", AGENT).method("POST").at(&gate),
        "reject service_route",
        "one method is one method"
    );
    assert_eq!(
        near("/active", AGENT).method("POST").at(&gate),
        "forward service agent"
    );
    assert_eq!(
        get("/jobs").bearer(SERVICE_TOKEN).at(&gate),
        "forward service engine",
        "a service route of both"
    );
}

#[test]
fn on_a_route_that_lists_services_users_are_judged_as_before() {
    let gate = with_agent();
    for (given, request, verdict) in [
        (
            "a user",
            near("/active", &token("user_admin")),
            "forward user_admin",
        ),
        (
            "from anywhere",
            get("/active").bearer(&token("user_admin")),
            "forward user_admin",
        ),
        (
            "through any proxy",
            near("/user", &token("user_admin")).field("via", "1.1 x"),
            "forward user_admin",
        ),
        (
            "a user who is pending",
            near("/active", &token("user_pending")),
            "reject not_active",
        ),
        (
            "a role too low",
            near("/ws/ws_1", &token("user_member")),
            "reject role_too_low",
        ),
        (
            "garbage",
            near("/active", "garbage-of-a-good-length"),
            "reject malformed_token",
        ),
        ("no token", get("/active"), "reject missing_token"),
        ("nobody", get("/optional"), "forward nobody"),
    ] {
        assert_eq!(request.at(&gate), verdict, "{given}");
    }
}

#[test]
fn a_service_passes_only_from_its_networks() {
    let gate = with_agent();
    let from =
        |peer: &str, token: &str, target: &str| get(target).from(peer).bearer(token).at(&gate);
    for (peer, verdict) in [
        ("127.0.0.1", "forward service agent"),
        ("::1", "forward service agent"),
        ("::ffff:192.168.1.9", "forward service agent"),
        ("fd00::7", "forward service agent"),
        ("100.64.0.9", "forward service agent"),
        ("203.0.113.9", "reject service_network"),
        ("::ffff:203.0.113.9", "reject service_network"),
        ("2001:db8::1", "reject service_network"),
    ] {
        assert_eq!(from(peer, AGENT, "/jobs"), verdict, "{peer}");
    }
    assert_eq!(
        from("127.0.0.1", SERVICE_TOKEN, "/service"),
        "reject service_network",
        "each has its own"
    );
    let local = Request {
        peer: None,
        ..get("/jobs").bearer(AGENT)
    };
    assert_eq!(
        local.at(&gate),
        "reject service_network",
        "a socket has no address"
    );
    let unix = ruled(gate.clone(), |rules| {
        rules.services = vec![service(
            "agent",
            &[AGENT],
            Reach::ServiceRoutes,
            Networks::new(vec![], true),
        )];
    });
    assert_eq!(
        local.at(&unix),
        "forward service agent",
        "unless the socket is named"
    );
    assert_eq!(
        local.clone().field("x-real-ip", "127.0.0.1").at(&unix),
        "reject undeclared_proxy"
    );
    assert_eq!(near("/jobs", AGENT).at(&unix), "reject service_network");
}

#[test]
fn a_declared_proxy_says_where_a_service_calls_from_and_an_undeclared_one_makes_that_unknown() {
    let gate = with_agent();
    let through = |peer: &str, chain: &str| {
        get("/jobs")
            .from(peer)
            .bearer(AGENT)
            .field("x-forwarded-for", chain)
            .at(&gate)
    };
    for (given, peer, chain, verdict) in [
        (
            "a private client",
            "10.1.2.3",
            "172.20.0.5",
            "forward service agent",
        ),
        (
            "a public client",
            "10.1.2.3",
            "203.0.113.9",
            "reject service_network",
        ),
        (
            "an invented client before it",
            "10.1.2.3",
            "172.20.0.5, 203.0.113.9",
            "reject undeclared_proxy",
        ),
        (
            "through a private balancer",
            "10.1.2.3",
            "203.0.113.9, 172.20.0.5",
            "reject undeclared_proxy",
        ),
        ("garbage", "10.1.2.3", "engine", "reject service_network"),
        (
            "an undeclared ingress",
            "172.20.0.5",
            "203.0.113.9",
            "reject undeclared_proxy",
        ),
        (
            "an undeclared ingress for a private client",
            "172.20.0.5",
            "172.20.0.6",
            "reject undeclared_proxy",
        ),
    ] {
        assert_eq!(through(peer, chain), verdict, "{given}");
    }
    let silent = get("/jobs").from("10.1.2.3").bearer(AGENT);
    assert_eq!(
        silent.at(&gate),
        "reject service_network",
        "a proxy's own address is nobody's"
    );
    let spelt = near("/jobs", AGENT).field("X_Forwarded_For", "127.0.0.1");
    assert_eq!(
        spelt.at(&gate),
        "reject undeclared_proxy",
        "in any spelling"
    );
}

#[test]
fn the_route_is_refused_before_the_network_and_both_before_any_parsing() {
    let gate = with_agent();
    assert_eq!(
        get("/other").bearer(AGENT).at(&gate),
        "reject service_route"
    );
    // A token of three parts, as a JWT has. If the gate parsed it, the reason for the refusal would be another.
    let dotted = "eyJhbGciOiJub25lIn0.e30.c2lnbmF0dXJl";
    let gate = ruled(gate, |rules| {
        rules.services.push(service(
            "dotted",
            &[dotted],
            Reach::ServiceRoutes,
            Networks::private(),
        ));
    });
    assert_eq!(near("/other", dotted).at(&gate), "reject service_route");
    assert_eq!(near("/service", dotted).at(&gate), "forward service dotted");
}

#[test]
fn conditions_are_met_by_no_service_even_where_one_is_listed() {
    let bare = route("/x", Access::User);
    let reach = listed(&[(&bare, None)]);
    // The conditions are added later, to the same route.
    let gate = ruled(
        gate([Route {
            require: vec![Condition::NoImpersonation],
            ..bare
        }]),
        |rules| {
            rules
                .services
                .push(service("agent", &[AGENT], reach, Networks::private()));
        },
    );
    assert_eq!(near("/x", AGENT).at(&gate), "reject service_route");
}

#[test]
fn every_refusal_of_a_service_looks_the_same_from_outside_and_names_it_in_the_log() {
    let gate = with_agent();
    let answers = gate.rules.answers.clone();
    let refusal = |request: &Request| {
        let decision = request.decision(&gate);
        match decision.outcome {
            Outcome::Refuse(reason) => (reason, decision.subject.service),
            other => panic!("{}", told_outcome(&other)),
        }
    };
    let (unknown, nobody) = refusal(&near("/service", "a-token-that-nobody-has"));
    for request in [
        near("/service", AGENT),
        get("/jobs").bearer(AGENT),
        near("/jobs", AGENT).field("via", "1.1 x"),
        near("/other", AGENT),
    ] {
        let (reason, service) = refusal(&request);
        assert_eq!(
            answers.answer(reason.kind()),
            answers.answer(unknown.kind()),
            "{reason:?}"
        );
        assert_eq!(service.as_ref().map(ServiceName::as_str), Some("agent"));
    }
    assert!(nobody.is_none());
    let admitted = near("/jobs", AGENT).decision(&gate);
    assert!(admitted.grant().is_some());
    assert_eq!(
        admitted.subject.service.as_ref().map(ServiceName::as_str),
        Some("agent")
    );
}

#[test]
fn the_app_sees_a_service_by_name_and_no_user_or_workspace() {
    let gate = with_agent();
    for target in ["/jobs", "/active", "/ws/ws_1"] {
        let forged = [
            "x-user-id",
            "x-service-name",
            "x_service_name",
            "x-workspace-id",
            "x-workspace-role",
            "x-auth-kind",
        ];
        let request = forged.iter().fold(near(target, AGENT), |request, name| {
            request.field(name, "forged")
        });
        let headers = request.upstream(&gate);
        assert_eq!(values(&headers, "x-auth-kind"), ["service"], "{target}");
        assert_eq!(values(&headers, "x-service-name"), ["agent"], "{target}");
        for name in [
            "authorization",
            "x-user-id",
            "x_service_name",
            "x-workspace-id",
            "x-workspace-role",
        ] {
            assert!(!headers.contains_key(name), "{name} on {target}");
        }
    }
}

#[test]
fn a_service_token_reaches_no_app_as_nobodys_either() {
    let report = Route {
        mode: Mode::Report,
        ..route("/report", Access::Service)
    };
    let wanted = Route {
        forward_token: Some(true),
        ..route("/wanted", Access::Public)
    };
    let gate = ruled(
        gate([route("/public", Access::Public), report, wanted]),
        |rules| {
            rules.services.push(service(
                "agent",
                &[AGENT],
                Reach::ServiceRoutes,
                Networks::private(),
            ));
        },
    );
    let arrives = |request: Request| request.upstream(&gate).contains_key("authorization");
    assert_eq!(
        get("/public").bearer(AGENT).at(&gate),
        "forward nobody",
        "public is public"
    );
    assert!(!arrives(get("/public").bearer(AGENT)));
    assert_eq!(
        get("/report").bearer(AGENT).at(&gate),
        "forward nobody, reported service_network"
    );
    assert!(!arrives(get("/report").bearer(AGENT)));
    assert!(
        arrives(get("/wanted").bearer(AGENT)),
        "somebody asked for it"
    );
    assert!(arrives(get("/public").bearer(&token("user_admin"))));
    assert!(arrives(get("/public").bearer("a-token-that-nobody-has")));
}
