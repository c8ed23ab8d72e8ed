//! What goes wrong when Clerk is set up, as the documents of the systems behind the gate list it: each has a warning in the log
//! that says why and what to do, and a flood of it is a few lines. docs/troubleshooting.md is the list.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use bailiff::dev::issuer::Behaviour;
use serde_json::{Value, json};

use crate::harness::{APP, Delivery, Plan, World, foreign_key, now};

/// Waits for the warning whose message has `part` in it. Cause and cure are there.
#[track_caller]
fn warned(world: &World, part: &str) -> Value {
    let line = world.gate.log_line(&format!("a warning: {part}"), |line| {
        line["level"] == "WARN"
            && line["message"]
                .as_str()
                .is_some_and(|message| message.contains(part))
    });
    for field in ["cause", "fix"] {
        assert!(
            line[field].as_str().is_some_and(|text| !text.is_empty()),
            "no {field}: {line}"
        );
    }
    line
}

#[track_caller]
fn says(line: &Value, parts: &[&str]) {
    for part in parts {
        assert!(
            line.to_string().contains(part),
            "{part} is missing in {line}"
        );
    }
}

/// How many warnings have `part` in them, once everything that was sent is in the log.
fn count(world: &World, part: &str) -> usize {
    world
        .get("/public/last")
        .header("x-request-id", "last")
        .send()
        .passed();
    world.gate.access_line("last");
    let lines = world.gate.logs();
    lines
        .iter()
        .filter(|line| line.contains(r#""level":"WARN""#) && line.contains(part))
        .count()
}

/// A server that gives the keys of the scene, and whose clock says `date`.
fn with_clock(plan: Plan, date: &'static str) -> Plan {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!(
        "http://{}/jwks.json",
        listener.local_addr().expect("an address")
    );
    let keys = json!({"keys": [plan.clerk.key().jwk()]}).to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nDate: {date}\r\nConnection: close\r\nContent-Length: {}",
                keys.len()
            );
            let _ = stream.write_all(format!("{head}\r\n\r\n{keys}").as_bytes());
        }
    });
    plan.config(|c| c["clerk"]["jwks_url"] = json!(url))
}

#[test]
fn a_clock_that_differs_from_the_issuers_is_one_warning_that_says_by_how_much() {
    let plan = with_clock(World::plan(), "Fri, 01 Jan 2021 00:00:00 GMT");
    let world = plan
        .config(|c| c["keys"] = json!({"refresh": "1s", "max_age": "1h"}))
        .start();
    let line = warned(&world, "s ahead of that of the issuer `clerk`");
    says(
        &line,
        &[
            "the leeway is 10 s",
            "timedatectl set-ntp true",
            "CLERK_LEEWAY",
        ],
    );
    world.gate.metric_becomes(
        "bailiff_key_fetches_total",
        &[("issuer", "clerk"), ("result", "ok")],
        3.0,
    );
    assert_eq!(
        count(&world, "the clock of this machine"),
        1,
        "each fetch would say it"
    );
}

#[test]
fn tokens_from_the_future_are_one_warning_about_the_clock() {
    for (given, nbf) in [("nbf", 60), ("iat", 0)] {
        let world = World::start();
        let token = world.sign(
            &world
                .mint("user_a")
                .issued_at(now() + 70)
                .claim("nbf", now() + nbf),
        );
        for _ in 0..20 {
            world
                .get("/api/me")
                .bearer(&token)
                .send()
                .not_authenticated();
        }
        let line = warned(&world, "s behind that of the issuer `clerk`");
        says(
            &line,
            &[
                &format!("the {given} of a good token"),
                "the leeway is 10 s",
                "timedatectl set-ntp true",
            ],
        );
        assert_eq!(
            count(&world, "the clock of this machine"),
            1,
            "given: {given}"
        );
    }
}

#[test]
fn a_forged_token_from_the_future_says_nothing_about_the_clock() {
    let world = World::start();
    let forged = world
        .mint("user_a")
        .issued_at(now() + 600)
        .sign(&foreign_key().renamed("ins_standard"));
    world
        .get("/api/me")
        .bearer(&forged)
        .send()
        .not_authenticated();
    assert_eq!(count(&world, "clock"), 0);
}

