//! Rows and queries that cannot be used: said with the row, and the last good table stays.

use serde_json::{Value, json};

use super::{ROWS, plan, write, ws_1};
use crate::harness::{Finished, Launch, Postgres, World, eventually};

/// A table in which anything can be written, and queries that take it as it is.
const LOOSE: &str = r#"
CREATE TABLE product.loose (n serial, "user" text, id text, access text, founder bool, flags text[], attributes jsonb);
CREATE TABLE product.loose_members (n serial, workspace text, org text, "user" text, role text);
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON product.loose
  FOR EACH STATEMENT EXECUTE FUNCTION product.tell_bailiff();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON product.loose_members
  FOR EACH STATEMENT EXECUTE FUNCTION product.tell_bailiff();
GRANT SELECT ON product.loose, product.loose_members TO bailiff;
INSERT INTO product.loose ("user", id, access, founder, flags, attributes) VALUES
  ('user_a', 'a', 'active', false, '{is_admin}', '{"plan": "pro"}'), ('user_b', 'b', 'active', NULL, NULL, NULL);
INSERT INTO product.loose_members (workspace, org, "user", role) VALUES ('ws_1', 'org_one', 'user_a', 'member');
"#;
const USERS: &str =
    r#"SELECT "user", id, access, founder, flags, attributes FROM product.loose ORDER BY n"#;
const MEMBERS: &str =
    r#"SELECT workspace, org, "user", role FROM product.loose_members ORDER BY n"#;

fn loose(server: &Postgres) -> crate::harness::Plan {
    plan(server).config(|c| {
        c["membership"]["postgres"]["users"] = json!(USERS);
        c["membership"]["postgres"]["members"] = json!(MEMBERS);
        c["membership"]["flags"] = json!(["is_admin"]);
    })
}

/// What the log says of the next load that is not taken.
#[track_caller]
fn refused(world: &World, act: impl FnOnce()) -> String {
    let seen = world.gate.logs().len();
    act();
    eventually("the log told of a load that was not taken", || {
        let lines = world.gate.logs();
        let mut lines = lines
            .iter()
            .skip(seen)
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found = lines.find(|line| {
            line["message"]
                .as_str()
                .is_some_and(|m| m.contains("the last good one stays"))
        });
        found.map(|line| line["why"].as_str().unwrap_or_default().to_owned())
    })
}

