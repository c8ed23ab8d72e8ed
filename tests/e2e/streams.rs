//! Long answers that are still going on when the access of their user ends.

use serde_json::{Value, json};

use crate::harness::{Connection, MEMBERSHIP, Request, Script, World, now};
use crate::revocation::{of_session, plan, session_ends, user_is_banned};

/// What a client is told of the end: FIN, close, 14 bytes, 1008.
const CLOSE: &[u8] = b"\x88\x0e\x03\xf0access ended";

fn upgrade(world: &World, path: &str, token: &str) -> Request {
    world.get(path).bearer(token).headers([
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ])
}

/// A WebSocket of this user on `path`, open. The app sends back what it gets.
#[track_caller]
pub fn web_socket(world: &World, path: &str, token: &str) -> Connection {
    world.upstream.play(Script::WebSocket);
    let mut connection = world.connect();
    assert_eq!(
        upgrade(world, path, token).send_on(&mut connection).status,
        101
    );
    is_open(&mut connection);
    world.upstream.forget();
    world.upstream.play(Script::Echo);
    connection
}

/// A WebSocket in the session `sess_1` of `user_a`, open.
#[track_caller]
fn of_sess_1(world: &World) -> Connection {
    web_socket(
        world,
        "/api/ws/ws_1/live",
        &of_session(world, "user_a", "sess_1"),
    )
}

#[track_caller]
fn sess_1_ends(world: &World) {
    session_ends(world, "session.revoked", "sess_1", 0);
}

#[track_caller]
pub fn is_open(connection: &mut Connection) {
    says(connection, b"\x81\x02ho");
}

/// Has the app say this.
#[track_caller]
fn says(connection: &mut Connection, bytes: &[u8]) {
    connection.send(bytes);
    assert_eq!(connection.exactly(bytes.len()), bytes, "still open");
}

/// The client is told of the end, and then it ends.
#[track_caller]
pub fn is_told(connection: &mut Connection) {
    assert_eq!(connection.exactly(CLOSE.len()), CLOSE);
    assert!(connection.is_closed());
}

#[test]
fn a_web_socket_is_closed_when_its_session_ends_and_no_other_is() {
    let world = plan().start();
    let mut ended = of_sess_1(&world);
    let mut other = web_socket(
        &world,
        "/api/ws/ws_1/live",
        &of_session(&world, "user_a", "sess_2"),
    );
    world.gate.metric_becomes("bailiff_streams_open", &[], 2.0);
    sess_1_ends(&world);
    is_told(&mut ended);
    is_open(&mut other);
    world.gate.metric_becomes("bailiff_streams_open", &[], 1.0);
    world.gate.metric_becomes(
        "bailiff_streams_closed_total",
        &[("reason", "session_revoked")],
        1.0,
    );
    world
        .gate
        .metric_becomes("bailiff_streams_closed_total", &[], 1.0);
    world
        .gate
        .metric_becomes("bailiff_requests_total", &[("reason", "access_ended")], 1.0);
}

