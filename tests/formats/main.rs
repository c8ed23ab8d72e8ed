//! What gates of version 0.1 have written is read by this one and means the same, and what this one writes they read: the local
//! store after an update or its rollback, and the store that replicas of both versions share while they are updated one by one.
//!
//! `tests/fixtures/v0_1.store` and `v0_1.shared.json` were written by the code of version 0.1 and never change.

mod reader;
mod scene;

use std::collections::BTreeMap;

use bailiff::deliveries::Deliveries;
use bailiff::domain::event::EventTime;
use bailiff::domain::ids::{OrgId, SessionId, SvixId, UserId, WorkspaceId};
use bailiff::domain::membership::UserState;
use bailiff::domain::revocation::Revoked;
use bailiff::domain::{Snapshot, UnixTime};
use bailiff::records::shared_past;
use bailiff::replication::Past;
use bailiff::storage::{Contents, StoreTable};

use reader::{OrganizationRow, UserRow, of_organization, of_user};
use scene::{Gate, PLACE, happened, seen};

const SHARED: &str = include_str!("../fixtures/v0_1.shared.json");

/// Keys and values of the shared store, as version 0.1 wrote them.
fn entries() -> Vec<(String, String)> {
    serde_json::from_str(SHARED).expect("pairs of texts")
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("a user id")
}

/// Where a user stands, and in how many words the app hears of them.
fn user_state(snapshot: &Snapshot, id: &str) -> String {
    let members = snapshot.members.as_ref().expect("a membership");
    match members.user_state(&user(id)) {
        UserState::Unknown => "unknown".to_owned(),
        UserState::Deleted => "deleted".to_owned(),
        UserState::Banned => "banned".to_owned(),
        UserState::Known(known) => {
            let text = |value: Option<http::HeaderValue>| {
                value.map_or("-".to_owned(), |value| {
                    value.to_str().expect("visible ASCII").to_owned()
                })
            };
            let since = known.since.map_or(0, |at| at.0);
            format!(
                "{} {} {} since {since}, flags {}",
                known.access.name(),
                text(known.email()),
                text(known.name()),
                known.flags.names().collect::<Vec<_>>().join("+"),
            )
        }
    }
}

fn role(snapshot: &Snapshot, workspace: &str, id: &str) -> Option<String> {
    let members = snapshot.members.as_ref().expect("a membership");
    let roles = snapshot.rules.roles.as_ref().expect("roles");
    let workspace = WorkspaceId::parse(workspace).expect("a workspace id");
    members
        .role(&workspace, &user(id), None)
        .map(|role| roles.name(role).to_owned())
}

/// What everybody may do who was heard of, in the words of a person.
#[track_caller]
fn means_the_same(snapshot: &Snapshot) {
    for (id, expected) in [
        (
            "user_described",
            "pending d@x.test Zo%C3%AB \"Z\" \\ since 1000, flags is_active",
        ),
        ("user_banned", "banned"),
        ("user_deleted", "deleted"),
        ("user_superseded", "pending - - since 0, flags is_active"),
        ("user_restored", "pending - - since 0, flags is_active"),
        ("partner:42", "banned"),
    ] {
        assert_eq!(user_state(snapshot, id), expected, "{id}");
    }
    for (workspace, id, expected) in [
        ("org_1", "user_described", Some("admin")),
        ("org_2", "user_described", None),
        ("org_3", "user_described", None),
        ("org_4", "user_described", Some("member")),
        ("org_deleted", "user_described", None),
        ("org_1", "user_deleted", None),
        ("org_1", "user_restored", Some("member")),
    ] {
        assert_eq!(
            role(snapshot, workspace, id).as_deref(),
            expected,
            "{id} in {workspace}"
        );
    }
    for (revoked, expected) in [
        (
            Revoked::Session(SessionId::parse("sess_1").expect("a session id")),
            Some(9000),
        ),
        (Revoked::User(user("user_revoked")), Some(9001)),
        (Revoked::User(user("user_banned")), Some(2000)),
        (Revoked::User(user("user_deleted")), Some(3000)),
        (Revoked::User(user("partner:42")), Some(6000)),
        (Revoked::User(user("user_described")), None),
    ] {
        let at = snapshot.revocations.at(&revoked);
        assert_eq!(at.map(|EventTime(at)| at), expected, "{revoked}");
    }
    let org = OrgId::parse("org_deleted").expect("an organization id");
    let members = snapshot.members.as_ref().expect("a membership");
    assert!(members.workspace_of(&org).is_some());
}

