//! The one task that reads the shared store, and puts in force what it finds there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::link::{Link, SharedStoreError};
use super::local::LocalFacts;
use super::tell::Publisher;
use super::wire::{MAX_COMMIT, StoreKeys};
use crate::clock;
use crate::config::settings::SharedSettings;
use crate::domain::UnixTime;
use crate::domain::event::EncodedEvent;
use crate::domain::retry::{Backoff, doubled};
use crate::domain::shared::{Heard, Owed, Position, Reader, ResyncReason, may_push};
use crate::log_once::LogOnce;
use crate::metrics::{EntryResult, Metrics};
use crate::random::chance;

/// How long the log may have no new entry before the task asks for the store's position.
const BLOCK: Duration = Duration::from_secs(5);
/// Longest wait before a resync.
const MAX_SPREAD: Duration = Duration::from_secs(300);
/// First and longest wait before the next attempt to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

pub(super) struct Follower<L> {
    pub settings: SharedSettings,
    pub keys: StoreKeys,
    pub local: Arc<L>,
    pub metrics: Arc<Metrics>,
    pub reader: Reader,
    /// Positions that the store returned for commits of this replica.
    pub committed: mpsc::Receiver<Position>,
    /// Set when the writer could not publish something.
    pub unsent: Arc<AtomicBool>,
    /// `None` for a replica that only listens.
    pub publisher: Option<Publisher>,
    /// When this replica last knew everything in the store, also before a restart.
    pub heard_at: Option<UnixTime>,
    /// Set after an absence so long that this replica may not publish everything any more: its last contact before that. See
    /// [`may_push`].
    pub silent: Option<UnixTime>,
    /// Whether a restart may forget something that other replicas published.
    pub unkept: bool,
    /// Why this task cannot read the store.
    pub trouble: Arc<LogOnce<String>>,
    /// Answers of the store so far.
    pub answers: u64,
    pub due: Option<(ResyncReason, Instant)>,
    pub telling: Option<JoinHandle<()>>,
}

