//! What a replica knows, as facts, and what of it the store does not.

use std::collections::HashMap;
use std::time::Duration;

use super::{Fact, Written};
use crate::domain::event::{Change, MemberChange};
use crate::domain::membership::{Kept, MARKS_LAST};
use crate::domain::{Snapshot, UnixTime};

/// A replica that was away from the store for longer than this tells only a part of what it knows, for good
/// ([`Fact::may_be_told_after`]). Marks of what was overruled stay in the store; but if that was emptied meanwhile, the others may have
/// forgotten them ([`MARKS_LAST`]), and would believe again what they overruled.
pub const SILENT_AFTER: Duration = Duration::from_secs(MARKS_LAST.as_secs() - 24 * 3600);
/// How long after it happened something may be heard of first: Svix tries for 27.6 hours.
const HEARD_WITHIN: Duration = Duration::from_secs(28 * 3600);

/// Whether a replica may tell all that it knows, which has last heard of the store at `last`. One that never has brings what it
/// knows from before there was a store.
#[must_use]
pub fn may_push(last: Option<UnixTime>, now: UnixTime) -> bool {
    last.is_none_or(|last| now.since(last) <= SILENT_AFTER.as_secs())
}

/// Whether `fact` says more than `snapshot` knows. Where it does not, applying it would change nothing.
#[must_use]
pub fn is_news(snapshot: &Snapshot, fact: &Fact) -> bool {
    let (change, at) = (fact.change(), fact.at());
    let members = || {
        snapshot
            .members
            .as_ref()
            .and_then(|members| members.kept(change))
    };
    match change {
        Change::Seen(..) => false,
        Change::Revoked(revoked) => snapshot.revocations.at(revoked) < Some(at),
        Change::User(_, change) => match members() {
            Some(Kept::User(_, record)) => record
                .told
                .as_ref()
                .is_none_or(|(then, told)| told.order(*then) < change.order(at)),
            _ => true,
        },
        Change::Member(org, _, change) => match members() {
            Some(Kept::User(_, record)) if matches!(&record.told, Some((then, told)) if told.is_final() && at <= *then) => {
                false
            }
            Some(Kept::User(_, record)) => record
                .entry_of(org)
                .is_none_or(|e| (e.at, e.change.weight()) < (at, change.weight())),
            _ => true,
        },
        Change::Organization(_, change) => match members() {
            Some(Kept::Organization(_, then, said)) => (then, said) < (at, *change),
            _ => true,
        },
    }
}

impl Fact {
    /// Whether a replica may tell it that was away for long, and before that last heard of the store at `last`.
    ///
    /// It tells what it may have learned since then: nobody else may have heard of that. Of before it holds roles back. Fail closed: a
    /// ban or a removal that the source has overruled meanwhile and that comes back refuses somebody; a role would let them in.
    #[must_use]
    pub fn may_be_told_after(&self, last: UnixTime) -> bool {
        let is_role = matches!(self.change(), Change::Member(_, _, MemberChange::Role(_)));
        !is_role || UnixTime(self.at().0 / 1000).plus(HEARD_WITHIN) >= last
    }
}

/// Everything that `snapshot` knows and that replicas share.
pub fn everything(snapshot: &Snapshot) -> impl Iterator<Item = Fact> {
    let kept = snapshot
        .members
        .iter()
        .flat_map(|members| members.all_kept());
    let told = kept.flat_map(|kept| {
        let changes = match kept {
            Kept::Organization(org, at, change) => {
                vec![(Change::Organization(org.clone(), change), at)]
            }
            Kept::User(user, record) => {
                let told = record
                    .told
                    .iter()
                    .map(|(at, told)| (Change::User(user.clone(), told.clone()), *at));
                let orgs = record.orgs.iter();
                told.chain(
                    orgs.map(|e| (Change::Member(e.org.clone(), user.clone(), e.change), e.at)),
                )
                .collect()
            }
        };
        changes
            .into_iter()
            .filter_map(|(change, at)| Fact::alone(change, at))
    });
    let revoked = snapshot.revocations.all();
    told.chain(revoked.filter_map(|(revoked, at)| Fact::alone(Change::Revoked(revoked), at)))
}

/// What `snapshot` knows and the store, which has `stored`, does not.
///
/// Compared is what the store means in the words of this replica's config. A role that it does not name reads as none at all here;
/// telling that to the others would take the role from whoever has it.
#[must_use]
pub fn unshared(snapshot: &Snapshot, stored: &[Written]) -> Vec<Fact> {
    let roles = snapshot.rules.roles.as_ref();
    let read = stored
        .iter()
        .filter_map(|written| written.read(roles).ok().map(|fact| (&*written.key, fact)));
    let stored: HashMap<&str, Fact> = read.collect();
    let news = |fact: &Fact| {
        stored
            .get(fact.key().as_str())
            .is_none_or(|there| there.rank() < fact.rank())
    };
    everything(snapshot).filter(news).collect()
}
