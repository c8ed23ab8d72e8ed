//! Attacks: preflights, origins, redirects, health checks and the
//! admin port. are in `observability`.

use serde_json::json;

use crate::harness::{APP, Launch, Request, Response, SERVICE_TOKEN, Script, World};

const ORIGIN: &str = "Origin";
const ASKS_METHOD: (&str, &str) = ("Access-Control-Request-Method", "PUT");
const ALLOWED: &str = "access-control-allow-origin";

fn preflight(world: &World, target: &str, origin: &str) -> Request {
    world
        .request("OPTIONS", target)
        .headers([(ORIGIN, origin), ASKS_METHOD])
}

/// Asserts that nobody's page may read this answer.
#[track_caller]
fn unreadable(answer: &Response, given: &str) {
    assert_eq!(answer.header(ALLOWED), None, "given: {given}, {answer:?}");
    let credentials = answer.header("access-control-allow-credentials");
    assert_eq!(credentials, None, "given: {given}, {answer:?}");
}

#[test]
fn a_120_a_preflight_of_a_listed_origin_is_answered_by_the_gate() {
    let world = World::start();
    for target in ["/admin/x", "/api/me", "/public/x", "/nowhere"] {
        let request = preflight(&world, target, APP);
        let answer = request
            .header(
                "Access-Control-Request-Headers",
                "authorization,content-type",
            )
            .send();

        assert!(
            [200, 204].contains(&answer.status),
            "given: {target}, {answer:?}"
        );
        assert_eq!(
            answer.header(ALLOWED).as_deref(),
            Some(APP),
            "given: {target}"
        );
        assert_eq!(
            answer.header("access-control-allow-credentials").as_deref(),
            Some("true")
        );
        assert!(
            answer.head.says("access-control-allow-methods", "PUT"),
            "{answer:?}"
        );
        assert!(
            answer
                .head
                .says("access-control-allow-headers", "authorization"),
            "{answer:?}"
        );
        assert!(answer.head.says("vary", "origin"), "{answer:?}");
        assert_eq!(answer.text(), "");
    }
    world.upstream.saw_nothing();
}

#[test]
fn a_120_less_than_a_whole_preflight_opens_nothing() {
    let world = World::start();
    let options = || world.request("OPTIONS", "/admin/x");
    for (given, request) in [
        ("no origin", options().headers([ASKS_METHOD])),
        ("no method asked for", options().header(ORIGIN, APP)),
        ("neither", options()),
        (
            "an origin that is not listed",
            preflight(&world, "/admin/x", "https://evil.test"),
        ),
        (
            "two origins",
            preflight(&world, "/admin/x", APP).header(ORIGIN, "https://evil.test"),
        ),
        ("a body", preflight(&world, "/admin/x", APP).body("x=1")),
        (
            "a method that is none",
            options().headers([(ORIGIN, APP), ("Access-Control-Request-Method", "P U T")]),
        ),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, 401, "given: {given}, {answer:?}");
        world.upstream.saw_nothing();
    }
}

#[test]
fn a_120_without_listed_origins_no_preflight_is_answered() {
    let plan = World::plan().config(|c| {
        c.as_object_mut().and_then(|c| c.remove("cors"));
    });
    let world = plan.start();

    let answer = preflight(&world, "/api/me", APP).send();

    unreadable(&answer, "no cors at all");
    assert_eq!(answer.status, 401);
    world.upstream.saw_nothing();
}

#[test]
fn a_121_an_origin_counts_to_the_letter() {
    let world = World::start();
    for origin in [
        "null",
        "https://app.test.evil.com",
        "https://evilapp.test",
        "https://APP.test",
        "https://app.test:443",
        "https://app.test:8443",
        "http://app.test",
        "https://app.test/",
        "https://app.test,https://evil.test",
        "*",
        "",
        "app.test",
    ] {
        unreadable(&preflight(&world, "/api/me", origin).send(), origin);
        let refusal = world.get("/api/me").header(ORIGIN, origin).send();
        unreadable(&refusal, origin);
        assert!(
            refusal.head.says("vary", "origin"),
            "given: {origin}, {refusal:?}"
        );
    }
    world.upstream.saw_nothing();
}

