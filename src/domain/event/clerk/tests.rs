use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dev::webhook::{data, event};

const MS: u64 = 1_800_000_000_123;

fn roles() -> Roles {
    Roles::new(&["member", "admin"].map(str::to_owned)).expect("roles")
}

fn read(event: &Value) -> Meaning {
    meaning(event.to_string().as_bytes(), Some("ins_1"), Some(&roles()))
}

fn told(kind: &str, data: Value) -> Meaning {
    read(&event(kind, data, MS, "ins_1"))
}

fn alex() -> UserId {
    UserId::parse("user_a").expect("a user id")
}

fn acme() -> OrgId {
    OrgId::parse("org_1").expect("an organization id")
}

#[test]
fn a_user_is_described_by_what_clerk_vouches_for() {
    let full = data::WebhookUser {
        id: "user_a",
        email: Some("alex@example.com"),
        first_name: Some("Alex"),
        last_name: Some("Chen"),
        updated_at_ms: MS - 5,
        ..data::WebhookUser::default()
    };
    let described = |banned, email: Option<&str>, name: Option<&str>| {
        let change = UserChange::Described {
            banned,
            email: email.and_then(text_header),
            name: name.and_then(text_header),
        };
        Meaning::Change(Change::User(alex(), change).at(EventTime(MS - 5)))
    };
    for kind in ["user.created", "user.updated"] {
        let meaning = told(kind, data::user(&full));
        assert_eq!(
            meaning,
            described(false, Some("alex@example.com"), Some("Alex Chen")),
            "{kind}"
        );
    }
    let bare = data::WebhookUser {
        id: "user_a",
        updated_at_ms: MS - 5,
        ..data::WebhookUser::default()
    };
    assert_eq!(
        told("user.updated", data::user(&bare)),
        described(false, None, None)
    );
    for flag in ["banned", "locked", "deprovisioned"] {
        let mut user = data::user(&bare);
        user[flag] = json!(true);
        assert_eq!(
            told("user.updated", user),
            described(true, None, None),
            "{flag}"
        );
    }
    let mut unverified = data::user(&full);
    unverified["email_addresses"][0]["verification"]["status"] = json!("unverified");
    assert_eq!(
        told("user.updated", unverified),
        described(false, None, Some("Alex Chen"))
    );
    let mut other = data::user(&full);
    other["primary_email_address_id"] = Value::Null;
    assert_eq!(
        told("user.updated", other),
        described(false, None, Some("Alex Chen")),
        "never the first in the list"
    );
}

#[test]
fn a_user_who_was_asked_for_says_the_same_as_one_in_an_event() {
    let full = data::WebhookUser {
        id: "user_a",
        email: Some("alex@example.com"),
        updated_at_ms: MS,
        ..data::WebhookUser::default()
    };
    for (flag, status) in [
        ("banned", "verified"),
        ("object", "verified"),
        ("object", "unverified"),
    ] {
        let mut user = data::user(&full);
        user[flag] = json!(true);
        user["email_addresses"][0]["verification"]["status"] = json!(status);
        let event = described(user.as_object().expect("an object")).expect("a user");
        assert_eq!(
            told("user.updated", user),
            Meaning::Change(event),
            "given: {flag} {status}"
        );
    }
}

#[test]
fn a_user_without_an_id_or_a_time_is_not_described() {
    for (missing, expected) in [
        ("id", "`id` is no user id"),
        ("updated_at", "the user has no `updated_at`"),
    ] {
        let mut user = data::user(&data::WebhookUser {
            id: "user_a",
            updated_at_ms: MS,
            ..data::WebhookUser::default()
        });
        user.as_object_mut().expect("an object").remove(missing);
        assert_eq!(
            described(user.as_object().expect("an object")),
            Err(expected)
        );
    }
}

#[test]
fn a_deletion_counts_from_the_time_of_its_envelope() {
    let deleted = Meaning::Change(Change::User(alex(), UserChange::Deleted).at(EventTime(MS)));
    assert_eq!(
        told("user.deleted", data::deleted("user", "user_a")),
        deleted
    );
    let gone = Meaning::Change(Change::Organization(acme(), OrgChange::Deleted).at(EventTime(MS)));
    assert_eq!(
        told(
            "organization.deleted",
            data::deleted("organization", "org_1")
        ),
        gone
    );
    let left =
        Meaning::Change(Change::Member(acme(), alex(), MemberChange::Removed).at(EventTime(MS)));
    let membership = data::membership("org_1", "user_a", "org:admin", MS - 5);
    assert_eq!(told("organizationMembership.deleted", membership), left);
}

#[test]
fn a_member_has_the_role_that_the_config_knows_and_no_other() {
    for kind in [
        "organizationMembership.created",
        "organizationMembership.updated",
    ] {
        for (role, change) in [
            (
                "org:admin",
                MemberChange::Role(roles().find("admin").expect("a role")),
            ),
            ("org:guest", MemberChange::Removed),
            ("", MemberChange::Removed),
        ] {
            let membership = data::membership("org_1", "user_a", role, MS - 5);
            let expected =
                Meaning::Change(Change::Member(acme(), alex(), change).at(EventTime(MS - 5)));
            assert_eq!(told(kind, membership), expected, "{kind}: {role}");
        }
    }
    let exists =
        Meaning::Change(Change::Organization(acme(), OrgChange::Exists).at(EventTime(MS - 5)));
    assert_eq!(
        told(
            "organization.created",
            data::organization("org_1", "Acme", "acme", MS - 5)
        ),
        exists
    );
}