#[test]
fn tokens_that_come_just_after_their_end_are_a_warning_only_in_numbers() {
    let world = World::start();
    let token = world.sign(
        &world
            .mint("user_a")
            .issued_at(now() - 80)
            .claim("exp", now() - 20),
    );
    let old = world.sign(&world.mint("user_a").issued_at(now() - 9000));
    for _ in 0..20 {
        world.get("/api/me").bearer(&old).send().not_authenticated();
    }
    for _ in 0..4 {
        world
            .get("/api/me")
            .bearer(&token)
            .send()
            .not_authenticated();
    }
    assert_eq!(count(&world, "just after their end"), 0);
    for _ in 0..20 {
        world
            .get("/api/me")
            .bearer(&token)
            .send()
            .not_authenticated();
    }
    let line = warned(
        &world,
        "many tokens of the issuer `clerk` come just after their end",
    );
    says(&line, &["the leeway is 10 s", "getToken()"]);
    assert_eq!(count(&world, "just after their end"), 1);
}

#[test]
fn tokens_of_another_instance_are_one_warning_that_names_both() {
    let world = World::start();
    let other = world
        .mint("user_a")
        .claim("iss", "https://other.clerk.accounts.dev");
    let unknown = world.mint("user_a").header("kid", "ins_other");
    for token in [other.sign(&foreign_key()), unknown.sign(&foreign_key())] {
        for _ in 0..20 {
            world
                .get("/api/me")
                .bearer(&token)
                .send()
                .not_authenticated();
        }
    }
    for (part, more) in [
        (
            "`https://other.clerk.accounts.dev` and kid `ins_foreign`",
            world.clerk.url(),
        ),
        ("kid `ins_other`", "that issuer has ins_standard".to_owned()),
    ] {
        let line = world.gate.log_line(part, |line| {
            line["cause"]
                .as_str()
                .is_some_and(|cause| cause.contains(part))
        });
        says(
            &line,
            &["another Clerk instance", &more, "CLERK_PUBLISHABLE_KEY"],
        );
    }
    assert_eq!(count(&world, "another Clerk instance"), 2);
}

#[test]
fn a_126_made_up_issuers_do_not_fill_the_log() {
    let world = World::start();
    for n in 0..100 {
        let token = world
            .mint("user_a")
            .claim("iss", format!("https://{n}\n\u{1b}[2J.test"))
            .sign(&foreign_key());
        world
            .get("/api/me")
            .bearer(&token)
            .send()
            .not_authenticated();
    }
    let said = count(&world, "another Clerk instance");
    assert!((1..=8).contains(&said), "{said} lines");
    for line in world
        .gate
        .logs()
        .iter()
        .filter(|line| line.contains("another Clerk instance"))
    {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        assert!(
            line["cause"]
                .as_str()
                .is_some_and(|cause| !cause.contains(char::is_control)),
            "{line}"
        );
    }
}

#[test]
fn a_key_in_the_config_that_fits_no_token_is_one_warning() {
    let plan = World::plan().config(|c| {
        let clerk = c["clerk"].as_object_mut().expect("a table");
        clerk.remove("jwks_url");
        clerk.insert("jwt_key".to_owned(), json!(foreign_key().public_pem()));
    });
    let world = plan.start();
    for _ in 0..20 {
        world
            .get("/api/me")
            .bearer(&world.token("user_a"))
            .send()
            .not_authenticated();
    }
    let line = warned(&world, "does not fit the key in the config");
    says(&line, &["another instance's", "CLERK_JWT_KEY"]);
    assert_eq!(count(&world, "does not fit"), 1);
}

