//! Names and e-mail addresses from Clerk's Backend API: asked for once, and never a reason to refuse anybody.

use std::net::TcpListener;
use std::sync::Barrier;
use std::thread;

use bailiff::dev::issuer::{DevUser, UserBehaviour};
use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use crate::harness::{MEMBERSHIP, Plan, Recorded, World, eventually};

/// Of a production instance, whose rate limit leaves room for all that one test asks.
const SECRET: &str = "sk_live_hunter2hunter2hunter2";
/// In the secret key, and in nothing else.
const IN_THE_SECRET: &str = "hunter2";

fn person(name: &str) -> DevUser {
    DevUser {
        name: name.to_owned(),
        user_id: format!("user_{name}"),
        email: Some(format!("{name}@clerk.test")),
        full_name: format!("{name} of Clerk"),
        orgs: vec![],
    }
}

/// First sight, a store, and a Backend API that knows these people.
fn plan(names: &[&str]) -> Plan {
    let people = names.iter().map(|name| person(name)).collect();
    World::plan()
        .with_store()
        .with_people(SECRET, people)
        .config(|c| {
            c["membership"]["first_sight"] = json!(true);
            c["membership"]["new_users"] = json!("active");
        })
}

#[track_caller]
fn asks(world: &World, mint: &Mint) -> Recorded {
    world
        .get("/api/x")
        .bearer(&world.sign(mint))
        .send()
        .passed();
    world.upstream.only()
}

/// E-mail address and name, as the app sees them of a user whose token says neither.
#[track_caller]
fn contact(world: &World, user: &str) -> [Option<String>; 2] {
    let seen = asks(world, &world.mint(user));
    ["x-user-email", "x-user-name"].map(|header| seen.header(header))
}

fn from_clerk(name: &str) -> [Option<String>; 2] {
    [
        Some(format!("{name}@clerk.test")),
        Some(format!("{name} of Clerk")),
    ]
}

#[track_caller]
fn fetched(world: &World, result: &str, times: f64) {
    world.gate.metric_becomes(
        "bailiff_profile_fetches_total",
        &[("result", result)],
        times,
    );
}

/// Asserts that the log tells why a user stays without a name, and what to do; and that it tells no secret.
#[track_caller]
fn log_says(world: &World, user: &str, parts: &[&str]) {
    world
        .gate
        .log_line(&format!("about {user}: {parts:?}"), |line| {
            let why = line["why"].as_str().unwrap_or_default();
            line["level"] == "WARN"
                && line["user"] == user
                && parts.iter().all(|part| why.contains(part))
        });
    let leaks = |line: &String| line.contains(IN_THE_SECRET) || line.contains("eyJ");
    assert_eq!(
        world.gate.logs().into_iter().find(leaks),
        None,
        "a secret or a token is in the log"
    );
}

#[test]
fn the_first_request_carries_the_name_that_clerk_knows_and_no_later_one_asks() {
    let world = plan(&["nia"]).start();

    for _ in 0..3 {
        assert_eq!(contact(&world, "user_nia"), from_clerk("nia"));
    }

    assert_eq!(world.clerk.asked_for("user_nia"), 1);
    fetched(&world, "ok", 1.0);
    let world = world.restarted();
    assert_eq!(
        contact(&world, "user_nia"),
        from_clerk("nia"),
        "what was fetched is kept"
    );
    assert_eq!(world.clerk.asked_for("user_nia"), 1);
}

#[test]
fn requests_that_come_at_the_same_time_share_one_fetch() {
    const AT_ONCE: usize = 20;
    let world = plan(&["nia"]).start();
    let (token, together) = (world.token("user_nia"), Barrier::new(AT_ONCE));

    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let request = world.get("/api/x").bearer(&token);
                together.wait();
                request.send().passed();
            });
        }
    });

    for seen in world.upstream.take(AT_ONCE) {
        assert_eq!(
            ["x-user-email", "x-user-name"].map(|header| seen.header(header)),
            from_clerk("nia")
        );
    }
    assert_eq!(world.clerk.asked_for("user_nia"), 1);
    fetched(&world, "ok", 1.0);
}