#[test]
fn seconds_and_milliseconds_are_told_apart() {
    let at = |timestamp: u64, kind: &str, data: Value| match read(&event(
        kind, data, timestamp, "ins_1",
    )) {
        Meaning::Change(MembershipEvent {
            at: EventTime(at), ..
        }) => at,
        other => panic!("no change: {other:?}"),
    };
    let organization = || json!({"id": "org_1"});
    assert_eq!(
        at(1_800_000_000, "organization.updated", organization()),
        1_800_000_000_000
    );
    assert_eq!(
        at(1_800_000_000_123, "organization.updated", organization()),
        1_800_000_000_123
    );
    // An update at .900 of a second, then a deletion whose time was cut to that second: the deletion is the later one.
    let deleted = at(
        1_800_000_000,
        "user.deleted",
        data::deleted("user", "user_a"),
    );
    assert!(deleted > 1_800_000_000_900, "{deleted}");
    assert_eq!(
        at(u64::MAX, "organization.updated", organization()),
        u64::MAX
    );
    let mut untimed = event(
        "organizationMembership.deleted",
        data::membership("org_1", "user_a", "", MS),
        0,
        "ins_1",
    );
    untimed
        .as_object_mut()
        .expect("an object")
        .remove("timestamp");
    let left = Change::Member(acme(), alex(), MemberChange::Removed);
    assert_eq!(
        read(&untimed),
        Meaning::Change(left.at(EventTime(MS))),
        "a deletion without time is no reason to keep a member"
    );
}

#[test]
fn an_event_of_another_instance_changes_nothing() {
    let deleted = |instance: &str| {
        event(
            "user.deleted",
            data::deleted("user", "user_a"),
            MS,
            instance,
        )
    };
    assert_eq!(read(&deleted("ins_2")), Meaning::OtherInstance);
    assert_eq!(read(&deleted("")), Meaning::OtherInstance);
    let mut unsaid = deleted("ins_1");
    unsaid
        .as_object_mut()
        .expect("an object")
        .remove("instance_id");
    assert_eq!(
        read(&unsaid),
        Meaning::OtherInstance,
        "one that does not say is not ours"
    );
    let any = meaning(deleted("ins_2").to_string().as_bytes(), None, None);
    assert!(
        matches!(any, Meaning::Change(..)),
        "without a configured instance all count"
    );
}

#[test]
fn a_session_that_ended_in_whichever_way_is_revoked() {
    for kind in ["session.ended", "session.removed", "session.revoked"] {
        let revoked = Change::Revoked(Revoked::Session(SessionId::parse("sess_1").unwrap()));
        let data = json!({"id": "sess_1", "user_id": "user_a", "updated_at": MS - 5});
        assert_eq!(
            told(kind, data),
            Meaning::Change(revoked.at(EventTime(MS - 5))),
            "{kind}"
        );
        assert!(matches!(
            told(kind, json!({"id": "a,b"})),
            Meaning::Unreadable(_)
        ));
    }
}

#[test]
fn an_event_that_does_not_concern_access_means_nothing() {
    for kind in [
        "session.created",
        "session.pending",
        "email.created",
        "organizationDomain.created",
        "user.invented",
        "role.updated",
        "x",
    ] {
        assert_eq!(
            told(kind, json!({"id": "user_a"})),
            Meaning::Nothing,
            "{kind}"
        );
    }
}

#[test]
fn an_event_that_does_not_say_what_it_must_is_unreadable() {
    let cases = [
        ("user.deleted", json!({"id": "usr_a"})),
        ("user.deleted", json!({})),
        ("user.updated", json!({"id": ["user_a"]})),
        ("user.updated", json!("user_a")),
        ("organization.deleted", json!({"id": "org 1"})),
        (
            "organizationMembership.created",
            json!({"organization": {"id": "org_1"}}),
        ),
        (
            "organizationMembership.created",
            json!({"organization": "org_1", "public_user_data": {"user_id": "user_a"}}),
        ),
    ];
    for (kind, data) in cases {
        assert!(
            matches!(told(kind, data.clone()), Meaning::Unreadable(_)),
            "{kind}: {data}"
        );
    }
    for body in [
        &b""[..],
        b"[]",
        b"{",
        b"{\"type\":1}",
        b"{\"type\":\"user.deleted\",\"type\":\"x.y\"}",
    ] {
        assert!(
            matches!(meaning(body, None, None), Meaning::Unreadable(_)),
            "{body:?}"
        );
    }
    let untimed = json!({"type": "user.deleted", "data": {"id": "user_a"}, "timestamp": "soon"});
    assert!(matches!(
        meaning(untimed.to_string().as_bytes(), None, None),
        Meaning::Unreadable(_)
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = meaning(&body, None, Some(&roles()));
    }

    #[test]
    fn an_event_with_any_one_byte_changed_is_read_without_a_panic(at in 0_usize..1000, byte in any::<u8>()) {
        let membership = data::membership("org_1", "user_a", "org:admin", MS);
        let mut body = event("organizationMembership.updated", membership, MS, "ins_1").to_string().into_bytes();
        let length = body.len();
        body[at % length] = byte;
        let _ = meaning(&body, Some("ins_1"), Some(&roles()));
    }
}
