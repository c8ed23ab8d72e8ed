//! Configs that move an issuer's keys while they are being asked for.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use bailiff::dev::issuer::Behaviour;
use serde_json::{Value, json};

use crate::harness::{PATIENCE, World, eventually, foreign_key};

fn status(world: &World, token: &str) -> u16 {
    world.get("/api/me").bearer(token).send().status
}

/// The config with another source of keys.
fn keys_from(config: &mut Value, name: &str, source: &str) {
    let clerk = config["clerk"].as_object_mut().expect("a table");
    clerk.remove("jwks_url");
    clerk.insert(name.to_owned(), json!(source));
}

/// Waits until the gate asks this listener for keys.
#[track_caller]
fn asked(listener: &TcpListener) -> TcpStream {
    let (mut asking, _) = listener.accept().expect("the gate asks");
    asking
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        asking.read_exact(&mut byte).expect("a whole head");
        head.extend(byte);
    }
    asking
}

#[test]
fn keys_that_arrive_after_the_config_has_moved_on_vouch_for_nobody() {
    let world = World::start();
    let (ours, theirs) = (
        world.token("user_a"),
        world.mint("user_a").sign(&foreign_key()),
    );
    let slow = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = slow.local_addr().expect("a bound socket has an address");

    world.rewrite_config(|c| keys_from(c, "jwks_url", &format!("http://{address}/jwks.json")));
    let mut asking = asked(&slow);
    assert_eq!(
        status(&world, &ours),
        503,
        "the keys of the address before are gone"
    );

    // The answer is still on its way when the config names another source.
    world.rewrite_config(|c| keys_from(c, "jwt_key", &world.clerk.key().public_pem()));
    eventually("the key of the config counted", || {
        (status(&world, &ours) == 200).then_some(())
    });
    let keys = json!({"keys": [foreign_key().jwk()]}).to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{keys}",
        keys.len()
    );
    asking
        .write_all(answer.as_bytes())
        .expect("the gate still listens");

    world
        .gate
        .log_line("about keys that nobody asks for", |line| {
            let message = line["message"].as_str().unwrap_or_default();
            message.starts_with("keys came from where")
                || line["kids"].to_string().contains("ins_foreign")
        });
    assert_eq!((status(&world, &ours), status(&world, &theirs)), (200, 401));
}

#[test]
fn another_rhythm_of_fetching_takes_no_keys_away_while_the_issuer_is_down() {
    let world = World::start();
    let token = world.token("user_a");
    assert_eq!(status(&world, &token), 200);
    world.clerk.behave(Behaviour::Status(503));

    world.rewrite_config(|c| c["keys"] = json!({"refresh": "30m"}));

    world.gate.log_line("about the new config", |line| {
        line["message"] == "the new config is in force"
    });
    assert_eq!(status(&world, &token), 200);
}
