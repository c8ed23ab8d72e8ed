//! Attacks A-110 to A-113, A-116 and A-117: webhooks that nobody signed, that were signed for something else, that come
//! twice or late. The app must see exactly what was verified, or nothing.

use serde_json::json;

use crate::harness::{Delivery, Script, World, event, eventually, now};

const OTHER_SECRET: &str = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXI=";

#[track_caller]
fn refused(world: &World, delivery: &Delivery, given: &str) {
    let answer = delivery.to(world).send();
    assert_eq!(answer.status, 401, "given: {given}, {answer:?}");
    assert_eq!(
        answer.text(),
        r#"{"detail":"Not authenticated"}"#,
        "given: {given}"
    );
    world.upstream.saw_nothing();
}

#[test]
fn a_110_empty_short_and_foreign_signatures_are_refused() {
    let world = World::start();
    let good = Delivery::of("{}");
    let bare = good
        .signature
        .strip_prefix("v1,")
        .unwrap_or_default()
        .to_owned();
    for signature in [
        "",
        "v1,",
        "v1,AA==",
        "v1",
        ",",
        "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        &good.signature.replacen("v1,", "v2,", 1),
        &good.signature.replacen("v1,", "v1a,", 1),
        &good.signature.replacen("v1,", "V1,", 1),
        &bare,
        &format!("{},junk", good.signature),
        &good.signature.replace('=', ""),
        good.signature.get(..20).unwrap_or_default(),
    ] {
        refused(&world, &good.clone().signature(signature), signature);
    }
    refused(&world, &good.clone().signed(OTHER_SECRET), "another secret");

    good.to(&world).send().passed();
}

#[test]
fn a_110_a_delivery_without_any_of_its_headers_is_refused() {
    let world = World::start();
    let good = Delivery::of("{}");
    let post = || world.post("/webhooks/clerk", &good.body);
    let id = ("svix-id", good.id.as_str());
    let time = ("svix-timestamp", good.timestamp.as_str());
    let signature = ("svix-signature", good.signature.as_str());
    let twice = [id, id, time, signature];
    let split = [id, time, ("svix-signature", "v1,"), signature];

    for (given, headers) in [
        ("none", &[][..]),
        ("no id", &[time, signature]),
        ("no time", &[id, signature]),
        ("no signature", &[id, time]),
        ("id twice", &twice),
        ("signature twice", &split),
    ] {
        let answer = post().headers(headers.iter().copied()).send();
        assert_eq!(answer.status, 401, "given: {given}, {answer:?}");
        world.upstream.saw_nothing();
    }
    let token = world.token("user_owner");
    post().bearer(&token).send().not_authenticated();
    world.upstream.saw_nothing();
}

#[test]
fn a_111_a_signature_is_good_for_its_body_its_id_and_its_time_alone() {
    let world = World::start();
    let body = r#"{"type":"user.updated"}"#;
    let good = Delivery::of(body);
    let later = (now() + 1).to_string();

    refused(
        &world,
        &good.clone().body(body.replace("updated", "deleted")),
        "another body",
    );
    refused(
        &world,
        &good.clone().body(format!("{body} ")),
        "a byte more",
    );
    refused(&world, &good.clone().body(""), "no body");
    refused(&world, &good.clone().timestamp(&later), "another time");
    let mut renamed = good.clone();
    renamed.id.push('x');
    refused(&world, &renamed, "another id");
    let mut resplit = good.clone();
    resplit.id = format!("{}.{}", good.id, good.timestamp);
    refused(&world, &resplit, "an id with a dot");
}

#[test]
fn a_111_of_several_signatures_one_good_one_is_enough() {
    let world = World::start();
    let good = Delivery::of("{}");
    let bad = good.clone().signed(OTHER_SECRET).signature;

    for signature in [
        format!("{bad} {}", good.signature),
        format!("{} v2,x {bad}", good.signature),
    ] {
        let again = Delivery {
            id: good.id.clone(),
            ..good.clone()
        };
        assert_eq!(
            again.signature(&signature).to(&world).send().status,
            200,
            "{signature}"
        );
    }
    // The second list has the same id: it was good, and so it was acknowledged, and not delivered again.
    world.upstream.only();
    refused(
        &world,
        &good.signature(&format!("{bad} {bad}")),
        "two bad ones",
    );
}

#[test]
fn a_111_while_secrets_rotate_both_are_good() {
    let world = World::plan()
        .config(|c| {
            c["webhooks"]["secrets"] = json!([OTHER_SECRET, crate::harness::WEBHOOK_SECRET])
        })
        .start();

    Delivery::of("{}").to(&world).send().passed();
    Delivery::of("{}")
        .signed(OTHER_SECRET)
        .to(&world)
        .send()
        .passed();
    assert_eq!(world.upstream.take(2).len(), 2);
}

