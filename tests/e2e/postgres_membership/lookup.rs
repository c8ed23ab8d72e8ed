//! The database is asked for one user at a time.

use std::thread;

use serde_json::json;

use super::{A, ROWS, becomes, plan_at, reason, settings, write, ws_1};
use crate::harness::{Plan, Postgres, eventually};

fn plan(server: &Postgres) -> Plan {
    plan_at(&server.address_for("bailiff"), 1)
}

fn with_times(plan: Plan, ttl: &str, negative_ttl: &str, max_age: &str) -> Plan {
    plan.config(|c| {
        c["membership"]["postgres"]["ttl"] = json!(ttl);
        c["membership"]["postgres"]["negative_ttl"] = json!(negative_ttl);
        c["membership"]["max_age"] = json!(max_age);
    })
}

#[test]
fn who_is_not_there_is_asked_for_again_soon_and_a_change_counts_after_its_time() {
    let server = Postgres::with_members(&[], ROWS);
    let world = with_times(plan(&server), "1s", "1s", "1h").start();
    ws_1(&world, "user_a").passed();
    let seen = world.upstream.only();
    assert_eq!(
        seen.header("x-user-id").as_deref(),
        Some("4f6c0a51-6a0e-4c1f-9b1e-0e9d6b0f2f10")
    );
    assert_eq!(seen.header("x-workspace-role").as_deref(), Some("member"));
    for (user, why) in [
        ("user_b", "not_a_member"),
        ("user_suspended", "suspended"),
        ("user_new", "unknown_user"),
    ] {
        assert_eq!(reason(&world, user), why, "{user}");
    }

    write(
        &server,
        "INSERT INTO product.users (clerk_id) VALUES ('user_new');
         INSERT INTO product.members SELECT 'ws_1', id, 'admin' FROM product.users WHERE clerk_id = 'user_new';",
    );
    becomes(&world, "user_new", 200);
    settings(&world, "user_new").passed();
    write(
        &server,
        &format!("UPDATE product.members SET role = 'owner' WHERE user_id = {A}"),
    );
    eventually("the new role counted", || {
        (settings(&world, "user_a").status == 200).then_some(())
    });
    write(
        &server,
        &format!("DELETE FROM product.members WHERE user_id = {A}"),
    );
    becomes(&world, "user_a", 403);
}

#[test]
fn all_who_come_for_one_user_share_one_question() {
    let server = Postgres::with_members(
        &[],
        &format!("{ROWS}ALTER ROLE bailiff SET log_statement = 'all';"),
    );
    let world = with_times(plan(&server), "1h", "1h", "2h").start();
    let token = world.token("user_a");

    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| world.get("/api/ws/ws_1/x").bearer(&token).send().passed());
        }
    });

    let asked = || {
        server
            .log()
            .iter()
            .filter(|line| line.contains("FROM product.users WHERE clerk_id = $1"))
            .count()
    };
    eventually("the server logged the question", || {
        (asked() > 0).then_some(())
    });
    assert_eq!(asked(), 1, "{:#?}", server.log());
    let lookups = |result: &str| {
        world
            .gate
            .metrics()
            .sum("bailiff_membership_lookups_total", &[("result", result)])
    };
    assert_eq!(lookups("found"), 1.0);
}

#[test]
fn a_database_that_is_away_leaves_what_it_said_until_that_is_too_old() {
    let mut server = Postgres::with_members(&[], ROWS);
    let world = with_times(plan(&server), "1s", "1s", "4s").start();
    ws_1(&world, "user_a").passed();

    server.stop();
    let lookups = |result: &str| {
        world
            .gate
            .metrics()
            .sum("bailiff_membership_lookups_total", &[("result", result)])
    };
    eventually("an old answer was given", || {
        ws_1(&world, "user_a");
        (lookups("stale") > 0.0).then_some(())
    });
    assert_eq!(
        reason(&world, "user_b"),
        "members_unavailable",
        "of whom nothing was said"
    );
    becomes(&world, "user_a", 503);
    world.get("/public/x").send().passed();

    server.start_again();
    becomes(&world, "user_a", 200);
}

#[test]
fn an_answer_about_somebody_else_lets_nobody_in() {
    let server = Postgres::with_members(&[], ROWS);
    let all = plan(&server).config(|c| {
        let users = r#"SELECT clerk_id AS "user" FROM product.users WHERE clerk_id = $1 OR clerk_id IS NOT NULL"#;
        c["membership"]["postgres"]["users"] = json!(users);
    });
    let world = all.start();

    assert_eq!(reason(&world, "user_a"), "members_unavailable");
    world.gate.log_line("about the row", |line| {
        line["why"]
            .as_str()
            .is_some_and(|why| why.contains("the query was asked for user_a"))
    });
}
