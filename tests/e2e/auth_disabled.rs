//! Authentication that is switched off, for development on one machine. Attack A-134: anywhere else it does not start.

use serde_json::{Value, json};

use crate::harness::{NOBODY, Plan, Request, SERVICE_TOKEN, World, eventually};

const FLAG: &str = "bailiff_auth_disabled";

/// The standard scene, switched off.
fn plan() -> Plan {
    World::plan()
        .env("AUTH_DISABLED", "true")
        .config(|c| c["membership"]["flags"] = json!(["is_admin", "is_active"]))
}

/// A request as somebody at this machine sends it.
fn here(world: &World, method: &str, target: &str) -> Request {
    world
        .request(method, target)
        .header("Host", world.gate.address().to_string())
}

fn get(world: &World, target: &str) -> Request {
    here(world, "GET", target)
}

/// What the app may read of the made-up user.
const DEV: [&str; 8] = [
    "x-access-status: active",
    "x-auth-issuer: disabled",
    "x-auth-kind: user",
    "x-clerk-user-id: dev_user",
    "x-user-email: dev@localhost",
    "x-user-flags: is_active,is_admin",
    "x-user-id: dev_user",
    "x-user-name: dev",
];

#[test]
fn whoever_asks_at_this_machine_is_the_made_up_user() {
    let world = plan().start();
    for (target, more) in [
        ("/api/x", &[][..]),
        ("/optional/x", &[]),
        (
            "/api/ws/ws_9/settings/x",
            &["x-workspace-id: ws_9", "x-workspace-role: owner"],
        ),
    ] {
        get(&world, target)
            .bearer(&world.token("user_suspended"))
            .header("x-user-id", "root")
            .send()
            .passed();
        let seen = world.upstream.only();
        let mut expected: Vec<&str> = DEV.iter().chain(more).copied().collect();
        expected.sort_unstable();
        assert_eq!(seen.identity(), expected, "given: {target}");
        assert_eq!(
            seen.header("authorization"),
            None,
            "nobody has looked at it"
        );
    }
}

#[test]
fn what_asks_for_no_user_stays_as_it_is() {
    let world = plan().start();
    get(&world, "/public/x").send().passed();
    assert_eq!(world.upstream.only().identity(), NOBODY);
    assert_eq!(get(&world, "/internal/x").send().status, 401);
    assert_eq!(get(&world, "/closed/x").send().status, 403);
    assert_eq!(get(&world, "/nowhere").send().status, 404);
    assert_eq!(
        here(&world, "POST", "/webhooks/clerk")
            .body("{}")
            .send()
            .status,
        401
    );
    world.upstream.saw_nothing();
    get(&world, "/internal/x")
        .bearer(SERVICE_TOKEN)
        .send()
        .passed();
}

#[test]
fn every_line_and_the_metrics_say_that_nothing_is_judged() {
    let world = plan().start();
    let warned = world.gate.log_line("a warning", |line| {
        line["level"] == "WARN"
            && line["warnings"]
                .as_str()
                .is_some_and(|text| text.contains("authentication is switched off"))
    });
    assert!(
        warned["warnings"]
            .as_str()
            .is_some_and(|text| text.contains("reverse proxy")),
        "{warned}"
    );
    for target in ["/api/x", "/public/x", "/nowhere"] {
        let answer = get(&world, target).send();
        let line = world
            .gate
            .access_line(&answer.header("x-request-id").expect("an id"));
        assert_eq!(line["auth_disabled"], true, "given: {target}");
    }
    assert_eq!(
        world.gate.metrics().sum(FLAG, &[]).to_bits(),
        1_f64.to_bits()
    );
    let warnings = || {
        let said = |line: &String| line.contains("authentication is switched off, and whoever");
        world.gate.logs().iter().filter(|line| said(line)).count()
    };
    let before = warnings();
    world.rewrite_config(|c| c["answers"] = json!({"404": {"detail": "no"}}));
    eventually("it was said again", || (warnings() > before).then_some(()));
}

#[test]
fn a_gate_that_judges_says_nothing_of_the_kind() {
    let world = World::plan().env("AUTH_DISABLED", "false").start();
    let answer = world.get("/public/x").send();
    let line = world
        .gate
        .access_line(&answer.header("x-request-id").expect("an id"));
    assert_eq!(line["auth_disabled"], Value::Null);
    let scrape = world.gate.metrics();
    assert!(scrape.has(FLAG, &[]));
    assert_eq!(scrape.sum(FLAG, &[]).to_bits(), 0_f64.to_bits());
    world.get("/api/x").send().not_authenticated();
}

