//! Attacks: targets in other forms, hosts of two readings, methods that are none.

use serde_json::json;

use crate::harness::World;
use crate::paths::{Ends, check, try_target};

#[test]
fn a_36_absolute_form_must_name_the_same_host_and_is_judged_by_its_path() {
    let world = World::start();
    for (target, ends) in [
        ("http://other.host/admin", Ends::Ambiguous),
        ("http://other.host/public/x", Ends::Ambiguous),
        ("http://app.test@other.host/public/x", Ends::Ambiguous),
        ("http://app.test/admin", Ends::Protected),
        ("http://app.test/public/../admin", Ends::Ambiguous),
        ("http://app.test", Ends::Refused),
        ("ftp://app.test/public/x", Ends::Ambiguous),
        ("//app.test/public/x", Ends::Ambiguous),
    ] {
        try_target(&world, target.as_bytes(), ends);
    }

    world.get("http://app.test/public/x").send().passed();
    let sent = world.upstream.only().target().to_owned();
    let alike = ["http://app.test/public/x", "/public/x"];
    assert!(alike.contains(&sent.as_str()), "the app got {sent}");
}

#[test]
fn a_37_host_tricks_change_no_verdict() {
    let world = World::start();
    for host in ["APP.test", "app.test.", "app.test:80", "other.test"] {
        let answer = world.get("/admin/x").header("Host", host).send();
        check(&answer, Ends::Protected, host);
        world.get("/public/x").header("Host", host).send().passed();
        world.upstream.only();
    }
    for hosts in [
        vec!["app.test", "app.test"],
        vec!["app.test", "other.test"],
        vec!["u:p@app.test"],
    ] {
        let request = world
            .get("/public/x")
            .headers(hosts.iter().map(|host| ("Host", *host)));
        check(&request.send(), Ends::Ambiguous, &format!("{hosts:?}"));
        world.upstream.saw_nothing();
    }
}

#[test]
fn a_37_a_request_without_a_host_is_refused() {
    let world = World::start();

    let answer = world.raw("GET /public/x HTTP/1.1\r\n\r\n").only();

    check(&answer, Ends::Ambiguous, "no Host");
    world.upstream.saw_nothing();
}

#[test]
fn a_38_targets_without_a_path_reach_nothing() {
    let world = World::start();
    let options = world
        .raw("OPTIONS * HTTP/1.1\r\nHost: app.test\r\n\r\n")
        .only();
    check(&options, Ends::Ambiguous, "OPTIONS *");

    let connect = "CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n";
    let connect = world.raw(connect).only();
    assert!([400, 405].contains(&connect.status), "{connect:?}");

    try_target(&world, b"*", Ends::Ambiguous);
    try_target(&world, b"app.test:443", Ends::Ambiguous);
    world.upstream.saw_nothing();
    world.get("/public/alive").send().passed();
}

#[test]
fn a_39_methods_are_case_sensitive_and_unknown_ones_are_refused() {
    let world = World::start();
    for method in [
        "get", "Get", "PROPFIND", "TRACE", "FOO", "DEBUG", "M-SEARCH",
    ] {
        for target in ["/admin/x", "/public/x"] {
            let answer = world.request(method, target).send();
            check(&answer, Ends::Refused, &format!("{method} {target}"));
            world.upstream.saw_nothing();
        }
    }
}

#[test]
fn a_39_override_headers_change_no_verdict_and_do_not_reach_the_app() {
    let plan =
        World::plan().route(json!({"path": "/only/get", "methods": ["GET"], "access": "public"}));
    let world = plan.start();
    let overrides = [
        ("X-HTTP-Method-Override", "GET"),
        ("X-HTTP-Method", "GET"),
        ("X-Method-Override", "GET"),
        ("x_http_method_override", "GET"),
    ];

    let answer = world
        .request("DELETE", "/only/get")
        .headers(overrides)
        .send();
    check(&answer, Ends::Nowhere, "DELETE dressed up as GET");
    world.upstream.saw_nothing();

    world
        .get("/only/get")
        .headers(overrides.map(|(name, _)| (name, "DELETE")))
        .send()
        .passed();
    let seen = world.upstream.only();
    assert!(!seen.contains("DELETE"), "the app got {:?}", seen.head);
}

#[test]
fn a_39_a_method_of_a_megabyte_is_refused() {
    let world = World::start();
    let huge = format!(
        "{} /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "M".repeat(1 << 20)
    );

    let answers = world.raw(huge).answers;

    assert!(
        answers.iter().all(|a| (400..500).contains(&a.status)),
        "{answers:?}"
    );
    world.upstream.saw_nothing();
    world.get("/public/alive").send().passed();
}