#[test]
fn the_line_of_a_closed_stream_tells_what_the_line_of_a_request_tells() {
    let world = plan().start();
    let mut ended = web_socket(
        &world,
        "/api/ws/ws_1/live?token=x",
        &of_session(&world, "user_a", "sess_1"),
    );
    sess_1_ends(&world);
    is_told(&mut ended);
    let line = world.gate.log_line("about a closed stream", |line| {
        line["reason"] == "access_ended"
    });
    for (field, value) in [
        ("method", json!("GET")),
        ("path", json!("/api/ws/ws_1/live")),
        ("route", json!("/api/ws/{workspace}/**")),
        ("status", json!(101)),
        ("verdict", json!("forward")),
        ("why", json!("session_revoked")),
        ("subject", json!("user_a")),
        ("workspace", json!("ws_1")),
        ("client_ip", json!("127.0.0.1")),
    ] {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    for field in [
        "request_id",
        "decision_us",
        "upstream_ms",
        "duration_ms",
        "generation",
    ] {
        assert!(!line[field].is_null(), "{field} in {line}");
    }
}

#[test]
fn a_web_socket_is_closed_when_its_user_is_banned_or_leaves_the_workspace() {
    let end: [fn(&World); 2] = [
        |world| user_is_banned(world, "user_a", true, now() * 1000),
        |world| {
            world
                .gate
                .write_membership(&MEMBERSHIP.replace("user_a: member", "user_b: member"));
        },
    ];
    for end in end {
        let world = plan().start();
        let mut live = web_socket(&world, "/api/ws/ws_1/live", &world.token("user_a"));
        end(&world);
        is_told(&mut live);
    }
}

#[test]
fn a_close_frame_may_come_between_the_fragments_of_a_message_and_never_within_one() {
    let world = plan().start();
    let mut between = of_sess_1(&world);
    let mut within = of_sess_1(&world);
    let mut headless = of_sess_1(&world);
    says(&mut between, b"\x01\x03abc\x80\x01d\x01\x02ab");
    says(&mut within, b"\x81\x01a\x82\x7e\x01\x00only the beginning");
    says(&mut headless, b"\x81\x01a\x82");
    sess_1_ends(&world);
    is_told(&mut between);
    assert!(
        within.is_closed(),
        "what came would be taken for the rest of the frame"
    );
    assert!(headless.is_closed());
}

#[test]
fn nothing_is_said_after_the_apps_own_close_frame() {
    let world = plan().start();
    let mut live = of_sess_1(&world);
    says(&mut live, b"\x88\x02\x03\xe8");
    sess_1_ends(&world);
    assert!(live.is_closed());
}

#[test]
fn the_app_gets_nothing_more_from_a_client_whose_access_has_ended() {
    let world = plan().start();
    let mut live = of_sess_1(&world);
    // In the middle of a frame there is a moment in which the connection still exists.
    says(&mut live, b"\x82\x7e\x01\x00only the beginning");
    sess_1_ends(&world);
    live.send(b"\x81\x05order");
    assert!(live.is_closed(), "the app would have sent it back");
}

#[test]
fn a_client_that_takes_nothing_is_not_waited_for() {
    let world = plan().start();
    world.upstream.once(Script::Flood);
    let mut live = world.connect();
    let request = upgrade(&world, "/api/x", &of_session(&world, "user_a", "sess_1"));
    assert_eq!(request.send_on(&mut live).status, 101);
    world.gate.metric_becomes("bailiff_streams_open", &[], 1.0);
    world.upstream.forget();
    sess_1_ends(&world);
    world
        .gate
        .metric_becomes("bailiff_requests_in_flight", &[], 0.0);
    world
        .gate
        .metric_becomes("bailiff_streams_closed_total", &[], 1.0);
    assert!(live.ends(), "with whatever was on its way");
}

#[test]
fn what_is_no_web_socket_just_ends() {
    // One chunk of a body, and the same bytes where nothing is a chunk.
    const ANSWERS: [&[u8]; 3] = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n1\r\n.\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n1\r\n.\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n",
    ];
    for bytes in ANSWERS {
        let world = plan().start();
        world.upstream.once(Script::Raw(bytes));
        let mut live = world.connect();
        let token = of_session(&world, "user_a", "sess_1");
        let head = live.send(&upgrade(&world, "/api/x", &token).bytes()).head();
        assert!(["101", "200"].contains(&head.word(1)), "{head:?}");
        assert_eq!(live.exactly(6), b"1\r\n.\r\n");
        world.upstream.forget();
        sess_1_ends(&world);
        assert!(live.is_closed(), "{head:?}");
        let _: Value = world.gate.log_line("about a closed stream", |line| {
            line["reason"] == "access_ended"
        });
    }
}

#[test]
fn events_that_nobody_may_see_any_more_stop() {
    let world = plan().start();
    world.upstream.once(Script::Events);
    let mut connection = world.connect();
    let request = world
        .get("/api/events")
        .bearer(&of_session(&world, "user_a", "sess_1"));
    let head = connection
        .send(&request.header("Accept", "text/event-stream").bytes())
        .head();
    assert_eq!(
        head.value("content-type").as_deref(),
        Some("text/event-stream")
    );
    connection.exactly(18);
    world.upstream.forget();
    sess_1_ends(&world);
    assert!(connection.is_closed());
    let line = world.gate.log_line("about a closed stream", |line| {
        line["reason"] == "access_ended"
    });
    assert_eq!(
        (&line["path"], &line["status"]),
        (&json!("/api/events"), &json!(200))
    );
}

