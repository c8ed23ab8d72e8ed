//! Records of users who are in no table: made at first sight, filled by their tokens, kept over a restart and a kill.

use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use crate::harness::{APP, Delivery, MEMBERSHIP, Plan, Recorded, World, event, eventually, now};

/// The standard scene with a store, where a user who is seen for the first time gets this access.
fn plan(new_users: &str) -> Plan {
    World::plan().with_store().config(|c| {
        c["membership"]["first_sight"] = json!(true);
        c["membership"]["new_users"] = json!(new_users);
    })
}

/// What the app sees of a good request with this token.
#[track_caller]
fn seen(world: &World, mint: &Mint) -> Recorded {
    world
        .get("/api/me")
        .bearer(&world.sign(mint))
        .send()
        .passed();
    world.upstream.only()
}

/// E-mail address and name, as the app sees them.
#[track_caller]
fn contact(world: &World, mint: &Mint) -> [Option<String>; 2] {
    let seen = seen(world, mint);
    ["x-user-email", "x-user-name"].map(|header| seen.header(header))
}

fn told(email: &str, name: &str) -> [Option<String>; 2] {
    [email, name].map(|text| Some(text.to_owned()))
}

/// Asserts that the user is refused on an `active` route, and why.
#[track_caller]
fn refused(world: &World, user: &str, reason: &str) {
    let answer = world
        .get("/api/x")
        .bearer(&world.token(user))
        .send()
        .forbidden();
    assert_eq!(world.gate.reason(&answer), reason, "{user}");
    world.upstream.saw_nothing();
}

/// Asserts that the user passes an `active` route, and gives the status that the app is told.
#[track_caller]
fn active(world: &World, user: &str) {
    world
        .get("/api/x")
        .bearer(&world.token(user))
        .send()
        .passed();
    assert_eq!(
        world.upstream.only().header("x-access-status").as_deref(),
        Some("active"),
        "{user}"
    );
}

fn banned(user: &str, banned: bool, secs_ago: u64) -> Delivery {
    let at = (now() - secs_ago) * 1000;
    Delivery::event(&event(
        "user.updated",
        json!({"id": user, "banned": banned, "updated_at": at}),
        at,
    ))
}

fn deleted(user: &str) -> Delivery {
    Delivery::event(&event(
        "user.deleted",
        json!({"id": user, "deleted": true}),
        now() * 1000,
    ))
}

#[test]
fn whoever_is_seen_first_has_the_access_of_new_users_from_the_first_request_on() {
    let world = plan("active").start();
    active(&world, "user_new");

    let world = plan("pending").start();
    refused(&world, "user_new", "not_active");
    assert_eq!(
        seen(&world, &world.mint("user_new"))
            .header("x-access-status")
            .as_deref(),
        Some("pending")
    );

    let world = plan("active")
        .config(|c| c["membership"]["first_sight"] = json!(false))
        .start();
    refused(&world, "user_new", "unknown_user");
    assert_eq!(
        seen(&world, &world.mint("user_new")).header("x-access-status"),
        None
    );
}

#[test]
fn a_record_survives_a_kill_right_after_the_first_answer() {
    let world = plan("active").start();
    let token = world
        .mint("user_new")
        .claim("email", "new@example.com")
        .claim("name", "Nia New");
    world
        .get("/api/x")
        .bearer(&world.sign(&token))
        .send()
        .passed();

    let world = world.killed();

    world.upstream.only();
    assert_eq!(
        contact(&world, &world.mint("user_new")),
        told("new@example.com", "Nia New")
    );
    let world = world.restarted_with(|c| c["membership"]["new_users"] = json!("pending"));
    active(&world, "user_new");
    refused(&world, "user_newer", "not_active");
    assert_eq!(
        contact(&world, &world.mint("user_new")),
        told("new@example.com", "Nia New")
    );
}

