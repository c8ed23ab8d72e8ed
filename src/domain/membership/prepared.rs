//! A reload that is worked out beside the membership in force.
//!
//! To compare what was learned of a hundred thousand users with two tables takes a fifth of a second, for which no webhook should have to
//! wait. So it is done with what is in force at some moment; where it counts, only what was learned since then is looked at.

use std::sync::Arc;

use super::bounds::Load;
use super::members::Members;
use super::reload::{Reloaded, Said};
use super::{Policy, Record, Table};
use crate::domain::event::{Change, MembershipEvent};
use crate::domain::ids::UserId;

/// A reload of a membership that may not be in force any more.
#[derive(Debug)]
pub struct Prepared {
    before: Members,
    said: Said,
    after: Reloaded,
}

impl Prepared {
    /// Works out `before.reloaded(table, policy, said)`.
    #[must_use]
    pub fn new(before: &Members, table: Table, policy: Policy, said: Said) -> Self {
        Self {
            before: before.clone(),
            said,
            after: before.reloaded(table, policy, said),
        }
    }

    /// What it is if nothing is learned meanwhile.
    #[must_use]
    pub fn so_far(&self) -> &Reloaded {
        &self.after
    }

    /// Whether this is what it was worked out for.
    #[must_use]
    pub fn is_of(&self, now: &Members) -> bool {
        self.before.is_but_for_changes(now)
            && self.before.users.ptr_eq(&now.users)
            && self.before.orgs.ptr_eq(&now.orgs)
    }

    /// The reload of `now`, with the same table.
    #[must_use]
    pub fn finished(self, now: &Members) -> Reloaded {
        let quick = self.is_of(now);
        let Self {
            before,
            said,
            after: Reloaded {
                mut members,
                overruled,
            },
        } = self;
        members.confirmed = now.confirmed;
        if quick {
            return Reloaded { members, overruled };
        }
        if !before.is_but_for_changes(now) {
            return now.reloaded((*members.table).clone(), members.policy, said);
        }
        let mut news = now.clone();
        news.users = changed_since(&before, now);
        let newcomers = news
            .users
            .keys()
            .filter(|user| !before.users.contains_key(*user))
            .count();
        let mut stale: Vec<UserId> = news.users.keys().cloned().collect();
        // Mostly nobody was forgotten, and then nobody has to be looked for.
        if before.users.len() + newcomers > now.users.len() {
            stale.extend(
                before
                    .users
                    .keys()
                    .filter(|user| !now.users.contains_key(*user))
                    .cloned(),
            );
        }
        for user in &stale {
            members.put(user, now.users.get(user));
        }
        members.put_orgs(now);
        let stands = |event: &MembershipEvent| match &event.change {
            Change::User(user, _) | Change::Member(_, user, _) | Change::Seen(user, _) => now
                .users
                .get(user)
                .is_some_and(|record| before.users.get(user) == Some(record)),
            Change::Organization(..) | Change::Revoked(_) => false,
        };
        let late = news.overruled_by(&members.table, said);
        let members = members.with_marks(&late);
        let overruled = overruled.into_iter().filter(stands).chain(late).collect();
        Reloaded { members, overruled }
    }
}

/// The records that are others than before.
fn changed_since(before: &Members, now: &Members) -> imbl::HashMap<UserId, Record> {
    let changed = now
        .users
        .iter()
        .filter(|(user, record)| before.users.get(*user) != Some(*record));
    changed
        .map(|(user, record)| (user.clone(), record.clone()))
        .collect()
}

impl Members {
    /// Whether `other` differs in nothing but what was learned of users and organizations, and when the source was last heard.
    fn is_but_for_changes(&self, other: &Self) -> bool {
        let Self {
            table,
            lookup,
            unspoken,
            since,
            policy,
            confirmed: _,
            users: _,
            orgs: _,
            changes: _,
        } = self;
        Arc::ptr_eq(table, &other.table)
            && lookup == &other.lookup
            && *unspoken == other.unspoken
            && *since == other.since
            && *policy == other.policy
    }

    /// Puts another record in the place of that of `user`.
    fn put(&mut self, user: &UserId, record: Option<&Record>) {
        let load = |record: Option<&Record>| {
            record.map_or(Load::default(), |record| Load::of_user(user, record))
        };
        let before = load(self.users.get(user));
        match record {
            Some(record) => self.users.insert(user.clone(), record.clone()),
            None => self.users.remove(user),
        };
        self.changes = self.changes.plus(load(record)).minus(before);
    }

    fn put_orgs(&mut self, of: &Self) {
        let load = |members: &Self| {
            members
                .orgs
                .keys()
                .map(Load::of_org)
                .fold(Load::default(), Load::plus)
        };
        self.changes = self.changes.plus(load(of)).minus(load(self));
        self.orgs = of.orgs.clone();
    }
}