#[test]
fn a_bad_row_is_said_with_its_number_and_the_last_good_table_stays_in_force() {
    let server = Postgres::with_members(&[], &format!("{ROWS}{LOOSE}"));
    let world = loose(&server).start();
    ws_1(&world, "user_a").passed();
    assert_eq!(
        world.upstream.only().header("x-user-flags").as_deref(),
        Some("is_admin")
    );

    let taken = || {
        world.gate.metrics().sum(
            "bailiff_reloads_total",
            &[("part", "membership"), ("result", "ok")],
        )
    };
    let user = |values: &str| {
        format!(
            r#"INSERT INTO product.loose ("user", id, access, founder, flags, attributes) VALUES {values}"#
        )
    };
    let member = |values: &str| {
        format!(
            r#"INSERT INTO product.loose_members (workspace, org, "user", role) VALUES {values}"#
        )
    };
    for (sql, expected) in [
        (
            user("(NULL, 'c', 'active', true, NULL, NULL)"),
            "users, row 3: `user` is NULL",
        ),
        (
            user("('user_a', 'c', 'active', true, NULL, NULL)"),
            "users, row 3 (user_a): the user user_a comes twice",
        ),
        (
            user("('user_c', 'a', 'active', true, NULL, NULL)"),
            "users, row 3 (user_c): the users user_a and user_c have one `id`",
        ),
        (
            user("('user_c', 'a b', 'active', true, NULL, NULL)"),
            "users, row 3 (user_c): `id` is `a b`, which has a character",
        ),
        (
            user("('bob', 'c', 'active', true, NULL, NULL)"),
            "users, row 3: `user` is `bob`, which is neither",
        ),
        (
            user("('user_c', 'c', 'activ', true, NULL, NULL)"),
            "users, row 3 (user_c): `access` is `activ`, and none of pending, active, suspended",
        ),
        (
            user("('user_c', 'c', NULL, true, NULL, NULL)"),
            "users, row 3 (user_c): `access` is NULL",
        ),
        (
            user("('user_c', 'c', 'active', NULL, '{is_amin}', NULL)"),
            "users, row 3 (user_c): `flags` has `is_amin`, which is none of",
        ),
        (
            user("('user_c', 'c', 'active', NULL, NULL, '{\"plan\": 1}')"),
            "users, row 3 (user_c): `attributes` is not a JSON object whose values are texts",
        ),
        (
            member("('ws_1', 'org_one', 'user_b', 'boss')"),
            "members, row 2 (user_b): `role` is `boss`, and none of member, admin, owner",
        ),
        (
            member("('ws_1', 'org_one', 'user_b', NULL)"),
            "members, row 2 (user_b): `role` is NULL",
        ),
        (
            member("('ws_1', 'org_one', NULL, 'member')"),
            "members, row 2: `user` is NULL",
        ),
        (
            member("(NULL, NULL, 'user_b', 'member')"),
            "members, row 2 (user_b): `workspace` is NULL",
        ),
        (
            member("('ws_1', 'org_one', 'user_a', 'owner')"),
            "members, row 2 (user_a): user_a is a member of ws_1 twice",
        ),
        (
            member("('ws_1', 'org_two', 'user_b', 'member')"),
            "members, row 2 (user_b): the workspace ws_1 comes twice, and differs",
        ),
        (
            member("('ws_2', 'org_one', 'user_b', 'member')"),
            "members, row 2 (user_b): the workspaces ws_1 and ws_2 have one `org`",
        ),
        (
            member("('ws_2', 'one', 'user_b', 'member')"),
            "members, row 2 (user_b): `org` is `one`, which does not start with `org_`",
        ),
    ] {
        let why = refused(&world, || write(&server, &sql));
        assert!(why.contains(expected), "given: {sql}\ngot: {why}");
        ws_1(&world, "user_a").passed();
        // Another access of somebody else, so that the table which is good again is another one.
        let before = taken();
        write(
            &server,
            "BEGIN;
             DELETE FROM product.loose WHERE n > 2;
             DELETE FROM product.loose_members WHERE n > 1;
             UPDATE product.loose SET access = CASE access WHEN 'active' THEN 'pending' ELSE 'active' END WHERE n = 2;
             COMMIT;",
        );
        eventually("the next one was taken", || {
            (taken() > before).then_some(())
        });
    }
    // All of them at once, each with its row.
    let both = format!(
        "BEGIN; {}; {}; COMMIT;",
        user(
            "('bob', 'c', 'active', true, NULL, NULL), ('user_c', '', 'active', true, NULL, NULL)"
        ),
        member("('ws_1', 'org_one', 'user_b', 'boss')")
    );
    let why = refused(&world, || write(&server, &both));
    assert_eq!(why.matches(", row ").count(), 3, "{why}");
}

