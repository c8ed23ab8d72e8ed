//! What a replica knows, as events, and what of it the store does not.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::event::{Change, EncodedEvent, MemberChange, MembershipEvent};
use crate::domain::membership::{Kept, MARKS_LAST};
use crate::domain::{Snapshot, UnixTime};

/// A replica that was away from the store for longer than this tells only a part of what it knows, for good
/// ([`MembershipEvent::may_be_told_after`]). Marks of what was overruled stay in the store; but if that was emptied meanwhile, the others
/// may have forgotten them ([`MARKS_LAST`]), and would believe again what they overruled.
pub const SILENT_AFTER: Duration = Duration::from_secs(MARKS_LAST.as_secs() - 24 * 3600);
/// How long after it happened something may be heard of first: Svix tries for 27.6 hours.
const HEARD_WITHIN: Duration = Duration::from_secs(28 * 3600);

/// Whether a replica may tell all that it knows, which has last heard of the store at `last`. One that never has brings what it
/// knows from before there was a store.
#[must_use]
pub fn may_push(last: Option<UnixTime>, now: UnixTime) -> bool {
    last.is_none_or(|last| now.since(last) <= SILENT_AFTER.as_secs())
}

impl MembershipEvent {
    /// Whether a replica may tell it that was away for long, and before that last heard of the store at `last`.
    ///
    /// It tells what it may have learned since then: nobody else may have heard of that. Of before it holds roles back. Fail closed: a
    /// ban or a removal that the source has overruled meanwhile and that comes back refuses somebody; a role would let them in.
    #[must_use]
    pub fn may_be_told_after(&self, last: UnixTime) -> bool {
        let is_role = matches!(self.change, Change::Member(_, _, MemberChange::Role(_)));
        !is_role || UnixTime(self.at.0 / 1000).plus(HEARD_WITHIN) >= last
    }
}

/// Everything that `snapshot` knows and that replicas share.
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
            let told = record.told.iter();
            let told = told.map(|(at, told)| Change::User(user(), told.clone()).at(*at));
            let orgs = record.orgs.iter();
            let orgs = orgs.map(|e| Change::Member(e.org.clone(), user(), e.change).at(e.at));
            told.chain(orgs).collect()
        }
    }
}

/// What `snapshot` knows and the store, which has `stored`, does not.
///
/// Compared is what the store means in the words of this replica's config. A role that it does not name reads as none at all here;
/// telling that to the others would take the role from whoever has it.
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
