//! The store is gone, late, empty, or another one than before.

use super::*;

#[test]
fn without_the_store_nobody_gets_in_who_should_not_and_what_was_learned_meanwhile_is_not_lost() {
    let mut fleet = Fleet::start(3);
    let (a, b, owner) = (
        fleet.token("user_a"),
        fleet.token("user_b"),
        fleet.token("user_owner"),
    );
    fleet.ban(0, "user_b");
    fleet.all_refuse(&b, "/api/x", "user_banned");

    fleet.redis.kill();

    for gate in 0..3 {
        assert_eq!(
            fleet.ask(gate, &a, "/api/x").status,
            200,
            "tokens go on passing"
        );
        fleet.refuses(gate, &b, "/api/x", "user_banned");
        assert_eq!(fleet.gates[gate].admin("/readyz").status, 200);
    }
    // Each learns something that only it knows.
    fleet.ban(0, "user_a");
    fleet.refuses(0, &a, "/api/x", "user_banned");
    fleet.tell(
        1,
        "organizationMembership.deleted",
        membership("org_one", "user_owner", "org:owner"),
    );
    fleet.refuses(1, &owner, "/api/ws/ws_1/x", "not_a_member");
    admin_delete(&fleet.gates[2], "/sessions/sess_9").passed();
    assert_eq!(
        fleet.ask(1, &a, "/api/x").status,
        200,
        "nobody could tell it"
    );

    // It comes back with nothing in it.
    fleet.redis.revive();

    let ended = fleet.of_session("user_admin", "sess_9");
    fleet.all_refuse(&a, "/api/x", "user_banned");
    fleet.all_refuse(&b, "/api/x", "user_banned");
    fleet.all_refuse(&owner, "/api/ws/ws_1/x", "not_a_member");
    fleet.all_refuse(&ended, "/api/x", "session_revoked");
    fleet.join(|_| ());
    assert_eq!(
        fleet.gates[3].reason(&fleet.ask(3, &b, "/api/x")),
        "user_banned",
        "the store has it all again"
    );
}

#[test]
fn a_gate_that_was_cut_off_catches_up_also_when_the_log_does_not_reach_back() {
    for trimmed in [false, true] {
        let fleet = Fleet::start(3);
        let (a, b) = (fleet.token("user_a"), fleet.token("user_b"));
        fleet.relays[2].cut();
        fleet.ban(0, "user_a");
        fleet.ends(1, "sess_1");
        fleet.ban(2, "user_b");
        fleet.refuses(0, &a, "/api/x", "user_banned");
        assert_eq!(fleet.ask(2, &a, "/api/x").status, 200, "it cannot know");
        assert_eq!(fleet.ask(0, &b, "/api/x").status, 200, "nor can they");
        if trimmed {
            let _: i64 = fleet.redis.run(&["XTRIM", "{bailiff}:log", "MAXLEN", "0"]);
        }

        fleet.relays[2].heal();

        fleet.all_refuse(&a, "/api/x", "user_banned");
        fleet.all_refuse(&b, "/api/x", "user_banned");
        fleet.all_refuse(
            &fleet.of_session("user_admin", "sess_1"),
            "/api/x",
            "session_revoked",
        );
        if trimmed {
            fleet.reaches(2, "bailiff_shared_gaps_total", &[("cause", "trimmed")], 1.0);
        }
    }
}

#[test]
fn a_network_that_swallows_everything_holds_up_no_request_and_no_webhook_for_long() {
    let fleet = Fleet::start(2);
    let b = fleet.token("user_b");
    fleet.relays[0].fall_silent();
    let begun = std::time::Instant::now();
    fleet.ban(0, "user_b");
    let took = begun.elapsed();
    assert!(
        took.as_millis() < 2000,
        "the claim and the commit wait for 250 ms each: {took:?}"
    );
    fleet.refuses(0, &b, "/api/x", "user_banned");
    assert_eq!(fleet.ask(0, &fleet.token("user_a"), "/api/x").status, 200);
    fleet.relays[0].heal();
    fleet.all_refuse(&b, "/api/x", "user_banned");
}

#[test]
fn a_gate_that_has_never_read_the_store_lets_no_user_in_and_everybody_else() {
    let mut redis = Redis::start();
    redis.kill();
    let mut fleet = Fleet::of(0, plan(), redis);
    let (launch, relay) = fleet.launch(|_| ());
    fleet.gates.push(launch.start_unready());
    fleet.relays.push(relay);
    let a = fleet.token("user_a");
    let refused = fleet.ask(0, &a, "/api/x").refused(503);
    assert_eq!(fleet.gates[0].reason(&refused), "shared_state_unavailable");
    assert_eq!(fleet.ask(0, &a, "/public/x").status, 200);
    let service = fleet.gates[0]
        .request("GET", "/internal/x")
        .bearer(crate::harness::SERVICE_TOKEN)
        .send();
    assert_eq!(service.status, 200);
    fleet.tell(
        0,
        "user.updated",
        json!({"id": "user_b", "banned": true, "updated_at": 5}),
    );
    let ready = fleet.gates[0].admin("/readyz");
    assert_eq!(ready.status, 503);
    assert!(
        ready
            .text()
            .contains("what replicas share was not read yet"),
        "{}",
        ready.text()
    );
    assert!(ready.text().contains("shared store: "), "{}", ready.text());

    fleet.redis.revive();

    fleet.admits(0, &a, "/api/x");
    fleet.refuses(0, &fleet.token("user_b"), "/api/x", "user_banned");
    eventually("it was ready", || {
        (fleet.gates[0].admin("/readyz").status == 200).then_some(())
    });
}

