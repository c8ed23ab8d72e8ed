//! Somebody else writes into the store, or it does not let us.

use super::*;

/// The fleet goes on: what one learns the other hears.
#[track_caller]
fn goes_on(fleet: &Fleet, session: &str) {
    fleet.ends(0, session);
    fleet.all_refuse(
        &fleet.of_session("user_admin", session),
        "/api/x",
        "session_revoked",
    );
}

#[test]
fn a_fact_that_is_none_is_counted_and_lets_nobody_in() {
    let mut fleet = Fleet::start(1);
    let b = fleet.token("user_b");
    fleet.ban(0, "user_b");
    let good: String = fleet.redis.run(&["HGET", "{bailiff}:facts", "user user_b"]);
    let long = "x".repeat(100_000);
    let poisons: &[(&str, &str)] = &[
        ("user user_b", "garbage"),
        ("user user_c", ""),
        ("user user_d", "2later"),
        ("user user_e", &long),
        (
            "member org_two user_a",
            "1000000000000000000050ff\n{\"at\":5,\"role\":\"owner\",\"extra\":1}",
        ),
        (
            "member org_two user_stranger",
            "1999999999999999999990ff\n{\"at\":5,\"role\":\"owner\"}",
        ),
        ("nonsense", &good),
        ("organization \u{ff}", &good),
    ];
    for (key, value) in poisons {
        let _: i64 = fleet.redis.run(&["HSET", "{bailiff}:facts", key, value]);
    }
    let _: i64 = redis::cmd("HSET")
        .arg("{bailiff}:facts")
        .arg(b"user \xff\xfe")
        .arg(b"1\xff\n\xfe")
        .query(&mut fleet.redis.connect())
        .unwrap();
    fleet.join(|_| ());
    fleet.reaches(
        1,
        "bailiff_shared_entries_total",
        &[("result", "poisoned")],
        9.0,
    );
    fleet.gates[1].log_line("about poisoned facts", |line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("facts that are none"))
    });
    fleet.refuses(
        1,
        &fleet.token("user_stranger"),
        "/api/ws/ws_2/x",
        "unknown_user",
    );
    fleet.refuses(1, &fleet.token("user_a"), "/api/ws/ws_2/x", "not_a_member");
    fleet.refuses(0, &b, "/api/x", "user_banned");
    goes_on(&fleet, "sess_1");
    // Whoever knows better writes over it.
    fleet.ban(0, "user_b");
    fleet.tell(
        0,
        "user.updated",
        json!({"id": "user_b", "banned": true, "first_name": "B", "updated_at": now() * 1000 + 5}),
    );
    fleet.refuses(1, &b, "/api/x", "user_banned");
}

#[test]
fn an_entry_of_the_log_that_is_none_is_passed_over_and_does_not_stop_the_next() {
    let fleet = Fleet::start(2);
    goes_on(&fleet, "sess_1");
    for fields in [
        &["nonsense", "x"][..],
        &["p", "zz", "n", "0"],
        &["p", "0000000000000001", "n", "000000000000000g"],
    ] {
        let add = [&["XADD", "{bailiff}:log", "*"], fields].concat();
        let _: String = fleet.redis.run(&add);
    }
    fleet.reaches(
        1,
        "bailiff_shared_entries_total",
        &[("result", "poisoned")],
        3.0,
    );
    goes_on(&fleet, "sess_2");
    // An entry behind all that we could write, and one with a part that ours never have.
    let _: String = fleet
        .redis
        .run(&["XADD", "{bailiff}:log", "18446744073709551615-7", "a", "b"]);
    goes_on(&fleet, "sess_3");
    goes_on(&fleet, "sess_4");
    // A forged one, which does not know the chain: what it says is heard as far as it is a fact, and all is read again.
    let _: String = fleet.redis.run(&[
        "XADD",
        "{bailiff}:log",
        "*",
        "p",
        "0123456789abcdef",
        "n",
        "0123456789abcdef",
        "k",
        "v",
    ]);
    goes_on(&fleet, "sess_5");
    assert!(
        fleet.metric(1, "bailiff_shared_snapshots_total", &[]) < 12.0,
        "it does not read all again and again"
    );
}

#[test]
fn keys_of_another_type_are_said_and_hold_up_nothing() {
    for key in ["facts", "head", "log", "forget"] {
        let fleet = Fleet::start(2);
        goes_on(&fleet, "sess_1");
        let key = format!("{{bailiff}}:{key}");
        let _: () = fleet.redis.run(&["SET", &key, "nonsense"]);
        let b = fleet.token("user_b");
        fleet.ban(0, "user_b");
        fleet.refuses(0, &b, "/api/x", "user_banned");
        assert_eq!(fleet.ask(1, &fleet.token("user_a"), "/api/x").status, 200);
        let _: i64 = fleet.redis.run(&["DEL", &key]);
        fleet.all_refuse(&b, "/api/x", "user_banned");
        goes_on(&fleet, "sess_2");
    }
}

