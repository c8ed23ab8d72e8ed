//! What the database does by itself, for when the app makes every mistake.

use crate::harness::Postgres;

#[test]
fn a_transaction_that_names_nobody_finds_no_row_and_writes_none() {
    let server = Postgres::of_the_recipe();
    let insert = "INSERT INTO app.memories (entity_name, content) VALUES ('x', 'of nobody');";
    let count = "SELECT count(*) FROM app.memories;";
    let speak = "SELECT set_config('app.user_id', 'user_named', true) IS NULL;";
    server
        .psql("app", &format!("BEGIN; {speak} {insert} COMMIT;"))
        .succeeded();

    // Rows of other tests are there too: a superuser counts all of them.
    assert_ne!(server.psql("postgres", count).succeeded(), "0");
    for (given, role, sql) in [
        ("no name", "app", count.to_owned()),
        (
            "an empty name",
            "app",
            format!("BEGIN; SET LOCAL app.user_id = ''; {count} COMMIT;"),
        ),
        (
            "the owner of the table",
            "postgres",
            format!("SET ROLE app_owner; {count}"),
        ),
    ] {
        assert_eq!(server.psql(role, &sql).succeeded(), "0", "given: {given}");
    }
    // Used again after a commit and after a rollback; and outside of any transaction.
    let again = format!(
        "BEGIN; {speak} {count} COMMIT; {count} BEGIN; {speak} ROLLBACK; {count} {speak} {count}"
    );
    assert_eq!(
        server.psql("app", &again).succeeded(),
        "f\n1\n0\nf\n0\nf\n0"
    );
    for before in ["", "BEGIN; SET LOCAL app.user_id = 'user_named'; COMMIT;"] {
        server
            .psql("app", &format!("{before} {insert}"))
            .refused("42501");
    }
}

#[test]
fn within_a_tenant_nobody_writes_under_or_over_anothers_name() {
    let server = Postgres::of_the_recipe();
    let act = |user: &str, sql: &str| {
        let speak =
            format!("SET LOCAL app.user_id = '{user}'; SET LOCAL app.org_id = 'org_shared';");
        server.psql("app", &format!("BEGIN; {speak} {sql}; COMMIT;"))
    };
    let insert = "INSERT INTO app.vectors (user_id, document) VALUES ('user_shared_ann', 'by ann')";
    let update = "WITH done AS (UPDATE app.vectors SET document = 'changed' RETURNING 1) SELECT count(*) FROM done";

    act("user_shared_ann", insert).succeeded();

    act("user_shared_abe", insert).refused("42501");
    assert_eq!(act("user_shared_abe", update).succeeded(), "0");
    assert_eq!(
        act("user_shared_abe", "SELECT document FROM app.vectors").succeeded(),
        "by ann"
    );
    assert_eq!(act("user_shared_ann", update).succeeded(), "1");
    act(
        "user_shared_ann",
        "UPDATE app.vectors SET user_id = 'user_shared_abe'",
    )
    .refused("42501");
    act(
        "user_shared_ann",
        "UPDATE app.vectors SET org_id = 'org_other'",
    )
    .refused("42501");
}

#[test]
fn the_role_of_the_app_cannot_lift_the_policies() {
    let server = Postgres::of_the_recipe();
    for attempt in [
        "ALTER TABLE app.memories DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE app.memories NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own_rows ON app.memories",
        "CREATE POLICY all_rows ON app.memories USING (true)",
        "CREATE OR REPLACE FUNCTION app.user_id() RETURNS text LANGUAGE sql RETURN 'user_a'",
        "ALTER ROLE app BYPASSRLS",
        "SET ROLE app_owner",
        "TRUNCATE app.memories",
        "CREATE TABLE app.copy (id uuid REFERENCES app.memories)",
        "SET row_security = off; SELECT count(*) FROM app.memories",
    ] {
        server.psql("app", attempt).refused("42501");
    }
}
