//! Replaces the table in force. The new table is prepared beside it, and published by compare and retry.
//!
//! Comparing what was learned about a hundred thousand users with two tables takes a fifth of a second. Neither webhooks nor the
//! requests on their threads may wait for that. So the work happens without the lock of the snapshots, for the membership of one
//! moment. Events that arrive after that moment are collected, and applied on top of the new table under the lock. So the new table
//! counts from that moment, and later events stand above it. If anything else has changed meanwhile, such as the config, the work
//! is repeated.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{BATCH, Records, TableInForce, rest_of, row};
use crate::config::settings::MembershipSource;
use crate::domain::event::{Change, MembershipEvent};
use crate::domain::membership::{Members, Reloaded, Roles, Table, TableTime};
use crate::domain::shared::Offered;
use crate::domain::snapshot::Rules;
use crate::domain::{Snapshot, UnixTime};
use crate::storage::Op;

#[cfg(test)]
mod tests;

/// Bound: after so many failed attempts the table is prepared under the lock, so that no stream of changes delays it for ever.
const ATTEMPTS: usize = 3;
/// Bound: changes collected while a table is prepared. Applying so many takes some ten milliseconds.
const MAX_MEANWHILE: usize = 10_000;

/// A table, and how it was read.
#[derive(Debug)]
pub(super) struct NewTable<'a> {
    pub table: Table,
    pub source: &'a MembershipSource,
    pub said: TableTime,
    /// When the source was asked.
    pub at: UnixTime,
}

/// A table that was prepared for the membership of one moment.
#[derive(Debug)]
struct Prepared {
    members: Members,
    overruled: Superseded,
    /// The rules of that moment. Under other rules a role may have another rank.
    rules: Arc<Rules>,
}

/// The superseded events, for the local store and for other replicas.
#[derive(Debug)]
struct Superseded {
    batches: Vec<Vec<Op>>,
    offers: Vec<Offered>,
}

impl Superseded {
    /// Writes these rows in the place of those that were worked out for the same keys.
    ///
    /// Fail closed: such a row is from before a change that the store has already, and that its sender knows to be stored. Written once
    /// more, it would give a banned user access after a restart, if the process ended before the right row followed.
    fn replace_rows(&mut self, rows: Vec<Op>) {
        if rows.is_empty() {
            return;
        }
        let keys: HashSet<_> = rows.iter().map(Op::row_key).collect();
        for batch in &mut self.batches {
            batch.retain(|op| !keys.contains(&op.row_key()));
        }
        drop(keys);
        self.batches.extend(rows.chunks(BATCH).map(<[Op]>::to_vec));
    }
}

/// Why a table was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotPublished {
    /// It was prepared for another membership than the one in force.
    Overtaken,
    /// The caller does not want it any more.
    Unwanted,
}

/// The changes since the moment for which a table is prepared. `None` while none is, and when something else has changed, too.
#[derive(Default)]
pub(super) struct Meanwhile(Mutex<Option<Vec<MembershipEvent>>>);

impl Meanwhile {
    fn begin(&self) {
        *self.0.lock() = Some(vec![]);
    }

    /// Records that `event` changed the membership.
    pub(super) fn add(&self, event: &MembershipEvent) {
        let mut changes = self.0.lock();
        match &mut *changes {
            _ if matches!(event.change, Change::Revoked(_)) => {}
            Some(all) if all.len() < MAX_MEANWHILE => all.push(event.clone()),
            _ => *changes = None,
        }
    }

    /// Records that something else than an event changed the membership. Returns, and forgets, the changes so far.
    pub(super) fn end(&self) -> Option<Vec<MembershipEvent>> {
        self.0.lock().take()
    }
}

impl Records {
    /// Puts a table in force, if it is `wanted` in the snapshot that it changes. Goes through all learned events, so for many users
    /// it belongs in the background.
    pub(super) fn put_table(
        &self,
        new: &NewTable<'_>,
        wanted: impl Fn(&Snapshot) -> bool,
    ) -> Option<TableInForce> {
        let _one_at_a_time = self.reloading.lock();
        for _ in 0..ATTEMPTS {
            match self.publish_table(new, self.prepare(new), &wanted) {
                Err(NotPublished::Overtaken) => {}
                published => return published.ok(),
            }
        }
        self.publish_table(new, None, &wanted).ok()
    }

    /// Prepares a table for the membership in force. `None` where there is no membership yet.
    fn prepare(&self, new: &NewTable<'_>) -> Option<Prepared> {
        let before = self.snapshots.settled(|now| {
            self.meanwhile.begin();
            now.clone()
        });
        let (table, policy) = (new.table.clone(), new.source.policy.clone());
        let reloaded = before.members.as_ref()?.reloaded(table, policy, new.said);
        Some(Prepared {
            overruled: self.overruled(&reloaded, &before.rules),
            members: reloaded.members,
            rules: before.rules,
        })
    }

