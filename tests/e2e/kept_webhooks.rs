//! What webhooks said is kept: over a restart, a kill, other names of roles, and until an operator says otherwise.

use serde_json::{Value, json};

use crate::harness::{
    Delivery, MEMBERSHIP, Plan, Recorded, Response, World, event, eventually, now,
};

fn plan() -> Plan {
    World::plan()
        .with_store()
        .route(json!({"path": "/api/suspended", "access": "user", "allow_suspended": true}))
}

fn ago_ms(secs: u64) -> u64 {
    (now() - secs) * 1000
}

/// A user as Clerk describes one, this many seconds ago.
fn user(id: &str, email: &str, first_name: &str, secs_ago: u64) -> Value {
    let address =
        json!({"id": "idn_1", "email_address": email, "verification": {"status": "verified"}});
    json!({
        "id": id,
        "object": "user",
        "banned": false,
        "first_name": first_name,
        "primary_email_address_id": "idn_1",
        "email_addresses": [address],
        "updated_at": ago_ms(secs_ago),
    })
}

/// Delivers an event of which the app is told.
#[track_caller]
fn deliver(world: &World, kind: &str, data: Value) {
    Delivery::event(&event(kind, data, now() * 1000))
        .to(world)
        .send()
        .passed();
    world.upstream.only();
}

/// `role` in an organization, as of this many seconds ago.
fn membership(org: &str, user: &str, role: &str, secs_ago: u64) -> Value {
    json!({
        "organization": {"id": org},
        "public_user_data": {"user_id": user},
        "role": role,
        "updated_at": ago_ms(secs_ago),
    })
}

fn ask(world: &World, user: &str, path: &str) -> Response {
    world.get(path).bearer(&world.token(user)).send()
}

/// What the app sees of this user.
#[track_caller]
fn seen(world: &World, user: &str, path: &str) -> Recorded {
    ask(world, user, path).passed();
    world.upstream.only()
}

#[track_caller]
fn refused(world: &World, user: &str, path: &str, reason: &str) {
    let answer = ask(world, user, path).forbidden();
    assert_eq!(world.gate.reason(&answer), reason, "{user} at {path}");
    world.upstream.saw_nothing();
}

#[test]
fn a_ban_and_a_deletion_survive_a_kill_right_after_they_were_acknowledged() {
    let world = plan().start();
    deliver(
        &world,
        "user.updated",
        json!({"id": "user_a", "banned": true, "updated_at": ago_ms(1)}),
    );
    let mut world = world.killed();
    refused(&world, "user_a", "/api/me", "user_banned");

    deliver(
        &world,
        "user.deleted",
        json!({"id": "user_b", "deleted": true}),
    );
    world = world.killed();
    for (user, reason) in [("user_a", "user_banned"), ("user_b", "user_deleted")] {
        refused(&world, user, "/api/me", reason);
        refused(&world, user, "/api/x", reason);
    }
    refused(&world, "user_b", "/api/ws/ws_2/x", "user_deleted");
}

#[test]
fn nobody_escapes_a_kept_ban_by_founding_and_leaving_organizations_before_it() {
    let world = plan().start();
    // A row of the store holds 64 KiB: 220 of these would be more.
    for n in 0..220 {
        let org = format!("org_{n:0>240}");
        deliver(
            &world,
            "organizationMembership.deleted",
            membership(&org, "user_a", "org:admin", 9),
        );
    }
    deliver(
        &world,
        "user.updated",
        json!({"id": "user_a", "banned": true, "updated_at": ago_ms(1)}),
    );

    let world = world.killed();

    refused(&world, "user_a", "/api/me", "user_banned");
}

#[test]
fn an_organization_that_was_deleted_has_no_members_after_a_restart_either() {
    let world = plan().start();
    deliver(
        &world,
        "organization.deleted",
        json!({"id": "org_one", "deleted": true}),
    );

    let world = world.killed();

    refused(&world, "user_owner", "/api/ws/ws_1/x", "not_a_member");
    seen(&world, "user_b", "/api/ws/ws_2/x");
}

#[test]
fn a_user_whom_clerk_creates_gets_the_access_of_new_users_once() {
    let world = plan()
        .config(|c| c["membership"]["new_users"] = json!("active"))
        .start();
    refused(&world, "user_made", "/api/x", "unknown_user");
    deliver(
        &world,
        "user.created",
        user("user_made", "made@example.com", "Mo", 30),
    );
    let app = seen(&world, "user_made", "/api/x");
    let told = ["x-access-status", "x-user-email", "x-user-name"].map(|name| app.header(name));
    assert_eq!(
        told,
        ["active", "made@example.com", "Mo"].map(|text| Some(text.to_owned()))
    );

    let world = world.restarted_with(|c| c["membership"]["new_users"] = json!("pending"));
    // Clerk delivers at least once: the same event under another id.
    deliver(
        &world,
        "user.created",
        user("user_made", "made@example.com", "Mo", 30),
    );
    seen(&world, "user_made", "/api/x");
    deliver(
        &world,
        "user.created",
        user("user_later", "later@example.com", "Lu", 20),
    );
    refused(&world, "user_later", "/api/x", "not_active");
}

