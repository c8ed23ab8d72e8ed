//! The organization of the token as the source of the membership.

use serde_json::json;

use crate::harness::{APP, Clerk, Delivery, Plan, World, event, foreign_key, now};
use crate::streams::{is_open, is_told, web_socket};

fn plan() -> Plan {
    World::plan().config(|c| {
        c["membership"] = json!({"token": true, "roles": ["member", "admin", "owner"]});
    })
}

/// A token of `user_a` in `org_one` with this role, issued so many seconds ago.
fn token(world: &World, role: &str, secs_ago: u64) -> String {
    let mint = world
        .mint("user_a")
        .issued_at(now() - secs_ago)
        .claim("exp", now() + 600);
    world.sign(&mint.org("org_one", "one", role, &[]))
}

fn get(world: &World, path: &str, token: &str) -> u16 {
    world.get(path).bearer(token).send().status
}

#[track_caller]
fn tell(world: &World, verb: &str, role: &str, secs_ago: u64) {
    let at_ms = (now() - secs_ago) * 1000;
    let data = json!({"id": "orgmem_a", "object": "organization_membership", "role": role, "updated_at": at_ms,
        "organization": {"id": "org_one"}, "public_user_data": {"user_id": "user_a"}});
    Delivery::event(&event(
        &format!("organizationMembership.{verb}"),
        data,
        at_ms,
    ))
    .to(world)
    .send()
    .passed();
    world.upstream.forget();
}

#[test]
fn the_role_is_the_one_of_the_token_in_its_own_organization_alone() {
    let world = plan().start();
    let member = token(&world, "member", 0);
    assert_eq!(get(&world, "/api/ws/org_one/x", &member), 200);
    let seen = world.upstream.only();
    assert_eq!(seen.header("x-workspace-role").as_deref(), Some("member"));
    assert_eq!(
        seen.header("x-access-status").as_deref(),
        Some("active"),
        "an organization that has a member has decided"
    );
    for (path, role, expected) in [
        ("/api/ws/org_one/settings/x", "member", 403),
        ("/api/ws/org_one/settings/x", "admin", 200),
        ("/api/ws/org_two/x", "owner", 403),
        ("/api/ws/ws_1/x", "owner", 403),
        ("/api/ws/org_one/x", "superuser", 403),
        ("/org/x", "member", 200),
    ] {
        assert_eq!(
            get(&world, path, &token(&world, role, 0)),
            expected,
            "{role} at {path}"
        );
    }
    assert_eq!(
        get(&world, "/api/ws/org_one/x", &world.token("user_a")),
        403,
        "a token without an organization"
    );
}

#[test]
fn a_member_who_was_removed_is_out_though_the_token_still_says_otherwise_until_a_later_one() {
    let world = plan().start();
    let earlier = token(&world, "member", 20);
    assert_eq!(get(&world, "/api/ws/org_one/x", &earlier), 200);
    tell(&world, "deleted", "org:member", 10);
    assert_eq!(get(&world, "/api/ws/org_one/x", &earlier), 403);
    assert_eq!(
        get(&world, "/api/ws/org_one/x", &token(&world, "member", 10)),
        403,
        "of the same second"
    );
    assert_eq!(
        get(&world, "/api/ws/org_one/x", &token(&world, "member", 5)),
        200,
        "somebody has let them in again"
    );
    tell(&world, "updated", "org:member", 3);
    assert_eq!(
        get(
            &world,
            "/api/ws/org_one/settings/x",
            &token(&world, "owner", 5)
        ),
        403,
        "a lower role since"
    );
}

#[test]
fn a_claim_of_another_issuer_is_no_membership() {
    let other = Clerk::with_key(foreign_key().renamed("ins_other"));
    let world = plan()
        .beside(&other)
        .route(json!({"path": "/both/{workspace}/**", "access": "member"}))
        .start();
    let claim = |url: &str, key| {
        let mint = bailiff::dev::mint::Mint::new(url, "user_a", now())
            .azp(APP)
            .org("org_one", "one", "owner", &[]);
        mint.sign(&key)
    };
    assert_eq!(
        get(
            &world,
            "/both/org_one/x",
            &claim(&world.clerk.url(), world.clerk.key())
        ),
        200
    );
    assert_eq!(
        get(&world, "/both/org_one/x", &claim(&other.url(), other.key())),
        403
    );
}

#[test]
fn a_stream_ends_with_the_membership_that_its_token_claims() {
    let world = plan().start();
    let earlier = token(&world, "member", 20);
    let mut ended = web_socket(&world, "/api/ws/org_one/live", &earlier);
    let mut elsewhere = web_socket(&world, "/api/live", &earlier);
    let mut later = web_socket(&world, "/api/ws/org_one/live", &token(&world, "member", 5));
    tell(&world, "deleted", "org:member", 10);
    is_told(&mut ended);
    is_open(&mut elsewhere);
    is_open(&mut later);
}
