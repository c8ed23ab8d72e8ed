//! The membership in PostgreSQL, as its recipe says: a real server with the recipe's file, and the gate with the recipe's queries.

mod bad_rows;
mod connections;
mod lookup;
mod secure;

use serde_json::{Value, json};

use crate::harness::{Delivery, Plan, Postgres, Response, World, event, eventually, now};

const RECIPE: &str = include_str!("../../docs/recipes/postgres-membership.md");
const SQL: &str = include_str!("../../docs/recipes/postgres-membership.sql");

/// Users, workspaces and members as in the standard scene.
const ROWS: &str = "
INSERT INTO product.users (id, clerk_id, email, name, status) VALUES
  ('4f6c0a51-6a0e-4c1f-9b1e-0e9d6b0f2f10', 'user_a', 'alex@example.com', 'Alex Chen', 'active');
INSERT INTO product.users (clerk_id, status) VALUES ('user_b', 'active'), ('user_suspended', 'suspended');
INSERT INTO product.workspaces VALUES ('ws_1', 'org_one'), ('ws_2', 'org_two');
INSERT INTO product.members (workspace_id, user_id) SELECT 'ws_1', id FROM product.users WHERE clerk_id <> 'user_b';
INSERT INTO product.members (workspace_id, user_id) SELECT 'ws_2', id FROM product.users WHERE clerk_id = 'user_b';
";
/// Whoever writes afterwards tells nobody.
const SILENT: &str = "ALTER TABLE product.users DISABLE TRIGGER USER; ALTER TABLE product.members DISABLE TRIGGER USER;";
/// The user of this Clerk id.
const A: &str = "(SELECT id FROM product.users WHERE clerk_id = 'user_a')";

/// What the recipe quotes in this language.
fn quoted(language: &str) -> Vec<&'static str> {
    let blocks = RECIPE.split("```").skip(1).step_by(2);
    blocks
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .collect()
}

/// A gate whose membership is in `url`, by the recipe's `number`th config.
fn plan_at(url: &str, number: usize) -> Plan {
    let config: Value =
        serde_saphyr::from_str(quoted("yaml")[number]).expect("the recipe's config is YAML");
    let plan = World::plan().config(|c| {
        c["membership"] = config["membership"].clone();
        c["membership"]["roles"] = json!(["member", "admin", "owner"]);
        // A test that waits for less time than that has not waited for it.
        if number == 0 {
            c["membership"]["postgres"]["interval"] = json!("1h");
            c["membership"]["max_age"] = json!("2h");
        }
    });
    plan.env("DATABASE_URL", url)
}

fn plan(server: &Postgres) -> Plan {
    plan_at(&server.address_for("bailiff"), 0)
}

fn ws_1(world: &World, user: &str) -> Response {
    world
        .get("/api/ws/ws_1/x")
        .bearer(&world.token(user))
        .send()
}

fn settings(world: &World, user: &str) -> Response {
    world
        .get("/api/ws/ws_1/settings/x")
        .bearer(&world.token(user))
        .send()
}

#[track_caller]
fn becomes(world: &World, user: &str, expected: u16) {
    eventually(&format!("{user} got {expected} in ws_1"), || {
        (ws_1(world, user).status == expected).then_some(())
    });
}

/// The reason of the answer that `user` gets in `ws_1`.
fn reason(world: &World, user: &str) -> String {
    world.gate.reason(&ws_1(world, user))
}

fn write(server: &Postgres, sql: &str) {
    server.psql("postgres", sql).succeeded();
}

#[test]
fn everything_that_the_recipe_quotes_is_what_the_tests_run() {
    assert_eq!((quoted("yaml").len(), quoted("sql").len()), (2, 2));
    for block in quoted("sql") {
        assert!(
            SQL.contains(block),
            "not in postgres-membership.sql:\n{block}"
        );
    }
}

#[test]
fn the_apps_own_tables_say_who_is_in() {
    let server = Postgres::with_members(&[], ROWS);
    let world = plan(&server).start();

    ws_1(&world, "user_a").passed();
    let seen = world.upstream.only();
    for (header, value) in [
        ("x-user-id", "4f6c0a51-6a0e-4c1f-9b1e-0e9d6b0f2f10"),
        ("x-user-email", "alex@example.com"),
        ("x-user-name", "Alex Chen"),
        ("x-access-status", "active"),
        ("x-workspace-role", "member"),
        ("x-org-id", "org_one"),
    ] {
        let expected = (header != "x-org-id").then_some(value);
        assert_eq!(seen.header(header).as_deref(), expected, "{header}");
    }
    for (user, why) in [
        ("user_b", "not_a_member"),
        ("user_suspended", "suspended"),
        ("user_x", "unknown_user"),
    ] {
        assert_eq!(reason(&world, user), why, "{user}");
    }
    // It can read what it needs, and nothing else.
    for attempt in [
        "SELECT password_reset_token FROM product.users",
        "UPDATE product.users SET status = 'active'",
        "DELETE FROM product.members",
        "CREATE TABLE product.x ()",
    ] {
        server.psql("bailiff", attempt).refused("42501");
    }
}