#[test]
fn a_121_a_star_in_the_config_never_starts() {
    for origin in ["*", "null", "https://*.app.test", "app.test"] {
        let plan = World::plan().config(|c| c["cors"]["origins"] = json!([origin]));
        let finished = plan.run();
        assert_eq!(finished.code(), 78, "given: {origin}\n{}", finished.stderr);
    }
}

#[test]
fn a_122_every_refusal_of_ours_can_be_read_by_the_browser_app() {
    let world = World::start();
    let stranger = world.token("user_b");
    let member = world.token("user_a");
    world.upstream.once(Script::Close);
    for (status, request) in [
        (502, world.post("/api/x", "x").bearer(&member)),
        (401, world.get("/api/x")),
        (401, world.get("/api/x").bearer("bad")),
        (403, world.get("/api/ws/ws_1/x").bearer(&stranger)),
        (404, world.get("/nowhere")),
        (400, world.get("/public/../x")),
    ] {
        let answer = request.header(ORIGIN, APP).send().refused(status);
        assert_eq!(
            answer.header(ALLOWED).as_deref(),
            Some(APP),
            "given: {status}, {answer:?}"
        );
        assert_eq!(
            answer.header("access-control-allow-credentials").as_deref(),
            Some("true")
        );
        assert!(
            answer.head.says("vary", "origin"),
            "given: {status}, {answer:?}"
        );
    }
}

#[test]
fn a_122_what_the_app_says_about_origins_is_left_alone() {
    let world = World::start();
    world.upstream.play(Script::Headers(&[
        "Access-Control-Allow-Origin: https://other.test",
    ]));

    let answer = world.get("/public/x").header(ORIGIN, APP).send().passed();

    assert_eq!(answer.head.values(ALLOWED), ["https://other.test"]);
}

#[test]
fn a_123_the_gate_never_redirects() {
    let world = World::start();
    for target in [
        "/api/me?return_to=//evil.com",
        "/api/me?redirect_url=https://evil.com",
        "/api/me?next=/%5Cevil.com",
        "/api/me?next=/%09/evil.com",
        "/api/me?next=javascript:alert(1)",
        "/admin",
        "/admin/",
        "//evil.com",
        "/public/..//evil.com",
        "/nowhere",
    ] {
        for accept in ["application/json", "text/html"] {
            let answer = world.get(target).header("Accept", accept).send();
            assert!(
                (400..500).contains(&answer.status),
                "given: {target}, {answer:?}"
            );
            assert_eq!(answer.header("location"), None, "given: {target}");
            assert_eq!(answer.header("refresh"), None, "given: {target}");
            assert!(
                !answer.text().contains("evil"),
                "given: {target}, {answer:?}"
            );
        }
    }
}

#[test]
fn a_124_health_checks_open_nothing() {
    let world = World::start();
    for agent in [
        "GoogleHC/1.0",
        "kube-probe/1.30",
        "ELB-HealthChecker/2.0",
        "bailiff/0.1.0",
    ] {
        world
            .get("/admin/x")
            .header("User-Agent", agent)
            .send()
            .not_authenticated();
    }
    for target in [
        "/healthz/../admin",
        "/healthz/admin",
        "/healthz;/admin",
        "/healthz%2fadmin",
    ] {
        let answer = world
            .get(target)
            .header("User-Agent", "kube-probe/1.30")
            .send();
        assert!(
            [400, 404].contains(&answer.status),
            "given: {target}, {answer:?}"
        );
    }
    world.upstream.saw_nothing();
}

#[test]
fn a_127_the_admin_pages_are_not_on_the_traffic_port() {
    let world = World::start();
    for path in ["/metrics", "/livez", "/readyz", "/status", "/"] {
        let admin_host = world.gate.admin_address().to_string();
        world.get(path).send().refused(404);
        world
            .get(path)
            .header("Host", admin_host)
            .send()
            .refused(404);
        world.get(path).bearer(SERVICE_TOKEN).send().refused(404);
    }
    world.upstream.saw_nothing();
}