#[test]
fn the_order_in_which_a_users_events_arrive_makes_no_difference() {
    let world = plan()
        .config(|c| c["membership"]["new_users"] = json!("active"))
        .start();
    let created = user("user_made", "first@example.com", "First", 30);
    let updated = user("user_made", "second@example.com", "Second", 20);

    for (kind, data) in [
        ("user.updated", &updated),
        ("user.created", &created),
        ("user.created", &created),
    ] {
        deliver(&world, kind, data.clone());
        let app = seen(&world, "user_made", "/api/x");
        assert_eq!(
            app.header("x-user-email").as_deref(),
            Some("second@example.com"),
            "after {kind}"
        );
        assert_eq!(
            app.header("x-user-name").as_deref(),
            Some("Second"),
            "after {kind}"
        );
    }
    deliver(
        &world,
        "user.deleted",
        json!({"id": "user_made", "deleted": true}),
    );
    deliver(&world, "user.created", created);
    refused(&world, "user_made", "/api/me", "user_deleted");
    let world = world.killed();
    deliver(&world, "user.updated", updated);
    refused(&world, "user_made", "/api/me", "user_deleted");
}

#[test]
fn a_user_who_was_deleted_can_be_kept_as_suspended() {
    let mut world = plan()
        .config(|c| {
            c["membership"]["deleted_users"] = json!("deactivate");
            c["membership"]["new_users"] = json!("active");
            c["membership"]["flags"] = json!(["is_active"]);
            c["membership"]["new_user_flags"] = json!(["is_active"]);
        })
        .start();
    deliver(
        &world,
        "user.created",
        user("user_made", "made@example.com", "Mo", 30),
    );
    assert_eq!(
        seen(&world, "user_made", "/api/x")
            .header("x-user-flags")
            .as_deref(),
        Some("is_active")
    );

    // A while ago, as tokens from before are refused whatever the user may still see.
    for user in ["user_made", "user_owner"] {
        let deleted = event(
            "user.deleted",
            json!({"id": user, "deleted": true}),
            ago_ms(20),
        );
        Delivery::event(&deleted).to(&world).send().passed();
        world.upstream.only();
        let before = world.sign(&world.mint(user).issued_at(now() - 25));
        world
            .get("/api/suspended")
            .bearer(&before)
            .send()
            .not_authenticated();
    }
    for _ in 0..2 {
        for user in ["user_made", "user_owner"] {
            refused(&world, user, "/api/x", "suspended");
            let app = seen(&world, user, "/api/suspended");
            assert_eq!(
                app.header("x-access-status").as_deref(),
                Some("suspended"),
                "{user}"
            );
            assert_eq!(app.header("x-user-flags"), None, "{user}");
        }
        refused(&world, "user_owner", "/api/ws/ws_1/x", "suspended");
        world = world.killed();
    }
}

#[test]
fn a_delivery_that_the_app_took_is_acknowledged_after_a_restart_and_not_delivered_again() {
    let world = plan().start();
    let delivery = Delivery::event(&event(
        "user.created",
        user("user_made", "m@example.com", "Mo", 3),
        now() * 1000,
    ));
    delivery.to(&world).send().passed();
    world.upstream.only();

    let world = world.restarted();

    assert_eq!(delivery.to(&world).send().status, 200);
    world.upstream.saw_nothing();
    world
        .gate
        .metric_becomes("bailiff_webhooks_total", &[("result", "duplicate")], 1.0);
    Delivery::event(&event(
        "user.updated",
        user("user_made", "n@example.com", "Mo", 2),
        now() * 1000,
    ))
    .to(&world)
    .send()
    .passed();
    world.upstream.only();
}

#[test]
fn a_role_that_a_webhook_took_or_gave_is_so_after_a_restart() {
    let mut world = plan().start();
    deliver(
        &world,
        "organizationMembership.deleted",
        membership("org_one", "user_a", "org:member", 5),
    );
    deliver(
        &world,
        "organizationMembership.updated",
        membership("org_one", "user_admin", "org:member", 5),
    );
    deliver(
        &world,
        "organizationMembership.created",
        membership("org_two", "user_owner", "org:admin", 5),
    );
    for _ in 0..2 {
        refused(&world, "user_a", "/api/ws/ws_1/x", "not_a_member");
        refused(
            &world,
            "user_admin",
            "/api/ws/ws_1/settings/x",
            "role_too_low",
        );
        seen(&world, "user_owner", "/api/ws/ws_2/settings/x");
        world = world.killed();
    }
}

