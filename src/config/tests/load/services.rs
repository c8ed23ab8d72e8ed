//! Tokens of services: which routes, from where, and what is said of lists that cannot be right.

use http::Method;

use super::*;
use crate::domain::Rules;
use crate::domain::client::Client;
use crate::domain::service_token::{ServiceToken, find};

const ROUTES: &str = "\
routes:
  - {path: /internal/**, access: service}
  - {path: /healthz, access: public}
  - {path: /api/boards, methods: [GET], access: user}
  - {path: /api/boards, methods: [POST], access: active}
  - {path: /api/boards, access: deny}
  - {path: /api/jobs/**, access: active}
  - {path: \"/ws/{workspace}\", access: member}
  - {path: /api/pay, access: user, require: {impersonation: deny}}
";

/// What is said of one service with these keys, or of several.
fn said(service: &str) -> String {
    complaint(&format!("{ROUTES}service_tokens:\n  - {service}\n"))
}

fn rules(text: &str) -> std::sync::Arc<Rules> {
    let loaded = file(
        &format!("membership: {{file: m.yaml}}\n{ROUTES}{text}"),
        env(),
    );
    loaded
        .unwrap_or_else(|faults| panic!("{faults}"))
        .settings
        .reloadable
        .rules
}

/// `METHOD path` of everything that the service may use, among all routes and some methods.
fn usable(rules: &Rules, service: &ServiceToken) -> Vec<String> {
    let methods = [Method::GET, Method::HEAD, Method::POST];
    let all = rules
        .routes
        .iter()
        .flat_map(|route| methods.iter().map(move |method| (route, method)));
    let usable =
        all.filter(|(route, method)| route.methods.cover(method) && service.may_use(route, method));
    usable
        .map(|(route, method)| format!("{method} {}", route.pattern.text()))
        .collect()
}

fn at(address: &str) -> Client {
    Client::At(address.parse().expect("an address"))
}

#[test]
fn a_service_without_lists_may_use_service_routes_from_private_networks() {
    let rules = rules("service_tokens: [{name: engine, token: 0123456789abcdef}]\n");
    let service = &rules.services[0];
    assert_eq!(
        usable(&rules, service),
        ["GET /internal/**", "HEAD /internal/**", "POST /internal/**"]
    );
    assert!(
        service.networks().hold(at("192.168.1.1")) && !service.networks().hold(at("203.0.113.9"))
    );

    let outer = alone(&env().with_var("SERVICE_AUTH_TOKEN", "0123456789abcdef")).expect("a config");
    let service = &outer.settings.reloadable.rules.services[0];
    assert!(
        service.networks().hold(at("::1")) && !service.networks().hold(at("203.0.113.9")),
        "from the environment too"
    );
}

#[test]
fn a_list_of_routes_means_what_it_says_and_nothing_more() {
    for (given, expected) in [
        (
            "[/internal/**]",
            &["GET /internal/**", "HEAD /internal/**", "POST /internal/**"][..],
        ),
        (
            "[GET /api/boards]",
            &["GET /api/boards", "HEAD /api/boards"],
        ),
        ("[POST /api/boards]", &["POST /api/boards"]),
        ("[HEAD /api/boards]", &["HEAD /api/boards"]),
        ("POST /api/jobs/**", &["POST /api/jobs/**"]),
        (
            "[\"/ws/{workspace}\"]",
            &[
                "GET /ws/{workspace}",
                "HEAD /ws/{workspace}",
                "POST /ws/{workspace}",
            ],
        ),
    ] {
        let rules = rules(&format!(
            "service_tokens: [{{name: a, token: 0123456789abcdef, routes: {given}}}, {{name: b, token: 0123456789abcdeg}}]\n"
        ));
        assert_eq!(
            usable(&rules, &rules.services[0]),
            expected,
            "given: {given}"
        );
    }
}

#[test]
fn several_tokens_count_while_rotating_be_they_written_or_hashed() {
    let rules = rules(
        "service_tokens:\n  - {name: a, token: [0123456789abcdef, 0123456789abcdeg]}\n  - {name: b, sha256: \
         [729413a2fd259b7dc07d3966cc685e3063fb3870c5131123f1e9876298316b86, \
         b6a8b2c1d8f4ff2a1d3b1b2f4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f]}\n",
    );
    for (token, owner) in [
        ("0123456789abcdef", Some("a")),
        ("0123456789abcdeg", Some("a")),
        ("0123456789abcdeh", Some("b")),
        ("0123456789abcdei", None),
    ] {
        assert_eq!(
            find(&rules.services, token).map(|service| service.name().as_str()),
            owner,
            "{token}"
        );
    }
    assert_eq!(rules.services[1].tokens(), 2);
}

#[test]
fn networks_are_addresses_networks_and_the_socket_by_name() {
    let rules = rules(
        "service_tokens: [{name: a, token: 0123456789abcdef, networks: [10.1.0.0/16, 192.168.3.4, unix, \"fd00::/8\"]}]\n",
    );
    let networks = rules.services[0].networks();
    for (client, held) in [
        (at("10.1.200.3"), true),
        (at("192.168.3.4"), true),
        (at("fd00::9"), true),
        (Client::Unix, true),
        (at("127.0.0.1"), false),
        (at("192.168.3.5"), false),
    ] {
        assert_eq!(networks.hold(client), held, "{client:?}");
    }
}

#[test]
fn a_path_that_is_no_routes_names_the_near_one() {
    let expected = "\
error[B010]: `routes[0]` is the `path` of no route
 --> b.yaml:11:49
11 |   - {name: a, token: ***, routes: [/api/bords, /internal/**]}
   |                                    ^^^^^^^^^^ did you mean `/api/boards`?
";
    let got = said("{name: a, token: 0123456789abcdef, routes: [/api/bords, /internal/**]}");
    assert!(got.starts_with(expected), "{got}");
}

#[test]
fn a_route_with_conditions_is_no_services_and_the_message_says_why() {
    let got = said("{name: a, token: 0123456789abcdef, routes: [/internal/**, /api/pay]}");
    let expected = "\
error[B010]: `routes[1]` names a route that has `require`: its conditions are about users, and no service can meet them
";
    assert!(got.starts_with(expected), "{got}");
    assert!(
        got.contains("give the service a route of its own")
            && got.contains("the route at b.yaml:9:5"),
        "{got}"
    );
}

#[test]
fn lists_that_cannot_be_right_are_errors() {
    let services = |keys: &str| said(&format!("{{name: a, token: 0123456789abcdef, {keys}}}"));
    for (given, expected) in [
        (
            "routes: [/healthz]",
            "a route with access `public`, which looks at no bearer token",
        ),
        (
            "routes: [/api/boards]",
            "a route with access `deny`, which looks at no bearer token",
        ),
        ("routes: [DELETE /api/boards]", "a route with access `deny`"),
        (
            "routes: [QUERY /internal/**]",
            "no route with the path `/internal/**` covers QUERY",
        ),
        ("routes: [get /internal/**]", "did you mean `GET`?"),
        (
            "routes: [FETCH /internal/**]",
            "`routes[0]` names an unknown method",
        ),
        ("routes: [internal]", "`routes[0]` is not a route"),
        ("routes: [/internal/x]", "is the `path` of no route"),
        (
            "routes: [/internal/**, /internal/**]",
            "`routes[1]` stands twice",
        ),
        ("routes: []", "`routes` is an empty list"),
        ("routes: [\"/ws/{id}\"]", "is the `path` of no route"),
        ("networks: []", "`networks` is an empty list"),
        (
            "networks: [everywhere]",
            "an address, a network such as 10.0.0.0/8, or `unix`",
        ),
        ("networks: [10.0.0.1/8]", "has bits behind its prefix"),
        (
            "networks: [0.0.0.0/0]",
            "warning[B002]: `networks[0]` is everybody",
        ),
        (
            "networks: [10.0.0.0/8, \"::/0\"]",
            "warning[B002]: `networks[1]` is everybody",
        ),
        ("sha256: x", "a service with both `token` and `sha256`"),
        ("nets: [10.0.0.0/8]", "unknown key `nets`"),
    ] {
        assert!(
            services(given).contains(expected),
            "{given}\n{}",
            services(given)
        );
    }
    assert!(
        !services("networks: [0.0.0.0/0]").contains("error["),
        "somebody wrote it out"
    );
    for (given, expected) in [
        (
            "{name: a, token: [0123456789abcdef, 0123456789abcdef]}",
            "`token` names the same token twice",
        ),
        (
            "{name: a, token: [a0123456789abcdef, b0123456789abcdef, c0123456789abcdef, d0123456789abcdef, e0123456789abcdef]}",
            "`token` has more than 4 tokens",
        ),
        ("{name: a, token: []}", "`token` is an empty list"),
        (
            "{name: a, token: [0123456789abcdef, short]}",
            "`token[1]` is too short",
        ),
        (
            "{name: a, sha256: [xx]}",
            "`sha256[0]` is not the SHA-256 of a token",
        ),
        (
            "{name: a, token: [0123456789abcdef, 0123456789abcdeg]}\n  - {name: b, token: 0123456789abcdeg}",
            "the service `b` has the token of another one",
        ),
        (
            "{name: b, token: 0123456789abcdef}\n  - {name: b, sha256: 9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f}",
            "the service `b` has the token of another one",
        ),
        (
            "{name: b, token: 0123456789abcdef}\n  - {name: b, token: 0123456789abcdeg}",
            "two services have the name `b`",
        ),
    ] {
        assert!(said(given).contains(expected), "{given}\n{}", said(given));
        assert!(!said(given).contains("0123456789abcde"), "{}", said(given));
    }
}

#[test]
fn a_network_within_the_trusted_proxies_is_nowhere_to_call_from() {
    let text = format!(
        "{ROUTES}trusted_proxies: [10.0.0.0/8]\nservice_tokens: [{{name: a, token: 0123456789abcdef, networks: [10.9.0.0/16]}}]\n"
    );
    let got = complaint(&text);
    assert!(
        got.contains(
            "`networks[0]` lies within `trusted_proxies`, so no service can call from there"
        ),
        "{got}"
    );
    assert!(!complaint(&text.replace("10.9.0.0/16", "172.16.0.0/12")).contains("error["));
}

#[test]
fn a_service_route_that_no_service_can_use_is_an_error() {
    let got = said("{name: a, token: 0123456789abcdef, routes: [/api/jobs/**]}");
    assert!(
        got.contains("access `service` on a route that no service lists: nobody could pass"),
        "{got}"
    );
}

#[test]
fn a_service_that_can_use_no_route_is_a_warning() {
    let text = "\
routes: [{path: /a, access: user}]
service_tokens:
  - {name: a, token: 0123456789abcdef, routes: [/a]}
  - {name: b, token: 0123456789abcdeg}
";
    let expected = "\
warning[B010]: the service `b` has no effect: no route has `access: service`, and it lists no `routes`
 --> b.yaml:4:5
4 |   - {name: b, token: ***}
  |     ^
  fix    list the routes that it may use, or remove it
";
    assert_eq!(complaint(text), expected);
}

#[test]
fn one_wrong_route_brings_no_second_message_about_who_lists_it() {
    let text = "\
routes:
  - {path: /a, access: usr}
  - {path: /b, access: user}
service_tokens: [{name: a, token: 0123456789abcdef, routes: [/a]}]
";
    let got = complaint(text);
    assert_eq!(got.matches("error[").count(), 1, "{got}");
}
