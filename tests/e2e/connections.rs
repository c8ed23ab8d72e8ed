//! Connections, bodies and streams on both sides of the gate: what is kept, what is closed, what
//! passes through.

use serde_json::json;

use crate::harness::{A_ID, Connection, Script, World, eventually};

#[test]
fn a_refusal_without_a_body_keeps_the_connection() {
    let world = World::start();
    let token = world.token("user_a");
    let mut connection = world.connect();
    for _ in 0..3 {
        world
            .get("/api/x")
            .send_on(&mut connection)
            .not_authenticated();
        world.get("/nowhere").send_on(&mut connection).refused(404);
        world
            .get("/api/ws/ws_2/x")
            .bearer(&token)
            .send_on(&mut connection)
            .forbidden();
        world
            .get("/api/x")
            .bearer(&token)
            .send_on(&mut connection)
            .passed();
    }
    assert_eq!(world.upstream.take(3).len(), 3);
}

#[test]
fn a_refused_request_with_an_unread_body_closes_and_its_body_is_never_a_request() {
    let world = World::start();
    let token = world.token("user_a");
    let hidden =
        format!("GET /api/x HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {token}\r\n\r\n");
    for (given, sent) in [
        ("whole", hidden.as_str()),
        ("announced and not sent", ""),
        ("in part", &hidden[..20]),
    ] {
        let length = hidden.len();
        let head =
            format!("POST /api/x HTTP/1.1\r\nHost: app.test\r\nContent-Length: {length}\r\n\r\n");
        let mut connection = world.connect();
        let answer = connection
            .send(format!("{head}{sent}").as_bytes())
            .answer("POST");

        answer.not_authenticated();
        if given != "whole" {
            connection.send(hidden.as_bytes());
        }
        assert!(
            connection.try_answer("GET").is_err(),
            "given: {given}, a body was read as a request"
        );
        world.upstream.saw_nothing();
    }
}