#[test]
fn a_slow_clerk_holds_up_nobody_and_what_it_says_late_is_there_for_the_next_request() {
    let world = plan(&["nia"]).start();
    world.clerk.users_behave(UserBehaviour::Hold);

    assert_eq!(contact(&world, "user_nia"), [None, None]);

    world.clerk.users_behave(UserBehaviour::Normal);
    eventually("a later request had the name", || {
        (contact(&world, "user_nia") == from_clerk("nia")).then_some(())
    });
    assert_eq!(
        world.clerk.asked_for("user_nia"),
        1,
        "the fetch went on without those who waited"
    );
}

#[test]
fn whatever_clerk_answers_the_token_is_good_and_the_log_says_cause_and_cure() {
    let world = plan(&["down", "portal", "other", "huge", "late"]).start();
    for (user, behaviour, parts) in [
        (
            "user_down",
            UserBehaviour::Status(500),
            ["answered 500", "status.clerk.com"],
        ),
        (
            "user_portal",
            UserBehaviour::Html,
            ["answered with a web page", "is `api_url` (CLERK_API_URL)"],
        ),
        (
            "user_other",
            UserBehaviour::WrongId,
            ["answered with another user", "is `api_url` (CLERK_API_URL)"],
        ),
        (
            "user_huge",
            UserBehaviour::Huge,
            ["more than 1048576 bytes", "`api_url` (CLERK_API_URL)"],
        ),
        (
            "user_nobody",
            UserBehaviour::Normal,
            [
                "has no user user_nobody",
                "of another instance than the token",
            ],
        ),
    ] {
        world.clerk.users_behave(behaviour);
        for _ in 0..2 {
            assert_eq!(contact(&world, user), [None, None], "{user}");
        }
        assert_eq!(
            world.clerk.asked_for(user),
            1,
            "{user} is not asked for again at once"
        );
        log_says(&world, user, &parts);
    }
    fetched(&world, "failed", 4.0);
    fetched(&world, "not_found", 1.0);

    world
        .clerk
        .open_users("sk_live_ofAnotherInstance1234", vec![person("late")]);
    assert_eq!(contact(&world, "user_late"), [None, None]);
    log_says(
        &world,
        "user_late",
        &[
            "CLERK_SECRET_KEY is not of the instance",
            "Clerk dashboard, API keys",
        ],
    );
    fetched(&world, "failed", 5.0);
}

#[test]
fn after_a_429_nobody_is_asked_for_until_its_time_is_over_and_the_log_says_so_once() {
    let world = plan(&["nia", "mo"]).start();
    world
        .clerk
        .users_behave(UserBehaviour::RateLimited(Some(200)));

    for user in ["user_nia", "user_mo", "user_nia"] {
        assert_eq!(contact(&world, user), [None, None], "{user}");
    }

    assert_eq!(
        (
            world.clerk.asked_for("user_nia"),
            world.clerk.asked_for("user_mo")
        ),
        (1, 0)
    );
    log_says(
        &world,
        "user_nia",
        &[
            "answered 429",
            "200 s",
            "something else with this secret key asks too much",
        ],
    );
    fetched(&world, "limited", 3.0);
    let told = world
        .gate
        .logs()
        .into_iter()
        .filter(|line| line.contains("answered 429"))
        .count();
    assert_eq!(told, 1, "not with every request");
}

#[test]
fn a_clerk_that_cannot_be_reached_costs_nobody_the_way_in() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let world = plan(&[])
        .config(|c| c["clerk"]["api_url"] = json!(format!("http://{closed}")))
        .start();

    assert_eq!(contact(&world, "user_nia"), [None, None]);

    log_says(
        &world,
        "user_nia",
        &["no connection to", "may this machine reach `api_url`"],
    );
    fetched(&world, "failed", 1.0);
}

#[test]
fn what_the_membership_says_is_not_overwritten_and_what_it_lacks_is_filled() {
    let row = "users:\n  user_nia: {name: Nia of the App}\n";
    let world = plan(&["nia"])
        .membership(&MEMBERSHIP.replacen("users:\n", row, 1))
        .start();
    let both = [
        Some("nia@clerk.test".to_owned()),
        Some("Nia of the App".to_owned()),
    ];

    assert_eq!(contact(&world, "user_nia"), both);

    let world = world.killed();
    assert_eq!(contact(&world, "user_nia"), both);
}