#[test]
fn a_stream_ends_with_its_token_where_the_route_says_so_and_goes_on_elsewhere() {
    let route =
        |path: &str, streams: &str| json!({"path": path, "access": "user", "streams": streams});
    let mut graceful = route("/api/graceful/**", "at_expiry");
    graceful["streams_grace"] = json!("1h");
    let world = plan()
        .config(|c| c["clerk"]["leeway"] = json!("0s"))
        .route(route("/api/short/**", "at_expiry"))
        .route(graceful)
        .route(route("/api/long/**", "at_revocation"))
        .route(route("/api/free/**", "never"))
        .start();
    let token = world.sign(
        &world
            .mint("user_a")
            .claim("sid", "sess_1")
            .claim("exp", now() + 3),
    );
    let paths = [
        "/api/short/x",
        "/api/graceful/x",
        "/api/long/x",
        "/api/free/x",
    ];
    let [mut short, mut graceful, mut long, mut free] =
        paths.map(|path| web_socket(&world, path, &token));
    is_told(&mut short);
    is_open(&mut graceful);
    is_open(&mut long);
    sess_1_ends(&world);
    is_told(&mut graceful);
    is_told(&mut long);
    is_open(&mut free);
    world.gate.metric_becomes("bailiff_streams_open", &[], 0.0);
    world.gate.metric_becomes(
        "bailiff_streams_closed_total",
        &[("reason", "expired")],
        1.0,
    );
}

#[test]
fn a_stream_of_the_local_user_ends_when_the_shared_token_is_another() {
    let local = |token: &str| json!({"token": token});
    let (old, new) = ("the-shared-token-of-yesterday", "the-shared-token-of-today");
    let world = plan()
        .config(|c| {
            c.as_object_mut().map(|c| c.remove("clerk"));
            c["local"] = local(old);
        })
        .start();
    let mut live = web_socket(&world, "/api/x", old);
    world.rewrite_config(|c| c["local"] = json!({"token": [new, old]}));
    world.gate.metric_becomes(
        "bailiff_reloads_total",
        &[("part", "config"), ("result", "ok")],
        1.0,
    );
    is_open(&mut live);
    world.rewrite_config(|c| c["local"] = local(new));
    is_told(&mut live);
    world.gate.metric_becomes(
        "bailiff_streams_closed_total",
        &[("reason", "wrong_local_token")],
        1.0,
    );
}

#[test]
fn every_web_socket_that_the_app_accepts_is_open_however_quick_the_app_is() {
    let world = plan().start();
    let token = world.token("user_a");
    // With Pingora alone one of ten or so is closed behind its 101 (cloudflare/pingora#946).
    let mut all: Vec<_> = (0..120)
        .map(|_| web_socket(&world, "/api/ws/ws_1/live", &token))
        .collect();
    all.iter_mut().for_each(is_open);
    world
        .gate
        .metric_becomes("bailiff_streams_open", &[], 120.0);
}

#[test]
fn an_upgrade_that_cannot_be_had_is_answered_like_any_request() {
    let world = plan().start();
    let token = world.token("user_a");
    let mut connection = world.connect();
    for status in [426, 200, 503, 426] {
        world.upstream.once(Script::Status(status));
        assert_eq!(
            upgrade(&world, "/api/x", &token)
                .send_on(&mut connection)
                .status,
            status
        );
    }
    let nowhere = plan()
        .config(|c| c["upstream"] = json!("unix:/nowhere/app.sock"))
        .start();
    let answer = upgrade(&nowhere, "/api/x", &nowhere.token("user_a"))
        .send()
        .refused(502);
    assert_eq!(nowhere.gate.reason(&answer), "upstream_connect");
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a free port");
    let nobody = plan()
        .config(|c| c["upstream"] = json!(format!("http://{closed}")))
        .start();
    let answer = upgrade(&nobody, "/api/x", &nobody.token("user_a"))
        .send()
        .refused(502);
    assert_eq!(nobody.gate.reason(&answer), "upstream_connect");
}