#[test]
fn a_gate_with_a_file_of_its_own_opens_with_what_it_knew_when_the_store_is_down() {
    let mut fleet = Fleet::of(0, plan().with_store(), Redis::start());
    fleet.join(|_| ());
    fleet.join(|_| ());
    let (a, b) = (fleet.token("user_a"), fleet.token("user_b"));
    fleet.ban(1, "user_b");
    fleet.refuses(0, &b, "/api/x", "user_banned");
    let launch = fleet.gates.remove(0).stopped();
    fleet.redis.kill();

    let gate = launch.start();

    fleet.gates.insert(0, gate);
    assert_eq!(fleet.ask(0, &a, "/api/x").status, 200);
    assert_eq!(
        fleet.gates[0].reason(&fleet.ask(0, &b, "/api/x")),
        "user_banned"
    );

    // What it knew of one store says nothing of another.
    let launch = fleet.gates.remove(0).stopped();
    let config = std::fs::read_to_string(launch.path("bailiff.yaml")).expect("a config");
    let url = fleet.relays[0].url();
    let gate = launch
        .file("bailiff.yaml", &config.replace(&url, &format!("{url}/1")))
        .start_unready();
    let refused = gate.request("GET", "/api/x").bearer(&a).send().refused(503);
    assert_eq!(gate.reason(&refused), "shared_state_unavailable");
}

#[test]
fn an_emptied_store_takes_nothing_away_and_is_filled_again() {
    let mut fleet = Fleet::start(2);
    let b = fleet.token("user_b");
    fleet.ban(0, "user_b");
    fleet.all_refuse(&b, "/api/x", "user_banned");
    let _: String = fleet.redis.run(&["FLUSHALL"]);
    // The next word of anybody shows it.
    fleet.ban(1, "user_a");
    fleet.all_refuse(&fleet.token("user_a"), "/api/x", "user_banned");
    fleet.all_refuse(&b, "/api/x", "user_banned");
    eventually("the store had the first ban again", || {
        fleet
            .redis
            .run::<bool>(&["HEXISTS", "{bailiff}:facts", "user user_b"])
            .then_some(())
    });
    // And when nobody says anything it is found by asking.
    let _: String = fleet.redis.run(&["FLUSHALL"]);
    eventually("the store had both bans again", || {
        let facts: Vec<String> = fleet.redis.run(&["HKEYS", "{bailiff}:facts"]);
        ["user user_a", "user user_b"]
            .iter()
            .all(|key| facts.iter().any(|f| f == key))
            .then_some(())
    });
    fleet.join(|_| ());
    assert_eq!(
        fleet.gates[2].reason(&fleet.ask(2, &b, "/api/x")),
        "user_banned"
    );
}

#[test]
fn a_store_that_is_set_back_to_an_older_copy_loses_nothing() {
    let mut fleet = Fleet::start(2);
    fleet.ban(0, "user_b");
    fleet.all_refuse(&fleet.token("user_b"), "/api/x", "user_banned");
    let _: String = fleet.redis.run(&["SAVE"]);
    fleet.ban(1, "user_a");
    fleet.ends(0, "sess_1");
    fleet.all_refuse(&fleet.token("user_a"), "/api/x", "user_banned");
    fleet.redis.kill();
    // Nobody fills it again before it was looked at.
    fleet.relays.iter().for_each(Relay::cut);
    fleet.redis.revive();
    let has_the_ban =
        |redis: &Redis| redis.run::<bool>(&["HEXISTS", "{bailiff}:facts", "user user_a"]);
    assert!(!has_the_ban(&fleet.redis), "it is the older copy");
    fleet.relays.iter().for_each(Relay::heal);

    // The numbers of what it has lost go to something else.
    fleet.ends(1, "sess_2");

    for session in ["sess_1", "sess_2"] {
        fleet.all_refuse(
            &fleet.of_session("user_admin", session),
            "/api/x",
            "session_revoked",
        );
    }
    fleet.all_refuse(&fleet.token("user_a"), "/api/x", "user_banned");
    eventually("the store had the lost ban again", || {
        has_the_ban(&fleet.redis).then_some(())
    });
    fleet.join(|_| ());
    assert_eq!(
        fleet.gates[2].reason(&fleet.ask(2, &fleet.token("user_a"), "/api/x")),
        "user_banned"
    );
}

#[test]
fn a_store_is_believed_only_with_a_certificate_for_its_name() {
    let fleet = Fleet::start(0);
    let relay = fleet.redis.tls_relay();
    let a = fleet.token("user_a");
    for (host, ca, trusted) in [
        ("localhost", Some("ca.pem"), true),
        ("localhost", None, false),
        ("127.0.0.1", Some("ca.pem"), false),
    ] {
        let (launch, _plain) = fleet.launch(|c| {
            c["shared"]["redis"] = json!(relay.url(host));
            if let Some(ca) = ca {
                c["shared"]["ca"] = json!(ca);
            }
        });
        let launch = launch.file("ca.pem", &relay.certificate);
        if trusted {
            let gate = launch.start();
            assert_eq!(gate.request("GET", "/api/x").bearer(&a).send().status, 200);
            continue;
        }
        let gate = launch.start_unready();
        let refused = gate.request("GET", "/api/x").bearer(&a).send().refused(503);
        assert_eq!(gate.reason(&refused), "shared_state_unavailable", "{host}");
        assert!(
            gate.admin("/readyz").text().contains("certificate"),
            "{}",
            gate.admin("/readyz").text()
        );
    }
}
