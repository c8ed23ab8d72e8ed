//! Requests that ask for another protocol: for a WebSocket, and for what nobody gets.

use serde_json::json;

use crate::harness::{Request, Script, World, raw};

#[test]
fn a_web_socket_opens_for_a_member_and_for_nobody_else() {
    let world = World::start();
    world.upstream.play(Script::WebSocket);
    let upgrade = |token: &str| {
        let request = world.get("/api/ws/ws_1/live").headers([
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        if token.is_empty() {
            request
        } else {
            request.bearer(token)
        }
    };
    upgrade("").send().not_authenticated();
    upgrade(&world.token("user_b")).send().forbidden();
    world.upstream.saw_nothing();

    let mut connection = world.connect();
    let answer = upgrade(&world.token("user_a")).send_on(&mut connection);

    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(
        world.upstream.head().header("x-workspace-role").as_deref(),
        Some("member")
    );
    for message in [
        &b"\x81\x02hi"[..],
        b"\x82\x00",
        b"GET /admin HTTP/1.1\r\n\r\n",
    ] {
        connection.send(message);
        assert_eq!(connection.exactly(message.len()), message);
    }
    assert_eq!(world.upstream.recorded().len(), 1);
}

/// Asks for another protocol on a route for which nobody needs a token.
fn asks_for(world: &World, method: &str, protocols: &[&str]) -> Request {
    let request = world.request(method, "/public/x").headers([
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ]);
    protocols.iter().fold(request, |request, protocol| {
        request.header("Upgrade", protocol)
    })
}

const OTHERS: [(&str, &[&str]); 5] = [
    ("GET", &["h2c"]),
    ("GET", &["H2C, websocket"]),
    ("GET", &["websocket, h2c"]),
    ("GET", &["TLS/1.0"]),
    ("GET", &[""]),
];

/// Who gets an app to speak HTTP/2 from then on sends it requests that nobody judges, with whatever headers they like.
#[test]
fn a_89_an_app_is_asked_for_no_other_protocol_than_a_web_socket() {
    let world = World::start();
    for (method, protocols) in OTHERS {
        asks_for(&world, method, protocols).send().passed();
        let head = world.upstream.only();
        for name in ["upgrade", "http2-settings"] {
            assert_eq!(head.header(name), None, "given: {method} {protocols:?}");
        }
        let connection = head.header("connection").unwrap_or_default().to_lowercase();
        assert!(
            !connection.contains("upgrade") && !connection.contains("http2"),
            "given: {protocols:?}: {connection}"
        );
    }
    // A version that knows no upgrades is sent on as one that does.
    let old = world
        .get("/public/x")
        .headers([("Connection", "Upgrade"), ("Upgrade", "websocket")]);
    let old = String::from_utf8(old.bytes())
        .expect("text")
        .replacen("HTTP/1.1", "HTTP/1.0", 1);
    assert_eq!(world.connect().send(old.as_bytes()).head().word(1), "200");
    assert_eq!(world.upstream.only().header("upgrade"), None);
}

#[test]
fn a_89_an_app_that_changes_the_protocol_unasked_gets_nothing_from_behind_the_request() {
    const TUNNEL: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nPRI";
    for protocols in [&["h2c"][..], &[]] {
        let world = World::start();
        world.upstream.once(Script::Raw(TUNNEL));
        let mut connection = world.connect();
        let request = [
            &asks_for(&world, "GET", protocols).bytes()[..],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]
        .concat();
        let head = connection.send(&request).head();
        assert_eq!(head.word(1), "502", "given: {protocols:?}: {head:?}");
        world.upstream.only();
    }
}

/// The app refuses the upgrade, or is not even asked: what the client has sent behind it is the next request, and judged as one.
#[test]
fn a_88_what_is_sent_behind_an_upgrade_reaches_the_app_only_after_it_has_agreed() {
    const BEHIND: &[u8] = b"GET /api/me HTTP/1.1\r\nHost: app.test\r\nX-User-Id: root\r\n\r\n";
    let upgrade = |world: &World, path: &str| {
        world.get(path).headers([
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ])
    };
    for (path, status) in [
        ("/public/live", 200),
        ("/public/live", 403),
        ("/api/live", 401),
    ] {
        let world = World::start();
        let asked = path != "/api/live";
        if status == 403 {
            world.upstream.once(Script::Status(403));
        }
        let bytes = [&upgrade(&world, path).bytes()[..], BEHIND].concat();
        let answers = raw(world.gate.address(), &bytes).answers;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        // Whether the connection goes on is Pingora's to say; if it does, the next answer is for somebody without a token.
        assert!(
            [&[status][..], &[status, 401]].contains(&&statuses[..]),
            "{path}: {statuses:?}"
        );
        let seen = world.upstream.recorded();
        assert_eq!(seen.len(), usize::from(asked), "{path} {status}: {seen:?}");
    }
}

#[test]
fn what_a_web_socket_says_is_no_body_and_may_be_longer_than_one() {
    let plan =
        World::plan().route(json!({"path": "/small/**", "access": "public", "max_body": "1KiB"}));
    let world = plan.start();
    world.upstream.play(Script::WebSocket);
    let upgrade = world
        .get("/small/live")
        .headers([("Connection", "Upgrade"), ("Upgrade", "websocket")]);
    let mut connection = world.connect();
    assert_eq!(upgrade.send_on(&mut connection).status, 101);

    for _ in 0..3 {
        connection.send(&[b'x'; 800]);
        assert_eq!(connection.exactly(800), [b'x'; 800]);
    }
}