#[test]
fn a_reload_of_new_users_is_for_those_who_come_after_it() {
    let world = plan("active").start();
    active(&world, "user_early");
    let reloaded = |times| {
        world.gate.metric_becomes(
            "bailiff_reloads_total",
            &[("part", "config"), ("result", "ok")],
            times,
        );
    };

    world.rewrite_config(|c| c["membership"]["new_users"] = json!("pending"));
    reloaded(1.0);
    active(&world, "user_early");
    refused(&world, "user_late", "not_active");
    world.rewrite_config(|_| ());
    reloaded(2.0);

    // Whoever was refused was seen as well, and a more generous config lets in only those who come after it.
    let mut world = world;
    for _ in 0..2 {
        refused(&world, "user_late", "not_active");
        active(&world, "user_early");
        world = world.killed();
    }
    active(&world, "user_third");
}

#[test]
fn of_two_tokens_the_one_that_was_issued_later_says_the_address_and_the_first_says_the_name() {
    let world = plan("active").start();
    let token = |age: u64, email: &str, name: &str| {
        world
            .mint("user_new")
            .issued_at(now() - age)
            .claim("email", email)
            .claim("name", name)
    };
    let (first, later) = (
        token(20, "old@example.com", "Nia"),
        token(10, "new@example.com", "Other"),
    );
    assert_eq!(contact(&world, &first), told("old@example.com", "Nia"));

    // Already with the request that brings it.
    assert_eq!(contact(&world, &later), told("new@example.com", "Nia"));

    assert_eq!(
        contact(&world, &first),
        told("new@example.com", "Nia"),
        "an older token"
    );
    assert_eq!(
        contact(&world, &world.mint("user_new")),
        told("new@example.com", "Nia"),
        "a token that says neither"
    );
    let world = world.killed();
    assert_eq!(
        contact(&world, &first),
        told("new@example.com", "Nia"),
        "after a restart"
    );
}

#[test]
fn what_the_membership_says_of_a_user_counts_more_than_a_token() {
    let world = plan("pending").start();
    let token = {
        let issuer = world.clerk.url();
        move |user: &str| {
            Mint::new(&issuer, user, now())
                .azp(APP)
                .claim("email", "token@example.com")
                .claim("name", "Token")
        }
    };
    assert_eq!(
        contact(&world, &token("user_a")),
        told("alex@example.com", "Alex Chen")
    );
    // The row says neither.
    assert_eq!(
        contact(&world, &token("user_b")),
        told("token@example.com", "Token")
    );
    assert_eq!(
        contact(&world, &world.mint("user_b")),
        told("token@example.com", "Token")
    );
    active(&world, "user_b");

    refused(&world, "user_new", "not_active");
    assert_eq!(
        contact(&world, &token("user_new")),
        told("token@example.com", "Token")
    );
    let row = "users:\n  user_new: {access: active, email: row@example.com}\n";
    world
        .gate
        .write_membership(&MEMBERSHIP.replacen("users:\n", row, 1));
    eventually("the row was in force", || {
        (world
            .get("/api/x")
            .bearer(&world.token("user_new"))
            .send()
            .status
            == 200)
            .then_some(())
    });
    let world = world.killed();
    world.upstream.forget();
    assert_eq!(
        contact(&world, &token("user_new")),
        told("row@example.com", "Token")
    );
    active(&world, "user_new");
}

#[test]
fn a_token_does_not_bring_back_who_was_banned_or_deleted_not_even_after_a_restart() {
    let mut world = plan("active").start();
    for user in ["user_banned", "user_gone"] {
        active(&world, user);
    }
    for delivery in [
        banned("user_banned", true, 10),
        deleted("user_gone"),
        deleted("user_never_seen"),
    ] {
        delivery.to(&world).send().passed();
        world.upstream.only();
    }
    for round in 0..3 {
        refused(&world, "user_banned", "user_banned");
        refused(&world, "user_gone", "user_deleted");
        refused(&world, "user_never_seen", "user_deleted");
        world
            .get("/api/me")
            .bearer(&world.token("user_gone"))
            .send()
            .forbidden();
        world = if round == 0 {
            world.killed()
        } else {
            world.restarted()
        };
    }
    // What lifts the ban is Clerk.
    banned("user_banned", false, 5).to(&world).send().passed();
    world.upstream.only();
    active(&world, "user_banned");
}