#[test]
fn roles_keep_their_meaning_when_the_config_numbers_them_anew_between_two_starts() {
    let world = plan().start();
    deliver(
        &world,
        "organizationMembership.created",
        membership("org_two", "user_owner", "org:member", 5),
    );
    deliver(
        &world,
        "organizationMembership.updated",
        membership("org_one", "user_a", "org:admin", 5),
    );

    let roles = |names: Value| move |c: &mut Value| c["membership"]["roles"] = names;
    let world = world.restarted_with(roles(json!([
        "guest", "member", "reviewer", "admin", "owner"
    ])));

    assert_eq!(
        seen(&world, "user_owner", "/api/ws/ws_2/x")
            .header("x-workspace-role")
            .as_deref(),
        Some("member")
    );
    refused(
        &world,
        "user_owner",
        "/api/ws/ws_2/settings/x",
        "role_too_low",
    );
    let app = seen(&world, "user_a", "/api/ws/ws_1/settings/x");
    assert_eq!(app.header("x-workspace-role").as_deref(), Some("admin"));

    // While it runs, too, and what is kept goes by the name.
    world.rewrite_config(roles(json!(["member", "admin", "lead", "owner"])));
    world.gate.metric_becomes(
        "bailiff_reloads_total",
        &[("part", "config"), ("result", "ok")],
        1.0,
    );
    refused(
        &world,
        "user_owner",
        "/api/ws/ws_2/settings/x",
        "role_too_low",
    );
    let world = world.killed();
    seen(&world, "user_a", "/api/ws/ws_1/settings/x");
    refused(
        &world,
        "user_owner",
        "/api/ws/ws_2/settings/x",
        "role_too_low",
    );
}

#[test]
fn a_role_whose_name_is_gone_is_no_role_until_the_name_is_back() {
    let world = plan().start();
    deliver(
        &world,
        "organizationMembership.created",
        membership("org_two", "user_owner", "org:admin", 5),
    );
    let without = |c: &mut Value| {
        c["membership"]["roles"] = json!(["member", "owner"]);
        c["routes"] = json!([
            {"path": "/api/ws/{workspace}/**", "access": "member"},
            {"path": "/webhooks/clerk", "methods": ["POST"], "access": "webhook"},
        ]);
    };
    let launched = MEMBERSHIP.replace("user_admin: admin", "user_admin: owner");
    world.gate.write_membership(&launched);

    let world = world.restarted_with(without);
    refused(&world, "user_owner", "/api/ws/ws_2/x", "not_a_member");

    let world =
        world.restarted_with(|c| c["membership"]["roles"] = json!(["member", "admin", "owner"]));
    seen(&world, "user_owner", "/api/ws/ws_2/x");
}

#[test]
fn a_row_that_an_operator_writes_overrules_a_webhook_also_after_a_restart() {
    let world = plan().start();
    deliver(
        &world,
        "organizationMembership.deleted",
        membership("org_one", "user_a", "org:member", 5),
    );
    deliver(
        &world,
        "user.updated",
        json!({"id": "user_b", "banned": true, "updated_at": ago_ms(5)}),
    );
    deliver(
        &world,
        "user.updated",
        json!({"id": "user_admin", "banned": true, "updated_at": ago_ms(5)}),
    );
    let written = || {
        world
            .gate
            .metrics()
            .sum("bailiff_store_writes_total", &[("result", "ok")])
    };
    let before = written();

    let rows = MEMBERSHIP
        .replace("      user_a: member\n", "      user_a: admin\n")
        .replace(
            "user_b: {access: active}",
            "user_b: {access: active, founder: true}",
        );
    world.gate.write_membership(&rows);
    let passes = |user, path| ask(&world, user, path).status == 200;
    eventually("the rows counted", || {
        (passes("user_a", "/api/ws/ws_1/x") && passes("user_b", "/api/x")).then_some(())
    });
    eventually("that was kept", || (written() > before).then_some(()));

    let world = world.killed();
    world.upstream.forget();
    let app = seen(&world, "user_a", "/api/ws/ws_1/settings/x");
    assert_eq!(app.header("x-workspace-role").as_deref(), Some("admin"));
    seen(&world, "user_b", "/api/x");
    refused(&world, "user_admin", "/api/x", "user_banned");
}

#[test]
fn a_ban_outlives_a_config_without_a_membership() {
    let world = plan().start();
    deliver(
        &world,
        "user.updated",
        json!({"id": "user_a", "banned": true, "updated_at": ago_ms(5)}),
    );
    let bare = |c: &mut Value| {
        c.as_object_mut().map(|c| c.remove("membership"));
        c["routes"] = json!([
            {"path": "/api/**", "access": "user"},
            {"path": "/webhooks/clerk", "methods": ["POST"], "access": "webhook"},
        ]);
    };
    let reloaded = |world: &World, times| {
        world.gate.metric_becomes(
            "bailiff_reloads_total",
            &[("part", "config"), ("result", "ok")],
            times,
        );
    };
    let whole = world.config.clone();

    world.rewrite_config(bare);
    reloaded(&world, 1.0);
    seen(&world, "user_a", "/api/me");
    world.rewrite_config(|_| ());
    reloaded(&world, 2.0);
    refused(&world, "user_a", "/api/me", "user_banned");

    // Also when a start comes in between.
    let world = world.restarted_with(bare);
    seen(&world, "user_a", "/api/me");
    world.rewrite_config(|c| *c = whole);
    reloaded(&world, 1.0);
    refused(&world, "user_a", "/api/me", "user_banned");
}