#[test]
fn an_upload_that_will_be_refused_is_refused_before_it_is_sent() {
    let world = World::start();
    let head = "POST /api/x HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1073741824\r\n\
        Expect: 100-continue\r\n\r\n";

    let answer = world
        .connect()
        .send(head.as_bytes())
        .next("POST")
        .expect("an answer");

    answer.not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn an_upload_that_passes_waits_for_the_app() {
    let world = World::start();
    world.upstream.once(Script::Continue);
    let request = world
        .post("/api/x", "a body")
        .bearer(&world.token("user_a"));
    let bytes = request.header("Expect", "100-continue").bytes();
    let (head, body) = bytes.split_at(bytes.len() - 6);
    let mut connection = world.connect();

    let interim = connection
        .send(head)
        .next("POST")
        .expect("an interim answer");

    assert_eq!(interim.status, 100);
    assert_eq!(
        connection.send(body).answer("POST").passed().text(),
        "a body"
    );
    assert_eq!(world.upstream.only().body, b"a body");
}

#[test]
fn a_head_request_gets_no_body_from_the_app_nor_from_the_gate() {
    let world = World::start();
    let mut connection = world.connect();

    let passed = world.request("HEAD", "/public/x").send_on(&mut connection);
    let refused = world.request("HEAD", "/api/x").send_on(&mut connection);
    let next = world.get("/public/y").send_on(&mut connection);

    assert_eq!(
        (passed.status, refused.status, next.status),
        (200, 401, 200)
    );
    assert_eq!(
        next.text(),
        "hello from the app",
        "no stray bytes before this answer"
    );
}

#[test]
fn events_are_passed_on_as_they_come() {
    let world = World::start();
    world.upstream.once(Script::Events);
    let mut connection = world.connect();
    let request = world
        .get("/public/events")
        .header("Accept", "text/event-stream");

    let head = connection.send(&request.bytes()).head();
    assert_eq!(
        head.value("content-type").as_deref(),
        Some("text/event-stream")
    );
    let first = connection.exactly(18);
    assert!(
        first.ends_with(b"data: first\n\n\r\n"),
        "{}",
        first.escape_ascii()
    );

    world.upstream.release();
    let second = connection.exactly(19);
    assert!(
        second.ends_with(b"data: second\n\n\r\n"),
        "{}",
        second.escape_ascii()
    );
}

#[test]
fn an_app_that_is_down_gives_502_and_comes_back_by_itself() {
    let world = World::start();
    let token = world.token("user_a");
    world.upstream.once(Script::Close);

    let answer = world
        .post("/api/x", "once")
        .bearer(&token)
        .send()
        .refused(502);

    assert_eq!(answer.json()["detail"], "Bad gateway");
    assert_eq!(
        world.gate.reason(&answer).split('_').next(),
        Some("upstream")
    );
    world.upstream.take(1);
    world.upstream.drop_connections();
    eventually("the app was reached again", || {
        let answer = world.get("/api/x").bearer(&token).send();
        (answer.status == 200).then_some(())
    });
}

#[test]
fn a_route_waits_as_long_as_it_says_and_takes_a_body_as_large_as_it_says() {
    let plan = World::plan()
        .route(json!({"path": "/slow/**", "access": "public", "timeout": "200ms"}))
        .route(json!({"path": "/small/**", "access": "public", "max_body": "1KiB"}));
    let world = plan.start();

    world.upstream.once(Script::Hold);
    let answer = world.get("/slow/x").send().refused(504);
    assert_eq!(answer.json()["detail"], "Gateway timeout");
    world.upstream.release();
    world.upstream.take(1);

    world.post("/small/x", [b'x'; 1024]).send().passed();
    world.upstream.take(1);
    world.post("/small/x", [b'x'; 1025]).send().refused(413);
    world.upstream.saw_nothing();
}

#[test]
fn connections_to_the_app_are_used_again() {
    const REQUESTS: usize = 10;
    let world = World::start();
    let mut connection = world.connect();
    for _ in 0..REQUESTS {
        world.get("/public/x").send_on(&mut connection).passed();
    }

    let seen = world.upstream.take(REQUESTS);

    // A connection goes back to the pool a moment after the answer, so now and then a second one is opened.
    let mut used: Vec<_> = seen.iter().map(|recorded| recorded.connection).collect();
    used.dedup();
    assert!(used.len() < REQUESTS, "no connection was used twice");
}

#[test]
fn a_client_of_http_1_0_sees_the_connection_end_unless_it_asks_to_keep_it() {
    let world = World::start();
    for target in ["/public/x", "/api/x"] {
        let mut connection = world.connect();
        connection
            .send(format!("GET {target} HTTP/1.0\r\nHost: app.test\r\n\r\n").as_bytes())
            .answer("GET");
        assert!(connection.is_closed(), "given: {target}");

        let mut kept = world.connect();
        let request =
            format!("GET {target} HTTP/1.0\r\nHost: app.test\r\nConnection: keep-alive\r\n\r\n");
        let first = kept.send(request.as_bytes()).answer("GET").status;
        assert_eq!(
            kept.send(request.as_bytes()).answer("GET").status,
            first,
            "given: {target}"
        );
    }
}

#[test]
fn a_100_a_head_that_drips_in_is_cut_off_however_steadily_it_drips() {
    let world = World::plan()
        .config(|c| c["timeouts"] = json!({"client": "1s"}))
        .start();
    let dripping = |mut connection: Connection, given: &str| {
        connection.send(b"GET /public/x HTTP/1.1\r\nHost: app.test\r\nX-Drip: ");
        eventually(&format!("{given} was cut off"), || {
            connection.send(b"a");
            (!connection.is_quiet()).then_some(())
        });
    };
    dripping(world.connect(), "the first head of a connection");

    let mut connection = world.connect();
    world.get("/public/x").send_on(&mut connection).passed();
    world.upstream.take(1);
    dripping(connection, "a later head");
    dripping(
        Connection::open(world.gate.admin_address()),
        "a head on the admin port",
    );
    world.upstream.saw_nothing();
}

#[test]
fn a_request_that_takes_longer_than_a_head_may_is_not_cut_off() {
    let world = World::plan()
        .config(|c| c["timeouts"] = json!({"client": "1s"}))
        .start();
    world.upstream.once(Script::Hold);
    let mut connection = world.connect();
    connection.send(&world.get("/public/x").bytes());
    let mut other = world.connect();
    other.send(b"GET /");
    assert!(other.is_closed(), "the time of a head is over");

    world.upstream.release();

    connection.answer("GET").passed();
}

#[test]
fn a_101_no_more_connections_are_kept_than_there_is_room_for() {
    let world = World::plan()
        .config(|c| c["max_connections"] = json!(3))
        .start();
    let mut busy: Vec<_> = (0..3).map(|_| world.connect()).collect();
    for connection in &mut busy {
        world.upstream.once(Script::Hold);
        connection.send(&world.get("/public/x").bytes());
    }
    world
        .gate
        .metric_becomes("bailiff_requests_in_flight", &[], 3.0);

    let mut surplus = world.connect();
    assert!(surplus.is_closed(), "a fourth connection was kept");
    assert_eq!(
        world
            .gate
            .metrics()
            .sum("bailiff_connections_refused_total", &[]),
        1.0
    );

    (0..3).for_each(|_| world.upstream.release());
    for mut connection in busy {
        connection.answer("GET").passed();
    }
    eventually("there was room again", || {
        let answer = world
            .connect()
            .send(&world.get("/public/x").bytes())
            .try_answer("GET")
            .ok()?;
        (answer.status == 200).then_some(())
    });
}

#[test]
fn a_92_trailers_are_no_headers_and_are_not_passed_on() {
    let world = World::start();
    let token = world.token("user_a");
    let request = format!(
        "POST /api/x HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Workspace-Role\r\n\r\n3\r\nabc\r\n0\r\nX-User-Id: root\r\nX-Workspace-Role: owner\r\n\r\n"
    );
    world.raw(&request).only().passed();
    let seen = world.upstream.only();
    assert_eq!(
        (seen.body.as_slice(), seen.header("x-user-id").as_deref()),
        (&b"abc"[..], Some(A_ID))
    );
    assert!(
        seen.complete && seen.header("x-workspace-role").is_none(),
        "{seen:?}"
    );
}
