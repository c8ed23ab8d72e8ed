//! Services and agents: whose token counts where, seen from both sides of the gate.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::harness::{PATIENCE, Plan, Request, Response, SERVICE_TOKEN, World, eventually};

const AGENT: &str = "token-of-the-agent-0123456789-old";
const AGENT_NEXT: &str = "token-of-the-agent-0123456789-new";
const HASHED: &str = "token-of-the-reports-0123456789";
/// `printf %s token-of-the-reports-0123456789 | sha256sum`
const HASH: &str = "012e2be9c307bcae775f2c6cc6a55822ad39bce97f0dc0a5556375ba576aa6d3";

/// The standard scene, with an agent that has routes of its own and a service that is known by its hash.
fn plan() -> Plan {
    World::plan().config(|config| {
        let services = config["service_tokens"].as_array_mut().expect("a list");
        services.push(json!({
            "name": "agent",
            "token": [AGENT, AGENT_NEXT],
            "routes": ["/api/me", "GET /api/**", "/api/ws/{workspace}/**"],
        }));
        services.push(json!({"name": "reports", "sha256": HASH}));
    })
}

/// The same with a change to the agent.
fn agent(change: impl FnOnce(&mut Value)) -> Plan {
    plan().config(|config| change(&mut config["service_tokens"][1]))
}

/// Sends it, and gives the answer and the reason of the log.
#[track_caller]
fn refused(world: &World, request: Request) -> (Response, String) {
    let answer = request.send().not_authenticated();
    world.upstream.saw_nothing();
    let reason = world.gate.reason(&answer);
    (answer, reason)
}

#[test]
fn both_tokens_of_a_rotation_are_good_and_so_is_one_that_only_its_hash_is_known_of() {
    let world = plan().start();
    for (token, path, name) in [
        (SERVICE_TOKEN, "/internal/x", "engine"),
        (AGENT, "/api/me", "agent"),
        (AGENT_NEXT, "/api/me", "agent"),
        (HASHED, "/internal/x", "reports"),
    ] {
        world.get(path).bearer(token).send().passed();
        let seen = world.upstream.only();
        assert_eq!(
            seen.identity(),
            [
                "x-auth-kind: service".to_owned(),
                format!("x-service-name: {name}")
            ],
            "{name}"
        );
        assert!(
            !seen.contains(token),
            "the app got the token: {:?}",
            seen.head
        );
    }
    world
        .get("/internal/x")
        .bearer(HASH)
        .send()
        .not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn an_agent_is_let_in_on_its_own_routes_and_with_its_own_methods_alone() {
    let world = plan().start();
    for (method, path) in [
        ("GET", "/api/me"),
        ("DELETE", "/api/me"),
        ("GET", "/api/x"),
        ("HEAD", "/api/x"),
        ("POST", "/api/ws/ws_1/x"),
    ] {
        let answer = world.request(method, path).bearer(AGENT).send();
        assert_eq!(answer.status, 200, "given: {method} {path}");
        assert_eq!(
            world.upstream.only().identity(),
            ["x-auth-kind: service", "x-service-name: agent"]
        );
    }
    for (method, path) in [
        ("POST", "/api/x"),
        ("GET", "/api/ws/ws_1/settings/x"),
        ("GET", "/optional/x"),
        ("GET", "/internal/x"),
        ("GET", "/org/x"),
    ] {
        let (answer, reason) = refused(&world, world.request(method, path).bearer(AGENT));
        assert_eq!(reason, "service_route", "given: {method} {path}");
        let id = answer.header("x-request-id").expect("an id");
        assert_eq!(
            world.gate.access_line(&id)["service"],
            "agent",
            "the log says whose token it was"
        );
    }
    world.get("/closed/x").bearer(AGENT).send().forbidden();
    world.upstream.saw_nothing();
}

#[test]
fn on_a_route_of_services_and_users_a_user_is_judged_as_before() {
    let world = plan().start();

    world
        .get("/api/x")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
    assert_eq!(world.upstream.only().values("x-clerk-user-id"), ["user_a"]);
    world
        .get("/api/ws/ws_1/x")
        .bearer(&world.token("user_b"))
        .send()
        .forbidden();
    world
        .get("/api/x")
        .bearer(&world.token("user_pending"))
        .send()
        .forbidden();
    let (_, reason) = refused(
        &world,
        world
            .get("/api/x")
            .bearer("token-of-the-agent-0123456789-odd"),
    );
    assert_eq!(reason, "malformed_token");
    let (_, reason) = refused(&world, world.get("/api/x"));
    assert_eq!(reason, "missing_token");
}

#[test]
fn a_good_token_from_another_network_looks_like_any_bad_one() {
    let world = agent(|agent| agent["networks"] = json!(["10.9.9.0/24"])).start();

    let (good, reason) = refused(&world, world.get("/api/me").bearer(AGENT));
    assert_eq!(reason, "service_network");
    let (bad, _) = refused(
        &world,
        world.get("/api/me").bearer("token-of-nobody-0123456789"),
    );
    assert_eq!(good.body, bad.body);
    assert_eq!(
        good.header("www-authenticate"),
        bad.header("www-authenticate")
    );
    let names = |answer: &Response| {
        answer
            .head
            .fields
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&good), names(&bad));
    world
        .get("/internal/x")
        .bearer(SERVICE_TOKEN)
        .send()
        .passed();
}