#[test]
fn the_state_of_another_version_is_not_guessed_at() {
    let mut fleet = Fleet::start(1);
    let _: i64 = fleet.redis.run(&[
        "HSET",
        "{bailiff}:head",
        "fmt",
        "2",
        "seq",
        "9",
        "nonce",
        "later",
    ]);
    let (launch, relay) = fleet.launch(|_| ());
    fleet.gates.push(launch.start_unready());
    fleet.relays.push(relay);
    let refused = fleet.ask(1, &fleet.token("user_a"), "/api/x").refused(503);
    assert_eq!(fleet.gates[1].reason(&refused), "shared_state_unavailable");
    assert!(
        fleet.gates[1]
            .admin("/readyz")
            .text()
            .contains("another version")
    );
    fleet.ban(0, "user_b");
    assert_eq!(
        fleet
            .redis
            .run::<String>(&["HGET", "{bailiff}:head", "fmt"]),
        "2",
        "nothing was written over it"
    );
}

/// A user of the store who may read, and a gate with those credentials.
#[track_caller]
fn reader(fleet: &mut Fleet, write: bool) {
    let rules = [
        "on",
        ">secret",
        "~{bailiff}:*",
        "-@all",
        "+@read",
        "+@connection",
        "+multi",
        "+exec",
    ];
    let _: String = fleet
        .redis
        .run(&[&["ACL", "SETUSER", "sidecar"], &rules[..]].concat());
    fleet.join(|c| {
        c["shared"]["username"] = json!("sidecar");
        c["shared"]["password"] = json!("secret");
        c["shared"]["write"] = json!(write);
    });
}

#[test]
fn a_gate_that_may_only_read_hears_everything_and_tells_nothing() {
    for write in [false, true] {
        let mut fleet = Fleet::start(1);
        reader(&mut fleet, write);
        goes_on(&fleet, "sess_1");
        let b = fleet.token("user_b");
        fleet.ban(1, "user_b");
        fleet.refuses(1, &b, "/api/x", "user_banned");
        goes_on(&fleet, "sess_2");
        assert_eq!(fleet.ask(0, &b, "/api/x").status, 200, "it may not tell");
        if write {
            fleet.gates[1].log_line("about the missing right", |line| {
                line["trouble"]
                    .as_str()
                    .is_some_and(|text| text.starts_with("not permitted"))
            });
            assert!(
                fleet.metric(1, "bailiff_shared_snapshots_total", &[]) < 3.0,
                "it does not try again and again"
            );
        }
    }
}

#[test]
fn wrong_credentials_keep_users_out_and_are_said_without_repeating_them() {
    let mut fleet = Fleet::start(0);
    let (launch, relay) = fleet.launch(|c| {
        c["shared"]["username"] = json!("nobody");
        c["shared"]["password"] = json!("a-password-that-nobody-should-read");
    });
    fleet.gates.push(launch.start_unready());
    fleet.relays.push(relay);
    let refused = fleet.ask(0, &fleet.token("user_a"), "/api/x").refused(503);
    assert_eq!(fleet.gates[0].reason(&refused), "shared_state_unavailable");
    eventually("it said why", || {
        fleet.gates[0]
            .admin("/readyz")
            .text()
            .contains("credentials are refused")
            .then_some(())
    });
    assert!(
        fleet.gates[0]
            .logs()
            .iter()
            .all(|line| !line.contains("a-password-that"))
    );
}

#[test]
fn an_answer_larger_than_memory_is_not_read_and_the_next_word_comes_through() {
    let fleet = Fleet::start(2);
    goes_on(&fleet, "sess_1");
    let huge = "return redis.call('XADD', KEYS[1], '*', 'a', string.rep('x', 60 * 1024 * 1024))";
    let _: String = fleet.redis.run(&["EVAL", huge, "1", "{bailiff}:log"]);
    fleet.gates[1].log_line("about an answer that is too large", |line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("the shared store is not read"))
    });
    assert_eq!(fleet.ask(1, &fleet.token("user_a"), "/api/x").status, 200);
    goes_on(&fleet, "sess_2");
    assert!(
        fleet.gates[1].resident_kib() < 200 * 1024,
        "{} KiB",
        fleet.gates[1].resident_kib()
    );
}