#[test]
fn a_112_a_timestamp_far_from_now_or_no_number_is_refused() {
    let world = World::start();
    let good = Delivery::of("{}");

    refused(&world, &good.clone().at(now() - 305), "too old");
    refused(&world, &good.clone().at(now() + 320), "too new");
    refused(&world, &good.clone().at(0), "1970");
    let stamp = now().to_string();
    for timestamp in [
        String::new(),
        "now".to_owned(),
        format!("{stamp}.0"),
        format!("+{stamp}"),
        format!("0{stamp}"),
        format!("{stamp}abc"),
        format!("{stamp}000"),
        format!("-{stamp}"),
        "1e9".to_owned(),
    ] {
        let bent = good.clone().at(now()).timestamp(&timestamp);
        refused(&world, &bent, &timestamp);
    }

    good.clone().at(now() - 280).to(&world).send().passed();
    good.id("msg_ahead")
        .at(now() + 280)
        .to(&world)
        .send()
        .passed();
}

#[test]
fn a_113_a_delivery_that_the_app_took_is_acknowledged_and_not_delivered_again() {
    let world = World::start();
    let delivery = Delivery::event(&event(
        "user.updated",
        json!({"id": "user_a"}),
        now() * 1000,
    ));

    delivery.to(&world).send().passed();
    assert_eq!(world.upstream.only().body, delivery.body);
    for _ in 0..3 {
        assert_eq!(delivery.to(&world).send().status, 200);
    }
    // The sender signs each attempt anew.
    assert_eq!(delivery.clone().at(now() + 1).to(&world).send().status, 200);
    world.upstream.saw_nothing();

    // A forger learns nothing from an id that is known.
    refused(
        &world,
        &delivery.signed(OTHER_SECRET),
        "known id, bad signature",
    );
}

#[test]
fn a_113_a_delivery_that_the_app_did_not_take_is_delivered_again() {
    let world = World::start();
    let delivery = Delivery::of("{}");
    for status in [500, 429, 302, 400] {
        world.upstream.once(Script::Status(status));
        assert_eq!(delivery.to(&world).send().status, status);
        world.upstream.only();
    }

    delivery.to(&world).send().passed();
    world.upstream.only();
    assert_eq!(delivery.to(&world).send().status, 200);
    world.upstream.saw_nothing();
}

#[test]
fn a_118_a_delivery_whose_answer_broke_off_is_delivered_again() {
    let world = World::start();
    world.upstream.once(Script::BreakOff);
    let delivery = Delivery::event(&event("session.created", json!({"id": "sess_1"}), 1));
    let mut connection = world.connect();
    let answer = connection
        .send(&delivery.to(&world).bytes())
        .try_answer("POST");
    assert!(
        answer.as_ref().is_ok_and(|answer| answer.status == 502) || answer.is_err(),
        "no success: {answer:?}"
    );
    world.upstream.take(1);
    world
        .gate
        .metric_becomes("bailiff_webhooks_total", &[("result", "not_taken")], 1.0);

    delivery.to(&world).send().passed();

    assert_eq!(
        world.upstream.only().body,
        delivery.body,
        "what the sender was told had failed came again"
    );
    world
        .gate
        .metric_becomes("bailiff_webhooks_total", &[("result", "delivered")], 1.0);
    delivery.to(&world).send().passed();
    world.upstream.saw_nothing();
}

#[test]
fn a_113_two_deliveries_of_one_event_at_once_reach_the_app_once() {
    let world = World::start();
    let delivery = Delivery::of("{}");
    world.upstream.once(Script::Hold);
    let mut first = world.connect();
    first.send(&delivery.to(&world).bytes());
    world.upstream.head();

    let second = delivery.to(&world).send();

    assert!([200, 503].contains(&second.status), "{second:?}");
    world.upstream.release();
    first.answer("POST").passed();
    world.upstream.only();
}

#[test]
fn a_116_a_body_that_is_too_large_is_refused_before_it_is_verified() {
    let plan = World::plan().config(|c| c["webhooks"]["max_body"] = json!("64KiB"));
    let world = plan.start();
    let large = Delivery::of("x".repeat((64 << 10) + 1));

    large.to(&world).send().refused(413);
    world.upstream.saw_nothing();

    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let head = large
        .to(&world)
        .header("Transfer-Encoding", "chunked")
        .body("");
    let mut endless = world.connect();
    endless.send(&head.bytes());
    for _ in 0..64 {
        endless.send(chunk.as_bytes());
    }
    endless.answer("POST").refused(413);
    assert!(endless.is_closed());
    world.upstream.saw_nothing();

    let claimed = format!(
        "POST /webhooks/clerk HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        1 << 30,
    );
    let mut uploader = world.connect();
    let answer = uploader
        .send(claimed.as_bytes())
        .next("POST")
        .expect("an answer");
    assert!([401, 413].contains(&answer.status), "{answer:?}");
    world.upstream.saw_nothing();
}