    /// Publishes a `prepared` table. Without one, the table is prepared here while other writers wait.
    fn publish_table(
        &self,
        new: &NewTable<'_>,
        prepared: Option<Prepared>,
        wanted: impl Fn(&Snapshot) -> bool,
    ) -> Result<TableInForce, NotPublished> {
        let (mut before, mut after) = (None, None);
        let generation = self.snapshots.publish(|now| {
            let meanwhile = self.meanwhile.end();
            if !wanted(now) {
                return Err(NotPublished::Unwanted);
            }
            let members = match (&now.members, &now.rules.roles, prepared) {
                (_, None, _) => None,
                (None, Some(roles), _) => Some(self.first_table(new, roles, &now.rules)),
                (Some(members), _, None) => Some(self.reloaded(members, new, &now.rules)),
                (Some(members), Some(roles), Some(prepared)) => {
                    let same_rules = Arc::ptr_eq(&prepared.rules, &now.rules);
                    let meanwhile = meanwhile
                        .filter(|_| same_rules)
                        .ok_or(NotPublished::Overtaken)?;
                    let (members, overruled) =
                        self.caught_up(prepared, members, meanwhile, roles)?;
                    self.send(overruled);
                    Some(members)
                }
            };
            let members = members.map(|members| members.confirmed(new.at));
            (before, after) = (now.members.clone(), members.clone());
            Ok(Snapshot {
                members,
                ..now.clone()
            })
        })?;
        Ok(TableInForce {
            generation,
            before,
            after,
        })
    }

    /// Brings a prepared table up to `now`, and what it supersedes with it.
    fn caught_up(
        &self,
        prepared: Prepared,
        now: &Members,
        meanwhile: Vec<MembershipEvent>,
        roles: &Roles,
    ) -> Result<(Members, Superseded), NotPublished> {
        let Prepared {
            members,
            mut overruled,
            ..
        } = prepared;
        let changes: Vec<Change> = meanwhile.iter().map(|event| event.change.clone()).collect();
        let members = members
            .caught_up(now, meanwhile)
            .map_err(|_| NotPublished::Overtaken)?;
        if self.store.is_some() {
            let rows = changes
                .iter()
                .map(|change| rest_of(&members, change, roles));
            overruled.replace_rows(rows.flatten().collect());
        }
        Ok((members, overruled))
    }

    /// The first table, below the events that the local store kept over a restart.
    fn first_table(&self, new: &NewTable<'_>, roles: &Roles, rules: &Rules) -> Members {
        let (table, policy) = (new.table.clone(), new.source.policy.clone());
        match new.said {
            TableTime::WhenChanged => self.first(Members::new(table, policy), roles),
            // The kept events are older than the table, which supersedes them.
            TableTime::At(_) => {
                let kept = self.first(Members::new(Table::default(), policy), roles);
                self.reloaded(&kept, new, rules)
            }
        }
    }

    /// Prepares a table in one go, for callers that accept that this may take long.
    pub(super) fn reloaded(&self, before: &Members, new: &NewTable<'_>, rules: &Rules) -> Members {
        let (table, policy) = (new.table.clone(), new.source.policy.clone());
        let reloaded = before.reloaded(table, policy, new.said);
        self.send(self.overruled(&reloaded, rules));
        reloaded.members
    }

    fn overruled(&self, Reloaded { members, overruled }: &Reloaded, rules: &Rules) -> Superseded {
        let offers = self.offers(overruled.iter().flat_map(MembershipEvent::shared), rules);
        let roles = rules.roles.as_ref().filter(|_| self.store.is_some());
        let changes = overruled.iter().map(|event| &event.change);
        Superseded {
            batches: roles.map_or(vec![], |roles| batches(members, changes, roles)),
            offers,
        }
    }

    fn send(&self, Superseded { batches, offers }: Superseded) {
        if let Some(publisher) = self.publisher.get() {
            // Not awaited: what cannot be published now is published after the next resync.
            drop(publisher.publish_to_replicas(offers));
        }
        if let Some(store) = &self.store {
            for batch in batches {
                // Not awaited: if a row is lost, a restart refuses a user until the row is written again.
                drop(store.write(batch));
            }
        }
    }
}

/// The rows to persist of the users and organizations in `changes`.
fn batches<'c>(
    members: &Members,
    changes: impl IntoIterator<Item = &'c Change>,
    roles: &Roles,
) -> Vec<Vec<Op>> {
    let rows: Vec<Op> = changes
        .into_iter()
        .filter_map(|change| row(&members.kept(change)?, roles).ok())
        .collect();
    rows.chunks(BATCH).map(<[Op]>::to_vec).collect()
}