#[test]
fn a_declared_proxy_says_from_where_a_service_calls() {
    let world = plan()
        .config(|config| config["trusted_proxies"] = json!(["127.0.0.1"]))
        .start();
    let through = |chain: &str| {
        world
            .get("/internal/x")
            .bearer(SERVICE_TOKEN)
            .header("X-Forwarded-For", chain)
    };
    for chain in [
        "10.2.3.4",
        "10.2.3.4:5555",
        "[fd00::7]:80",
        "10.2.3.4, 127.0.0.1",
    ] {
        through(chain).send().passed();
        assert_eq!(
            world.upstream.only().values("x-service-name"),
            ["engine"],
            "given: {chain}"
        );
    }
    for (chain, expected) in [
        ("203.0.113.9", "service_network"),
        ("2001:db8::1", "service_network"),
        ("engine", "service_network"),
        ("", "service_network"),
        ("10.2.3.4, 203.0.113.9", "undeclared_proxy"),
        ("203.0.113.9, 10.2.3.4", "undeclared_proxy"),
    ] {
        let (_, reason) = refused(&world, through(chain));
        assert_eq!(reason, expected, "given: {chain:?}");
    }
    let two_lines = through("10.2.3.4").header("X-Forwarded-For", "203.0.113.9");
    assert_eq!(refused(&world, two_lines).1, "undeclared_proxy");
    let silent = world.get("/internal/x").bearer(SERVICE_TOKEN);
    assert_eq!(
        refused(&world, silent).1,
        "service_network",
        "the address of the proxy is nobody's"
    );
}

#[test]
fn a_request_that_an_undeclared_proxy_forwarded_is_nobodys() {
    let world = plan().start();
    for (name, value) in [
        ("X-Forwarded-For", "10.2.3.4"),
        ("x_forwarded_for", "127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Client-IP", "127.0.0.1"),
        ("CF-Connecting-IP", "127.0.0.1"),
        ("True-Client-IP", "127.0.0.1"),
        ("Via", "1.1 ingress"),
    ] {
        for path in ["/internal/x", "/api/me"] {
            let token = if path == "/api/me" {
                AGENT
            } else {
                SERVICE_TOKEN
            };
            let (_, reason) = refused(&world, world.get(path).bearer(token).header(name, value));
            assert_eq!(reason, "undeclared_proxy", "given: {name} on {path}");
        }
        world
            .get("/api/me")
            .bearer(&world.token("user_a"))
            .header(name, value)
            .send()
            .passed();
        assert_eq!(
            world.upstream.only().values("x-clerk-user-id"),
            ["user_a"],
            "for a user it changes nothing: {name}"
        );
    }
}

#[test]
fn nobody_calls_himself_a_service() {
    let world = plan().start();
    let names = [
        "x-service-name",
        "X_Service_Name",
        "x.service.name",
        "x-auth-kind",
        "X_AUTH_KIND",
    ];
    let forge = |request: Request| {
        names
            .iter()
            .fold(request, |request, name| request.header(name, "engine"))
    };

    forge(world.get("/public/x")).send().passed();
    assert_eq!(world.upstream.only().identity(), ["x-auth-kind: none"]);
    forge(world.get("/api/me").bearer(&world.token("user_a")))
        .send()
        .passed();
    let seen = world.upstream.only();
    assert_eq!(
        (seen.values("x-auth-kind"), seen.values("x-service-name")),
        (vec!["user".to_owned()], vec![])
    );
    forge(world.get("/api/me").bearer(AGENT)).send().passed();
    assert_eq!(
        world.upstream.only().identity(),
        ["x-auth-kind: service", "x-service-name: agent"]
    );
}

