//! What the gate learns about users and organizations. It puts each change in force at once, persists it where there is a local
//! store, and publishes it where there are other replicas.

mod asked;
mod reloads;
mod replicated;
mod rows;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock;
use crate::config::settings::{MembershipSource, ReloadableSettings};
use crate::domain::event::row::{
    decode_organization, decode_revocation, decode_user, revocation_key,
};
use crate::domain::event::{Change, DecodeError, MembershipEvent};
use crate::domain::membership::{MARKS_LAST, Members, Roles, Table, TableTime};
use crate::domain::revocation::Revocations;
use crate::domain::snapshot::CannotChange;
use crate::domain::snapshot::Rules;
use crate::domain::{Snapshot, UnixTime};
use crate::metrics::Metrics;
use crate::replication::{PendingPublish, Publisher};
use crate::snapshot_store::SnapshotStore;
use crate::storage::{
    Contents, Op, OpError, PendingWrite, Store, StoreTable as Kind, StoredRow, WriteError,
};
use reloads::{Meanwhile, NewTable};
use replicated::{Parked, SharedRow};
use rows::{rest_of, row, rows, rows_of};

pub use asked::{Asked, TableInForce};
pub use replicated::shared_past;

/// Tombstones are forgotten only if this replica knew everything in the shared store within this time.
const MARKS_WAIT: Duration = Duration::from_secs(3600);
/// Rows handed to the local store in one call.
const BATCH: usize = 1000;

