//! Which events still count after a source was read again, and when their tombstones are forgotten.

use std::sync::Arc;
use std::time::Duration;

use super::bounds::TooManyChanges;
use super::members::Members;
use super::table::Row;
use super::{OrgEntry, Policy, Record, Table};
use crate::domain::UnixTime;
use crate::domain::event::{
    Change, EventTime, MemberChange, MembershipEvent, OrgChange, UserChange,
};
use crate::domain::ids::{OrgId, UserId};

/// How long a tombstone is kept at least, from when it is made. Svix retries for 27.6 hours. A replica that was away for longer
/// than this must not publish everything that it knows from before.
pub const MARKS_LAST: Duration = Duration::from_secs(7 * 24 * 3600);
/// A load of Clerk's Backend API may be this much older than its start, because Clerk's own copies lag behind.
const LAG: Duration = Duration::from_secs(60);

/// The time for which a whole table is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableTime {
    /// Its rows have no time: each row counts from when it changed.
    WhenChanged,
    /// The table is what Clerk knew at this time. It supersedes all earlier events, also where the table does not change.
    At(EventTime),
}

/// A membership after its source was read again.
#[derive(Debug)]
pub struct Reloaded {
    pub members: Members,
    /// The events that the reload superseded, for replicas that do not know this yet.
    pub overruled: Vec<MembershipEvent>,
}

impl Members {
    /// The membership after the source was read again. Events stay in force, except where the source has changed a row since.
    #[must_use]
    pub fn reloaded(&self, table: Table, policy: Policy, said: TableTime) -> Reloaded {
        let overruled = self.overruled_by(&table, said);
        let since = match said {
            TableTime::WhenChanged => None,
            TableTime::At(began) => Some(earlier(began)),
        };
        let members = Self {
            table: Arc::new(table),
            policy,
            lookup: None,
            awaiting_source: false,
            since,
            ..self.clone()
        };
        Reloaded {
            members: members.with_marks(&overruled),
            overruled,
        }
    }

    /// This membership was prepared beside the one in force and is to replace `now`. Applies the events that arrived meanwhile.
    ///
    /// # Errors
    /// When there is no room for a change.
    pub fn caught_up(
        self,
        now: &Self,
        learned: Vec<MembershipEvent>,
    ) -> Result<Self, TooManyChanges> {
        let members = learned
            .into_iter()
            .try_fold(self, |members, event| members.changed(&event))?;
        Ok(Self {
            confirmed: now.confirmed,
            ..members
        })
    }

    /// The events that a new table supersedes.
    pub(super) fn overruled_by(&self, table: &Table, said: TableTime) -> Vec<MembershipEvent> {
        let mut overruled = Vec::new();
        for (user, record) in &self.users {
            match said {
                // Fail closed: a different row in another source is not a changed row, and lifts no ban.
                TableTime::WhenChanged if self.awaiting_source => {}
                TableTime::WhenChanged => {
                    self.overrule_changed(user, record, table, &mut overruled)
                }
                TableTime::At(began) => {
                    overrule_before(user, record, table, earlier(began), &mut overruled)
                }
            }
        }
        for (org, (at, change)) in &self.orgs {
            let (before, after) = (self.table.has_org(org), table.has_org(org));
            let stays = match said {
                TableTime::WhenChanged => {
                    self.awaiting_source
                        || before == after
                        || (*change == OrgChange::Deleted && !after)
                }
                TableTime::At(began) => {
                    *at > earlier(began) || (*change == OrgChange::Deleted && !after)
                }
            };
            if !stays && *change != OrgChange::Superseded {
                overruled.push(Change::Organization(org.clone(), OrgChange::Superseded).at(*at));
            }
        }
        overruled
    }

    /// The same membership with these tombstones.
    pub(super) fn with_marks(&self, overruled: &[MembershipEvent]) -> Self {
        // A tombstone replaces the event that it supersedes, so there is room for it. If there were none, the event that takes
        // access stays.
        let mark =
            |members: Self, event: &MembershipEvent| members.changed(event).unwrap_or(members);
        overruled.iter().fold(self.clone(), mark)
    }

