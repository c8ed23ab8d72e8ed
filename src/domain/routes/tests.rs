mod readings;

use super::*;
use crate::domain::path::MAX_ALIASES;
use crate::domain::path::Target;

fn route(path: &str, methods: &[Method], access: Access) -> Route {
    Route {
        pattern: path.parse().expect("a pattern"),
        methods: if methods.is_empty() {
            Methods::Usual
        } else {
            Methods::These(methods.to_vec())
        },
        access,
        require: vec![],
        workspace: vec![],
        mode: Mode::Enforce,
        timeout: None,
        max_body: None,
        forward_token: None,
        streams: Default::default(),
        allow_suspended: false,
        answer: None,
    }
}

/// The patterns of all routes at which some app server arrives, joined by a blank; `None` for a request that is covered by none.
fn readings(table: &RouteTable, method: &str, target: &str) -> Option<String> {
    let target = Target::parse(target.as_bytes()).expect("a clean target");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let aliases = target.path.aliases().ok()?;
    let readings = table.readings(&method, &target.path, &aliases)?;
    Some(
        readings
            .iter()
            .map(|reading| reading.route.pattern.text().to_string())
            .collect::<Vec<_>>()
            .join(" "),
    )
}

fn plain(routes: Vec<Route>) -> RouteTable {
    RouteTable::new(routes, PathRules::default()).expect("no contradiction")
}

fn table() -> RouteTable {
    plain(vec![
        route("/**", &[], Access::User),
        route("/api/**", &[], Access::Active),
        route("/api/ws/{workspace}/**", &[], Access::User),
        route("/api/ws/{workspace}", &[Method::DELETE], Access::Deny),
        route("/api/ws/new", &[], Access::Active),
        route("/healthz", &[Method::GET], Access::Public),
        route("/hooks", &[Method::POST], Access::Webhook),
        route("/v1.0/x", &[], Access::Public),
    ])
}

#[test]
fn the_most_specific_route_wins_whatever_the_order_in_the_file() {
    let table = table();
    for (method, target, expected) in [
        ("GET", "/", "/**"),
        ("GET", "/other", "/**"),
        ("GET", "/api", "/api/**"),
        ("GET", "/api/x/y", "/api/**"),
        ("GET", "/apix", "/**"),
        ("GET", "/api/ws/1", "/api/ws/{workspace}/**"),
        ("DELETE", "/api/ws/1", "/api/ws/{workspace}"),
        ("DELETE", "/api/ws/1/boards", "/api/ws/{workspace}/**"),
        ("GET", "/api/ws/new", "/api/ws/new"),
        ("HEAD", "/healthz", "/healthz"),
        ("POST", "/healthz", "/**"),
    ] {
        assert_eq!(
            readings(&table, method, target).as_deref(),
            Some(expected),
            "{method} {target}"
        );
    }
}

#[test]
fn a_trailing_slash_neither_leaves_a_rule_nor_opens_one() {
    let table = table();
    let at = |method, target| readings(&table, method, target);
    assert_eq!(
        at("DELETE", "/api/ws/1/").as_deref(),
        Some("/api/ws/{workspace} /api/ws/{workspace}/**")
    );
    assert_eq!(
        at("GET", "/healthz/").as_deref(),
        Some("/healthz /**"),
        "the app may take it for either"
    );
    let narrow = plain(vec![
        route("/a", &[], Access::User),
        route("/b", &[], Access::Public),
    ]);
    assert_eq!(
        readings(&narrow, "GET", "/a/").as_deref(),
        Some("/a"),
        "a rule that asks for something covers both"
    );
    assert_eq!(
        readings(&narrow, "GET", "/b/"),
        None,
        "one that opens a path does not"
    );
}