fn flags(world: &World, user: &str) -> Option<String> {
    seen(world, &world.mint(user)).header("x-user-flags")
}

#[test]
fn flags_reach_the_app_and_open_the_routes_that_ask_for_them() {
    let row = "users:\n  user_flagged: {flags: [is_admin, is_active]}\n";
    let flagged: Value = json!(["is_admin", "is_active", "is_approved"]);
    let plan = plan("active")
        .membership(&MEMBERSHIP.replacen("users:\n", row, 1))
        .route(json!({"path": "/api/staff/**", "access": "active", "require": {"flag": "is_admin"}}))
        .route(json!({"path": "/api/both/**", "access": "user", "require": {"flag": ["is_active", "is_admin"]}}))
        .route(json!({"path": "/api/living/**", "access": "active", "require": {"flag": "is_active"}}))
        .config(|c| {
            c["membership"]["flags"] = flagged;
            c["membership"]["new_user_flags"] = json!(["is_active"]);
        });
    let world = plan.start();
    let status = |world: &World, user: &str, path: &str| {
        world.get(path).bearer(&world.token(user)).send().status
    };

    assert_eq!(
        flags(&world, "user_flagged").as_deref(),
        Some("is_active,is_admin")
    );
    assert_eq!(flags(&world, "user_new").as_deref(), Some("is_active"));
    assert_eq!(
        flags(&world, "user_a"),
        None,
        "a row has the flags that it says"
    );
    for (user, path, expected) in [
        ("user_flagged", "/api/staff/x", 200),
        ("user_flagged", "/api/both/x", 200),
        ("user_new", "/api/living/x", 200),
        ("user_new", "/api/both/x", 403),
        ("user_new", "/api/staff/x", 403),
        ("user_a", "/api/living/x", 403),
    ] {
        assert_eq!(
            status(&world, user, path),
            expected,
            "given: {user} at {path}"
        );
    }
    let answer = world
        .get("/api/staff/x")
        .bearer(&world.token("user_new"))
        .send();
    assert_eq!(world.gate.reason(&answer), "no_flag");
    world.upstream.take(3);

    // Flags are given once, as the access is.
    let world =
        world.restarted_with(|c| c["membership"]["new_user_flags"] = json!(["is_approved"]));
    assert_eq!(flags(&world, "user_new").as_deref(), Some("is_active"));
    assert_eq!(flags(&world, "user_newer").as_deref(), Some("is_approved"));
}

#[test]
fn a_flag_that_no_client_was_given_cannot_be_claimed() {
    let world = plan("active")
        .config(|c| c["membership"]["flags"] = json!(["is_admin"]))
        .start();
    let request = world.get("/api/x").bearer(&world.token("user_new"));
    request
        .header("X-User-Flags", "is_admin")
        .header("x_user_flags", "is_admin")
        .send()
        .passed();
    assert!(!world.upstream.only().contains("is_admin"));
}

#[test]
fn a_misspelt_flag_refuses_the_start_and_names_the_nearest_one() {
    for wrong in [
        plan("active").config(|c| c["membership"]["new_user_flags"] = json!(["is_actve"])),
        plan("active")
            .route(json!({"path": "/x", "access": "user", "require": {"flag": "is_actve"}})),
        plan("active").membership("users: {user_a: {flags: [is_actve]}}"),
    ] {
        let ended = wrong
            .config(|c| c["membership"]["flags"] = json!(["is_admin", "is_active"]))
            .run()
            .exits(78);
        assert!(
            ended.stderr.contains("is_actve") && ended.stderr.contains("`is_active`"),
            "{}",
            ended.stderr
        );
    }
}
