//! The membership from Clerk's Backend API: organizations are workspaces, and a reconciliation repairs what webhooks missed.

use bailiff::dev::issuer::{DevUser, ListBehaviour, Org};
use serde_json::json;

use crate::harness::{Delivery, Plan, Request, World, event, eventually, now};

const KEY: &str = "sk_live_hunter2hunter2hunter2";
const ADMIN: &str = "admin-token-0123456789abcdef";

fn person(name: &str, orgs: &[(&str, &str)]) -> DevUser {
    let org = |&(id, role): &(&str, &str)| Org {
        id: id.to_owned(),
        slug: id.to_owned(),
        role: role.to_owned(),
        permissions: Vec::new(),
    };
    DevUser {
        name: name.to_owned(),
        user_id: format!("user_{name}"),
        email: Some(format!("{name}@example.com")),
        full_name: "Pat Person".to_owned(),
        orgs: orgs.iter().map(org).collect(),
    }
}

fn people() -> Vec<DevUser> {
    vec![
        person("a", &[("org_one", "member")]),
        person("b", &[("org_two", "member"), ("org_one", "admin")]),
    ]
}

/// Loads at the start, and then when it is told to.
fn plan(people: Vec<DevUser>) -> Plan {
    World::plan()
        .with_people(KEY, people)
        .with_store()
        .config(|c| {
            c["membership"] =
                json!({"clerk": {"reconcile": "1h"}, "roles": ["member", "admin", "owner"]});
            c["admin"] = json!({"address": "127.0.0.1:0", "token": ADMIN});
        })
}

fn get(world: &World, path: &str, user: &str) -> u16 {
    world.get(path).bearer(&world.token(user)).send().status
}

/// Has Clerk asked now, and waits until that has been done.
#[track_caller]
fn reconcile(world: &World) {
    let loads = || {
        world
            .gate
            .metrics()
            .sum("bailiff_reloads_total", &[("part", "membership")])
    };
    let before = loads();
    let host = world.gate.admin_address().to_string();
    let request = Request::new(world.gate.admin_address(), "POST", "/membership/refresh");
    let answer = request
        .header("Host", host)
        .header("Connection", "close")
        .bearer(ADMIN)
        .send();
    assert_eq!(answer.status, 202);
    eventually("Clerk was asked", || (loads() > before).then_some(()));
}

fn drift(world: &World, kind: &str) -> f64 {
    world
        .gate
        .metrics()
        .sum("bailiff_membership_drift_total", &[("kind", kind)])
}

#[track_caller]
fn tell_role(world: &World, verb: &str, user: &str, role: &str, at_ms: u64) {
    let data = json!({"id": "orgmem_x", "object": "organization_membership", "role": role, "updated_at": at_ms,
        "organization": {"id": "org_one"}, "public_user_data": {"user_id": user}});
    Delivery::event(&event(
        &format!("organizationMembership.{verb}"),
        data,
        at_ms,
    ))
    .to(world)
    .send()
    .passed();
}

#[test]
fn members_of_organizations_are_members_of_workspaces_of_the_same_id() {
    let world = plan(people()).start();
    assert_eq!(get(&world, "/api/ws/org_one/x", "user_a"), 200);
    assert_eq!(
        world.upstream.only().header("x-workspace-role").as_deref(),
        Some("member")
    );
    for (path, user, expected) in [
        ("/api/ws/org_one/settings/x", "user_a", 403),
        ("/api/ws/org_one/settings/x", "user_b", 200),
        ("/api/ws/org_two/x", "user_a", 403),
        ("/api/x", "user_stranger", 403),
    ] {
        assert_eq!(get(&world, path, user), expected, "{user} at {path}");
    }
    assert!(
        world
            .gate
            .logs()
            .iter()
            .all(|line| !line.contains("hunter2")),
        "the secret key is nowhere in the log"
    );
}

#[test]
fn what_webhooks_missed_is_found_counted_said_and_repaired() {
    let world = plan(people()).start();
    assert_eq!(
        (drift(&world, "user"), drift(&world, "member")),
        (0.0, 0.0),
        "the first load repairs nothing"
    );
    // a was removed and c came, b is banned; no webhook told.
    world.clerk.knows(
        KEY,
        vec![
            person("a", &[]),
            people().remove(1),
            person("c", &[("org_one", "owner")]),
        ],
    );
    world.clerk.lists_as_banned(&["user_b"]);
    assert_eq!(
        get(&world, "/api/ws/org_one/x", "user_a"),
        200,
        "nobody has told"
    );
    reconcile(&world);
    assert_eq!(get(&world, "/api/ws/org_one/x", "user_a"), 403);
    assert_eq!(get(&world, "/api/x", "user_b"), 403);
    assert_eq!(get(&world, "/api/ws/org_one/settings/x", "user_c"), 200);
    assert_eq!((drift(&world, "user"), drift(&world, "member")), (2.0, 2.0));
    let line = world.gate.log_line("about drift", |line| {
        line["message"]
            .as_str()
            .is_some_and(|m| m.contains("repaired"))
    });
    let first = line["first"].as_str().expect("the first few");
    assert!(
        first.contains("user_b was active and is suspended")
            && first.contains("user_a is no member of org_one"),
        "{first}"
    );
    reconcile(&world);
    assert_eq!(
        (drift(&world, "user"), drift(&world, "member")),
        (2.0, 2.0),
        "the second finds nothing more"
    );
}

