use super::*;
use crate::domain::path::Target;

fn route(path: &str, methods: &[Method], access: Access) -> Route {
    Route {
        pattern: path.parse().expect("a pattern"),
        methods: if methods.is_empty() { Methods::Usual } else { Methods::These(methods.to_vec()) },
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

fn found(table: &RouteTable, method: &str, target: &str) -> Option<String> {
    let target = Target::parse(target.as_bytes()).expect("a clean target");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    table.find(&method, &target.path).map(|r| r.pattern.text().to_string())
}

fn table() -> RouteTable {
    RouteTable::new(vec![
        route("/**", &[], Access::User),
        route("/api/**", &[], Access::Active),
        route("/api/ws/{workspace}/**", &[], Access::User),
        route("/api/ws/{workspace}", &[Method::DELETE], Access::Deny),
        route("/api/ws/new", &[], Access::Active),
        route("/healthz", &[Method::GET], Access::Public),
        route("/hooks", &[Method::POST], Access::Webhook),
        route("/v1.0/x", &[], Access::Public),
    ])
    .expect("no contradiction")
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
        ("GET", "/api/w%73/new", "/api/ws/new"),
        ("HEAD", "/healthz", "/healthz"),
        ("POST", "/healthz", "/**"),
    ] {
        assert_eq!(found(&table, method, target).as_deref(), Some(expected), "{method} {target}");
    }
}

#[test]
fn a_trailing_slash_neither_leaves_a_rule_nor_opens_one() {
    let table = table();
    assert_eq!(found(&table, "DELETE", "/api/ws/1/").as_deref(), Some("/api/ws/{workspace}"));
    assert_eq!(found(&table, "GET", "/healthz/").as_deref(), Some("/**"));
}

#[test]
fn the_path_of_a_webhook_is_open_by_no_other_route_but_one_of_its_own() {
    let table = table();
    assert_eq!(found(&table, "POST", "/hooks").as_deref(), Some("/hooks"));
    for (method, target) in [("POST", "/hooks/"), ("GET", "/hooks"), ("PUT", "/hooks"), ("GET", "/hooks/")] {
        assert_eq!(found(&table, method, target), None, "{method} {target}");
    }
    assert_eq!(found(&table, "POST", "/hooks/x").as_deref(), Some("/**"), "a path below is another path");

    let webhook = |path| route(path, &[Method::POST], Access::Webhook);
    let page = RouteTable::new(vec![webhook("/hooks"), route("/hooks", &[], Access::User)]).unwrap();
    let access =
        |method: &Method, path: &[u8]| page.find(method, &Target::parse(path).unwrap().path).map(|route| route.access);
    assert_eq!(access(&Method::GET, b"/hooks"), Some(Access::User), "who writes the path twice means it");
    assert_eq!(access(&Method::GET, b"/hooks/"), Some(Access::User));
    assert_eq!(access(&Method::POST, b"/hooks/"), None, "but by its own method there is the one road");

    let below = RouteTable::new(vec![webhook("/hooks/**"), route("/**", &[], Access::User)]).unwrap();
    assert_eq!(found(&below, "POST", "/hooks/x/").as_deref(), Some("/hooks/**"));
    assert_eq!(found(&below, "GET", "/hooks/x"), None);
}

#[test]
fn a_literal_is_no_pattern_and_letter_case_counts() {
    let table = table();
    assert_eq!(found(&table, "GET", "/v1.0/x").as_deref(), Some("/v1.0/x"));
    assert_eq!(found(&table, "GET", "/v1x0/x").as_deref(), Some("/**"));
    assert_eq!(found(&table, "GET", "/HEALTHZ").as_deref(), Some("/**"));
}

#[test]
fn nothing_covers_a_method_or_path_that_nobody_named() {
    let table = table();
    for method in ["get", "PROPFIND", "TRACE", "CONNECT", "X"] {
        assert_eq!(found(&table, method, "/api/x"), None, "{method}");
    }
    let narrow = RouteTable::new(vec![route("/a", &[], Access::Public)]).unwrap();
    assert_eq!(found(&narrow, "GET", "/b"), None);
    assert_eq!(found(&narrow, "GET", "/a/b"), None);
}

#[test]
fn two_routes_for_the_same_requests_are_a_contradiction() {
    let same = vec![route("/a/{x}", &[], Access::User), route("/a/{y}", &[], Access::Public)];
    assert_eq!(RouteTable::new(same).err(), Some((0, 1)));
    let head = vec![route("/a", &[Method::GET], Access::User), route("/a", &[Method::HEAD], Access::Public)];
    assert_eq!(RouteTable::new(head).err(), Some((0, 1)), "GET covers HEAD");
    let narrower = vec![route("/a", &[], Access::User), route("/a", &[Method::PUT], Access::Deny)];
    let table = RouteTable::new(narrower).unwrap();
    assert_eq!(table.find(&Method::PUT, &Target::parse(b"/a").unwrap().path).unwrap().access, Access::Deny);
}

#[test]
fn a_pattern_that_can_never_match_is_refused() {
    for bad in ["", "a", "/a/", "/a//b", "/a/../b", "/a/**/b", "/a**", "/%61", "/a;b", "/{x}y", "/{}", "/{x}/{x}", "/*"]
    {
        assert!(bad.parse::<Pattern>().is_err(), "accepted: {bad}");
    }
    for good in ["/", "/**", "/a", "/{x}/**", "/a.b/{c_1}"] {
        assert!(good.parse::<Pattern>().is_ok(), "refused: {good}");
    }
}
