//! Writing to the shared store: events that this replica publishes, and its claims of webhooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::link::{Link, SharedStoreError};
use super::nonce;
use super::wire::{Claim, CommitOutcome, MAX_COMMIT, StoreKeys};
use crate::clock;
use crate::config::settings::SharedSettings;
use crate::domain::ids::SvixId;
use crate::domain::shared::{Nonce, Offered, Position};
use crate::log_once::LogOnce;
use crate::metrics::{CommitResult, Metrics};

/// Bound: calls that wait to be published. What exceeds it is published after the next resync.
const MAX_WAITING: usize = 10_000;
/// How long a webhook or an operator waits for the shared store at most.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two attempts to connect. In between, every caller gets an error at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Events to publish, and the channel that reports whether the store has them.
struct Offer {
    facts: Vec<Offered>,
    done: oneshot::Sender<bool>,
}

/// Events on their way to the store. Dropping this changes nothing: they are published all the same.
#[derive(Debug)]
pub struct PendingPublish(oneshot::Receiver<bool>);

impl PendingPublish {
    /// Waits for a short time until the store has them. `false` when it does not have them by then; they are published later.
    pub async fn wait(self) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.0).await, Ok(Ok(true)))
    }

    /// Waits without a limit until the writer reports success or failure.
    pub(super) async fn whole(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

/// Hands events over to the writer. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    offers: mpsc::Sender<Offer>,
    unsent: Arc<AtomicBool>,
}

impl Publisher {
    /// Hands events over to be published, in the order of the calls. Never blocks. `None` when there are none.
    pub fn publish_to_replicas(&self, facts: Vec<Offered>) -> Option<PendingPublish> {
        if facts.is_empty() {
            return None;
        }
        let (done, told) = oneshot::channel();
        if self.offers.try_send(Offer { facts, done }).is_err() {
            self.unsent.store(true, Ordering::Relaxed);
        }
        Some(PendingPublish(told))
    }
}

/// The connection that writes, which is opened when it is needed.
pub(super) struct RedisWriter {
    settings: SharedSettings,
    keys: StoreKeys,
    metrics: Arc<Metrics>,
    open: tokio::sync::Mutex<Option<Link>>,
    /// Before this time there is no attempt to connect.
    not_before: Mutex<Option<Instant>>,
    /// Whether the store fails to take what this replica publishes.
    failing: LogOnce,
    /// Whether the store refused something that it would also refuse at once a second time.
    refused: AtomicBool,
}

impl RedisWriter {
    pub(super) fn new(settings: SharedSettings, metrics: Arc<Metrics>) -> Arc<Self> {
        let keys = StoreKeys::of(&settings);
        Arc::new(Self {
            settings,
            keys,
            metrics,
            open: tokio::sync::Mutex::default(),
            not_before: Mutex::default(),
            failing: LogOnce::default(),
            refused: AtomicBool::new(false),
        })
    }

    /// A publisher, and the work that writes what it is handed. The work sends positions of commits to `committed`, and sets
    /// `unsent` when something could not be published.
    pub(super) fn publisher(
        self: &Arc<Self>,
        committed: mpsc::Sender<Position>,
        unsent: Arc<AtomicBool>,
    ) -> (Publisher, impl Future<Output = ()> + Send + use<>) {
        let (offers, waiting) = mpsc::channel(MAX_WAITING);
        let work = self.clone().work(waiting, committed, unsent.clone());
        (Publisher { offers, unsent }, work)
    }

    async fn work(
        self: Arc<Self>,
        mut waiting: mpsc::Receiver<Offer>,
        committed: mpsc::Sender<Position>,
        unsent: Arc<AtomicBool>,
    ) {
        while let Some(first) = waiting.recv().await {
            let mut offers = vec![first];
            let count =
                |offers: &[Offer]| offers.iter().map(|offer| offer.facts.len()).sum::<usize>();
            // What came meanwhile goes along: each entry of the log wakes every replica once.
            while count(&offers) < MAX_COMMIT
                && let Ok(next) = waiting.try_recv()
            {
                offers.push(next);
            }
            let (facts, done): (Vec<_>, Vec<_>) = offers
                .into_iter()
                .map(|offer| (offer.facts, offer.done))
                .unzip();
            let facts: Vec<Offered> = facts.into_iter().flatten().collect();
            let mut good = true;
            for batch in facts.chunks(MAX_COMMIT) {
                match self.commit(batch).await {
                    Ok(taken) => {
                        // The store takes events again after it was full or refused the writer. What it refused then is published
                        // now.
                        if taken.full == 0 && self.refused.swap(false, Ordering::Relaxed) {
                            unsent.store(true, Ordering::Relaxed);
                        } else if taken.full > 0 {
                            self.refused.store(true, Ordering::Relaxed);
                        }
                        if committed.try_send(taken.position).is_err() {
                            // The reader has not run for long, so it will need a resync.
                            unsent.store(true, Ordering::Relaxed);
                        }
                    }
                    Err(trouble) => {
                        good = false;
                        // The store would refuse the same again. The operator must grant the right; then it is published.
                        if matches!(trouble, SharedStoreError::NotPermitted(_)) {
                            self.refused.store(true, Ordering::Relaxed);
                        } else {
                            unsent.store(true, Ordering::Relaxed);
                        }
                        break;
                    }
                }
            }
            done.into_iter().for_each(|done| _ = done.send(good));
        }
    }