#[test]
fn what_a_proxy_brings_is_somebody_elses_and_refused() {
    let world = plan()
        .config(|c| c["trusted_proxies"] = json!(["127.0.0.1"]))
        .start();
    for (name, value) in [
        ("X-Forwarded-For", "203.0.113.9"),
        ("x_forwarded_for", "127.0.0.1"),
        ("X-Forwarded-Host", "localhost"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Via", "1.1 proxy"),
    ] {
        let answer = get(&world, "/api/x").header(name, value).send();
        assert_eq!(
            world.gate.reason(&answer),
            "auth_disabled_behind_proxy",
            "given: {name}"
        );
        answer.forbidden();
    }
    world.upstream.saw_nothing();
}

#[test]
fn a_127_a_page_of_another_site_cannot_use_the_browser_of_a_developer() {
    let world = plan().start();
    for host in [
        "evil.test",
        "app.test",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
    ] {
        let answer = world.get("/api/x").header("Host", host).send();
        assert_eq!(
            world.gate.reason(&answer),
            "auth_disabled_host",
            "given: {host}"
        );
        answer.forbidden();
    }
    for origin in ["https://evil.test", "null"] {
        let answer = here(&world, "POST", "/api/x")
            .header("Origin", origin)
            .body("x=1")
            .send();
        assert_eq!(
            world.gate.reason(&answer),
            "auth_disabled_origin",
            "given: {origin}"
        );
        answer.forbidden();
    }
    world.upstream.saw_nothing();
    for (host, origin) in [
        ("localhost", "http://localhost:5173"),
        ("[::1]:1", "https://app.test"),
    ] {
        world
            .get("/api/x")
            .header("Host", host)
            .header("Origin", origin)
            .send()
            .passed();
    }
}

#[test]
fn a_134_a_gate_that_others_can_reach_does_not_start_without_authentication() {
    for listen in [
        "0.0.0.0:0",
        "[::]:0",
        "10.1.2.3:0",
        "dev.example.com:8484",
        "localhost:0",
    ] {
        let finished = plan()
            .config(|c| c["listen"] = json!(listen))
            .run()
            .exits(78);
        assert!(
            !finished.stderr.contains("\"listening\""),
            "given: {listen}\n{}",
            finished.stderr
        );
    }
    let two = plan()
        .config(|c| c["listen"] = json!(["127.0.0.1:0", "0.0.0.0:0"]))
        .run()
        .exits(78);
    assert!(
        two.stderr
            .contains("0.0.0.0:0, which is not this machine alone"),
        "{}",
        two.stderr
    );
    assert!(two.stderr.contains("unset AUTH_DISABLED"), "{}", two.stderr);
}

#[test]
fn a_134_beside_a_live_key_it_does_not_start() {
    let live = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
    let secret = "sk_live_abcdefghijklmnopqrst";
    for (given, plan) in [
        (
            "the publishable key",
            plan().env("CLERK_PUBLISHABLE_KEY", live),
        ),
        ("the secret key", plan().env("CLERK_SECRET_KEY", secret)),
        (
            "the key of the frontend",
            plan().env("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", live),
        ),
        (
            "the file",
            plan().config(|c| c["clerk"] = json!({"publishable_key": live})),
        ),
        (
            "a variable in the file",
            plan()
                .env("KEY", live)
                .config(|c| c["clerk"] = json!({"publishable_key": "${KEY}"})),
        ),
    ] {
        let finished = plan.run().exits(78);
        assert!(
            finished
                .stderr
                .contains("error[B016]: `AUTH_DISABLED` beside"),
            "given: {given}\n{}",
            finished.stderr
        );
        assert!(!finished.stderr.contains(secret), "{}", finished.stderr);
    }
    let both = plan()
        .env("CLERK_SECRET_KEY", secret)
        .config(|c| c["listen"] = json!("0.0.0.0:0"))
        .run()
        .exits(78);
    assert_eq!(
        both.stderr.matches("error[B016]").count(),
        2,
        "both reasons at once:\n{}",
        both.stderr
    );
}

#[test]
fn a_live_key_that_appears_later_is_not_taken() {
    let world = plan().start();
    world.rewrite_config(|c| {
        c["clerk"] = json!({"publishable_key": "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"})
    });
    world.gate.log_line("a refusal", |line| {
        line["level"] == "ERROR"
            && line["faults"]
                .as_str()
                .is_some_and(|text| text.contains("a live key in the config"))
    });
}

#[test]
fn no_file_switches_authentication_off() {
    let keyed = World::plan()
        .config(|c| c["auth_disabled"] = json!(true))
        .run()
        .exits(78);
    assert!(
        keyed.stderr.contains("unknown key `auth_disabled`"),
        "{}",
        keyed.stderr
    );
    let yes = World::plan().env("AUTH_DISABLED", "yes").run().exits(78);
    assert!(
        yes.stderr.contains("`AUTH_DISABLED` is neither on nor off"),
        "{}",
        yes.stderr
    );
}
