//! What replicas share, in a Redis or Valkey. The meaning of it is in [`crate::domain::shared`]; here is how it is kept and moved.
//!
//! | key | type | content |
//! |---|---|---|
//! | `{namespace}:facts` | hash | every fact that counts, by its key; the value is `1`, its rank, a line feed, its body |
//! | `{namespace}:forget` | sorted set | keys of facts by the millisecond of the store's own clock at which they are forgotten |
//! | `{namespace}:head` | hash | `fmt` = 1, `seq` and `nonce` of the last entry |
//! | `{namespace}:log` | stream | `seq-0`: `p` the nonce before, `n` its own, then keys and values of the facts that were new |
//! | `{namespace}:hook:<svix-id>` | string | who delivers the webhook (90 s), then `done` (48 h) |
//!
//! One script (`commit.lua`) is the only writer of the first four, and writes all of them at once. One table of all facts, and not
//! one for each user, as every replica holds everything: a reader needs nothing but `HMGET`, `HSCAN`, `XREAD`, `MULTI` and `EXEC`.
//!
//! One task reads, on a connection of its own, as `XREAD BLOCK` holds it. Another one writes. Whatever either of them meets, a
//! request never waits for the store, and a webhook for a quarter of a second at most, twice.
//!
//! Who may write to the store can say who is a member: it belongs to bailiff, with credentials of its own.

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

/// Bound: positions of commits that the reader has not heard of.
const MAX_COMMITTED: usize = 10_000;

/// What this replica remembers of the shared store from an earlier life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// When it last knew all that was there.
    pub heard_at: Option<UnixTime>,
    /// When it last heard of the store before it was away for too long once.
    pub silent: Option<UnixTime>,
}

/// What this replica has of the others, while its [`Replication`] runs.
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
    /// What follows the others, and tells them what `local` learns.
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

    /// Why the store is not read at present; `None` when it is, or nothing is wrong so far.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.current()
    }
}

impl<L: LocalFacts> Replication<L> {
    /// Follows the others, and tells them what is learned here, until it is dropped. Needs a runtime.
    pub async fn run(self) {
        if let Some(writing) = self.writing {
            // Beside the reading, and not dropped with it: what was handed over is told all the same.
            tokio::spawn(writing);
        }
        self.follower.run().await;
    }
}

/// A random number that is not that of an empty store. `None` where the system has none: nothing is written then that others
/// could take for something else.
fn nonce() -> Option<Nonce> {
    random::number().map(|number| Nonce(number.max(1)))
}
