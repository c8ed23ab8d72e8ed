//! Users who are dropped through the admin listener, by hand or by `bailiff clerk delete-user`.

use bailiff::dev::issuer::DevUser;
use serde_json::json;

use super::{TOKEN, access, add, admin, asked, described, plan, provider};
use crate::harness::{Launch, Plan, World};

const SECRET_KEY: &str = "sk_test_abcdefghijklmnopqrst";

fn drop_user(world: &World, id: &str) -> crate::harness::Response {
    admin(&world.gate, "DELETE", &format!("/users/{id}")).send()
}

#[test]
fn a_dropped_user_is_refused_at_once_although_the_token_was_proven_before() {
    let world = plan().start();
    let token = world.token("user_b");
    let me = || world.get("/api/ws/ws_2/x").bearer(&token).send();
    me().passed();
    assert_eq!(
        drop_user(&world, "user_b").passed().json(),
        json!({"dropped": "user_b"})
    );
    let answer = me().forbidden();
    assert_eq!(world.gate.reason(&answer), "user_deleted");
    world.gate.log_line("about the user", |line| {
        line["level"] == "WARN" && line["user"] == "user_b"
    });
    // Once more does no harm.
    drop_user(&world, "user_b").passed();
    me().forbidden();
    world
        .get("/api/ws/ws_1/x")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
}

#[test]
fn a_user_of_another_provider_is_dropped_by_the_name_that_the_app_knows() {
    let partner = provider();
    let world = plan().start();
    assert_eq!(
        add(&world.gate, &described("partner", &partner)).status,
        201
    );
    asked(&world.gate, &partner, &access(&partner, "auth0|7")).passed();
    drop_user(&world, "partner:auth0%7C7").passed();
    asked(&world.gate, &partner, &access(&partner, "auth0|7")).forbidden();
    asked(&world.gate, &partner, &access(&partner, "auth0|8")).passed();
}

#[test]
fn what_is_no_id_drops_nobody_and_an_id_with_a_path_in_it_nobody_else() {
    let world = plan().start();
    for id in ["somebody", "user_", "user_a%0d%0aX", "user_a%20b", "%ff"] {
        let answer = drop_user(&world, id);
        assert_eq!(answer.status, 400, "given: {id}, {answer:?}");
    }
    assert_eq!(drop_user(&world, "user_x%2f..%2fuser_b").status, 200);
    assert_eq!(drop_user(&world, "user_x/../user_b").status, 404);
    world
        .get("/api/x")
        .bearer(&world.token("user_b"))
        .send()
        .passed();
}

#[test]
fn without_a_membership_a_dropped_users_tokens_are_refused() {
    let plan = plan().routes(json!([{"path": "/api/**", "access": "user"}]));
    let world = plan
        .config(|c| _ = c.as_object_mut().expect("a table").remove("membership"))
        .start();
    let token = world.token("user_b");
    assert_eq!(drop_user(&world, "user_b").status, 200);
    let refusal = world
        .get("/api/x")
        .bearer(&token)
        .send()
        .not_authenticated();
    assert_eq!(world.gate.reason(&refusal), "user_revoked");
}

// ---- bailiff clerk delete-user ----

fn people() -> Vec<DevUser> {
    let person = |name: &str| DevUser {
        name: name.to_owned(),
        user_id: format!("user_{name}"),
        email: Some(format!("{name}@app.test")),
        full_name: name.to_owned(),
        orgs: vec![],
    };
    vec![person("a"), person("b")]
}

/// A scene whose Backend API knows its users.
fn with_backend() -> Plan {
    let plan = plan();
    plan.clerk.open_users(SECRET_KEY, people());
    let url = plan.clerk.url();
    plan.config(|c| {
        c["clerk"]["secret_key"] = json!(SECRET_KEY);
        c["clerk"]["api_url"] = json!(url);
    })
}

/// The command beside the config of the running gate, whose ports were chosen by the system.
fn delete(world: &World, user: &str, token: Option<&str>) -> Launch {
    let launch = Launch::with_args(&[
        "clerk",
        "delete-user",
        user,
        "--yes",
        "--json",
        "--config",
        "bailiff.yaml",
    ]);
    let mut config = world.config.clone();
    let admin = world.gate.admin_address().to_string();
    config["admin"] = token.map_or_else(
        || json!(admin),
        |token| json!({"address": admin, "token": token}),
    );
    launch
        .file("bailiff.yaml", &config.to_string())
        .file("membership.yaml", "users: {}\n")
}

#[test]
fn a_user_who_is_deleted_at_clerk_is_refused_by_the_running_gate_at_once() {
    let world = with_backend().start();
    let token = world.token("user_b");
    let me = || world.get("/api/x").bearer(&token).send();
    me().passed();

    let finished = delete(&world, "user_b", Some(TOKEN)).run().exits(0);
    let told: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(
        told,
        json!({"user": "user_b", "result": "deleted", "gate": "dropped"})
    );
    let expected = format!(
        "the gate at {} refuses user_b from now on",
        world.gate.admin_address()
    );
    assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
    me().forbidden();

    // Somebody whom Clerk had deleted before is dropped all the same.
    let again = delete(&world, "user_b", Some(TOKEN)).run().exits(0);
    assert!(
        again.stdout.contains("already_gone") && again.stdout.contains("dropped"),
        "{}",
        again.stdout
    );
    world
        .get("/api/x")
        .bearer(&world.token("user_a"))
        .send()
        .passed();
}

#[test]
fn a_gate_with_another_token_is_not_told_and_the_command_says_so() {
    let world = with_backend().start();
    let finished = delete(&world, "user_b", Some("another-admin-token-0123"))
        .run()
        .exits(1);
    assert!(
        finished.stdout.contains("\"refused\""),
        "{}",
        finished.stdout
    );
    assert!(
        finished.stderr.contains("does not take this `admin.token`"),
        "{}",
        finished.stderr
    );
    assert!(
        !finished.stderr.contains("another-admin-token-0123"),
        "{}",
        finished.stderr
    );
    world
        .get("/api/x")
        .bearer(&world.token("user_b"))
        .send()
        .passed();
}

#[test]
fn without_a_token_the_command_leaves_it_to_the_webhook_and_says_so() {
    let world = with_backend().start();
    let finished = delete(&world, "user_b", None).run().exits(0);
    assert!(finished.stdout.contains("not_asked"), "{}", finished.stdout);
    assert!(
        finished
            .stderr
            .contains("once Clerk's webhook `user.deleted` has come"),
        "{}",
        finished.stderr
    );
    world
        .get("/api/x")
        .bearer(&world.token("user_b"))
        .send()
        .passed();
}