#[test]
fn a_webhook_that_is_newer_than_the_load_stands_and_an_older_one_does_not_come_back() {
    let world = plan(people()).start();
    let now_ms = now() * 1000;
    tell_role(&world, "deleted", "user_b", "org:admin", now_ms);
    assert_eq!(get(&world, "/api/ws/org_one/x", "user_b"), 403);
    reconcile(&world);
    assert_eq!(
        get(&world, "/api/ws/org_one/x", "user_b"),
        403,
        "Clerk's own lists lag behind its webhooks"
    );
    // Delivered after 10 minutes: since then a was made a member, as the load says.
    tell_role(&world, "updated", "user_a", "org:owner", now_ms - 600_000);
    assert_eq!(get(&world, "/api/ws/org_one/settings/x", "user_a"), 403);
    tell_role(&world, "updated", "user_a", "org:owner", now_ms + 1000);
    assert_eq!(get(&world, "/api/ws/org_one/settings/x", "user_a"), 200);
}

#[test]
fn what_happened_while_the_gate_was_away_counts_from_its_first_load() {
    let world = plan(people()).start();
    let old = (now() - 300) * 1000;
    tell_role(
        &world,
        "updated",
        "user_a",
        "org:owner",
        (now() - 30) * 1000,
    );
    assert_eq!(get(&world, "/api/ws/org_one/settings/x", "user_a"), 200);
    let restarted = world.restarted();
    assert_eq!(
        get(&restarted, "/api/ws/org_one/settings/x", "user_a"),
        200,
        "newer than the load: it is kept"
    );
    drop(restarted);

    let world = plan(people()).start();
    tell_role(&world, "created", "user_c", "org:owner", old);
    let restarted = world.restarted();
    assert_eq!(
        get(&restarted, "/api/ws/org_one/x", "user_c"),
        403,
        "Clerk has no such member"
    );
}

#[test]
fn an_api_that_fails_leaves_what_was_known_and_says_why() {
    let world = plan(people()).start();
    for (given, part) in [
        (ListBehaviour::Html, "no page of a list"),
        (ListBehaviour::Truncated, "no page of a list"),
        (ListBehaviour::Status(500), "answered 500"),
        (
            ListBehaviour::Rows(vec![json!({"id": null})]),
            "organization_memberships[0]",
        ),
        (ListBehaviour::Short, "3 times in a row"),
    ] {
        world.clerk.knows(KEY, vec![person("a", &[])]);
        world.clerk.lists_behave(given.clone());
        reconcile(&world);
        let told = eventually("a failure is said", || {
            let told = world
                .gate
                .logs()
                .into_iter()
                .rfind(|line| line.contains("the last good one stays"));
            told.filter(|told| told.contains(part))
        });
        assert!(!told.contains("hunter2"), "{given:?}: {told}");
        assert_eq!(get(&world, "/api/ws/org_one/x", "user_a"), 200, "{given:?}");
        world.clerk.lists_behave(ListBehaviour::Normal);
        world.clerk.knows(KEY, people());
        reconcile(&world);
    }
}

#[test]
fn check_reads_clerks_lists_only_with_online() {
    let people = vec![
        person("a", &[("org_one", "member")]),
        person("b", &[("org_one", "superuser")]),
    ];
    let offline = plan(people);
    let checked = offline
        .command(&["check", "--config", "bailiff.yaml"])
        .run();
    let text = checked.stdout.clone();
    checked.exits(0);
    assert!(
        text.contains("Clerk's Backend API at") && text.contains("not asked: --online does"),
        "{text}"
    );
    assert_eq!(offline.clerk.list_hits(), 0);
    let checked = offline
        .command(&["check", "--config", "bailiff.yaml", "--online"])
        .run();
    let text = format!("{}{}", checked.stdout, checked.stderr);
    checked.exits(0);
    assert!(
        text.contains("2 users, 1 workspace, 1 membership"),
        "{text}"
    );
    assert!(
        text.contains("user_b in org_one") && text.contains("`membership.roles`"),
        "{text}"
    );
}