/// What only this gate has learned, of users' own tokens.
#[track_caller]
fn means_the_same_of_tokens(snapshot: &Snapshot) {
    for (id, expected) in [
        (
            "user_seen",
            "pending s@x.test - since 7000, flags is_active",
        ),
        (
            "user_both",
            "pending later@x.test Both since 1500, flags is_active",
        ),
    ] {
        assert_eq!(user_state(snapshot, id), expected, "{id}");
    }
}

#[test]
fn a_store_of_version_0_1_is_read_and_means_the_same() {
    let (gate, mut rest) = Gate::of_fixture();
    let snapshot = gate.snapshot();
    means_the_same(&snapshot);
    means_the_same_of_tokens(&snapshot);
    // Every bit of it: what other replicas would be told is what version 0.1 would have told them.
    let told: BTreeMap<_, _> = gate.tells().into_iter().collect();
    let expected: BTreeMap<_, _> = entries().into_iter().collect();
    let own = |key: &str| key != "user user_both";
    assert_eq!(
        told.into_iter()
            .filter(|(key, _)| own(key))
            .collect::<Vec<_>>(),
        expected.into_iter().collect::<Vec<_>>()
    );
    let deliveries = Deliveries::kept_in(
        gate.store.clone(),
        rest.take(StoreTable::Deliveries),
        // Before it was taken, so that it is never too old.
        UnixTime(1_700_000_000),
    );
    assert!(deliveries.taken(&SvixId::parse("msg_1").expect("a delivery")));
    let past = Past {
        heard_at: Some(UnixTime(1_800_000_000)),
        silent: Some(UnixTime(1_700_000_000)),
    };
    assert_eq!(shared_past(&rest.take(StoreTable::Shared), PLACE), past);
    let providers = rest.take(StoreTable::Providers);
    let [(name, description)] = providers.as_slice() else {
        panic!("one provider: {providers:?}")
    };
    let (provider, _) = bailiff::config::provider::parse_provider(description)
        .unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(
        (name.as_str(), &*provider.issuer.name),
        ("partner", "partner")
    );
    assert!(rest.is_empty(), "nothing else was written");
}

#[test]
fn shared_entries_of_version_0_1_are_read_and_mean_the_same() {
    let gate = Gate::new();
    let learned = gate.learns(&entries());
    assert_eq!((learned.applied, learned.old), (entries().len(), 0));
    assert!(learned.poisoned.is_empty() && learned.kept);
    means_the_same(&gate.snapshot());
    // A second time, nothing of it is news.
    let again = gate.learns(&entries());
    assert_eq!((again.applied, again.old), (0, entries().len()));
    // And over a restart.
    let (gate, _) = gate.restarted();
    means_the_same(&gate.snapshot());
}

#[test]
fn what_this_gate_tells_others_is_byte_for_byte_what_version_0_1_tells() {
    let gate = Gate::new();
    happened(&gate);
    let told: BTreeMap<_, _> = gate.tells().into_iter().collect();
    let expected: BTreeMap<_, _> = entries().into_iter().collect();
    assert_eq!(told, expected);
}

/// The rows that version 0.1 reads, as it reads them.
#[derive(Debug, Default, PartialEq)]
struct Read {
    users: BTreeMap<String, UserRow>,
    orgs: BTreeMap<String, OrganizationRow>,
    revocations: BTreeMap<String, u64>,
}

fn read_by_version_0_1(mut contents: Contents) -> Read {
    let revocation = |value: Vec<u8>| {
        let text = String::from_utf8(value).expect("a text");
        text.parse().expect("a number")
    };
    let mut rows = |table| contents.take(table).into_iter();
    Read {
        users: rows(StoreTable::Users)
            .map(|(key, value)| (key, of_user(&value)))
            .collect(),
        orgs: rows(StoreTable::Organizations)
            .map(|(key, value)| (key, of_organization(&value)))
            .collect(),
        revocations: rows(StoreTable::Revocations)
            .map(|(key, value)| (key, revocation(value)))
            .collect(),
    }
}

#[test]
fn what_this_gate_keeps_in_its_own_store_version_0_1_reads_as_its_own() {
    let gate = Gate::new();
    happened(&gate);
    seen(&gate);
    let by_this = read_by_version_0_1(gate.contents());
    let by_that = read_by_version_0_1(scene::fixture().1);
    assert_eq!(by_this.users.len(), 8);
    assert_eq!(by_this, by_that);
}
