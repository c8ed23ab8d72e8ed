//! A server that is not there, goes away, comes back, or cuts off in the middle.

use serde_json::json;

use super::{A, ROWS, SILENT, becomes, plan, plan_at, reason, write, ws_1};
use crate::harness::{Postgres, World, eventually};

/// A pause in the query for members, which can be switched on: long enough to be cut off in it.
const PAUSE: &str = "
CREATE TABLE product.pause (seconds float NOT NULL);
INSERT INTO product.pause VALUES (0);
GRANT SELECT ON product.pause TO bailiff;
CREATE FUNCTION product.pause() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(seconds) FROM product.pause;
  RETURN true;
END
$$;
";
/// Loads that wait in that pause.
const IN_PAUSE: &str = "SELECT pid FROM pg_stat_activity WHERE application_name = 'bailiff' AND wait_event = 'PgSleep'";

fn slow_server() -> (Postgres, World) {
    let server = Postgres::with_members(&[], &format!("{ROWS}{PAUSE}"));
    let plan = plan(&server).config(|c| {
        let members = c["membership"]["postgres"]["members"]
            .as_str()
            .expect("a query")
            .to_owned();
        c["membership"]["postgres"]["members"] =
            json!(format!("{members} AND (SELECT product.pause())"));
    });
    (server, plan.start())
}

#[track_caller]
fn waits_in_pause(server: &Postgres) {
    eventually("a load waited", || {
        (!server.psql("postgres", IN_PAUSE).succeeded().is_empty()).then_some(())
    });
}

/// Users and memberships of each table that was put in force, from when there are as many: the log tells of it a moment later.
#[track_caller]
fn sizes(world: &World, least: usize) -> Vec<(u64, u64)> {
    eventually("the log told of them", || {
        let lines = world.gate.logs();
        let lines = lines
            .iter()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let taken = lines.filter(|line| line["message"] == "the new membership is in force");
        let sizes =
            taken.filter_map(|line| Some((line["users"].as_u64()?, line["members"].as_u64()?)));
        Some(sizes.collect::<Vec<_>>()).filter(|sizes| sizes.len() >= least)
    })
}

#[test]
fn a_load_that_is_cut_off_in_the_middle_changes_nothing() {
    let (server, world) = slow_server();
    ws_1(&world, "user_a").passed();
    let failed = || {
        world.gate.metrics().sum(
            "bailiff_reloads_total",
            &[("part", "membership"), ("result", "failed")],
        )
    };

    write(
        &server,
        "UPDATE product.pause SET seconds = 60; DELETE FROM product.users WHERE clerk_id = 'user_b'",
    );
    waits_in_pause(&server);
    // All users of this load are read already, and no member.
    ws_1(&world, "user_a").passed();
    let before = failed();
    write(&server, "UPDATE product.pause SET seconds = 0");
    write(
        &server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
    );
    eventually("it was noticed", || (failed() > before).then_some(()));
    ws_1(&world, "user_a").passed();

    let me = || {
        world
            .get("/api/x")
            .bearer(&world.token("user_b"))
            .send()
            .status
    };
    eventually("the whole load counted", || (me() == 403).then_some(()));
    ws_1(&world, "user_a").passed();
    assert_eq!(sizes(&world, 2), [(3, 3), (2, 2)], "and nothing in between");
}

#[test]
fn rows_that_appear_during_a_load_are_in_it_whole_or_not_at_all() {
    let (server, world) = slow_server();
    write(
        &server,
        "UPDATE product.pause SET seconds = 1; UPDATE product.users SET name = 'B' WHERE clerk_id = 'user_b'",
    );
    waits_in_pause(&server);
    write(
        &server,
        "BEGIN;
         UPDATE product.pause SET seconds = 0;
         INSERT INTO product.users (clerk_id) VALUES ('user_new');
         INSERT INTO product.members SELECT 'ws_1', id, 'owner' FROM product.users WHERE clerk_id = 'user_new';
         COMMIT;",
    );
    becomes(&world, "user_new", 200);
    // The load that was under way has seen neither; the notice that came during it has led to the next.
    assert_eq!(sizes(&world, 3), [(3, 3), (3, 3), (4, 4)]);
}

