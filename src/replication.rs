//! What replicas share, in a Redis or Valkey (the shared store). [`crate::domain::shared`] defines what it means. This module
//! stores and moves it.
//!
//! | key | type | content |
//! |---|---|---|
//! | `{namespace}:facts` | hash | every event that counts, by its key; the value is `1`, its rank, a line feed, its body |
//! | `{namespace}:forget` | sorted set | keys of events by the millisecond of the store's own clock at which they expire |
//! | `{namespace}:head` | hash | `fmt` = 1, `seq` and `nonce` of the last entry |
//! | `{namespace}:log` | stream | `seq-0`: `p` the nonce of the entry before, `n` its own, then keys and values of the new events |
//! | `{namespace}:hook:<svix-id>` | string | the replica that delivers the webhook (90 s), then `done` (48 h) |
//!
//! One script (`commit.lua`) is the only writer of the first four keys, and writes all of them at once. There is one table of all
//! events and not one for each user, because every replica holds everything. A reader needs only `HMGET`, `HSCAN`, `XREAD`,
//! `MULTI` and `EXEC`.
//!
//! One task reads. It has a connection of its own, because `XREAD BLOCK` occupies one. Another task writes. Whatever happens to
//! either task, a request never waits for the store. A webhook waits for a quarter of a second at most, twice.
//!
//! Anyone with write access to the store can make anyone a member. The store therefore belongs to bailiff alone, with credentials
//! of its own.

mod follow;
mod link;
mod local;
mod tell;
mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;

use crate::config::settings::SharedSettings;
use crate::domain::UnixTime;
use crate::domain::shared::{Nonce, Reader};
use crate::log_once::LogOnce;
use crate::metrics::Metrics;
use crate::random;
use follow::Follower;
use tell::RedisWriter;
use wire::StoreKeys;

pub use link::SharedStoreError;
pub use local::{Learned, LocalFacts};
pub use tell::{DeliveryClaim, DeliveryClaims, PendingPublish, Publisher};
pub use wire::{Claim, CommitOutcome};

/// Bound: positions of own commits that the reader has not processed yet.
const MAX_COMMITTED: usize = 10_000;

/// What this replica remembers of the shared store from before its last restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// When the replica last knew everything in the store.
    pub heard_at: Option<UnixTime>,
    /// When the replica was last in contact, before an absence that was too long. See [`LocalFacts::shared_silence`].
    pub silent: Option<UnixTime>,
}

/// What the gate uses of replication while its [`Replication`] runs.
pub struct ReplicationHandle {
    /// `None` for a replica that only listens.
    pub claims: Option<DeliveryClaims>,
    trouble: Arc<LogOnce<String>>,
}

/// The work of the task that writes.
type Writing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The work of a replica, at rest until it is run.
pub struct Replication<L> {
    follower: Follower<L>,
    /// `None` for a replica that only listens.
    writing: Option<Writing>,
}

impl ReplicationHandle {
    /// Makes the replication of `local`: it reads what other replicas publish, and publishes what `local` learns.
    #[must_use]
    pub fn new<L: LocalFacts>(
        settings: &SharedSettings,
        local: &Arc<L>,
        metrics: &Arc<Metrics>,
        past: Past,
    ) -> (Self, Replication<L>) {
        let (told, committed) = mpsc::channel(MAX_COMMITTED);
        let unsent = Arc::new(AtomicBool::new(false));
        let writer = settings
            .write
            .then(|| RedisWriter::new(settings.clone(), metrics.clone()));
        let (publisher, writing) = writer
            .as_ref()
            .map(|writer| writer.publisher(told, unsent.clone()))
            .unzip();
        if let Some(publisher) = &publisher {
            local.set_publisher(publisher.clone());
        }
        let trouble = Arc::new(LogOnce::default());
        let follower = Follower {
            settings: settings.clone(),
            keys: StoreKeys::of(settings),
            local: local.clone(),
            metrics: metrics.clone(),
            reader: Reader::new(),
            committed,
            unsent,
            publisher,
            heard_at: past.heard_at,
            silent: past.silent,
            unkept: false,
            trouble: trouble.clone(),
            answers: 0,
            due: None,
            telling: None,
        };
        let claims = writer.map(DeliveryClaims);
        let shared = Self { claims, trouble };
        let writing = writing.map(|work| Box::pin(work) as Writing);
        (shared, Replication { follower, writing })
    }

    /// Why this replica cannot read the store at present. `None` while it can, and before its first failure.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.current()
    }
}

impl<L: LocalFacts> Replication<L> {
    /// Reads what other replicas publish and publishes what this one learns, until the future is dropped. Needs a runtime.
    pub async fn run(self) {
        if let Some(writing) = self.writing {
            // A task of its own that outlives the reader, so that what was handed over is still published.
            tokio::spawn(writing);
        }
        self.follower.run().await;
    }
}

/// A random number other than 0, the nonce of an empty store. `None` where the system has no random numbers. The writer then writes
/// nothing, because other replicas could mistake it for another entry.
fn nonce() -> Option<Nonce> {
    random::number().map(|number| Nonce(number.max(1)))
}