    /// The event as it counts under a table with a time. An event that is older than the table but arrives after it has the same
    /// effect as if it had arrived before the table.
    pub(super) fn unless_outdated(&self, event: &MembershipEvent) -> MembershipEvent {
        let at = event.at;
        let Some(since) = self.since.filter(|since| at <= *since) else {
            return event.clone();
        };
        match &event.change {
            Change::User(user, UserChange::Described { .. }) if user.clerk().is_some() => {
                match self.table.user(user) {
                    Some(_) => overruled_user(user, false, at),
                    // The user existed at the time of the event. The newer table does not list them any more.
                    None => gone(user.clone()).at(since),
                }
            }
            Change::Member(org, user, change)
                if user.clerk().is_some() && *change != MemberChange::Superseded =>
            {
                overruled_member(org, user, at)
            }
            Change::Organization(org, change)
                if *change == OrgChange::Exists || self.table.workspace_of(org).is_some() =>
            {
                Change::Organization(org.clone(), OrgChange::Superseded).at(at)
            }
            _ => event.clone(),
        }
    }

    /// Collects the events that are superseded because their rows changed.
    fn overrule_changed(
        &self,
        user: &UserId,
        record: &Record,
        table: &Table,
        all: &mut Vec<MembershipEvent>,
    ) {
        if let Some((at, from_clerk)) = &record.from_clerk {
            let (before, after) = (self.table.user(user), table.user(user));
            let stays = before == after
                || (from_clerk.takes_access() && Row::rank(after) <= Row::rank(before));
            if !stays && !from_clerk.is_overruled() {
                let deleted = *from_clerk == UserChange::Deleted;
                all.push(overruled_user(user, deleted, *at));
            }
        }
        for entry in &record.orgs {
            let (before, after) = (
                self.table.role_in_org(&entry.org, user),
                table.role_in_org(&entry.org, user),
            );
            let stays =
                before == after || (entry.change == MemberChange::Removed && after.is_none());
            if !stays && entry.change != MemberChange::Superseded {
                all.push(overruled_member(&entry.org, user, entry.at));
            }
        }
    }

    /// The same membership; from now on the source is asked user by user.
    #[must_use]
    pub fn looked_up(&self, policy: Policy) -> Self {
        let asking = Self::by_lookup(policy);
        Self {
            users: self.users.clone(),
            orgs: self.orgs.clone(),
            changes: self.changes,
            ..asking
        }
    }

    /// The same membership while a new source has not answered yet. Until it does, the earlier data counts. If the earlier source
    /// had no maximum age, the data counts as confirmed at `now`, so that it does not count for ever.
    #[must_use]
    pub fn awaiting(&self, policy: Policy, now: UnixTime) -> Self {
        let confirmed = if self.policy.max_age.is_none() {
            Some(now)
        } else {
            self.confirmed
        };
        Self {
            policy,
            confirmed,
            ..self.clone()
        }
    }

    /// The same membership when the next table comes from another source than the present one.
    #[must_use]
    pub fn of_another_source(&self) -> Self {
        Self {
            awaiting_source: true,
            ..self.clone()
        }
    }

    /// The records without the table, for [`Members::old_marks`]. Cheap: it shares everything that has not changed since.
    #[must_use]
    pub fn learned(&self) -> Self {
        Self {
            table: Arc::default(),
            ..self.clone()
        }
    }

    /// The tombstones that can be forgotten at `now`: they are so old that no event can arrive any more which they would have to
    /// stop, and they were already in `earlier`, the records from [`MARKS_LAST`] ago.
    ///
    /// A tombstone has the time of the event that it supersedes, and that may be long ago when the tombstone is made. Replicas
    /// that were away must receive the tombstone before any replica forgets it. Otherwise they bring the superseded event back.
    #[must_use]
    pub fn old_marks(&self, now: UnixTime, earlier: &Self) -> Vec<Change> {
        let old = |at: EventTime| now > UnixTime(at.0 / 1000).plus(MARKS_LAST);
        let mut marks = Vec::new();
        for (user, record) in &self.users {
            let Some(before) = earlier.users.get(user) else {
                continue;
            };
            if let Some((at, from_clerk @ UserChange::Superseded { .. })) = &record.from_clerk
                && old(*at)
                && before.from_clerk == record.from_clerk
            {
                marks.push(Change::User(user.clone(), from_clerk.clone()));
            }
            let is_old = |e: &&OrgEntry| {
                e.change == MemberChange::Superseded && old(e.at) && before.orgs.contains(*e)
            };
            let members = record.orgs.iter().filter(is_old);
            marks
                .extend(members.map(|e| {
                    Change::Member(e.org.clone(), user.clone(), MemberChange::Superseded)
                }));
        }
        let is_old = |org: &OrgId, at: EventTime, change: OrgChange| {
            change == OrgChange::Superseded
                && old(at)
                && earlier.orgs.get(org) == Some(&(at, change))
        };
        let orgs = self
            .orgs
            .iter()
            .filter(|(org, (at, change))| is_old(org, *at, *change));
        marks.extend(orgs.map(|(org, _)| Change::Organization(org.clone(), OrgChange::Superseded)));
        marks
    }