#[test]
fn a_server_that_restarts_is_found_again_and_nothing_that_changed_meanwhile_is_missed() {
    let mut server = Postgres::with_members(&[], ROWS);
    let world = plan(&server).start();
    ws_1(&world, "user_a").passed();

    for (role, status) in [("admin", 200), ("member", 403)] {
        server.stop();
        world.gate.log_line("about the lost server", |line| {
            let why = line["why"].as_str().unwrap_or_default();
            line["part"] == "membership" && why.contains("the connection to PostgreSQL at /")
        });
        ws_1(&world, "user_a").passed();
        server.start_again();
        // Nobody knows whether it is before or after the gate is back.
        write(
            &server,
            &format!("UPDATE product.members SET role = '{role}' WHERE user_id = {A}"),
        );
        eventually("the change counted", || {
            (super::settings(&world, "user_a").status == status).then_some(())
        });
    }
    write(
        &server,
        &format!("DELETE FROM product.members WHERE user_id = {A}"),
    );
    becomes(&world, "user_a", 403);
}

#[test]
fn without_the_database_no_user_gets_in_and_everybody_else_does() {
    let mut server = Postgres::with_members(&[], ROWS);
    server.stop();
    let world = plan(&server).start_unready();

    assert_eq!(reason(&world, "user_a"), "members_unavailable");
    let ready = world.gate.admin("/readyz");
    assert_eq!(
        (
            ready.status,
            ready.text().contains("the membership is not loaded")
        ),
        (503, true),
        "{ready:?}"
    );
    world.get("/public/x").send().passed();

    server.start_again();
    becomes(&world, "user_a", 200);
    eventually("it was ready", || {
        (world.gate.admin("/readyz").status == 200).then_some(())
    });
}

#[test]
fn what_the_database_said_counts_until_it_is_too_old_and_then_nobody_gets_in_by_it() {
    let mut server = Postgres::with_members(&[], ROWS);
    let plan = plan_at(&server.address_for("bailiff"), 0).config(|c| {
        c["membership"]["postgres"]["interval"] = json!("1s");
        c["membership"]["max_age"] = json!("3s");
    });
    let world = plan.start();
    ws_1(&world, "user_a").passed();

    server.stop();
    ws_1(&world, "user_a").passed();
    becomes(&world, "user_a", 503);
    assert_eq!(reason(&world, "user_a"), "members_stale");
    world.get("/public/x").send().passed();

    server.start_again();
    becomes(&world, "user_a", 200);
}

#[test]
fn no_users_any_more_is_a_mistake_unless_somebody_says_that_it_is_none() {
    let server = Postgres::with_members(&[], ROWS);
    let world = plan(&server).start();
    ws_1(&world, "user_a").passed();

    write(&server, "TRUNCATE product.users CASCADE");
    world.gate.log_line("about the empty answer", |line| {
        line["why"]
            .as_str()
            .is_some_and(|why| why.contains("no users any more"))
    });
    ws_1(&world, "user_a").passed();

    world.rewrite_config(|c| c["membership"]["postgres"]["allow_empty"] = json!(true));
    becomes(&world, "user_a", 403);
    assert_eq!(reason(&world, "user_a"), "unknown_user");
}

#[test]
fn another_source_in_the_config_is_followed_from_then_on() {
    let server = Postgres::with_members(&[], &format!("{ROWS}{SILENT}"));
    let world = World::start();
    ws_1(&world, "user_admin").passed();

    let url = server.address_for("bailiff");
    let config = plan_at(&url, 0).config;
    world.rewrite_config(|c| {
        c["membership"] = config["membership"].clone();
        c["membership"]["postgres"]["url"] = json!(url);
    });

    becomes(&world, "user_admin", 403);
    ws_1(&world, "user_a").passed();
}
