//! The harness is what all other tests believe, so it is tested first: without a gate.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::thread;

use serde_json::json;

use crate::harness::{
    Connection, Delivery, Postgres, Request, Scrape, Script, Upstream, event, raw,
};

fn get(upstream: &Upstream, target: &str) -> Request {
    Request::new(upstream.address(), "GET", target)
}

#[test]
fn the_app_writes_down_the_very_bytes_of_a_request() {
    let upstream = Upstream::start();
    let sent =
        b"POST /a%20b?c HTTP/1.1\r\nhOsT: x\r\nX_User-Id:  \xff \r\nContent-Length: 3\r\n\r\nabc";

    let answer = raw(upstream.address(), sent).only();

    assert_eq!(answer.passed().text(), "abc");
    let seen = upstream.only();
    assert_eq!([&seen.head.raw[..], &seen.body].concat(), sent);
    assert_eq!((seen.method(), seen.target()), ("POST", "/a%20b?c"));
    assert_eq!(seen.identity(), [r"x_user-id: \xff"]);
}

#[test]
fn a_chunked_body_is_put_together_whatever_its_pieces() {
    let upstream = Upstream::start();
    let mut connection = Connection::open(upstream.address());
    connection.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab");
    assert!(!upstream.head().complete);

    connection.send(b"\r\n1\r\nc\r\n0\r\n\r\n");

    assert_eq!(connection.answer("POST").text(), "abc");
    assert_eq!(upstream.only().body, b"abc");
}

#[test]
fn several_answers_on_one_connection_are_told_apart() {
    let upstream = Upstream::start();

    let both = raw(
        upstream.address(),
        b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
    );

    assert_eq!(both.answers.len(), 2);
    let targets: Vec<_> = upstream
        .take(2)
        .iter()
        .map(|r| r.target().to_owned())
        .collect();
    assert_eq!(targets, ["/1", "/2"]);
}

#[test]
fn an_answer_to_head_has_no_body_even_when_it_names_a_length() {
    let upstream = Upstream::start();
    let mut connection = Connection::open(upstream.address());

    let head = Request::new(upstream.address(), "HEAD", "/").send_on(&mut connection);
    let next = get(&upstream, "/").send_on(&mut connection);

    assert_eq!(head.body, b"");
    assert_eq!(head.header("content-length").as_deref(), Some("18"));
    assert_eq!(next.text(), "hello from the app");
}

#[test]
fn a_script_is_played_once_and_the_usual_one_after_it() {
    let upstream = Upstream::start();
    upstream.once(Script::Status(503));
    upstream.once(Script::Headers(&["X-Said: so"]));

    let answers = [(); 3].map(|()| get(&upstream, "/").send());

    assert_eq!(answers.each_ref().map(|a| a.status), [503, 200, 200]);
    assert_eq!(answers[1].header("x-said").as_deref(), Some("so"));
}

#[test]
fn a_held_request_is_answered_when_it_is_released_and_not_before() {
    let upstream = Upstream::start();
    upstream.once(Script::Hold);
    let mut connection = Connection::open(upstream.address());
    connection.send(&get(&upstream, "/").bytes());
    upstream.head();
    assert!(connection.is_quiet());

    upstream.release();

    connection.answer("GET").passed();
}

#[test]
fn an_app_that_closes_is_seen_as_closed() {
    let upstream = Upstream::start();
    upstream.once(Script::Close);
    let mut connection = Connection::open(upstream.address());

    connection.send(&get(&upstream, "/").bytes());

    assert!(connection.is_closed());
    assert!(connection.try_answer("GET").is_err());
}

#[test]
fn a_web_socket_gives_back_what_it_gets() {
    let upstream = Upstream::start();
    upstream.once(Script::WebSocket);
    let mut connection = Connection::open(upstream.address());
    let upgrade = get(&upstream, "/").header("Upgrade", "websocket");

    assert_eq!(upgrade.send_on(&mut connection).status, 101);
    connection.send(b"ping");
    assert_eq!(connection.exactly(4), b"ping");
}

#[test]
fn events_come_one_by_one() {
    let upstream = Upstream::start();
    upstream.once(Script::Events);
    let mut connection = Connection::open(upstream.address());
    connection.send(&get(&upstream, "/").bytes());

    assert_eq!(connection.head().word(1), "200");
    assert_eq!(connection.exactly(18), b"d\r\ndata: first\n\n\r\n");
    upstream.release();
    assert_eq!(connection.exactly(19), b"e\r\ndata: second\n\n\r\n");
}

#[test]
fn a_request_says_what_the_test_says_and_no_more() {
    let upstream = Upstream::start();
    let request = Request::new(upstream.address(), "POST", "/x")
        .header("host", "other")
        .headers([("A", "1"), ("a", "2")])
        .bearer("t")
        .body("abc");

    assert_eq!(
        String::from_utf8_lossy(&request.bytes()),
        "POST /x HTTP/1.1\r\nhost: other\r\nA: 1\r\na: 2\r\nAuthorization: Bearer t\r\n\
         Content-Length: 3\r\n\r\nabc",
    );
}

#[test]
fn an_answer_cut_off_in_its_body_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let liar = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab";
        stream
            .write_all(cut)
            .and_then(|()| stream.shutdown(Shutdown::Write))
    });

    assert!(Connection::open(address).try_answer("GET").is_err());
    liar.join()
        .expect("the liar ends")
        .expect("and could write");
}

#[test]
fn a_scrape_is_read_with_labels_of_any_content() {
    let scrape = Scrape::parse(concat!(
        "# HELP a_total Help.\n# TYPE a_total counter\n",
        "a_total{route=\"/x/{y}\",reason=\"say \\\"no\\\"\"} 2\n",
        "a_total{route=\"/z, b\",reason=\"\"} 3\n",
        "b 1.5e3\n",
    ));

    assert_eq!(scrape.sum("a_total", &[]).to_bits(), 5_f64.to_bits());
    assert_eq!(
        scrape.sum("a_total", &[("route", "/z, b")]).to_bits(),
        3_f64.to_bits()
    );
    assert_eq!(scrape.sum("b", &[]).to_bits(), 1500_f64.to_bits());
    assert!(scrape.has("a_total", &["route", "reason"]));
    assert_eq!(scrape.samples[0].labels["reason"], r#"say "no""#);
}

#[test]
fn a_delivery_carries_a_signature_that_was_published_as_an_example() {
    let mut example = Delivery::of(r#"{"email":"test@example.com","username":"test_user"}"#);
    example.id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".to_owned();

    let signed = example.at(1_649_367_553);

    assert_eq!(
        signed.signature,
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
    );
    assert_eq!(
        event("user.deleted", json!({"id": "user_a"}), 7)["timestamp"],
        7
    );
}

#[test]
fn a_database_takes_its_processes_and_its_folder_with_it() {
    let server = Postgres::start();
    let folder = server.folder().to_owned();
    assert_eq!(server.psql("postgres", "SELECT 6 * 7").succeeded(), "42");
    server
        .psql("postgres", "SELECT * FROM nowhere")
        .refused("42P01");
    let pid = std::fs::read_to_string(folder.join("data/postmaster.pid"))
        .expect("a running server says its pid");
    let process =
        std::path::Path::new("/proc").join(pid.lines().next().expect("the first line is the pid"));
    assert!(process.exists());

    drop(server);

    assert!(!process.exists() && !folder.exists());
}