    async fn commit(&self, facts: &[Offered]) -> Result<CommitOutcome, SharedStoreError> {
        let committed = match (self.link().await, nonce()) {
            (Ok(link), Some(nonce)) => link.commit(&self.keys, facts, nonce).await,
            (Ok(_), None) => Err(SharedStoreError::Broken(
                "the system has no random numbers".to_owned(),
            )),
            (Err(trouble), _) => Err(trouble),
        };
        match &committed {
            Ok(taken) => {
                if self.failing.ends() {
                    tracing::info!("the shared store takes what this replica tells again");
                }
                self.metrics.shared.commit(if taken.full > 0 {
                    CommitResult::Full
                } else {
                    CommitResult::Ok
                });
                if taken.full > 0 {
                    tracing::error!(
                        facts = taken.full,
                        "the shared store has no room: other replicas do not hear of it"
                    );
                }
            }
            Err(trouble) => {
                self.metrics.shared.commit(CommitResult::Failed);
                self.failed(trouble).await;
            }
        }
        committed
    }

    /// Claims a delivery. `None`, within a short time, when the store gives no answer.
    async fn claim(self: &Arc<Self>, id: &SvixId, owner: Nonce) -> Option<Claim> {
        let claim = async {
            self.link()
                .await?
                .claim(&self.keys, id, owner, PATIENCE)
                .await
        };
        match tokio::time::timeout(PATIENCE, claim).await {
            Ok(Ok(claim)) => Some(claim),
            Ok(Err(trouble)) => {
                let writer = self.clone();
                // Not awaited: another task may be opening a connection and hold the lock for longer than this caller may wait.
                soon(async move { writer.failed(&trouble).await });
                None
            }
            Err(_) => None,
        }
    }

    async fn link(&self) -> Result<Link, SharedStoreError> {
        let mut open = self.open.lock().await;
        if let Some(link) = &*open {
            return Ok(link.clone());
        }
        if self
            .not_before
            .lock()
            .is_some_and(|then| clock::monotonic() < then)
        {
            return Err(SharedStoreError::Broken(
                "it was just tried in vain".to_owned(),
            ));
        }
        match Link::open(&self.settings).await {
            Ok(link) => {
                *open = Some(link.clone());
                Ok(link)
            }
            Err(trouble) => {
                *self.not_before.lock() = Some(clock::monotonic() + PAUSE);
                Err(trouble)
            }
        }
    }

    async fn failed(&self, trouble: &SharedStoreError) {
        if !trouble.leaves_connection() {
            *self.open.lock().await = None;
        }
        if self.failing.begins(()) {
            let cure = match trouble {
                SharedStoreError::NotPermitted(_) => {
                    "; `shared.write: false` if it shall only listen, or grant it +@write +eval"
                }
                _ => "",
            };
            tracing::error!(%trouble, "the shared store does not take what this replica tells; others hear of it later{cure}");
        }
    }
}

/// Runs `work` without waiting for it. Does nothing at the end of the process, when there is no runtime any more.
fn soon(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}

/// Claims of deliveries: of two replicas that get the same webhook, only one passes it on.
#[derive(Clone)]
pub struct DeliveryClaims(pub(super) Arc<RedisWriter>);

impl std::fmt::Debug for DeliveryClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claims(..)")
    }
}

/// A delivery that this replica has claimed among all replicas.
#[derive(Debug)]
pub struct DeliveryClaim {
    id: SvixId,
    owner: Nonce,
    claims: DeliveryClaims,
}

impl DeliveryClaims {
    /// Claims the delivery `id`. The outer `None` when the store gives no answer. The webhook is then delivered, perhaps a second
    /// time, which an app must tolerate anyway.
    pub async fn claim(&self, id: &SvixId) -> Option<Result<DeliveryClaim, Claim>> {
        let owner = nonce()?;
        Some(match self.0.claim(id, owner).await? {
            Claim::Made => Ok(DeliveryClaim {
                id: id.clone(),
                owner,
                claims: self.clone(),
            }),
            other => Err(other),
        })
    }

    /// The upstream has taken the delivery, so no replica delivers it again. Does not wait for the store.
    pub fn done(&self, id: &SvixId) {
        let (id, writer) = (id.clone(), self.0.clone());
        soon(async move {
            if let Ok(link) = writer.link().await {
                let _ = link.done(&writer.keys, &id).await;
            }
        });
    }
}

impl DeliveryClaim {
    /// The upstream did not take the delivery: the replica that gets the retry delivers it. Does not wait for the store.
    pub fn release(self) {
        let Self {
            id,
            owner,
            claims: DeliveryClaims(writer),
        } = self;
        soon(async move {
            if let Ok(link) = writer.link().await {
                let _ = link.release(&writer.keys, &id, owner).await;
            }
        });
    }
}
