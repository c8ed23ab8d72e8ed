//! The events that a replica knows, and those of them that the store lacks.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::event::{Change, EncodedEvent, MemberChange, MembershipEvent};
use crate::domain::membership::{Kept, MARKS_LAST};
use crate::domain::{Snapshot, UnixTime};

/// A replica that was away from the store for longer than this publishes only a part of what it knows, for good
/// ([`MembershipEvent::may_be_told_after`]). Tombstones stay in the store. But if the store was emptied meanwhile, the other
/// replicas may have forgotten them ([`MARKS_LAST`]), and would apply the superseded events again.
pub const SILENT_AFTER: Duration = Duration::from_secs(MARKS_LAST.as_secs() - 24 * 3600);
/// How long after it happened an event may arrive for the first time: Svix retries for 27.6 hours.
const HEARD_WITHIN: Duration = Duration::from_secs(28 * 3600);

/// Whether a replica may publish everything that it knows, when its last contact with the store was at `last`. A replica without
/// any contact so far publishes what it knows from the time before there was a store.
#[must_use]
pub fn may_push(last: Option<UnixTime>, now: UnixTime) -> bool {
    last.is_none_or(|last| now.since(last) <= SILENT_AFTER.as_secs())
}

impl MembershipEvent {
    /// Whether a replica may publish this event after a long absence, when its last contact with the store before that was at
    /// `last`.
    ///
    /// It publishes events that it may have learned since then: no other replica may have them. Of the events before, it holds
    /// back roles. Fail closed: if a ban or a removal returns that the source has superseded meanwhile, a user is refused; a role
    /// would let them in.
    #[must_use]
    pub fn may_be_told_after(&self, last: UnixTime) -> bool {
        let is_role = matches!(self.change, Change::Member(_, _, MemberChange::Role(_)));
        !is_role || UnixTime(self.at.0 / 1000).plus(HEARD_WITHIN) >= last
    }
}

/// Every event that `snapshot` knows and that replicas share.
pub fn everything(snapshot: &Snapshot) -> impl Iterator<Item = MembershipEvent> {
    let kept = snapshot
        .members
        .iter()
        .flat_map(|members| members.all_kept());
    let revoked = snapshot.revocations.all();
    kept.flat_map(|kept| events_of(&kept))
        .chain(revoked.map(|(revoked, at)| Change::Revoked(revoked).at(at)))
}

fn events_of(kept: &Kept<'_>) -> Vec<MembershipEvent> {
    match kept {
        Kept::Organization(org, at, change) => {
            vec![Change::Organization((*org).clone(), *change).at(*at)]
        }
        Kept::User(user, record) => {
            let user = || (*user).clone();
            let from_clerk = record.from_clerk.iter();
            let from_clerk =
                from_clerk.map(|(at, from_clerk)| Change::User(user(), from_clerk.clone()).at(*at));
            let orgs = record.orgs.iter();
            let orgs = orgs.map(|e| Change::Member(e.org.clone(), user(), e.change).at(e.at));
            from_clerk.chain(orgs).collect()
        }
    }
}

/// The events that `snapshot` knows and the store, whose content is `stored`, lacks.
///
/// The content of the store is compared as decoded with this replica's config. A role that this config does not list reads as no
/// role here. Publishing that would take the role from its holder on the other replicas.
#[must_use]
pub fn unshared(snapshot: &Snapshot, stored: &[EncodedEvent]) -> Vec<MembershipEvent> {
    let roles = snapshot.rules.roles.as_ref();
    let stored: HashMap<&str, MembershipEvent> = stored
        .iter()
        .filter_map(|encoded| Some((&*encoded.key, encoded.decode(roles).ok()?)))
        .collect();
    let news = |event: &MembershipEvent| {
        let there = stored.get(event.key().as_str());
        there.is_none_or(|there| there.rank() < event.rank())
    };
    everything(snapshot).filter(news).collect()
}
