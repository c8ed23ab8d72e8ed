//! Long streamed answers are not cut. How long something lasts is told by the gate itself: a stream that falls silent on a
//! route without a `timeout` is cut after `timeouts.read`, so whatever began before it and goes on after it has lasted longer.

use serde_json::json;

use super::{Someone, plan, start_app};
use crate::harness::{App, Connection, Plan, World};

/// A streamed answer, of which the test decides when it goes on.
struct Stream<'a> {
    app: &'a App,
    connection: Connection,
    model: String,
}

impl<'a> Stream<'a> {
    /// Opens the stream of this name and reads its first event.
    fn open(app: &'a App, who: &Someone, model: &str, accept: Option<&str>) -> Self {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]});
        let request = who.posts("/api/v1/chat/completions", &body);
        let request = accept
            .into_iter()
            .fold(request, |request, accept| request.header("Accept", accept));
        let mut connection = who.world.connect();
        let head = connection.send(&request.bytes()).head();
        assert_eq!(
            (head.word(1), head.says("transfer-encoding", "chunked")),
            ("200", true),
            "{head:?}"
        );
        let mut stream = Self {
            app,
            connection,
            model: model.to_owned(),
        };
        stream.comes("data: {\"user\": \"user_streams\"}\n\n");
        stream
    }

    fn release(&self, word: Option<&str>) {
        let target = format!(
            "/control/streams/{}/release",
            self.model.replace(' ', "%20")
        );
        let request = self
            .app
            .request("POST", &target)
            .header("Content-Type", "application/json");
        request
            .body(json!({"content": word}).to_string())
            .send()
            .passed();
    }

    fn comes(&mut self, event: &str) {
        let size = format!("{:X}\r\n", event.len());
        let came = self.connection.exactly(size.len() + event.len() + 2);
        assert_eq!(String::from_utf8_lossy(&came), format!("{size}{event}\r\n"));
    }

    /// The next word, released and read.
    fn next(&mut self, word: &str) {
        self.release(Some(word));
        self.comes(&format!(
            "data: {{\"choices\": [{{\"delta\": {{\"content\": \"{word}\"}}}}]}}\n\n"
        ));
    }

    /// The end, as HTTP tells it: a stream that was cut has none.
    fn ends(mut self) {
        self.release(None);
        self.comes("data: [DONE]\n\n");
        assert_eq!(self.connection.exactly(5), b"0\r\n\r\n");
    }
}

/// A gate that waits this long for the next bytes of the app; the recipe's route for streams says otherwise.
fn patient(app: &App, read: &str) -> Plan {
    plan(app).config(|c| c["timeouts"] = json!({"read": read, "client": "1s"}))
}

/// As [`patient`], without the recipe's `timeout` on that route.
fn impatient(app: &App, read: &str) -> World {
    patient(app, read)
        .route(json!({"path": "/api/v1/chat/completions", "access": "user"}))
        .start()
}

#[test]
fn a_stream_with_pauses_longer_than_the_read_timeout_arrives_whole() {
    let app = start_app();
    let (patient, impatient) = (patient(&app, "1s").start(), impatient(&app, "1s"));
    let at = |world| Someone::new(world, "user_streams");

    for (given, who, accept) in [
        ("a route with a timeout of its own", at(&patient), None),
        (
            "a client that asks for events",
            at(&impatient),
            Some("text/event-stream"),
        ),
    ] {
        let mut stream = Stream::open(&app, &who, given, accept);
        for word in ["first", "second"] {
            let mut silent = Stream::open(
                &app,
                &at(&impatient),
                &format!("silent beside {word}"),
                None,
            );
            assert!(silent.connection.is_closed(), "given: {given}");
            stream.next(word);
        }
        stream.ends();
    }
}

#[test]
fn a_stream_that_lasts_longer_than_the_read_timeout_in_sum_arrives_whole() {
    let app = start_app();
    let world = impatient(&app, "2s");
    let who = Someone::new(&world, "user_streams");

    let mut stream = Stream::open(&app, &who, "long", None);
    let mut silent = Stream::open(&app, &who, "silent", None);
    // Each turn listens for a moment, so this is bounded by the timeout; the count is for a gate that never cuts.
    let turns = (0..1_000).take_while(|turn| {
        stream.next(&format!("word {turn}"));
        silent.connection.is_quiet()
    });

    assert!(
        turns.count() < 1_000,
        "the silent stream should have been cut"
    );
    stream.ends();
}
