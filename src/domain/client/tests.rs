use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(
            HeaderName::try_from(*name).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    map
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The client of a request from `peer`, with 10.9.0.0/16 and fd09::/16 as the declared proxies.
fn client(peer: &str, fields: &[(&str, &str)]) -> Client {
    let peer = (peer != "unix").then(|| ip(peer));
    Client::of(peer, &headers(fields), &nets(&["10.9.0.0/16", "fd09::/16"]))
}

#[test]
fn without_a_proxy_it_is_the_peer_in_the_one_form_of_its_address() {
    assert_eq!(client("203.0.113.9", &[]), Client::At(ip("203.0.113.9")));
    assert_eq!(
        client("::ffff:172.20.0.5", &[]),
        Client::At(ip("172.20.0.5"))
    );
    assert_eq!(
        client("2001:db8::5", &[("accept", "*/*"), ("x-forward", "x")]),
        Client::At(ip("2001:db8::5"))
    );
    assert_eq!(client("unix", &[]), Client::Unix);
}

#[test]
fn a_declared_proxy_says_who_it_is_whatever_the_form() {
    for (given, entry, expected) in [
        ("an address", "172.20.0.5", "172.20.0.5"),
        ("with a port", "172.20.0.5:4711", "172.20.0.5"),
        ("white space", "  172.20.0.5\t", "172.20.0.5"),
        ("mapped", "::ffff:172.20.0.5", "172.20.0.5"),
        (
            "mapped with a port",
            "[::ffff:172.20.0.5]:4711",
            "172.20.0.5",
        ),
        ("IPv6", "2001:db8::5", "2001:db8::5"),
        ("IPv6 in brackets", "[2001:db8::5]", "2001:db8::5"),
        ("IPv6 with a port", "[2001:db8::5]:443", "2001:db8::5"),
        (
            "a second declared proxy behind it",
            "172.20.0.5, 10.9.1.1",
            "172.20.0.5",
        ),
        (
            "others behind it in each form",
            "172.20.0.5, fd09::1,10.9.1.1:80 , ::ffff:10.9.1.2",
            "172.20.0.5",
        ),
    ] {
        for peer in ["10.9.0.1", "::ffff:10.9.0.1", "fd09::5"] {
            assert_eq!(
                client(peer, &[("x-forwarded-for", entry)]),
                Client::At(ip(expected)),
                "{given}, from {peer}"
            );
        }
    }
    let lines = [
        ("x-forwarded-for", "172.20.0.5"),
        ("X-Forwarded-For", "10.9.1.1"),
    ];
    assert_eq!(
        client("10.9.0.1", &lines),
        Client::At(ip("172.20.0.5")),
        "several lines are one list"
    );
}

#[test]
fn a_declared_proxy_that_names_no_address_names_nobody() {
    for (given, fields) in [
        ("nothing", &[][..]),
        ("an empty list", &[("x-forwarded-for", "")]),
        (
            "an empty entry at the end",
            &[("x-forwarded-for", "172.20.0.5,")],
        ),
        ("a word", &[("x-forwarded-for", "unknown")]),
        (
            "a name",
            &[("x-forwarded-for", "172.20.0.5, engine.internal")],
        ),
        ("half an address", &[("x-forwarded-for", "172.20.0")]),
        (
            "an address as a number",
            &[("x-forwarded-for", "2886991877")],
        ),
        ("a network", &[("x-forwarded-for", "172.20.0.5/32")]),
        ("a leading zero", &[("x-forwarded-for", "172.020.0.5")]),
        (
            "brackets around IPv4",
            &[("x-forwarded-for", "[172.20.0.5]")],
        ),
        (
            "a port that is none",
            &[("x-forwarded-for", "172.20.0.5:x")],
        ),
        (
            "a line that is no text",
            &[
                ("x-forwarded-for", "172.20.0.5"),
                ("x-forwarded-for", "\u{e4}"),
            ],
        ),
        (
            "declared proxies alone",
            &[("x-forwarded-for", "10.9.0.7, 10.9.0.8")],
        ),
        ("another spelling", &[("x_forwarded_for", "172.20.0.5")]),
        (
            "another header",
            &[("x-real-ip", "172.20.0.5"), ("forwarded", "for=172.20.0.5")],
        ),
    ] {
        assert_eq!(client("10.9.0.1", fields), Client::Untold, "{given}");
    }
}

#[test]
fn an_entry_before_the_clients_own_makes_the_client_a_proxy_that_nobody_declared() {
    for (given, fields) in [
        (
            "a public client of an undeclared balancer",
            &[("x-forwarded-for", "203.0.113.9, 172.20.0.5")][..],
        ),
        (
            "in two lines",
            &[
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-for", "172.20.0.5"),
            ],
        ),
        (
            "between declared ones",
            &[("x-forwarded-for", "10.9.0.7, 172.20.0.5, 10.9.0.8")],
        ),
        (
            "an invented private address",
            &[("x-forwarded-for", "172.20.0.5, 203.0.113.9")],
        ),
        ("garbage", &[("x-forwarded-for", "x, 172.20.0.5")]),
    ] {
        assert_eq!(client("10.9.0.1", fields), Client::Undeclared, "{given}");
    }
}

#[test]
fn a_sign_of_a_proxy_that_nobody_declared_takes_the_address_away() {
    for name in [
        "x-forwarded-for",
        "X-Forwarded-For",
        "x_forwarded_for",
        "x.forwarded.for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded",
        "forwarded",
        "x-real-ip",
        "X_Real_IP",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "cf_connecting_ip",
        "via",
        "cdn-loop",
        "fastly-client-ip",
        "x-envoy-external-address",
    ] {
        for peer in ["127.0.0.1", "172.20.0.5", "::1", "203.0.113.9", "unix"] {
            assert_eq!(
                client(peer, &[(name, "")]),
                Client::Undeclared,
                "{name} from {peer}"
            );
        }
    }
    let found = headers(&[("accept", "x"), ("via", "1.1 edge")]);
    assert_eq!(
        forwarding_header(&found).map(HeaderName::as_str),
        Some("via")
    );
}

#[test]
fn the_private_networks_are_those_where_nobody_on_the_internet_is() {
    let private = Networks::private();
    for inside in [
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "169.254.1.1",
        "::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
    ] {
        assert!(private.hold(Client::At(ip(inside))), "{inside}");
    }
    for outside in [
        "0.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "203.0.113.9",
        "::",
        "::2",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:db8::1",
        "fbff::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!private.hold(Client::At(ip(outside))), "{outside}");
    }
    for nowhere in [Client::Unix, Client::Untold, Client::Undeclared] {
        assert!(!private.hold(nowhere), "{nowhere:?}");
    }
}

#[test]
fn a_network_holds_what_is_in_it_and_a_socket_only_by_name() {
    let listed = Networks::new(
        nets(&["10.1.2.0/24", "::ffff:192.168.7.0/120", "2001:db8::/32"]),
        false,
    );
    for (address, held) in [
        ("10.1.2.255", true),
        ("10.1.3.0", false),
        ("192.168.7.9", true),
        ("2001:db8:1::", true),
        ("127.0.0.1", false),
    ] {
        assert_eq!(listed.hold(Client::At(ip(address))), held, "{address}");
    }
    assert!(!listed.hold(Client::Unix));
    assert_eq!(
        listed.to_string(),
        "10.1.2.0/24, 192.168.7.0/24, 2001:db8::/32"
    );
    let everybody = Networks::new(nets(&["0.0.0.0/0", "::/0"]), true);
    for client in [
        Client::Unix,
        Client::At(ip("203.0.113.9")),
        Client::At(ip("2001:db8::1")),
    ] {
        assert!(everybody.hold(client), "{client:?}");
    }
    assert!(
        !everybody.hold(Client::Untold) && !everybody.hold(Client::Undeclared),
        "nobody known is nowhere"
    );
}

proptest! {
    #[test]
    fn whatever_a_public_client_sends_through_a_declared_proxy_it_is_never_taken_for_somebody_else(
        claimed in "[0-9a-f.:,\\[\\] x]{0,60}",
    ) {
        let sent = [("x-forwarded-for", claimed.as_str()), ("x-forwarded-for", "203.0.113.9")];
        prop_assert_eq!(client("10.9.0.1", &sent), Client::Undeclared);
        let appended = format!("{claimed}, 203.0.113.9");
        prop_assert_eq!(client("10.9.0.1", &[("x-forwarded-for", &appended)]), Client::Undeclared);
    }

    #[test]
    fn any_entry_is_read_without_a_panic(entry in "\\PC{0,60}") {
        let _ = client("10.9.0.1", &[("x-forwarded-for", &entry)]);
    }
}
