//! How the gate begins and ends.

use std::net::{TcpListener, TcpStream};

use bailiff::dev::mint::Mint;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::harness::{Gate, Launch, Script, Upstream, World, eventually, foreign_key, now};

#[test]
fn sigterm_lets_a_running_request_end_and_exits_0() {
    let world = World::start();
    world.upstream.once(Script::Hold);
    let mut running = world.connect();
    running.send(&world.get("/public/x").bytes());
    world.upstream.head();

    world.gate.sigterm();
    let address = world.gate.address();
    eventually("new connections were refused", || {
        TcpStream::connect(address).err()
    });
    world.upstream.release();

    running.answer("GET").passed();
    let World { gate, upstream, .. } = world;
    gate.finish().exits(0);
    upstream.only();
}

#[test]
fn sigterm_without_a_running_request_ends_at_once() {
    let world = World::plan()
        .config(|c| c["shutdown"] = json!({"delay": "0s", "drain": "10m"}))
        .start();
    world.get("/public/x").send().passed();

    world.gate.sigterm();

    let World { gate, .. } = world;
    gate.finish().exits(0);
}

#[test]
fn sigterm_does_not_wait_for_ever() {
    let world = World::plan()
        .config(|c| c["shutdown"] = json!({"delay": "0s", "drain": "200ms"}))
        .start();
    world.upstream.play(Script::Hold);
    let mut running = world.connect();
    running.send(&world.get("/public/x").bytes());
    world.upstream.head();

    world.gate.sigterm();

    let World {
        gate,
        upstream: _held,
        ..
    } = world;
    gate.finish();
}

#[test]
fn before_the_ports_close_the_gate_says_that_it_is_not_ready() {
    let world = World::plan()
        .config(|c| c["shutdown"] = json!({"delay": "2s", "drain": "1s"}))
        .start();

    world.gate.sigterm();

    eventually("/readyz said no", || {
        (world.gate.admin("/readyz").status == 503).then_some(())
    });
    world.get("/public/x").send().passed();
    let World {
        gate,
        upstream: _app,
        ..
    } = world;
    gate.finish().exits(0);
}

#[test]
fn a_port_that_is_taken_gets_a_sentence_that_says_which() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for listener in ["listen", "admin"] {
        let plan = World::plan().config(|c| c[listener] = json!(address));
        let finished = plan.run();
        assert_eq!(finished.code(), 1, "{}", finished.stderr);
        assert!(finished.stderr.contains(&address), "{}", finished.stderr);
        assert!(finished.stderr.contains("taken"), "{}", finished.stderr);
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    }
}

/// A key that leads to this host.
fn publishable_key(host: &str) -> String {
    format!("pk_test_{}", STANDARD.encode(format!("{host}$")))
}

/// `serve --upstream`, with a file that says no more than the ports.
fn bare(upstream: &Upstream) -> Launch {
    let args = [
        "serve",
        "--config",
        "ports.yaml",
        "--upstream",
        &upstream.url(),
    ];
    Launch::with_args(&args).file("ports.yaml", "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n")
}

#[track_caller]
fn everything_is_closed(gate: &Gate, upstream: &Upstream) {
    for path in [
        "/",
        "/healthz",
        "/api/x",
        "/public/x",
        "/metrics",
        "/favicon.ico",
        "/api/webhooks/clerk",
    ] {
        for method in ["GET", "POST", "HEAD", "OPTIONS", "DELETE"] {
            let answer = gate.request(method, path).send();
            assert_eq!(answer.status, 401, "given: {method} {path}, {answer:?}");
        }
    }
    upstream.saw_nothing();
}

#[test]
fn a_publishable_key_alone_gates_everything() {
    let upstream = Upstream::start();
    // Nobody listens there: without keys every token is refused, and none is let through.
    let key = publishable_key("nowhere.invalid");
    let gate = bare(&upstream)
        .env("CLERK_PUBLISHABLE_KEY", &key)
        .start_unready();

    everything_is_closed(&gate, &upstream);
    let token = Mint::new("https://nowhere.invalid", "user_a", now()).sign(&foreign_key());
    assert_eq!(
        gate.request("GET", "/api/x").bearer(&token).send().status,
        503
    );
    upstream.saw_nothing();
    assert_eq!(gate.admin("/readyz").status, 503);
}

#[test]
fn with_keys_any_valid_session_passes_as_a_user() {
    let upstream = Upstream::start();
    let gate = bare(&upstream)
        .env(
            "CLERK_PUBLISHABLE_KEY",
            &publishable_key("clerk.example.com"),
        )
        .env("CLERK_JWT_KEY", &foreign_key().public_pem())
        .start();
    let mint = || Mint::new("https://clerk.example.com", "user_anybody", now());

    everything_is_closed(&gate, &upstream);
    for mint in [mint(), mint().azp("https://anywhere.test")] {
        let token = mint.sign(&foreign_key());
        gate.request("GET", "/any/path")
            .bearer(&token)
            .send()
            .passed();
        assert_eq!(
            upstream.only().identity(),
            [
                "x-auth-issuer: clerk",
                "x-auth-kind: user",
                "x-clerk-user-id: user_anybody",
                "x-session-id: sess_anybody",
                "x-user-id: user_anybody",
            ],
        );
    }
    let other = mint()
        .claim("iss", "https://clerk.other.com")
        .sign(&foreign_key());
    gate.request("GET", "/any/path")
        .bearer(&other)
        .send()
        .not_authenticated();
    upstream.saw_nothing();
}

#[test]
fn without_any_key_the_gate_does_not_start() {
    let upstream = Upstream::start();
    let finished = bare(&upstream).run().exits(78);
    assert!(
        finished.stderr.contains("CLERK_PUBLISHABLE_KEY"),
        "{}",
        finished.stderr
    );

    for key in [
        "",
        "pk_test_",
        "pk_test_!!!",
        "sk_test_abc",
        "pk_prod_Y2xlcms",
        "pk_test_bm9kb2xsYXI=",
    ] {
        let finished = bare(&upstream).env("CLERK_PUBLISHABLE_KEY", key).run();
        assert_eq!(finished.code(), 78, "given: {key}\n{}", finished.stderr);
    }
}
