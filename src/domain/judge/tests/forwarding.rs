//! The origin of a request, and which proxies may report it (attack A-12).

use super::*;

fn open() -> Snapshot {
    gate([route("/x", Access::Public)])
}

const NAMES: [&str; 9] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-real-ip",
    "x_forwarded_for",
];

fn told(request: Request) -> Vec<String> {
    let headers = request.upstream(&open());
    let mut lines: Vec<_> = NAMES
        .iter()
        .flat_map(|n| {
            values(&headers, n)
                .into_iter()
                .map(move |v| format!("{n}: {v}"))
        })
        .collect();
    lines.sort();
    lines
}

fn claimed(request: Request) -> Request {
    NAMES
        .iter()
        .fold(request, |request, name| request.field(name, "claimed"))
}

#[test]
fn a_strangers_word_is_replaced_by_what_we_see() {
    let seen = [
        "x-forwarded-for: 203.0.113.9",
        "x-forwarded-host: api.test",
        "x-forwarded-proto: http",
    ];
    assert_eq!(told(get("/x")), seen);
    assert_eq!(told(claimed(get("/x"))), seen);
    assert_eq!(
        told(claimed(get("/x").from("::ffff:203.0.113.9"))),
        seen,
        "one address has one spelling"
    );
    let nearly = told(claimed(get("/x").from("11.0.0.1")));
    assert_eq!(
        nearly[0], "x-forwarded-for: 11.0.0.1",
        "a peer outside the list"
    );
}

#[test]
fn a_trusted_proxys_word_stays_with_its_own_address_behind_it() {
    assert_eq!(
        told(claimed(get("/x").from("10.1.2.3"))),
        [
            "x-forwarded-for: claimed, 10.1.2.3",
            "x-forwarded-host: claimed",
            "x-forwarded-port: claimed",
            "x-forwarded-proto: claimed",
            "x-real-ip: claimed",
        ],
        "in its own spelling, and not in the one that a client got past it"
    );
    let chain = get("/x")
        .from("::ffff:10.1.2.3")
        .field("x-forwarded-for", "1.1.1.1, 2.2.2.2")
        .field("x-forwarded-for", "3.3.3.3");
    assert_eq!(
        told(chain)[0],
        "x-forwarded-for: 1.1.1.1, 2.2.2.2, 3.3.3.3, 10.1.2.3"
    );
    assert_eq!(
        told(get("/x").from("10.1.2.3")),
        [
            "x-forwarded-for: 10.1.2.3",
            "x-forwarded-host: api.test",
            "x-forwarded-proto: http"
        ],
        "what it does not say we say"
    );
}

#[test]
fn a_peer_without_an_address_is_nobody_we_trust() {
    let local = Request {
        peer: None,
        ..claimed(get("/x"))
    };
    assert_eq!(
        told(local),
        ["x-forwarded-host: api.test", "x-forwarded-proto: http"]
    );
}

#[test]
fn even_a_trusted_proxy_speaks_for_no_user_and_rewrites_no_path() {
    let request = get("/x")
        .from("10.1.2.3")
        .field("x-user-id", "forged")
        .field("x-original-url", "/admin");
    let headers = request.upstream(&open());
    assert!(!headers.contains_key("x-user-id") && !headers.contains_key("x-original-url"));
}

#[test]
fn a_request_id_of_one_word_is_kept_and_any_other_replaced() {
    let id = |request: Request| values(&request.upstream(&open()), "x-request-id");
    assert_eq!(id(get("/x").field("x-request-id", "abc-1")), ["abc-1"]);
    assert_eq!(id(get("/x")), ["req-1"]);
    assert_eq!(id(get("/x").field("x-request-id", "a b")), ["req-1"]);
    assert_eq!(
        id(get("/x")
            .field("x-request-id", "a")
            .field("x-request-id", "b")),
        ["req-1"]
    );
}

#[test]
fn a_target_in_absolute_form_is_sent_on_as_the_path_that_was_judged() {
    for (target, expected) in [
        ("/x?y=1", None),
        ("http://api.test/x?y=1", Some("/x?y=1")),
        ("HTTPS://API.test/x", Some("/x")),
    ] {
        let grant = get(target).grant(&open());
        assert_eq!(grant.permit().rewritten_target(), expected, "{target}");
    }
}