    /// The same membership without these tombstones, as far as they are unchanged.
    #[must_use]
    pub fn without_marks(&self, marks: &[Change]) -> Self {
        let mut next = self.clone();
        for mark in marks {
            match mark {
                Change::User(user, from_clerk) => next.unmark(user, |record| {
                    record.from_clerk.take_if(|(_, now)| now == from_clerk);
                }),
                Change::Member(org, user, change) => {
                    next.unmark(user, |record| {
                        record.orgs.retain(|e| e.org != *org || e.change != *change)
                    });
                }
                Change::Organization(org, change)
                    if next.orgs.get(org).is_some_and(|(_, now)| now == change) =>
                {
                    next.orgs.remove(org);
                }
                Change::Organization(..) | Change::Seen(..) | Change::Revoked(_) => {}
            }
        }
        next.changes = next.load();
        next
    }

    fn unmark(&mut self, user: &UserId, edit: impl FnOnce(&mut Record)) {
        let Some(mut record) = self.users.get(user).cloned() else {
            return;
        };
        edit(&mut record);
        if record.size() == 0 {
            self.users.remove(user);
        } else {
            self.users.insert(user.clone(), record);
        }
    }
}

/// Collects the events about `user` up to `then` that a table of Clerk supersedes.
fn overrule_before(
    user: &UserId,
    record: &Record,
    table: &Table,
    then: EventTime,
    all: &mut Vec<MembershipEvent>,
) {
    if user.clerk().is_none() {
        // Clerk does not know the users of other issuers.
        return;
    }
    let heard = [
        record.from_clerk.as_ref().map(|from_clerk| from_clerk.0),
        record.from_token.as_ref().map(|seen| seen.at),
    ];
    let heard = heard
        .into_iter()
        .flatten()
        .chain(record.initial_access.as_ref().map(|entry| entry.at))
        .max();
    if table.user(user).is_none() && heard.is_some_and(|heard| heard <= then) {
        // Clerk does not list the user any more: they were deleted, and the webhook about that was missed.
        if !record
            .from_clerk
            .as_ref()
            .is_some_and(|(_, from_clerk)| from_clerk.takes_access())
        {
            all.push(gone(user.clone()).at(then));
        }
    } else if let Some((at, from_clerk)) = &record.from_clerk
        && *at <= then
        // A deletion is final: an operator may have deleted a user here whom Clerk still lists.
        && !record.deleted()
        && !from_clerk.is_overruled()
    {
        all.push(overruled_user(user, false, *at));
    }
    let members = record
        .orgs
        .iter()
        .filter(|e| e.at <= then && e.change != MemberChange::Superseded);
    all.extend(members.map(|entry| overruled_member(&entry.org, user, entry.at)));
}

/// The change for a user whom Clerk does not list any more: a ban. It is not a deletion, because a deletion is final. A list of
/// another instance, or a list that was read with a wrong clock, must not take a user's access for good.
fn gone(user: UserId) -> Change {
    Change::User(
        user,
        UserChange::Described {
            banned: true,
            email: None,
            name: None,
        },
    )
}

fn overruled_user(user: &UserId, deleted: bool, at: EventTime) -> MembershipEvent {
    Change::User(user.clone(), UserChange::Superseded { deleted }).at(at)
}

fn overruled_member(org: &OrgId, user: &UserId, at: EventTime) -> MembershipEvent {
    Change::Member(org.clone(), user.clone(), MemberChange::Superseded).at(at)
}

fn earlier(EventTime(began): EventTime) -> EventTime {
    EventTime(began.saturating_sub(u64::try_from(LAG.as_millis()).unwrap_or(u64::MAX)))
}