#[test]
fn a_removed_member_is_out_and_a_changed_role_is_in_force_as_soon_as_the_transaction_commits() {
    let server = Postgres::with_members(&[], ROWS);
    let world = plan(&server).start();
    ws_1(&world, "user_a").passed();
    settings(&world, "user_a").forbidden();

    write(
        &server,
        &format!("UPDATE product.members SET role = 'admin' WHERE user_id = {A}"),
    );
    eventually("the new role counted", || {
        (settings(&world, "user_a").status == 200).then_some(())
    });

    write(
        &server,
        &format!("DELETE FROM product.members WHERE user_id = {A}"),
    );
    becomes(&world, "user_a", 403);
    assert_eq!(reason(&world, "user_a"), "not_a_member");

    write(
        &server,
        "BEGIN; INSERT INTO product.users (clerk_id) VALUES ('user_new'); COMMIT;",
    );
    let me = |user: &str| world.get("/api/x").bearer(&world.token(user)).send().status;
    eventually("the new user counted", || {
        (me("user_new") == 200).then_some(())
    });
    write(
        &server,
        "UPDATE product.users SET status = 'suspended' WHERE clerk_id = 'user_new'",
    );
    eventually("the suspension counted", || {
        (me("user_new") == 403).then_some(())
    });
    // What is of no interest to us leads to no load.
    let loads = || {
        world
            .gate
            .metrics()
            .sum("bailiff_reloads_total", &[("part", "membership")])
    };
    let before = loads();
    write(&server, "UPDATE product.users SET last_seen_at = now()");
    write(
        &server,
        "DELETE FROM product.users WHERE clerk_id = 'user_new'",
    );
    eventually("the deletion counted", || {
        (me("user_new") == 403 && loads() > before).then_some(())
    });
    assert!(loads() <= before + 1.0, "one load for one notice");
}

#[test]
fn what_nobody_tells_is_found_by_the_next_look_and_an_unchanged_table_is_not_loaded_anew() {
    let server = Postgres::with_members(&[], &format!("{ROWS}{SILENT}"));
    let world = plan(&server)
        .config(|c| c["membership"]["postgres"]["interval"] = json!("1s"))
        .start();
    ws_1(&world, "user_a").passed();
    let metric = |name: &str| world.gate.metrics().sum(name, &[]);
    let (generation, confirmed) = (
        metric("bailiff_snapshot_generation"),
        metric("bailiff_membership_confirmed_timestamp_seconds"),
    );

    eventually("it was confirmed", || {
        (metric("bailiff_membership_confirmed_timestamp_seconds") > confirmed + 1.0).then_some(())
    });
    assert_eq!(
        world.gate.metrics().sum(
            "bailiff_reloads_total",
            &[("part", "membership"), ("result", "ok")]
        ),
        1.0
    );
    assert!(metric("bailiff_snapshot_generation") >= generation);

    write(
        &server,
        &format!("DELETE FROM product.members WHERE user_id = {A}"),
    );
    becomes(&world, "user_a", 403);
}

/// A change in the organization that is `ws_1`.
fn membership(change: &str, role: &str, at_ms: u64) -> Delivery {
    let data = json!({
        "id": "orgmem_a", "object": "organization_membership", "role": role,
        "organization": {"id": "org_one"}, "public_user_data": {"user_id": "user_a"},
    });
    Delivery::event(&event(
        &format!("organizationMembership.{change}"),
        data,
        at_ms,
    ))
}

#[test]
fn a_webhook_counts_more_than_the_row_that_was_there_and_less_than_one_that_is_changed_later() {
    let server = Postgres::with_members(&[], ROWS);
    let world = plan(&server).start();
    let loads = || {
        world.gate.metrics().sum(
            "bailiff_reloads_total",
            &[("part", "membership"), ("result", "ok")],
        )
    };

    membership("updated", "org:admin", (now() - 9) * 1000)
        .to(&world)
        .send()
        .passed();
    eventually("the webhook counted", || {
        (settings(&world, "user_a").status == 200).then_some(())
    });
    // Another row changes: the word of the webhook about this one stays.
    let before = loads();
    write(
        &server,
        "UPDATE product.users SET name = 'B' WHERE clerk_id = 'user_b'",
    );
    eventually("it was loaded", || (loads() > before).then_some(()));
    settings(&world, "user_a").passed();

    membership("deleted", "org:admin", (now() - 5) * 1000)
        .to(&world)
        .send()
        .passed();
    becomes(&world, "user_a", 403);
    write(
        &server,
        &format!("UPDATE product.members SET role = 'owner' WHERE user_id = {A}"),
    );
    eventually("the row counted", || {
        (settings(&world, "user_a").status == 200).then_some(())
    });
    // What the row has overruled does not come back.
    membership("deleted", "org:admin", (now() - 6) * 1000)
        .to(&world)
        .send()
        .passed();
    settings(&world, "user_a").passed();
}