impl<L: LocalFacts> Follower<L> {
    /// Reads the store until the process ends.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
        loop {
            let began = self.answers;
            let Err(trouble) = self.follow().await;
            if self.trouble.begins(trouble.to_string()) {
                tracing::error!(%trouble, "the shared store is not read; what is known here stays in force");
            }
            if self.answers != began {
                backoff.reset();
            }
            tokio::time::sleep(backoff.delay(chance())).await;
        }
    }

    async fn follow(&mut self) -> Result<std::convert::Infallible, SharedStoreError> {
        let link = Link::open(&self.settings).await?;
        if self.silent.is_none()
            && let Some(last) = self
                .heard_at
                .filter(|last| !may_push(Some(*last), clock::now()))
        {
            self.silent = Some(last);
            self.local.shared_silence(last);
            tracing::warn!(
                "this replica was away from the shared store for more than six days: it hears what the others say, and does not \
                 tell them of roles from before that"
            );
        }
        // This finds what came while there was no connection. A store that was set back sends no entry that would reveal it.
        let mut look = self.reader.needs_resync().is_none();
        loop {
            self.hear_of_commits();
            if let Some(left) = self.left()
                && left.is_zero()
            {
                self.read_all(&link).await?;
                look = false;
            } else if look {
                // The log has more than one answer behind the position. Reading on passes over foreign entries; another check would
                // not.
                let whole = self.check(&link).await?;
                look = !whole && self.reader.cursor() == self.reader.position().into();
            } else {
                let patience = self.left().unwrap_or(BLOCK).min(BLOCK);
                let items = link
                    .tail(&self.keys, self.reader.cursor(), patience)
                    .await?;
                look = items.is_empty();
                let heard = self.reader.tail(items);
                self.take(heard).await;
            }
            self.contact();
        }
    }

    /// Passes own commits and failures to publish on to the reader, before the task asks the store again.
    fn hear_of_commits(&mut self) {
        while let Ok(position) = self.committed.try_recv() {
            self.reader.committed(position);
            self.metrics.shared.head(position.seq);
        }
        if self.unsent.load(Ordering::Relaxed)
            && self.telling.as_ref().is_none_or(JoinHandle::is_finished)
        {
            self.unsent.store(false, Ordering::Relaxed);
            self.reader.owe(ResyncReason::Unsent);
        }
    }

    /// How long until the resync that is due. `None` when none is.
    fn left(&mut self) -> Option<Duration> {
        let Some(Owed { cause, again }) = self.reader.needs_resync() else {
            self.due = None;
            return None;
        };
        let now = clock::monotonic();
        let due = match self.due {
            Some((_, due)) => due,
            None => {
                // All replicas notice a failover in the same moment, so each waits for a random time. The first read does not wait,
                // since users wait for it.
                let spread = doubled(self.settings.spread, again, MAX_SPREAD);
                let due = if cause == ResyncReason::First {
                    now
                } else {
                    now + chance().of(spread)
                };
                self.due = Some((cause, due));
                due
            }
        };
        Some(due.saturating_duration_since(now))
    }

    /// Compares the position of the store with the reader's. `false` when the log has more entries to read before that is possible.
    async fn check(&mut self, link: &Link) -> Result<bool, SharedStoreError> {
        let checked = link.check(&self.keys, self.reader.position()).await?;
        self.metrics
            .shared
            .head(checked.head.map_or(0, |head| head.seq));
        let heard = self
            .reader
            .check(checked.head, checked.items, checked.whole);
        self.take(heard).await;
        Ok(checked.whole)
    }

    async fn read_all(&mut self, link: &Link) -> Result<(), SharedStoreError> {
        let cause = self
            .due
            .take()
            .map_or(ResyncReason::First, |(cause, _)| cause);
        let all = link.everything(&self.keys).await?;
        self.metrics.shared.snapshot();
        let count = all.facts.len();
        let heard = self.reader.snapshot(all.before, all.facts, all.after);
        if let Some(gap) = heard.gap {
            self.metrics.shared.gap(gap);
        }
        let stored = Arc::new(heard.facts);
        self.learn(stored.clone()).await;
        tracing::info!(
            cause = cause.name(),
            facts = count,
            "all of the shared store was read"
        );
        self.tell_the_rest(stored);
        Ok(())
    }

    /// Publishes what this replica knows and the store does not have.
    fn tell_the_rest(&mut self, stored: Arc<Vec<EncodedEvent>>) {
        let Some(publisher) = self.publisher.clone() else {
            return;
        };
        let (local, since) = (self.local.clone(), self.silent);
        self.telling = Some(tokio::spawn(async move {
            let unshared = tokio::task::spawn_blocking(move || local.unshared(&stored, since))
                .await
                .unwrap_or_default();
            if !unshared.is_empty() {
                tracing::info!(
                    facts = unshared.len(),
                    "the shared store is told what it does not have"
                );
            }
            for batch in unshared.chunks(MAX_COMMIT) {
                // The writer has set `unsent` already, and the remaining batches would fail as well.
                if let Some(told) = publisher.publish_to_replicas(batch.to_vec())
                    && !told.whole().await
                {
                    break;
                }
            }
        }));
    }

    async fn take(&mut self, heard: Heard) {
        let Heard {
            facts,
            gap,
            poisoned,
        } = heard;
        if let Some(gap) = gap {
            self.metrics.shared.gap(gap);
            tracing::warn!(
                cause = gap.name(),
                "the shared log has a gap: everything will be read again"
            );
        }
        if poisoned > 0 {
            self.metrics
                .shared
                .entries(EntryResult::InvalidEntry, poisoned);
            tracing::error!(
                entries = poisoned,
                "the shared log has entries that are none of ours; they are passed over"
            );
        }
        if !facts.is_empty() {
            self.learn(Arc::new(facts)).await;
        }
    }

    /// Puts in force what is new in `facts`. Many events take a while, so they are applied on a thread that serves no requests.
    async fn learn(&mut self, facts: Arc<Vec<EncodedEvent>>) {
        let learned = if facts.len() <= MAX_COMMIT {
            self.local.learn(&facts).await
        } else {
            let (local, runtime) = (self.local.clone(), Handle::current());
            let learning = move || runtime.block_on(local.learn(&facts));
            match tokio::task::spawn_blocking(learning).await {
                Ok(learned) => learned,
                // The runtime is ending.
                Err(_) => return,
            }
        };
        let metrics = &self.metrics.shared;
        metrics.entries(EntryResult::Applied, learned.applied);
        metrics.entries(EntryResult::Old, learned.old);
        metrics.entries(EntryResult::InvalidEntry, learned.poisoned.len());
        if let Some((key, why)) = learned.poisoned.first() {
            let facts = learned.poisoned.len();
            tracing::error!(facts, first = key, %why, "the shared store has facts that are none; what was known stays");
        }
        self.unkept |= !learned.kept;
    }

    fn contact(&mut self) {
        let now = clock::now();
        self.metrics.shared.contact(now);
        self.metrics.shared.read_until(self.reader.position().seq);
        if self.trouble.ends() {
            tracing::info!("the shared store is read again");
        }
        self.answers = self.answers.saturating_add(1);
        // An answer alone does not prove that this replica knows everything.
        if self.reader.is_caught_up() {
            self.heard_at = Some(now);
            self.local.shared_was_read(now, !self.unkept);
        }
    }
}
