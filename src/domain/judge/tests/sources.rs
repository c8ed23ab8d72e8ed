//! Sources of the membership: one that is asked user by user, one that becomes too old, the token itself, and what replicas
//! share.

use super::*;
use crate::domain::event::MemberChange;
use crate::domain::ids::UserId;
use crate::domain::membership::TableBuilder;

fn by_lookup(policy: Policy) -> Snapshot {
    Snapshot {
        members: Some(Members::by_lookup(policy)),
        ..every_word()
    }
}

fn every_word() -> Snapshot {
    gate([
        route("/public", Access::Public),
        route("/optional", Access::Optional),
        route("/user", Access::User),
        route("/active", Access::Active),
        route("/service", Access::Service),
        route("/ws/{workspace}/**", Access::Role(role("member"))),
    ])
}

fn rows_of(user: &str, workspace: &str, role_name: &str) -> Arc<Table> {
    let mut table = TableBuilder::new();
    let id = UserId::parse(user).unwrap();
    table
        .user(
            &id,
            &User::new(None, None, None, AccessStatus::Active, false),
        )
        .unwrap();
    table
        .member(
            &WorkspaceId::parse(workspace).unwrap(),
            &id,
            role(role_name),
        )
        .unwrap();
    Arc::new(table.build())
}

#[test]
fn a_source_that_is_asked_user_by_user_is_asked_before_anything_is_said_of_one() {
    let gate = by_lookup(Policy::default());
    for target in ["/user", "/optional", "/active", "/ws/ws_9"] {
        let told = get(target).bearer(&token("user_new")).at(&gate);
        assert_eq!(
            told, "need member user_new, else reject members_unavailable",
            "{target}"
        );
    }
    assert_eq!(get("/optional").at(&gate), "forward nobody");
    assert_eq!(
        get("/public").bearer(&token("user_new")).at(&gate),
        "forward nobody"
    );

    let user = UserId::parse("user_new").unwrap();
    let asked = gate.asked(
        user.clone(),
        rows_of("user_new", "ws_9", "member"),
        UnixTime(NOW),
    );
    let request = |target, who| get(target).bearer(&token(who)).at(&asked);
    assert_eq!(request("/active", "user_new"), "forward user_new");
    assert_eq!(request("/ws/ws_9", "user_new"), "forward user_new");
    assert_eq!(request("/ws/ws_1", "user_new"), "reject not_a_member");
    assert_eq!(
        request("/active", "user_other"),
        "need member user_other, else reject members_unavailable"
    );

    let unknown = gate.asked(user, Arc::default(), UnixTime(NOW));
    let request = |target| get(target).bearer(&token("user_new")).at(&unknown);
    assert_eq!(request("/user"), "forward user_new");
    assert_eq!(request("/active"), "reject unknown_user");
}

#[test]
fn what_was_learned_stands_above_rows_that_are_asked_for() {
    let user = UserId::parse("user_new").unwrap();
    let gate = by_lookup(Policy::default());
    let gone = Change::Member(
        OrgId::parse("org_9").unwrap(),
        user.clone(),
        MemberChange::Removed,
    );
    let gate = gate.changed(&gone.at(EventTime(5))).unwrap();
    let asked = gate.asked(user, rows_of("user_new", "org_9", "member"), UnixTime(NOW));
    assert_eq!(
        get("/ws/org_9").bearer(&token("user_new")).at(&asked),
        "reject not_a_member"
    );
}

#[test]
fn a_source_that_is_silent_for_too_long_lets_no_user_in() {
    let policy = Policy {
        max_age: Some(Duration::from_secs(900)),
        ..Policy::default()
    };
    let aged = |confirmed: Option<u64>| {
        let members = Members::new(Table::default(), policy.clone());
        let members = confirmed.map_or(members.clone(), |at| members.confirmed(UnixTime(at)));
        Snapshot {
            members: Some(members),
            ..every_word()
        }
    };
    let request = |target: &str, gate: &Snapshot| get(target).bearer(&token("user_new")).at(gate);
    for (given, confirmed, verdict) in [
        ("just now", Some(NOW), "forward user_new"),
        ("at the bound", Some(NOW - 900), "forward user_new"),
        (
            "a second ago too long",
            Some(NOW - 901),
            "reject members_stale",
        ),
        (
            "by a clock that is ahead",
            Some(NOW + 50),
            "forward user_new",
        ),
        ("never", None, "reject members_stale"),
    ] {
        let gate = aged(confirmed);
        assert_eq!(request("/user", &gate), verdict, "{given}");
        assert_eq!(request("/public", &gate), "forward nobody", "{given}");
        assert_eq!(
            get("/service").bearer(SERVICE_TOKEN).at(&gate),
            "forward service engine",
            "{given}"
        );
    }
    let older = aged(Some(NOW)).members.unwrap().confirmed(UnixTime(1));
    assert!(
        !older.too_old(UnixTime(NOW)),
        "an answer that comes late makes nothing older"
    );
}