#[test]
fn a_116_a_body_of_any_size_and_framing_arrives_exactly_as_it_was_signed() {
    let world = World::start();
    for size in [0, 1, 65_535, 65_536, 65_537, 300_000, 1 << 20] {
        let body: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[0]).collect();
        let delivery = Delivery::of(&body);
        delivery
            .to(&world)
            .header("Content-Encoding", "gzip")
            .send()
            .passed();
        let seen = world.upstream.only();
        assert!(
            seen.body == body,
            "given: {size} bytes, the app got {}",
            seen.body.len()
        );

        let delivery = Delivery::of(&body);
        let mut chunked = Vec::new();
        for piece in body.chunks(50_000) {
            chunked.extend(format!("{:x}\r\n", piece.len()).into_bytes());
            chunked.extend([piece, b"\r\n"].concat());
        }
        chunked.extend(b"0\r\n\r\n");
        let request = delivery
            .to(&world)
            .header("Transfer-Encoding", "chunked")
            .body(chunked);
        request.send().passed();
        let seen = world.upstream.only();
        assert!(
            seen.body == body,
            "given: {size} bytes in chunks, the app got {}",
            seen.body.len()
        );
        assert_eq!(seen.values("svix-signature"), [delivery.signature]);
        assert_eq!(seen.identity(), ["x-auth-kind: webhook"]);
    }
}

#[test]
fn a_116_a_body_whose_framing_is_broken_ends_the_connection_and_no_byte_of_it_is_a_request() {
    let world = World::start();
    let head = Delivery::of("")
        .to(&world)
        .header("Transfer-Encoding", "chunked")
        .body("")
        .bytes();
    let broken = [
        &head[..],
        b"zz\r\nGET /public/x HTTP/1.1\r\nHost: app.test\r\n\r\n",
    ]
    .concat();

    let mut connection = world.connect();
    connection.send(&broken).answer("POST").refused(400);
    assert!(connection.is_closed());
    world.upstream.saw_nothing();
}

#[test]
fn a_116_bodies_that_never_end_take_a_bounded_memory_and_then_give_it_back() {
    let plan = World::plan().config(|c| c["webhooks"]["max_body"] = json!("16MiB"));
    let world = plan.start();
    let size = 16 << 20;
    let all = Delivery::of(vec![b'x'; size]).to(&world).bytes();
    let unfinish = || {
        let mut connection = world.connect();
        connection.send(all.get(..all.len() - 1).unwrap_or_default());
        connection
    };
    let mut unfinished: Vec<_> = (0..4).map(|_| unfinish()).collect();

    let small = || Delivery::of("{}").to(&world).send();
    let refusal = eventually("the memory was full", || {
        // One that found a small one in its place was refused, and another one takes up what it had.
        unfinished
            .iter_mut()
            .filter_map(|c| (!c.is_quiet()).then_some(c))
            .for_each(|refused| *refused = unfinish());
        Some(small()).filter(|answer| answer.status == 503)
    });
    assert_eq!(world.gate.reason(&refusal), "webhooks_busy");
    world.get("/public/x").send().passed();

    unfinished.clear();
    eventually("the memory was given back", || {
        (small().status == 200).then_some(())
    });
}

#[test]
fn a_116_a_sender_that_waits_for_leave_to_send_gets_it() {
    let world = World::start();
    let delivery = Delivery::of("{\"patient\":true}");
    let request = delivery.to(&world).header("Expect", "100-continue").bytes();
    let (head, body) = request.split_at(request.len() - delivery.body.len());
    let mut connection = world.connect();

    let interim = connection
        .send(head)
        .next("POST")
        .expect("an interim answer");

    assert_eq!(interim.status, 100, "{interim:?}");
    world.upstream.saw_nothing();
    connection.send(body).answer("POST").passed();
    assert_eq!(world.upstream.only().body, delivery.body);
}

#[test]
fn a_117_other_methods_and_neighbouring_paths_are_not_covered() {
    let world = World::start();
    for (method, path) in [
        ("GET", "/webhooks/clerk"),
        ("PUT", "/webhooks/clerk"),
        ("OPTIONS", "/webhooks/clerk"),
        ("POST", "/webhooks/clerk/"),
        ("POST", "/webhooks/clerk/x"),
        ("POST", "/webhooks"),
        ("POST", "/webhooks/clerk.json"),
        ("POST", "/webhooks/Clerk"),
    ] {
        let answer = Delivery::of("{}").sent_to(&world, method, path).send();
        assert_eq!(answer.status, 404, "given: {method} {path}, {answer:?}");
        world.upstream.saw_nothing();
    }
    let elsewhere = Delivery::of("{}").sent_to(&world, "POST", "/api/x").send();
    elsewhere.not_authenticated();
    world.upstream.saw_nothing();
}
