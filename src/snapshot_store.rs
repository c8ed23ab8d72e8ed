//! The snapshot in force, and the one place that replaces it.

use std::convert::Infallible;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::background::deferred_drop::deferred_drop;
use crate::domain::Snapshot;
use crate::domain::membership::Members;

/// Holds the snapshot that requests are judged by. Readers never wait; writers go one after another, so no change is lost
/// and generations are a total order.
#[derive(Debug)]
pub struct SnapshotStore {
    current: ArcSwap<Snapshot>,
    writing: Mutex<()>,
    changes: watch::Sender<u64>,
}

impl SnapshotStore {
    #[must_use]
    pub fn new(first: Snapshot) -> Self {
        let changes = watch::Sender::new(first.generation);
        Self {
            current: ArcSwap::from_pointee(first),
            writing: Mutex::new(()),
            changes,
        }
    }

    /// The snapshot in force. A request asks once and keeps it.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Publishes what `change` makes of the snapshot in force; when it fails, nothing has happened. `change` must be quick:
    /// other writers wait for it.
    pub fn publish<E>(
        &self,
        change: impl FnOnce(&Snapshot) -> Result<Snapshot, E>,
    ) -> Result<u64, E> {
        let _one_at_a_time = self.writing.lock();
        let before = self.current.load();
        let mut next = change(&before)?;
        next.generation = before.generation + 1;
        let generation = next.generation;
        let table = |snapshot: &Snapshot| snapshot.members.as_ref().map(Members::table);
        let (old, new) = (table(&before), table(&next));
        self.current.store(Arc::new(next));
        // Before a request can be the last that holds it: this guard does.
        let same = matches!((&old, &new), (Some(old), Some(new)) if Arc::ptr_eq(old, new));
        if !same {
            deferred_drop(old, new.as_deref());
        }
        self.changes.send_replace(generation);
        Ok(generation)
    }

    /// As [`SnapshotStore::publish`], for a change that cannot fail.
    pub fn replace(&self, change: impl FnOnce(&Snapshot) -> Snapshot) -> u64 {
        let Ok(generation) = self.publish(|snapshot| Ok::<_, Infallible>(change(snapshot)));
        generation
    }

    /// As [`SnapshotStore::publish`], for what can end nobody's access: long answers are not judged again for it, and the generation stays.
    pub fn touch(&self, touch: impl FnOnce(&Snapshot) -> Snapshot) {
        let _one_at_a_time = self.writing.lock();
        let next = touch(&self.current.load());
        self.current.store(Arc::new(next));
    }

    /// Calls `look` with the snapshot in force while no other can take its place. `look` must be quick: writers wait for it.
    pub fn settled<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        let _one_at_a_time = self.writing.lock();
        look(&self.current.load())
    }

    /// Tells of every publication that comes, or of the last of several.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
