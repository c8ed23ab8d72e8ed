//! What other replicas publish, and what this replica publishes.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::{BATCH, Kind, Records, Rows, rows_of};
use crate::clock;
use crate::domain::event::{Change, EncodedEvent, MembershipEvent};
use crate::domain::membership::{MAX_CHANGES, Roles};
use crate::domain::shared::{self, Offered};
use crate::domain::snapshot::{CannotChange, Rules};
use crate::domain::{Snapshot, UnixTime};
use crate::replication::{Learned, LocalFacts, Past, PendingPublish, Publisher};
use crate::storage::{Op, StoredRow};

/// Bound: events that come in force in one step. Every other change waits for one step at most.
const STEP: usize = 5000;
/// The longest age, in seconds, of the row that records when the shared store was last read.
const ROW_LASTS: u64 = 600;

/// Rows and events that wait while there is no membership to hold them.
#[derive(Default)]
pub(super) struct Parked {
    pub rows: Rows,
    /// Events of other replicas by key, each the one that counts. At most [`MAX_CHANGES`].
    events: HashMap<Box<str>, EncodedEvent>,
}

impl Parked {
    pub(super) fn of(rows: Rows) -> Self {
        Self {
            rows,
            events: HashMap::new(),
        }
    }

    pub(super) fn take(self, roles: &Roles) -> (Rows, Vec<MembershipEvent>) {
        let events = self
            .events
            .values()
            .filter_map(|encoded| encoded.decode(Some(roles)).ok())
            .collect();
        (self.rows, events)
    }

    fn park(&mut self, encoded: &EncodedEvent) {
        let there = self.events.get(&encoded.key);
        let has_place = there.is_some() || self.events.len() < MAX_CHANGES;
        if has_place && encoded.supersedes(there) {
            self.events.insert(encoded.key.clone(), encoded.clone());
        }
    }
}

/// The row of the local store about the shared store.
#[derive(Default)]
pub(super) struct SharedRow {
    place: String,
    written: Option<UnixTime>,
}

/// None of the events is new.
struct NoNews;

/// The result of one step.
#[derive(Default)]
struct Step {
    applied: Vec<MembershipEvent>,
    refused: Option<CannotChange>,
}

impl LocalFacts for Records {
    /// Applies the events in few large steps, because every step goes through all open streams.
    async fn learn(&self, events: &[EncodedEvent]) -> Learned {
        let mut learned = Learned {
            applied: 0,
            old: 0,
            poisoned: vec![],
            kept: true,
        };
        let snapshot = self.snapshots.load();
        let (mut taking, mut giving) = (Vec::new(), Vec::new());
        for encoded in events {
            match encoded.decode(snapshot.rules.roles.as_ref()) {
                Ok(event) if !snapshot.is_news(&event) => learned.old += 1,
                Ok(event) if event.takes_access() => taking.push(encoded),
                Ok(_) => giving.push(encoded),
                Err(why) => learned.poisoned.push((
                    encoded.key.chars().take(100).collect::<String>().into(),
                    why,
                )),
            }
        }
        taking.append(&mut giving);
        for step in taking.chunks(STEP) {
            self.learn_step(step, &mut learned).await;
        }
        learned
    }

    fn unshared(&self, stored: &[EncodedEvent], last: Option<UnixTime>) -> Vec<Offered> {
        let snapshot = self.snapshots.load();
        let events = shared::unshared(&snapshot, stored);
        let may_tell =
            |event: &&MembershipEvent| last.is_none_or(|last| event.may_be_told_after(last));
        events
            .iter()
            .filter(may_tell)
            .filter_map(|event| offered(event, &snapshot.rules))
            .collect()
    }

    fn set_publisher(&self, publisher: Publisher) {
        let _ = self.publisher.set(publisher);
    }

    fn shared_was_read(&self, now: UnixTime, keep: bool) {
        self.shared_read.store(now.0, Ordering::Relaxed);
        if self.snapshots.load().awaits_shared {
            let generation = self.snapshots.replace(|snapshot| Snapshot {
                awaits_shared: false,
                ..snapshot.clone()
            });
            tracing::info!(generation, "what replicas share was read: users come in");
        }
        let Some(store) = &self.store else { return };
        let mut row = self.shared_row.lock();
        if !keep {
            // Fail closed: after a restart this replica would know less, so it must read the shared store first.
            if row.written.take().is_some() {
                let op = Op::delete(Kind::Shared, read_key(&row.place));
                op.into_iter().for_each(|op| drop(store.write(vec![op])));
            }
            return;
        }
        if row
            .written
            .is_none_or(|written| now.since(written) >= ROW_LASTS)
        {
            row.written = Some(now);
            // Not awaited: if the row is lost, a restart waits for the shared store.
            let op = Op::put(Kind::Shared, read_key(&row.place), now.0.to_string());
            op.into_iter().for_each(|op| drop(store.write(vec![op])));
        }
    }

