//! What replicas share is the same for all of them, whatever happens on the way.

mod replicas;
mod written;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::answer::Answers;
use crate::domain::cors::Cors;
use crate::domain::event::{Change, EventTime, MemberChange, OrgChange, UserChange};
use crate::domain::identity::TrustedNames;
use crate::domain::ids::{OrgId, SessionId, UserId, text_header};
use crate::domain::membership::{
    AccessStatus, Flags, Members, Policy, Roles, Table, User, Workspace,
};
use crate::domain::profile::Profile;
use crate::domain::revocation::Revoked;
use crate::domain::routes::{PathRules, RouteTable};
use crate::domain::{Rules, Snapshot};

fn user(id: &str) -> UserId {
    UserId::parse(&format!("user_{id}")).expect("a user id")
}

fn org(id: &str) -> OrgId {
    OrgId::parse(&format!("org_{id}")).expect("an organization id")
}

fn roles(names: &[&str]) -> Roles {
    Roles::new(
        &names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    )
    .expect("roles")
}

const NAMES: &[&str] = &["member", "admin", "owner"];

/// A gate over one workspace, in which `a` is the owner.
fn gate(names: &[&str]) -> Snapshot {
    let roles = roles(names);
    let row = User::new(None, None, Some("Alex"), AccessStatus::Active, false);
    let members = HashMap::from([(user("a"), roles.highest())]);
    let workspace = Workspace {
        org: Some(org("1")),
        members,
    };
    let id = crate::domain::ids::WorkspaceId::parse("ws_1").expect("a workspace id");
    let table = Table::new(
        HashMap::from([(user("a"), row)]),
        HashMap::from([(id, workspace)]),
    )
    .expect("one workspace");
    let rules = Rules {
        keep_revocations: Duration::from_secs(3600),
        flags: Flags::NONE,
        static_user: None,
        profile: Profile::default(),
        routes: RouteTable::new(vec![], PathRules::default()).expect("no routes"),
        issuers: vec![],
        roles: Some(roles),
        services: vec![],
        webhooks: None,
        cors: Cors {
            origins: vec![],
            credentials: false,
            max_age: 0,
        },
        names: Arc::new(TrustedNames::new([])),
        claim_headers: vec![],
        answers: Answers::default(),
        trusted_proxies: vec![],
    };
    Snapshot {
        generation: 0,
        rules: Arc::new(rules),
        keys: HashMap::new(),
        members: Some(Members::new(table, Policy::default())),
        revocations: Default::default(),
        awaits_shared: false,
    }
}

fn after(snapshot: &Snapshot, changes: &[(Change, EventTime)]) -> Snapshot {
    changes.iter().fold(snapshot.clone(), |now, (change, at)| {
        now.changed(change, *at).expect("room")
    })
}

/// What a gate knows, by key.
fn knows(snapshot: &Snapshot) -> BTreeMap<String, String> {
    everything(snapshot)
        .map(|fact| (fact.key(), fact.rank()))
        .collect()
}

fn any_change() -> impl Strategy<Value = Change> {
    let who = || prop_oneof![Just("a"), Just("b")].prop_map(user);
    let of = || prop_oneof![Just("1"), Just("7")].prop_map(org);
    let role =
        prop::sample::select(NAMES).prop_map(|name| roles(NAMES).find(name).expect("a role"));
    let text = || prop_oneof![Just(None), "[ab]{0,2}".prop_map(|text| text_header(&text))];
    prop_oneof![
        4 => (who(), any::<bool>(), text(), text())
            .prop_map(|(who, banned, email, name)| Change::User(who, UserChange::Described { banned, email, name })),
        1 => who().prop_map(|who| Change::User(who, UserChange::Deleted)),
        1 => (who(), any::<bool>()).prop_map(|(who, deleted)| Change::User(who, UserChange::Overruled { deleted })),
        4 => (of(), who(), role).prop_map(|(of, who, role)| Change::Member(of, who, MemberChange::Role(role))),
        2 => (of(), who()).prop_map(|(of, who)| Change::Member(of, who, MemberChange::Removed)),
        1 => (of(), who()).prop_map(|(of, who)| Change::Member(of, who, MemberChange::Overruled)),
        2 => (of(), prop::sample::select(&[OrgChange::Exists, OrgChange::Deleted, OrgChange::Overruled][..]))
            .prop_map(|(of, change)| Change::Organization(of, change)),
        1 => who().prop_map(|who| Change::Revoked(Revoked::User(who))),
        1 => Just(Change::Revoked(Revoked::Session(SessionId::parse("sess_1").expect("a session id")))),
    ]
}

fn any_event() -> impl Strategy<Value = (Change, EventTime)> {
    (any_change(), 0_u64..4).prop_map(|(change, at)| (change, EventTime(at)))
}
