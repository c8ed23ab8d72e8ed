//! What replicas share is the same for all of them, whatever happens on the way.

mod events;
mod replicas;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::answer::Answers;
use crate::domain::cors::Cors;
use crate::domain::event::tests::{NAMES, any_event, org, roles, user};
use crate::domain::event::{Change, EventTime, MemberChange, MembershipEvent, UserChange};
use crate::domain::identity::TrustedNames;
use crate::domain::ids::SessionId;
use crate::domain::membership::{
    AccessStatus, Flags, Members, Policy, Roles, Table, User, Workspace,
};
use crate::domain::profile::Profile;
use crate::domain::revocation::Revoked;
use crate::domain::routes::{PathRules, RouteTable};
use crate::domain::{Rules, Snapshot};

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

fn after(snapshot: &Snapshot, events: &[MembershipEvent]) -> Snapshot {
    events.iter().fold(snapshot.clone(), |now, event| {
        now.changed(event).expect("room")
    })
}

/// What a gate knows, by key.
fn knows(snapshot: &Snapshot) -> BTreeMap<String, String> {
    everything(snapshot)
        .map(|event| (event.key(), event.rank().to_string()))
        .collect()
}

fn for_ever(event: &MembershipEvent, roles: Option<&Roles>) -> Offered {
    let event = event.encode(roles).expect("it is shared");
    Offered { event, lasts: None }
}