#[test]
fn a_user_who_is_banned_at_clerk_is_refused_from_the_first_request_on() {
    let world = plan(&["nia"]).start();
    world.clerk.users_behave(UserBehaviour::Banned);
    let refused = |world: &World| {
        let answer = world
            .get("/api/x")
            .bearer(&world.token("user_nia"))
            .send()
            .forbidden();
        assert_eq!(world.gate.reason(&answer), "user_banned");
        world.upstream.saw_nothing();
    };

    refused(&world);
    world.clerk.users_behave(UserBehaviour::Normal);
    refused(&world);
    let world = world.restarted();
    refused(&world);
    assert_eq!(world.clerk.asked_for("user_nia"), 1);
}

#[test]
fn nobody_is_asked_for_who_is_not_in_need_of_it() {
    let world = plan(&["nia", "a", "stranger"]).start();
    let whole = world
        .mint("user_nia")
        .claim("email", "nia@token.test")
        .claim("name", "Nia");
    assert_eq!(
        asks(&world, &whole).header("x-user-email").as_deref(),
        Some("nia@token.test")
    );
    contact(&world, "user_a");
    world
        .get("/public/x")
        .bearer(&world.token("user_stranger"))
        .send()
        .passed();
    world
        .get("/api/x")
        .bearer("no token")
        .send()
        .not_authenticated();
    world
        .get("/api/ws/ws_1/x")
        .bearer(&world.token("user_stranger"))
        .send()
        .forbidden();
    world.upstream.only();
    let first_sight = |on: bool| move |c: &mut Value| c["membership"]["first_sight"] = json!(on);
    let world = world.restarted_with(first_sight(false));
    // Nothing could be kept of somebody whom the membership does not know.
    world
        .get("/api/me")
        .bearer(&world.token("user_stranger"))
        .send()
        .passed();
    for user in ["user_nia", "user_a", "user_stranger"] {
        assert_eq!(world.clerk.asked_for(user), 0, "{user}");
    }

    let world = plan(&["nia"])
        .config(|c| {
            _ = c["clerk"]
                .as_object_mut()
                .map(|clerk| clerk.remove("secret_key"))
        })
        .start();
    assert_eq!(contact(&world, "user_nia"), [None, None]);
    assert_eq!(world.clerk.asked_for("user_nia"), 0, "without a secret key");
}

#[test]
fn a_secret_key_that_a_reload_brings_counts_at_once() {
    let world = plan(&["nia"])
        .config(|c| c["clerk"]["secret_key"] = json!("sk_live_anotherSecretKey12345"))
        .start();
    assert_eq!(contact(&world, "user_nia"), [None, None]);
    log_says(
        &world,
        "user_nia",
        &["CLERK_SECRET_KEY is not of the instance"],
    );

    world.rewrite_config(|c| c["clerk"]["secret_key"] = json!(SECRET));
    world.gate.metric_becomes(
        "bailiff_reloads_total",
        &[("part", "config"), ("result", "ok")],
        1.0,
    );

    assert_eq!(contact(&world, "user_nia"), from_clerk("nia"));
}

#[test]
fn the_body_of_a_first_request_arrives_whole_with_all_headers() {
    let world = plan(&["nia", "mo"]).start();
    let body: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let post = |user: &str| {
        world
            .request("POST", "/api/v1/auth/bootstrap")
            .bearer(&world.token(user))
    };

    post("user_nia").body(&body).send().passed();
    let whole = world.upstream.only();
    let mut chunked = Vec::new();
    for piece in body.chunks(50_000) {
        chunked.extend([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    chunked.extend(b"0\r\n\r\n");
    post("user_mo")
        .header("Transfer-Encoding", "chunked")
        .body(chunked)
        .send()
        .passed();
    let in_chunks = world.upstream.only();

    for (name, seen) in [("nia", whole), ("mo", in_chunks)] {
        assert!(
            seen.body == body,
            "{name}: the app got {} bytes",
            seen.body.len()
        );
        let expected = [
            "x-access-status: active".to_owned(),
            "x-auth-issuer: clerk".to_owned(),
            "x-auth-kind: user".to_owned(),
            format!("x-clerk-user-id: user_{name}"),
            format!("x-session-id: sess_{name}"),
            format!("x-user-email: {name}@clerk.test"),
            format!("x-user-id: user_{name}"),
            format!("x-user-name: {name} of Clerk"),
        ];
        assert_eq!(seen.identity(), expected);
    }
}