#[test]
fn the_path_of_a_webhook_is_open_by_no_other_route_but_one_of_its_own() {
    let table = table();
    assert_eq!(
        readings(&table, "POST", "/hooks").as_deref(),
        Some("/hooks")
    );
    for (method, target) in [
        ("POST", "/hooks/"),
        ("GET", "/hooks"),
        ("PUT", "/hooks"),
        ("GET", "/hooks/"),
    ] {
        assert_eq!(readings(&table, method, target), None, "{method} {target}");
    }
    assert_eq!(
        readings(&table, "POST", "/hooks/x").as_deref(),
        Some("/**"),
        "a path below is another path"
    );

    let webhook = |path| route(path, &[Method::POST], Access::Webhook);
    let page = plain(vec![webhook("/hooks"), route("/hooks", &[], Access::User)]);
    let access = |method: &Method, path: &[u8]| {
        let target = Target::parse(path).unwrap();
        page.readings(method, &target.path, &[])
            .map(|readings| readings.iter().map(|r| r.route.access).collect::<Vec<_>>())
    };
    assert_eq!(
        access(&Method::GET, b"/hooks"),
        Some(vec![Access::User]),
        "who writes the path twice means it"
    );
    assert_eq!(access(&Method::GET, b"/hooks/"), Some(vec![Access::User]));
    assert_eq!(
        access(&Method::POST, b"/hooks/"),
        None,
        "but by its own method there is the one road"
    );

    let below = plain(vec![webhook("/hooks/**"), route("/**", &[], Access::User)]);
    assert_eq!(
        readings(&below, "POST", "/hooks/x/").as_deref(),
        Some("/hooks/**")
    );
    assert_eq!(readings(&below, "GET", "/hooks/x"), None);
}

#[test]
fn a_literal_is_no_pattern_and_letter_case_counts() {
    let table = table();
    assert_eq!(
        readings(&table, "GET", "/v1.0/x").as_deref(),
        Some("/v1.0/x")
    );
    assert_eq!(readings(&table, "GET", "/v1x0/x").as_deref(), Some("/**"));
    assert_eq!(readings(&table, "GET", "/HEALTHZ").as_deref(), Some("/**"));
}

#[test]
fn nothing_covers_a_method_or_path_that_nobody_named() {
    let table = table();
    for method in ["get", "PROPFIND", "TRACE", "CONNECT", "X"] {
        assert_eq!(readings(&table, method, "/api/x"), None, "{method}");
    }
    let narrow = plain(vec![route("/a", &[], Access::Public)]);
    assert_eq!(readings(&narrow, "GET", "/b"), None);
    assert_eq!(readings(&narrow, "GET", "/a/b"), None);
}

#[test]
fn two_routes_for_the_same_requests_are_a_contradiction() {
    let same = vec![
        route("/a/{x}", &[], Access::User),
        route("/a/{y}", &[], Access::Public),
    ];
    assert_eq!(
        RouteTable::new(same, PathRules::default()).err(),
        Some((0, 1))
    );
    let head = vec![
        route("/a", &[Method::GET], Access::User),
        route("/a", &[Method::HEAD], Access::Public),
    ];
    assert_eq!(
        RouteTable::new(head, PathRules::default()).err(),
        Some((0, 1)),
        "GET covers HEAD"
    );
    let narrower = vec![
        route("/a", &[], Access::User),
        route("/a", &[Method::PUT], Access::Deny),
    ];
    let table = plain(narrower);
    let target = Target::parse(b"/a").unwrap();
    assert_eq!(
        table
            .readings(&Method::PUT, &target.path, &[])
            .unwrap()
            .first()
            .route
            .access,
        Access::Deny
    );
}

#[test]
fn a_pattern_that_can_never_match_is_refused() {
    for bad in [
        "", "a", "/a/", "/a//b", "/a/../b", "/a/**/b", "/a**", "/%61", "/a;b", "/{x}y", "/{}",
        "/{x}/{x}", "/*",
    ] {
        assert!(bad.parse::<Pattern>().is_err(), "accepted: {bad}");
    }
    for good in ["/", "/**", "/a", "/{x}/**", "/a.b/{c_1}"] {
        assert!(good.parse::<Pattern>().is_ok(), "refused: {good}");
    }
}