#[test]
fn the_organization_of_the_token_can_say_who_is_a_member() {
    let policy = Policy {
        by_token: true,
        access: AccessStatus::Active,
        ..Policy::default()
    };
    let gate = Snapshot {
        members: Some(Members::new(Table::default(), policy)),
        ..every_word()
    };
    let claiming = |role: &str| mint("user_new").org("org_9", "nine", role, &[]).sign(key());
    let request = |target: &str, token: &str, gate: &Snapshot| get(target).bearer(token).at(gate);
    assert_eq!(
        request("/ws/org_9", &claiming("admin"), &gate),
        "forward user_new"
    );
    assert_eq!(
        request("/ws/org_8", &claiming("admin"), &gate),
        "reject not_a_member"
    );
    assert_eq!(
        request("/ws/org_9", &claiming("stranger"), &gate),
        "reject not_a_member"
    );
    assert_eq!(
        request("/ws/org_9", &token("user_new"), &gate),
        "reject not_a_member"
    );
    assert_eq!(
        request("/active", &token("user_new"), &gate),
        "forward user_new"
    );

    // The event's own second belongs to the event: a token of that second may be from before it.
    for (given, at, verdict) in [
        ("removed before", (NOW - 3) * 1000, "forward user_new"),
        (
            "removed in the second of the token",
            NOW * 1000 + 999,
            "reject not_a_member",
        ),
        ("removed after", (NOW + 3) * 1000, "reject not_a_member"),
    ] {
        let user = UserId::parse("user_new").unwrap();
        let removed = Change::Member(OrgId::parse("org_9").unwrap(), user, MemberChange::Removed);
        let gate = gate.changed(&removed.at(EventTime(at))).unwrap();
        let fresh = mint("user_new")
            .org("org_9", "nine", "admin", &[])
            .issued_at(NOW)
            .sign(key());
        assert_eq!(request("/ws/org_9", &fresh, &gate), verdict, "{given}");
    }

    let plain = Snapshot {
        members: Some(Members::new(Table::default(), Policy::default())),
        ..every_word()
    };
    assert_eq!(
        request("/ws/org_9", &claiming("admin"), &plain),
        "reject unknown_user",
        "where it is no source"
    );
}

#[test]
fn another_issuer_says_nothing_of_organizations_of_clerk() {
    let policy = Policy {
        by_token: true,
        access: AccessStatus::Active,
        ..Policy::default()
    };
    let gate = with_other_issuer(every_word());
    let gate = Snapshot {
        members: Some(Members::new(Table::default(), policy)),
        ..gate
    };
    let forged = Mint::new(ISS_2, "user_new", NOW)
        .azp("https://app.test")
        .org("org_9", "nine", "owner", &[])
        .sign(other_key());
    assert_eq!(
        get("/ws/org_9").bearer(&forged).at(&gate),
        "reject unknown_user"
    );
}

#[test]
fn what_replicas_share_must_have_been_read_once_before_a_user_comes_in() {
    let gate = Snapshot {
        awaits_shared: true,
        ..every_word()
    };
    for target in ["/user", "/optional", "/active", "/ws/ws_1"] {
        assert_eq!(
            get(target).bearer(&token("user_owner")).at(&gate),
            "reject shared_state_unavailable",
            "{target}"
        );
    }
    assert_eq!(get("/public").at(&gate), "forward nobody");
    assert_eq!(get("/optional").at(&gate), "forward nobody");
    assert_eq!(
        get("/service").bearer(SERVICE_TOKEN).at(&gate),
        "forward service engine"
    );
    assert_eq!(get("/user").at(&gate), "reject missing_token");
}
