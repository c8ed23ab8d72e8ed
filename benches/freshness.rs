//! How soon what has changed counts: `cargo bench --bench freshness`.
//!
//! Real gates (release build), a real Redis and PostgreSQL, an endpoint, and WebSockets; all on this machine. It prints medians and
//! 99th percentiles. They are figures of this machine and this moment: compare them with each other. Every loop is bounded.

#![expect(clippy::indexing_slicing, reason = "a bench may panic")]
#![expect(clippy::disallowed_methods, reason = "a bench measures")]

#[path = "../tests/e2e/harness/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "a bench needs a part of what the tests have"
)]
mod harness;

use std::time::{Duration, Instant};

use harness::{
    Connection, Delivery, Endpoint, Gate, Plan, Postgres, Redis, Relay, Request, Script, World,
    event, now,
};
use serde_json::json;

/// Measurements of each kind.
const ROUNDS: usize = 200;
/// Of changes in files and sources, each of which takes longer.
const FEWER: usize = 30;
/// WebSockets that are open at a time.
const STREAMS: usize = 100;
/// Longest wait for one effect.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    // Under `cargo test` nothing is measured.
    let words: Vec<String> = std::env::args().skip(1).collect();
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let parts: [(&str, fn()); 5] = [
        ("replicas", replicas),
        ("streams", streams),
        ("file", file),
        ("postgres", postgres),
        ("endpoint", endpoint),
    ];
    let wanted = |part: &str| {
        words.iter().all(|word| word.starts_with('-')) || words.iter().any(|word| word == part)
    };
    parts
        .iter()
        .filter(|(part, _)| wanted(part))
        .for_each(|(_, measure)| measure());
}

/// Asks again and again, on one connection, until the answer has this status; when that answer was there.
fn until(status: u16, gate: &Gate, request: impl Fn(&Gate) -> Request) -> Instant {
    let end = Instant::now() + PATIENCE;
    let mut connection = Connection::open(gate.address());
    loop {
        let answer = request(gate).send_on(&mut connection);
        let answered = Instant::now();
        if answer.status == status {
            return answered;
        }
        assert!(
            answered < end,
            "no {status} within {PATIENCE:?}, but {answer:?}"
        );
    }
}

/// Prints what was measured, in milliseconds.
fn report(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at =
        |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
    println!(
        "{what:<64} median {:>8.2} ms   p99 {:>8.2} ms   ({} times)",
        at(50),
        at(99),
        took.len()
    );
}

fn banned(user: &str) -> Delivery {
    let at = now() * 1000;
    Delivery::event(&event(
        "user.updated",
        json!({"id": user, "object": "user", "banned": true, "updated_at": at}),
        at,
    ))
}

fn get(gate: &Gate, token: &str) -> Request {
    gate.request("GET", "/api/me").bearer(token)
}

/// From the 2xx of a webhook to the first refusal, where it came in and elsewhere.
fn replicas() {
    let redis = Redis::start();
    let (plan, _relay) = shared(World::plan(), &redis);
    let gates: Vec<Gate> = (0..3).map(|_| plan.launch().start()).collect();
    let tokens: Vec<String> = (0..ROUNDS)
        .map(|n| plan.token(&format!("user_{n}")))
        .collect();
    let (mut accepted, mut here, mut there) = (vec![], vec![], vec![]);
    for (n, token) in tokens.iter().enumerate() {
        for gate in &gates {
            assert_eq!(get(gate, token).send().status, 200, "let in before");
        }
        let begun = Instant::now();
        let answer = banned(&format!("user_{n}"))
            .sent_as(gates[0].request("POST", "/webhooks/clerk"))
            .send();
        let acknowledged = Instant::now();
        assert_eq!(answer.status, 200, "{answer:?}");
        accepted.push(acknowledged - begun);
        // The other replicas first: the look at the same one must not give them time.
        let others: Vec<Instant> = std::thread::scope(|threads| {
            let looks: Vec<_> = gates[1..]
                .iter()
                .map(|g| threads.spawn(|| until(403, g, |g| get(g, token))))
                .collect();
            looks
                .into_iter()
                .map(|look| look.join().expect("a look ends"))
                .collect()
        });
        there.extend(others.into_iter().map(|refused| refused - acknowledged));
        let asked = Instant::now();
        assert_eq!(
            get(&gates[0], token).send().status,
            403,
            "the very next request is refused"
        );
        here.push(asked.elapsed());
        plan.upstream.forget();
    }
    report(
        "webhook sent -> its 2xx (kept, shared, taken by the app)",
        accepted,
    );
    report("2xx -> refused by the same replica (one request)", here);
    report("2xx -> refused by each of two other replicas", there);
}

/// The relay between gates and store is a thread of ours that copies bytes, so what is measured has one hop more than usual.
fn shared(plan: Plan, redis: &Redis) -> (Plan, Relay) {
    let relay = redis.relay();
    let url = relay.url();
    (plan.config(|c| c["shared"] = json!({"redis": url})), relay)
}