#[test]
fn a_query_with_the_wrong_columns_says_which_and_lets_nobody_in() {
    let server = Postgres::with_members(&[], ROWS);
    for (query, expected) in [
        (
            "SELECT clerk_id AS usr FROM product.users",
            "unknown column `usr`; there are `user`, `id`",
        ),
        (
            "SELECT clerk_id AS usr FROM product.users",
            "the column `user` is missing",
        ),
        (
            "SELECT clerk_id AS \"user\", status AS acces FROM product.users",
            "unknown column `acces`",
        ),
        (
            "SELECT clerk_id AS \"user\", clerk_id AS \"user\" FROM product.users",
            "the column `user` comes twice",
        ),
        (
            "SELECT clerk_id AS \"user\", activated_at FROM product.users",
            "the column `activated_at` is of the type timestamptz",
        ),
        (
            "SELECT clerk_id AS \"user\", 1 AS founder FROM product.users",
            "the column `founder` is of the type int4, and should be boolean",
        ),
        (
            "SELECT nobody FROM product.users",
            "column \"nobody\" does not exist (SQLSTATE 42703)",
        ),
        (
            "SELECT clerk_id AS \"user\", email FROM product.users WHERE password_reset_token IS NULL",
            "permission denied",
        ),
        (
            "SELECT clerk_id AS \"user\" FROM product.users WHERE clerk_id = $1",
            "it has a parameter",
        ),
        (
            "UPDATE product.users SET name = 'x' RETURNING clerk_id AS \"user\"",
            "read-only transaction (SQLSTATE 25006)",
        ),
        ("SELECT", "the column `user` is missing"),
    ] {
        let finished = check(
            &server,
            query,
            &["check", "--online", "--config", "bailiff.yaml"],
        )
        .exits(69);
        assert!(
            finished.stderr.contains(expected),
            "given: {query}\n{}",
            finished.stderr
        );
    }
    let world = plan(&server)
        .config(|c| c["membership"]["postgres"]["users"] = json!("SELECT 1 AS x"))
        .start_unready();
    assert_eq!(super::reason(&world, "user_a"), "members_unavailable");
    world.get("/public/x").send().passed();
}

/// What a command makes of a config with this query for users.
fn check(server: &Postgres, users: &str, args: &[&str]) -> Finished {
    let plan = plan(server).config(|c| c["membership"]["postgres"]["users"] = json!(users));
    let launch: Launch = plan.command(args);
    let launch = launch.env("DATABASE_URL", &server.address_for("bailiff"));
    launch.run()
}

#[test]
fn check_asks_the_database_only_when_it_is_told_to_and_then_names_every_bad_row() {
    let server = Postgres::with_members(&[], &format!("{ROWS}{LOOSE}"));
    let command = |args: &[&str]| {
        let plan = loose(&server);
        let finished = plan
            .command(args)
            .env("DATABASE_URL", &server.address_for("bailiff"))
            .run();
        drop(plan);
        finished
    };
    let online = ["check", "--online", "--config", "bailiff.yaml"];
    let fine = command(&online).exits(0);
    assert!(
        fine.stdout
            .contains("postgres: 2 users, 1 workspace, 1 membership"),
        "{}",
        fine.stdout
    );
    assert!(
        fine.stdout.contains("membership  PostgreSQL at /"),
        "{}",
        fine.stdout
    );

    write(
        &server,
        r#"INSERT INTO product.loose ("user", access) VALUES ('bob', 'active'), ('user_c', 'x')"#,
    );
    let bad = command(&online).exits(69);
    for expected in [
        "users, row 3: `user` is `bob`",
        "users, row 4 (user_c): `access` is `x`",
    ] {
        assert!(bad.stderr.contains(expected), "{}", bad.stderr);
    }
    let offline = command(&["check", "--config", "bailiff.yaml"]).exits(0);
    assert!(
        offline.stdout.contains("not asked: --online does"),
        "{}",
        offline.stdout
    );
    let plan = loose(&server);
    let args = [
        "explain",
        "--config",
        "bailiff.yaml",
        "--path",
        "/api/ws/ws_1/x",
        "--token",
        "@token",
    ];
    let launch = plan
        .command(&args)
        .env("DATABASE_URL", &server.address_for("bailiff"));
    let explained = launch.file("token", &plan.token("user_a")).run().exits(1);
    assert!(
        explained.stdout.contains("which this command does not ask"),
        "{}",
        explained.stdout
    );
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bailiff'";
    assert_eq!(server.psql("postgres", connected).succeeded(), "0");
}