/// Why a change is not in force, or not persisted.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("the config was reloaded meanwhile")]
    OtherRules,
    #[error(transparent)]
    Change(#[from] CannotChange),
    /// The change is in force, and a restart may forget it.
    #[error("the store did not take it: {0}")]
    Store(#[from] WriteError),
    /// The change is in force, and a restart may forget it.
    #[error("what is known of one user is too much for a row of the store: {0}")]
    TooLarge(#[from] OpError),
}

/// A row of the local store that this version cannot decode.
#[derive(Debug, thiserror::Error)]
#[error("the store has a row that this version does not understand ({table}, {key:?}): {why}")]
pub struct UnreadableRow {
    table: &'static str,
    key: String,
    why: DecodeError,
}

/// Rows as the local store has them, for a membership that does not exist yet.
#[derive(Debug, Default)]
pub struct Rows {
    users: Vec<StoredRow>,
    orgs: Vec<StoredRow>,
}

impl Rows {
    /// Takes the rows of users and organizations, and checks each.
    ///
    /// # Errors
    /// When one cannot be decoded. Fail closed: it may be a ban, so the gate must not start without it.
    pub fn of(contents: &mut Contents) -> Result<Self, UnreadableRow> {
        let rows = Self {
            users: contents.take(Kind::Users),
            orgs: contents.take(Kind::Organizations),
        };
        // The list of roles does not affect whether a row can be decoded.
        let roles = Roles::new(&["member".to_owned()])
            .unwrap_or_else(|| unreachable!("one word is a list of roles"));
        for (key, value) in &rows.users {
            let strange = |why| UnreadableRow {
                table: Kind::Users.name(),
                key: key.clone(),
                why,
            };
            decode_user(key, value, &roles).map_err(strange)?;
        }
        for (key, value) in &rows.orgs {
            let strange = |why| UnreadableRow {
                table: Kind::Organizations.name(),
                key: key.clone(),
                why,
            };
            decode_organization(key, value).map_err(strange)?;
        }
        Ok(rows)
    }

    fn into_members(self, members: Members, roles: &Roles) -> Members {
        let users = self
            .users
            .iter()
            .filter_map(|(key, value)| decode_user(key, value, roles).ok());
        let orgs = self
            .orgs
            .iter()
            .filter_map(|(key, value)| decode_organization(key, value).ok());
        members.remembering(users, orgs)
    }
}

/// Reads the revocations in the local store.
///
/// # Errors
/// When a row cannot be decoded, as with [`Rows::of`].
pub fn revocations(contents: &mut Contents) -> Result<Revocations, UnreadableRow> {
    let mut all = Revocations::default();
    for (key, value) in contents.take(Kind::Revocations) {
        let strange = |why| UnreadableRow {
            table: Kind::Revocations.name(),
            key: key.clone(),
            why,
        };
        let (revoked, at) = decode_revocation(&key, &value).map_err(strange)?;
        // The store never has more than there is room for.
        all = all.with(revoked, at).unwrap_or(all);
    }
    Ok(all)
}

/// Applies and persists changes of the membership, and revocations.
pub struct Records {
    snapshots: Arc<SnapshotStore>,
    metrics: Arc<Metrics>,
    store: Option<Arc<Store>>,
    /// Rows and events that wait while there is no membership to hold them.
    parked: Mutex<Parked>,
    /// The source of the membership under the config in force; the outer `None` until the start has set it.
    source: Mutex<Option<Option<MembershipSource>>>,
    /// Publishes to other replicas, where there are any.
    publisher: OnceLock<Publisher>,
    shared_row: Mutex<SharedRow>,
    /// Held by the one thread that puts a table in force. That thread may have a low priority, so no request may wait for this
    /// lock.
    reloading: Mutex<()>,
    meanwhile: Meanwhile,
    /// The learned events at an earlier time. Tombstones that are not among them are too young to be forgotten.
    earlier: Mutex<Option<(UnixTime, Members)>>,
    /// When this replica last knew everything in the shared store, in seconds since 1970; 0 for never.
    shared_read: AtomicU64,
}

impl Records {
    #[must_use]
    pub fn new(
        snapshots: Arc<SnapshotStore>,
        metrics: Arc<Metrics>,
        store: Option<Arc<Store>>,
        rows: Rows,
    ) -> Self {
        let parked = Mutex::new(Parked::of(rows));
        let (source, publisher, shared_row) = (Mutex::default(), OnceLock::new(), Mutex::default());
        let (reloading, meanwhile) = (Mutex::default(), Meanwhile::default());
        let (earlier, shared_read) = (Mutex::default(), AtomicU64::new(0));
        Self {
            snapshots,
            metrics,
            store,
            parked,
            source,
            publisher,
            shared_row,
            reloading,
            meanwhile,
            earlier,
            shared_read,
        }
    }

    /// Sets the source with which the gate starts.
    pub fn begin_with(&self, source: Option<MembershipSource>) {
        *self.source.lock() = Some(source);
    }

    /// Puts `event` in force and waits until it is persisted. `read_by` are the rules under which it was decoded.
    ///
    /// # Errors
    /// See [`NotKept`].
    pub async fn apply(
        &self,
        event: &MembershipEvent,
        read_by: &Arc<Rules>,
    ) -> Result<u64, NotKept> {
        self.publish(event, Some(read_by))?.kept().await
    }

    /// As [`Records::apply`], for an event that was decoded without rules.
    ///
    /// # Errors
    /// See [`NotKept`].
    pub async fn apply_unconditionally(&self, event: &MembershipEvent) -> Result<u64, NotKept> {
        self.publish(event, None)?.kept().await
    }

    /// As [`Records::apply_unconditionally`], without waiting. The event is persisted all the same.
    ///
    /// # Errors
    /// See [`NotKept`].
    pub fn apply_detached(&self, event: &MembershipEvent) -> Result<u64, NotKept> {
        self.publish(event, None)
            .map(|published| published.generation)
    }

    fn publish(
        &self,
        event: &MembershipEvent,
        read_by: Option<&Arc<Rules>>,
    ) -> Result<Published, NotKept> {
        let (mut written, mut told) = (None, None);
        let generation = self.snapshots.publish(|now| {
            if read_by.is_some_and(|rules| !Arc::ptr_eq(&now.rules, rules)) {
                return Err(NotKept::OtherRules);
            }
            let next = now.changed(event)?;
            self.meanwhile.add(event);
            // Under the lock of the snapshots, so that rows are written in the order in which they came in force.
            if let Some(store) = &self.store {
                written = Some(rows_of(now, &next, &event.change).map(|rows| store.write(rows)));
            }
            let shared = event.shared().into_iter();
            let news = shared.filter(|event| now.is_news(event));
            told = self.publish_to_replicas(news, &next.rules);
            Ok(next)
        })?;
        if !matches!(event.change, Change::Revoked(_)) {
            self.metrics.membership_applied(clock::now());
        }
        Ok(Published {
            generation,
            written,
            told,
        })
    }

    /// Forgets the revocations whose tokens have all expired, here and in the local store.
    pub fn forget(&self, now: UnixTime) {
        let keep = self.snapshots.load().rules.keep_revocations;
        if self
            .snapshots
            .load()
            .revocations
            .forgotten(now, keep)
            .1
            .is_empty()
        {
            return;
        }
        self.snapshots.replace(|snapshot| {
            let (revocations, gone) = snapshot.revocations.forgotten(now, keep);
            if let Some(store) = &self.store {
                let ops: Vec<Op> = gone
                    .iter()
                    .filter_map(|gone| Op::delete(Kind::Revocations, revocation_key(gone)).ok())
                    .collect();
                // Not awaited: what remains in the store is forgotten at the next start.
                ops.chunks(BATCH)
                    .for_each(|batch| drop(store.write(batch.to_vec())));
            }
            Snapshot {
                revocations,
                ..snapshot.clone()
            }
        });
    }

    /// The membership under a new config. Learned events stay, even if the roles have other names now. `table` is set when the
    /// source was read again.
    pub fn carried_over(
        &self,
        snapshot: &Snapshot,
        live: &ReloadableSettings,
        table: Option<Table>,
    ) -> Option<Members> {
        let before = self.source.lock().replace(live.membership.clone());
        let from =
            |source: &Option<MembershipSource>| source.as_ref().map(|source| source.from.clone());
        let another = before.is_some_and(|before| from(&before) != from(&live.membership));
        let old = snapshot.members.as_ref().zip(snapshot.rules.roles.as_ref());
        let Some((source, roles)) = live.membership.as_ref().zip(live.rules.roles.as_ref()) else {
            if let Some((members, roles)) = old {
                self.parked.lock().rows = rows(members, roles);
            }
            return None;
        };
        let members = old.map(|(members, old_roles)| members.with_roles(old_roles, roles));
        let members = members.map(|members| {
            if another {
                members.of_another_source()
            } else {
                members
            }
        });
        let Some(table) = table else {
            // The source delivers its table later; until then the last good one stays. A source of lookups needs no table.
            return match (members, source.from.is_lookup()) {
                (Some(members), true) => Some(members.looked_up(source.policy.clone())),
                (None, true) => Some(self.first(Members::by_lookup(source.policy.clone()), roles)),
                (members, false) => {
                    members.map(|members| members.awaiting(source.policy.clone(), clock::now()))
                }
            };
        };
        Some(match members {
            Some(members) => {
                let (said, at) = (TableTime::WhenChanged, clock::now());
                let new = NewTable {
                    table,
                    source,
                    said,
                    at,
                };
                self.reloaded(&members, &new, &live.rules)
            }
            None => self.first(Members::new(table, source.policy.clone()), roles),
        })
    }

    /// Puts `table` in force, which was read from `source`. Learned events stay on top of it, as `said` determines.
    pub fn reload(&self, table: Table, source: &MembershipSource, said: TableTime) -> u64 {
        self.reload_at(table, source, said, clock::now())
    }

    /// As [`Records::reload`], for a source that is asked repeatedly. `at` is when it was asked for this table.
    pub fn reload_at(
        &self,
        table: Table,
        source: &MembershipSource,
        said: TableTime,
        at: UnixTime,
    ) -> u64 {
        let new = NewTable {
            table,
            source,
            said,
            at,
        };
        let taken = self.put_table(&new, |_| true);
        self.metrics.membership_applied(clock::now());
        self.metrics.membership_confirmed(at);
        taken.map_or(0, |taken| taken.generation)
    }

    /// Puts a membership in force whose source is asked user by user.
    pub fn ask_for_each(&self, source: &MembershipSource) -> u64 {
        self.put_members(|snapshot, roles| {
            let policy = source.policy.clone();
            Some(match &snapshot.members {
                Some(members) => members.looked_up(policy),
                None => self.first(Members::by_lookup(policy), roles),
            })
        })
    }

    /// The source confirmed at `at` that nothing has changed.
    pub fn confirm(&self, at: UnixTime) {
        self.snapshots.touch(|snapshot| {
            let members = snapshot
                .members
                .as_ref()
                .map(|members| members.confirmed(at));
            Snapshot {
                members,
                ..snapshot.clone()
            }
        });
        self.metrics.membership_confirmed(at);
    }

    fn put_members(&self, make: impl FnOnce(&Snapshot, &Roles) -> Option<Members>) -> u64 {
        self.snapshots.replace(|snapshot| {
            self.meanwhile.end();
            let members = snapshot
                .rules
                .roles
                .as_ref()
                .and_then(|roles| make(snapshot, roles));
            Snapshot {
                members,
                ..snapshot.clone()
            }
        })
    }

    fn first(&self, members: Members, roles: &Roles) -> Members {
        let (rows, events) = std::mem::take(&mut *self.parked.lock()).take(roles);
        let mut members = rows.into_members(members, roles);
        for event in &events {
            // An event without room is dropped, as a webhook without room is.
            members = members.changed(event).unwrap_or(members);
        }
        if let Some(store) = &self.store {
            let ops: Vec<Op> = events
                .iter()
                .filter_map(|event| row(&members.kept(&event.change)?, roles).ok())
                .collect();
            ops.chunks(BATCH)
                .for_each(|batch| drop(store.write(batch.to_vec())));
        }
        members
    }

    /// The tombstones that are old enough to be forgotten: those that the previous call saw too. None before [`MARKS_LAST`] has
    /// passed.
    fn old_marks(&self, now: UnixTime) -> Vec<Change> {
        let snapshots = self.snapshots.load();
        let Some(members) = &snapshots.members else {
            return vec![];
        };
        let mut earlier = self.earlier.lock();
        let marks = match &*earlier {
            Some((then, _)) if now.since(*then) < MARKS_LAST.as_secs() => return vec![],
            Some((_, then)) => members.old_marks(now, then),
            None => vec![],
        };
        *earlier = Some((now, members.learned()));
        marks
    }

    /// Forgets the tombstones of superseded events against which no older event can still arrive.
    pub fn forget_marks(&self, now: UnixTime) {
        // A tombstone that could not be published yet must stay.
        let heard = UnixTime(self.shared_read.load(Ordering::Relaxed));
        if self.publisher.get().is_some() && now.since(heard) > MARKS_WAIT.as_secs() {
            return;
        }
        // The search runs without the lock, because it goes through everything that is kept.
        let marks = self.old_marks(now);
        if marks.is_empty() {
            return;
        }
        self.put_members(|snapshot, roles| {
            let members = snapshot.members.as_ref()?.without_marks(&marks);
            if let Some(store) = &self.store {
                let ops: Vec<Op> = marks
                    .iter()
                    .filter_map(|mark| rest_of(&members, mark, roles).ok())
                    .collect();
                ops.chunks(BATCH)
                    .for_each(|batch| drop(store.write(batch.to_vec())));
            }
            Some(members)
        });
    }
}

/// A change that is in force, on its way to the local store and to other replicas.
struct Published {
    generation: u64,
    written: Option<Result<PendingWrite, OpError>>,
    told: Option<PendingPublish>,
}

impl Published {
    /// Waits until the change is persisted, and for a short time until it is published. When the sender of a webhook gets its
    /// answer, all replicas should know the change. They will learn it in any case.
    async fn kept(self) -> Result<u64, NotKept> {
        let written = async {
            if let Some(written) = self.written {
                written?.wait().await?;
            }
            Ok::<_, NotKept>(())
        };
        let told = async {
            if let Some(told) = self.told {
                told.wait().await;
            }
        };
        let (written, ()) = tokio::join!(written, told);
        written.map(|()| self.generation)
    }
}