#[test]
fn a_service_token_reaches_the_app_only_where_somebody_asked_for_it() {
    let report = json!({"path": "/report/**", "access": "user", "mode": "report"});
    let wanted = json!({"path": "/wanted/**", "access": "service", "forward_token": true});
    let world = plan().route(report).route(wanted).start();
    for (path, kind) in [
        ("/internal/x", "service"),
        ("/public/x", "none"),
        ("/report/x", "none"),
    ] {
        world.get(path).bearer(SERVICE_TOKEN).send().passed();
        let seen = world.upstream.only();
        assert_eq!(seen.values("x-auth-kind"), [kind], "given: {path}");
        assert!(
            !seen.contains(SERVICE_TOKEN),
            "given: {path}, {:?}",
            seen.head
        );
    }
    world.get("/wanted/x").bearer(SERVICE_TOKEN).send().passed();
    assert_eq!(
        world.upstream.only().values("authorization"),
        [format!("Bearer {SERVICE_TOKEN}")]
    );
}

#[test]
fn the_token_of_the_environment_counts_from_private_networks_alone() {
    let plan = World::plan().config(|config| {
        config
            .as_object_mut()
            .expect("a mapping")
            .remove("service_tokens");
        config["trusted_proxies"] = json!(["127.0.0.1"]);
    });
    let world = plan.env("SERVICE_AUTH_TOKEN", SERVICE_TOKEN).start();
    let from = |address: &str| {
        world
            .get("/internal/x")
            .bearer(SERVICE_TOKEN)
            .header("X-Forwarded-For", address)
    };

    from("172.16.0.4").send().passed();
    assert_eq!(
        world.upstream.only().identity(),
        ["x-auth-kind: service", "x-service-name: service"]
    );
    assert_eq!(refused(&world, from("203.0.113.9")).1, "service_network");
}

#[test]
fn a_token_that_was_taken_out_of_the_config_ends_with_the_reload() {
    let world = plan().start();
    world.get("/api/me").bearer(AGENT).send().passed();
    world.rewrite_config(|config| config["service_tokens"][1]["token"] = json!([AGENT_NEXT]));
    eventually("the old token ended", || {
        (world.get("/api/me").bearer(AGENT).send().status == 401).then_some(())
    });

    let answer = world
        .get("/api/me")
        .bearer(AGENT)
        .send()
        .not_authenticated();
    assert_eq!(world.gate.reason(&answer), "malformed_token");
    world.get("/api/me").bearer(AGENT_NEXT).send().passed();
}

#[test]
fn a_unix_socket_is_where_a_service_calls_from_only_if_it_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let socket = folder.path().join("gate.sock");
    let listen = json!(["127.0.0.1:0", format!("unix:{}", socket.display())]);
    let world = agent(|agent| agent["networks"] = json!(["unix"]))
        .config(|config| config["listen"] = listen)
        .start();
    let over_socket = |path: &str, token: &str, more: &str| {
        let mut stream = eventually("the socket was open", || UnixStream::connect(&socket).ok());
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        let head = format!("GET {path} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n{more}");
        stream
            .write_all(format!("{head}Authorization: Bearer {token}\r\n\r\n").as_bytes())
            .expect("the gate reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.get(9..12).unwrap_or_default().to_owned()
    };

    assert_eq!(over_socket("/api/me", AGENT, ""), "200");
    assert_eq!(
        world.upstream.only().identity(),
        ["x-auth-kind: service", "x-service-name: agent"]
    );
    assert_eq!(
        over_socket("/internal/x", SERVICE_TOKEN, ""),
        "401",
        "loopback is not the socket"
    );
    assert_eq!(
        over_socket("/api/me", AGENT, "X-Real-IP: 127.0.0.1\r\n"),
        "401",
        "a proxy at the other end"
    );
    world.upstream.saw_nothing();
    assert_eq!(
        refused(&world, world.get("/api/me").bearer(AGENT)).1,
        "service_network"
    );
}