#[test]
fn keys_that_cannot_be_had_are_named_with_address_cause_and_cure_in_log_and_readyz() {
    let nobody = "http://127.0.0.1:1/jwks.json".to_owned();
    for (given, behaviour, parts) in [
        (
            "nobody listens",
            None,
            ["Connection refused", "nobody listens there"],
        ),
        (
            "another server",
            Some(Behaviour::Status(404)),
            ["answered 404", "A typo in the domain"],
        ),
        (
            "Clerk is down",
            Some(Behaviour::Status(503)),
            ["answered 503", "status.clerk.com"],
        ),
        (
            "a portal",
            Some(Behaviour::Html),
            ["a web page", "captive portal"],
        ),
        (
            "moved",
            Some(Behaviour::Redirect("https://x.test/".to_owned())),
            ["answered 302", "not followed"],
        ),
    ] {
        let plan = World::plan();
        let url = if behaviour.is_some() {
            plan.clerk.jwks_url()
        } else {
            nobody.clone()
        };
        plan.clerk.behave(behaviour.unwrap_or_default());
        let world = plan
            .config(|c| c["clerk"]["jwks_url"] = json!(url))
            .start_unready();

        let line = world.gate.log_line("about the keys", |line| {
            line["why"].as_str().is_some_and(|w| w.contains(&url))
        });
        says(&line, &parts);
        says(&line, &["none in force", "503"]);
        let ready = world.gate.admin("/readyz");
        assert_eq!(ready.status, 503, "given: {given}");
        for part in parts
            .iter()
            .chain(&[url.as_str(), "no keys of the issuer `clerk`"])
        {
            assert!(
                ready.text().contains(part),
                "given: {given}: {part} is missing in {}",
                ready.text()
            );
        }
        world
            .get("/api/me")
            .bearer(&world.token("user_a"))
            .send()
            .refused(503);
    }
}

#[test]
fn a_page_without_a_token_that_sends_null_is_one_warning() {
    for (word, part) in [
        ("null", "not signed in"),
        ("undefined", "not signed in"),
        ("[object Promise]", "await"),
    ] {
        let world = World::start();
        for _ in 0..20 {
            let answer = world.get("/api/me").bearer(word).send().not_authenticated();
            assert_eq!(world.gate.reason(&answer), "malformed_token");
        }
        says(
            &warned(&world, &format!("a client sends `Bearer {word}`")),
            &[part],
        );
        assert_eq!(count(&world, "a client sends"), 1);
    }
}

#[test]
fn a_preflight_of_a_strange_origin_has_a_reason_of_its_own_and_the_same_answer() {
    let world = World::start();
    let options = || world.request("OPTIONS", "/api/me");
    let asks = ("Access-Control-Request-Method", "GET");
    let plain = options().send().not_authenticated();
    for _ in 0..20 {
        let answer = options()
            .headers([("Origin", "https://new.test"), asks])
            .send()
            .not_authenticated();
        assert_eq!(world.gate.reason(&answer), "origin_not_listed");
        for name in ["www-authenticate", "vary", "access-control-allow-origin"] {
            assert_eq!(
                answer.header(name),
                plain.header(name),
                "{name} tells them apart"
            );
        }
    }
    let line = warned(&world, "the origin `https://new.test` is not listed");
    says(&line, &[APP, "cors.origins", "CORS_ORIGINS"]);
    assert_eq!(count(&world, "is not listed"), 1);
    world.upstream.only();
}

#[test]
fn a_refused_webhook_is_one_warning_of_its_kind() {
    let world = World::start();
    let good = Delivery::of("{}");
    for _ in 0..20 {
        for bad in [
            good.clone().body("{ }"),
            good.clone().at(now() - 1000),
            good.clone().timestamp("x"),
        ] {
            assert_eq!(bad.to(&world).send().status, 401);
        }
    }
    for (part, more) in [
        (
            "its signature fits no configured secret",
            ["CLERK_WEBHOOK_SECRET", "whsec_"],
        ),
        (
            "its time is too far from now",
            ["more than 300 s", "timedatectl set-ntp true"],
        ),
        (
            "its svix headers are missing, double or malformed",
            ["does not come from Clerk", "bailiff webhook send"],
        ),
    ] {
        says(&warned(&world, part), &more);
        assert_eq!(count(&world, part), 1);
    }
}