#[test]
fn a_127_a_page_of_another_site_cannot_use_the_admin_port() {
    let world = World::start();
    let admin = world.gate.admin_address();
    let port = admin.port();

    for host in [
        "evil.test".to_owned(),
        format!("evil.test:{port}"),
        "127.0.0.1.evil.test".to_owned(),
    ] {
        for path in ["/metrics", "/status"] {
            let answer = Request::new(admin, "GET", path)
                .header("Host", &host)
                .send();
            assert!(
                (400..500).contains(&answer.status),
                "given: {host}, {answer:?}"
            );
        }
    }
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        Request::new(admin, "GET", "/metrics")
            .header("Host", &host)
            .send()
            .passed();
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/metrics", "/status", "/readyz", "/livez", "/reload"] {
            let request = Request::new(admin, method, path).header("Host", admin.to_string());
            let answer = request.body("x").send();
            assert!(
                (400..500).contains(&answer.status),
                "given: {method} {path}, {answer:?}"
            );
        }
    }
    let readable = Request::new(admin, "GET", "/metrics").header("Host", admin.to_string());
    unreadable(
        &readable.header(ORIGIN, "https://evil.test").send(),
        "the admin port",
    );
}

#[test]
fn a_127_the_admin_port_is_on_loopback_unless_the_config_says_otherwise() {
    let world = World::start();

    assert!(world.gate.admin_address().ip().is_loopback());
    let open = World::plan().config(|c| c["admin"] = json!("not an address"));
    open.run().exits(78);
}

#[test]
fn a_128_a_forwarded_uri_never_changes_a_verdict() {
    let world = World::start();
    for (name, value) in [
        ("X-Forwarded-Uri", "/public/x"),
        ("X-Forwarded-Uri", "\\\\garbage %zz"),
        ("X-Forwarded-Uri", ""),
        ("X-Forwarded-Method", "GET"),
        ("X-Original-URL", "/public/x"),
        ("X-Original-URI", "/public/x"),
        ("X-Rewrite-URL", "/healthz"),
        ("X-Auth-Request-Redirect", "/public/x"),
        ("Cookie", "__session=; ;;=\"; __session"),
    ] {
        world
            .get("/admin/x")
            .header(name, value)
            .send()
            .not_authenticated();
        world
            .get("/nowhere")
            .header(name, value)
            .send()
            .refused(404);
        world.upstream.saw_nothing();

        world
            .get("/public/x")
            .header(name, value.replace("public", "admin"))
            .send()
            .passed();
        assert_eq!(
            world.upstream.only().target(),
            "/public/x",
            "given: {name}: {value}"
        );
    }
}

#[test]
fn a_refusal_looks_the_same_whatever_the_fault_of_the_token() {
    let world = World::start();
    let bad = |token: &str| {
        world
            .get("/api/me")
            .bearer(token)
            .send()
            .not_authenticated()
    };
    let faults = [
        bad("x"),
        bad(&world.sign(&world.mint("user_a").claim("exp", 1))),
        bad(&world.sign(&world.mint("user_a").claim("azp", "https://evil.test"))),
        bad(&world.sign(&world.mint("user_a").header("alg", "none"))),
    ];
    let without_id = |answer: &Response| {
        let id = answer.header("x-request-id").unwrap_or_default();
        let varying =
            |line: &&str| !line.contains(&id) && !line.to_lowercase().starts_with("date:");
        let text = format!("{answer:?}");
        text.lines()
            .filter(varying)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let first = without_id(&faults[0]);
    assert!(
        faults.iter().all(|answer| without_id(answer) == first),
        "{faults:?}"
    );

    let missing = world.get("/api/me").send().not_authenticated();
    assert_eq!(
        missing.header("www-authenticate").as_deref(),
        Some("Bearer")
    );
}

#[test]
fn a_body_of_the_operator_replaces_ours_and_nothing_else() {
    let plan = World::plan().config(|c| {
        c["answers"] = json!({"401": {"detail": "Please sign in", "hint": "/login"}});
    });
    let world = plan.start();

    let answer = world.get("/api/me").send().refused(401);

    assert_eq!(
        answer.json(),
        json!({"detail": "Please sign in", "hint": "/login"})
    );
    assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
    world.get("/nowhere").send().refused(404);
}

#[test]
fn an_unknown_word_in_the_config_never_starts() {
    for change in ["\"leway\": \"10s\"", "\"acess\": \"public\""] {
        let config = format!(
            "{{\"listen\": \"127.0.0.1:0\", \"upstream\": \"http://127.0.0.1:9\", {change}}}"
        );
        Launch::with_config(&config).run().exits(78);
    }
}