    fn shared_silence(&self, last: UnixTime) {
        let Some(store) = &self.store else { return };
        let op = Op::put(
            Kind::Shared,
            silent_key(&self.shared_row.lock().place),
            last.0.to_string(),
        );
        op.into_iter().for_each(|op| drop(store.write(vec![op])));
    }
}

impl Records {
    async fn learn_step(&self, events: &[&EncodedEvent], learned: &mut Learned) {
        let (mut step, mut written) = (Step::default(), Vec::new());
        let mut parked = 0;
        let published = self.snapshots.publish(|now| {
            let mut next = now.clone();
            for encoded in events {
                // Decoded under the rules in force now: a role may have another rank since.
                let Ok(event) = encoded.decode(now.rules.roles.as_ref()) else {
                    continue;
                };
                if now.members.is_none() && !matches!(event.change, Change::Revoked(_)) {
                    self.parked.lock().park(encoded);
                    parked += 1;
                }
                step.apply(&mut next, event);
            }
            if step.applied.is_empty() {
                return Err(NoNews);
            }
            for event in &step.applied {
                self.meanwhile.add(event);
            }
            if let Some(store) = &self.store {
                // Under the lock of the snapshots, as every write, so that rows are written in order.
                let ops = step.rows(now, &next);
                written.extend(ops.chunks(BATCH).map(|batch| store.write(batch.to_vec())));
            }
            Ok(next)
        });
        if published.is_ok() {
            self.metrics.membership_applied(clock::now());
        }
        let known = step.applied.len().max(parked);
        learned.applied += known;
        learned.old += events.len() - known;
        // Parked events are not persisted yet, and events without room are not in force.
        learned.kept &= parked == 0 && step.refused.is_none();
        if let Some(why) = step.refused {
            tracing::error!(%why, "something that other replicas said is not in force here");
        }
        for written in written {
            if let Err(why) = written.wait().await {
                learned.kept = false;
                tracing::error!(%why, "what other replicas said is in force, and a restart may forget it");
            }
        }
    }

    pub(super) fn publish_to_replicas(
        &self,
        events: impl Iterator<Item = MembershipEvent>,
        rules: &Rules,
    ) -> Option<PendingPublish> {
        self.publisher
            .get()?
            .publish_to_replicas(self.offers(events, rules))
    }

    /// The events in the form in which they are published. None where there are no other replicas.
    pub(super) fn offers(
        &self,
        events: impl Iterator<Item = MembershipEvent>,
        rules: &Rules,
    ) -> Vec<Offered> {
        if self.publisher.get().is_some() {
            events.filter_map(|event| offered(&event, rules)).collect()
        } else {
            vec![]
        }
    }

    /// Sets the address of the shared store, and what this replica remembers of it from before its last restart.
    pub fn shares(&self, place: String, past: Past) {
        *self.shared_row.lock() = SharedRow {
            place,
            written: past.heard_at,
        };
    }
}

impl Step {
    fn apply(&mut self, next: &mut Snapshot, event: MembershipEvent) {
        if !next.is_news(&event) {
            return;
        }
        match next.changed(&event) {
            Ok(after) => {
                *next = after;
                self.applied.push(event);
            }
            // The caller has parked it.
            Err(CannotChange::Nowhere | CannotChange::NotLoaded) => {}
            Err(why) => self.refused = Some(why),
        }
    }

    /// The rows to persist after this step; each user once.
    fn rows(&self, now: &Snapshot, next: &Snapshot) -> Vec<Op> {
        let mut seen = HashSet::new();
        let mut ops = Vec::new();
        for event in &self.applied {
            let of = match &event.change {
                // A ban also writes a revocation, in a row of its own, so only memberships share the user's row.
                Change::Member(_, user, _) => format!("memberships of {user}"),
                _ => event.key(),
            };
            // A revocation of a user's tokens has a key of its own.
            if seen.insert(of) {
                match rows_of(now, next, &event.change) {
                    Ok(rows) => ops.extend(rows),
                    Err(why) => {
                        tracing::error!(%why, "something that other replicas said is too much for the store")
                    }
                }
            }
        }
        ops
    }
}

fn offered(event: &MembershipEvent, rules: &Rules) -> Option<Offered> {
    Offered::of(event, rules.roles.as_ref(), rules.keep_revocations)
}

/// What this replica knew of the shared store at `place` before its last restart, by the rows in the local store.
#[must_use]
pub fn shared_past(rows: &[StoredRow], place: &str) -> Past {
    let find = |key: String| {
        rows.iter()
            .find(|(found, _)| *found == key)
            .map(|(_, value)| value)
    };
    let time = |key| {
        std::str::from_utf8(find(key)?)
            .ok()?
            .parse()
            .ok()
            .map(UnixTime)
    };
    // Fail closed: a row that cannot be decoded holds back as much as possible.
    let silent =
        find(silent_key(place)).map(|_| time(silent_key(place)).unwrap_or(UnixTime(u64::MAX)));
    Past {
        heard_at: time(read_key(place)),
        silent,
    }
}

fn read_key(place: &str) -> String {
    format!("read {place}")
}

fn silent_key(place: &str) -> String {
    format!("silent {place}")
}
