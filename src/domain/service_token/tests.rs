use super::super::routes::{Condition, Mode};
use super::*;

fn route(path: &str, access: Access) -> Route {
    Route {
        pattern: path.parse().unwrap(),
        methods: Methods::Usual,
        access,
        require: vec![],
        workspace: vec![],
        mode: Mode::Enforce,
        answer: None,
        timeout: None,
        max_body: None,
        forward_token: None,
        streams: Default::default(),
        allow_suspended: false,
    }
}

fn service(name: &str, tokens: &[&str], reach: Reach) -> ServiceToken {
    let tokens = tokens
        .iter()
        .map(|token| TokenHash::of(token.as_bytes()).unwrap())
        .collect();
    ServiceToken::new(
        ServiceName::parse(name).unwrap(),
        tokens,
        reach,
        Networks::private(),
    )
    .unwrap()
}

fn several() -> Vec<ServiceToken> {
    vec![
        service(
            "engine",
            &["0123456789abcdef", "0123456789abcdeg"],
            Reach::ServiceRoutes,
        ),
        service("reports", &["fedcba9876543210"], Reach::ServiceRoutes),
        service(
            "agent",
            &[
                "agent-token-old-1",
                "agent-token-new-2",
                "agent-token-new-3",
            ],
            Reach::ServiceRoutes,
        ),
    ]
}

#[test]
fn only_a_whole_token_fits_and_a_short_one_is_none() {
    let services = several();
    let name =
        |token: &str| find(&services, token).map(|service| service.name().as_str().to_owned());
    for (token, owner) in [
        ("0123456789abcdef", "engine"),
        ("0123456789abcdeg", "engine"),
        ("fedcba9876543210", "reports"),
        ("agent-token-new-2", "agent"),
    ] {
        assert_eq!(name(token).as_deref(), Some(owner), "{token}");
    }
    for wrong in [
        "",
        "0123456789abcde",
        "0123456789abcdef0",
        "0123456789abcdeF",
        "0123456789abcdef ",
    ] {
        assert_eq!(name(wrong), None, "{wrong}");
    }
    assert!(find(&[], "").is_none());
    for short in ["", "short", "fifteen-bytes-x"] {
        assert!(TokenHash::of(short.as_bytes()).is_none(), "{short}");
    }
}

// Attack A-62.
#[test]
fn every_token_of_every_service_is_compared_whichever_fits() {
    let services = several();
    for (fitting_one, expected) in [
        (None, None),
        (Some(0), Some("engine")),
        (Some(2), Some("reports")),
        (Some(5), Some("agent")),
    ] {
        let mut compared = 0;
        let found = fitting(&services, |_| {
            compared += 1;
            fitting_one == Some(compared - 1)
        });
        assert_eq!(found.map(|service| service.name().as_str()), expected);
        assert_eq!(
            compared, 6,
            "the comparing does not end at number {fitting_one:?}"
        );
    }
}

#[test]
fn a_service_has_one_to_four_tokens() {
    let hashes = |count| vec![TokenHash::from_bytes([7; 32]); count];
    let made = |count| {
        ServiceToken::new(
            ServiceName::parse("a").unwrap(),
            hashes(count),
            Reach::ServiceRoutes,
            Networks::private(),
        )
    };
    assert!(made(0).is_none() && made(5).is_none());
    assert!(made(1).is_some() && made(4).is_some());
}

#[test]
fn a_route_is_for_services_only_if_it_looks_at_tokens_and_has_no_conditions() {
    for (access, expected) in [
        (Access::Public, Some(NotForServices::NoToken)),
        (Access::Webhook, Some(NotForServices::NoToken)),
        (Access::Deny, Some(NotForServices::NoToken)),
        (Access::Optional, None),
        (Access::User, None),
        (Access::Active, None),
        (Access::Service, None),
    ] {
        assert_eq!(
            ServiceRoute::new(&route("/x", access), None).err(),
            expected,
            "{access:?}"
        );
    }
    let conditional = Route {
        require: vec![Condition::NoImpersonation],
        ..route("/x", Access::User)
    };
    assert_eq!(
        ServiceRoute::new(&conditional, None).err(),
        Some(NotForServices::Conditions)
    );
    let gets = Route {
        methods: Methods::These(vec![Method::GET]),
        ..route("/x", Access::User)
    };
    assert_eq!(
        ServiceRoute::new(&gets, Some(Method::POST)).err(),
        Some(NotForServices::Method)
    );
    assert!(
        ServiceRoute::new(&gets, Some(Method::HEAD)).is_ok(),
        "GET covers HEAD"
    );
}

#[test]
fn a_listed_route_is_that_route_and_no_other() {
    let listed = route("/x/**", Access::User);
    let reach = |only| Reach::These(vec![ServiceRoute::new(&listed, only).unwrap()]);
    let all = service("a", &["0123456789abcdef"], reach(None));
    let gets = service("a", &["0123456789abcdef"], reach(Some(Method::GET)));
    assert!(all.may_use(&listed, &Method::DELETE));
    for (method, allowed) in [
        (Method::GET, true),
        (Method::HEAD, true),
        (Method::POST, false),
        (Method::OPTIONS, false),
    ] {
        assert_eq!(gets.may_use(&listed, &method), allowed, "{method}");
    }
    assert!(gets.reaches(&listed));
    for (given, other) in [
        ("another path", route("/x", Access::User)),
        (
            "the same paths by another name",
            route("/{x}/**", Access::User),
        ),
        ("a service route", route("/internal/**", Access::Service)),
        (
            "other methods",
            Route {
                methods: Methods::These(vec![Method::GET]),
                ..route("/x/**", Access::User)
            },
        ),
    ] {
        assert!(
            !all.may_use(&other, &Method::GET) && !all.reaches(&other),
            "{given}"
        );
    }
}

#[test]
fn without_a_list_a_token_counts_on_service_routes_alone() {
    let engine = service("engine", &["0123456789abcdef"], Reach::ServiceRoutes);
    for access in [
        Access::Public,
        Access::Optional,
        Access::User,
        Access::Active,
        Access::Webhook,
        Access::Deny,
    ] {
        assert!(
            !engine.may_use(&route("/x", access), &Method::GET),
            "{access:?}"
        );
    }
    assert!(engine.may_use(&route("/x", Access::Service), &Method::DELETE));
}

#[test]
fn nothing_of_a_token_is_printed() {
    let hash = TokenHash::of(b"0123456789abcdef").unwrap();
    let printed = format!("{:?} {hash:?}", several());
    assert!(
        printed.contains("ServiceToken(engine, .., on every route"),
        "{printed}"
    );
    assert!(!printed.contains("0123456789abcdef"), "{printed}");
    let byte = format!("{:?}", hash.0);
    assert!(
        !printed.contains(byte.trim_matches(['[', ']'])),
        "{printed}"
    );
}