/// From the 2xx of `session.revoked` to the end of every stream of that user, on another replica than the webhook came to.
fn streams() {
    let redis = Redis::start();
    let (plan, _relay) = shared(World::plan(), &redis);
    let (first, second) = (plan.launch().start(), plan.launch().start());
    for (what, gate) in [("same replica", &first), ("other replica", &second)] {
        let mut took = vec![];
        for round in 0..10 {
            let session = format!("sess_{what}_{round}").replace(' ', "_");
            let token = plan.sign(&plan.mint("user_a").claim("sid", session.clone()));
            plan.upstream.play(Script::WebSocket);
            let open: Vec<Connection> = (0..STREAMS).map(|_| web_socket(gate, &token)).collect();
            plan.upstream.play(Script::Echo);
            let at = now() * 1000;
            let data = json!({"id": session, "object": "session", "status": "revoked", "user_id": "user_a", "updated_at": at});
            let ends = Delivery::event(&event("session.revoked", data, at));
            assert_eq!(
                ends.sent_as(first.request("POST", "/webhooks/clerk"))
                    .send()
                    .status,
                200
            );
            let acknowledged = Instant::now();
            for mut stream in open {
                // First the close frame with the code 1008 (RFC 6455, 7.4.1), then the end.
                assert_eq!(
                    stream.exactly(4),
                    b"\x88\x0e\x03\xf0",
                    "every stream is told why"
                );
                stream.exactly(12);
                assert!(stream.is_closed(), "every stream ends");
            }
            took.push(acknowledged.elapsed());
            plan.upstream.forget();
        }
        report(
            &format!("2xx -> the last of {STREAMS} WebSockets closed, {what}"),
            took,
        );
    }
}

fn web_socket(gate: &Gate, token: &str) -> Connection {
    let upgrade = get(gate, token).headers([
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]);
    let mut connection = Connection::open(gate.address());
    assert_eq!(upgrade.send_on(&mut connection).status, 101);
    connection
}

/// Rows for a user who is let in, or not.
fn status(active: bool) -> &'static str {
    if active { "active" } else { "suspended" }
}

/// Turns the access of `user_a` off and on by `change`, and measures each time until it counts.
fn toggled(what: &str, plan: &Plan, gate: &Gate, mut change: impl FnMut(bool)) {
    let mut took = vec![];
    for round in 0..FEWER {
        let active = round % 2 == 1;
        let token = plan.token("user_a");
        let changed = Instant::now();
        change(active);
        took.push(
            until(if active { 200 } else { 403 }, gate, |gate| {
                get(gate, &token)
            }) - changed,
        );
        plan.upstream.forget();
    }
    report(what, took);
}

fn file() {
    let plan = World::plan();
    let gate = plan.launch().start();
    toggled(
        "membership file replaced -> counts",
        &plan,
        &gate,
        |active| {
            gate.write_membership(&format!(
                "users: {{user_a: {{access: {}}}}}\n",
                status(active)
            ));
        },
    );
}

fn postgres() {
    let server = Postgres::start();
    let table = "CREATE TABLE users (clerk_id text PRIMARY KEY, access text NOT NULL);
         INSERT INTO users VALUES ('user_a', 'active');";
    server.psql("postgres", table).succeeded();
    let url = server.address_for("postgres");
    let plan = World::plan().config(|c| {
        c["membership"]["postgres"] = json!({
            "url": url,
            "users": "SELECT clerk_id AS user, access FROM users",
            "members": "SELECT 'ws_1' AS workspace, 'user_a' AS user, 'member' AS role",
            "channel": "bailiff_membership",
        });
        c["membership"]
            .as_object_mut()
            .expect("a mapping")
            .remove("file");
    });
    let gate = plan.launch().start();
    toggled(
        "UPDATE and NOTIFY committed (psql included) -> counts",
        &plan,
        &gate,
        |active| {
            let update = format!(
                "UPDATE users SET access = '{}'; NOTIFY bailiff_membership;",
                status(active)
            );
            server.psql("postgres", &update).succeeded();
        },
    );
}

fn endpoint() {
    let document = |active: bool| json!({"users": {"user_a": {"access": status(active)}}});
    let endpoint = Endpoint::saying(&document(true));
    let mut source = endpoint.source();
    source["interval"] = json!("1s");
    let plan = World::plan().config(|c| {
        c["membership"]["http"] = source;
        c["membership"]
            .as_object_mut()
            .expect("a mapping")
            .remove("file");
    });
    let gate = plan.launch().start();
    toggled(
        "answer of the endpoint changed (interval 1 s) -> counts",
        &plan,
        &gate,
        |active| {
            endpoint.says(&document(active));
        },
    );
}
