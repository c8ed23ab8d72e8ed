//! Memberships that are looked up user by user, for a source whose tables are too large to hold.
//!
//! An answer of the source counts for a while. The answer that it does not know a user counts for a shorter time. All requests that
//! wait for the same user share one lookup. When the source fails, the last good answer counts until it is too old; after that it
//! lets no user in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use moka::Expiry;
use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::clock;
use crate::domain::ids::UserId;
use crate::domain::membership::{Roles, Table};
use crate::domain::{Snapshot, UnixTime};
use crate::metrics::{LookupResult, Metrics};
use crate::snapshot_store::SnapshotStore;

/// Bound on the answers that are kept, in rows. It holds some 200,000 users with a few memberships each, in about 200 MB.
const MAX_ROWS: u64 = 2_000_000;
/// Bound: lookups under way at a time. Further ones wait for their turn.
const MAX_UNDER_WAY: usize = 64;
/// How long a request waits for an answer. The lookup itself goes on, and a later request finds its result.
const WAIT: Duration = Duration::from_secs(2);
/// How long after a failure requests do not wait if there is an earlier answer, in milliseconds.
const REST_MS: u64 = 1000;

/// Why the source did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LookupError {
    #[error("{0}")]
    Failed(Arc<str>),
    #[error("no answer within {} s", WAIT.as_secs())]
    Late,
}

/// A source that is asked for one user at a time.
#[async_trait]
pub trait MemberDirectory: Send + Sync + 'static {
    /// A table with only this user and their memberships. `None` when the source does not know them. It must end by itself, within
    /// seconds.
    ///
    /// # Errors
    /// When the source cannot be asked, or its answer cannot be used.
    async fn rows(&self, user: &UserId) -> Result<Option<Table>, LookupError>;
}

/// How long each kind of answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupTimes {
    /// A good answer.
    pub ttl: Duration,
    /// The answer that the source does not know the user.
    pub negative_ttl: Duration,
    /// A good answer while the source fails, counted from when it was given.
    pub max_age: Duration,
}

/// The answer of the source for one user, and when it was asked.
#[derive(Clone, Debug)]
struct Answer {
    rows: Arc<Table>,
    known: bool,
    at: UnixTime,
}

/// Looks users up. Clones share everything.
#[derive(Clone)]
pub struct Lookups(Arc<Inner>);

struct Inner {
    directory: Box<dyn MemberDirectory>,
    times: LookupTimes,
    metrics: Arc<Metrics>,
    /// The answers that count.
    fresh: Cache<(u64, UserId), Answer>,
    /// Answers of an earlier epoch do not count any more, also those that are still on their way.
    epoch: AtomicU64,
    /// The answers that count while the source fails.
    last: Cache<UserId, Answer>,
    /// The source counts as failing until this time, in milliseconds since 1970. Until then, requests with an earlier answer do not
    /// wait.
    failing: AtomicU64,
    room: Semaphore,
}

impl Answer {
    /// The number of its rows, plus three for the overhead of an entry.
    fn weight(&self) -> u32 {
        let (users, workspaces, members) = self.rows.size();
        u32::try_from(users + workspaces + members + 3).unwrap_or(u32::MAX)
    }
}

impl Expiry<(u64, UserId), Answer> for LookupTimes {
    fn expire_after_create(
        &self,
        _: &(u64, UserId),
        answer: &Answer,
        _: Instant,
    ) -> Option<Duration> {
        Some(if answer.known {
            self.ttl
        } else {
            self.negative_ttl
        })
    }
}

impl Lookups {
    #[must_use]
    pub fn new(directory: impl MemberDirectory, times: LookupTimes, metrics: Arc<Metrics>) -> Self {
        Self::keeping(MAX_ROWS, directory, times, metrics)
    }

    fn keeping(
        max: u64,
        directory: impl MemberDirectory,
        times: LookupTimes,
        metrics: Arc<Metrics>,
    ) -> Self {
        let fresh = Cache::builder()
            .max_capacity(max)
            .weigher(|_, answer: &Answer| answer.weight());
        let fresh = fresh.expire_after(times).build();
        let last = Cache::builder()
            .max_capacity(max)
            .weigher(|_, answer: &Answer| answer.weight());
        let last = last.time_to_live(times.max_age).build();
        let room = Semaphore::new(MAX_UNDER_WAY);
        let (epoch, failing) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner {
            directory: Box::new(directory),
            times,
            metrics,
            fresh,
            epoch,
            last,
            failing,
            room,
        }))
    }

    /// The answer of the source for `user`.
    ///
    /// # Errors
    /// When the source fails and its last answer for the user is too old, or there is none.
    async fn answer(&self, user: &UserId) -> Result<Answer, LookupError> {
        let key = (self.0.epoch.load(Ordering::Relaxed), user.clone());
        if let Some(answer) = self.0.fresh.get(&key).await {
            self.0.metrics.lookups.count(LookupResult::Cached);
            return Ok(answer);
        }
        if clock::now_ms() < self.0.failing.load(Ordering::Relaxed)
            && let Ok(answer) = self.0.stale(user, LookupError::Late).await
        {
            return Ok(answer);
        }
        // A task of its own, so that the lookup goes on when the request stops waiting.
        let inner = self.0.clone();
        let asked = tokio::spawn(async move {
            let ask = inner.ask(&key.1);
            inner.fresh.try_get_with(key.clone(), ask).await
        });
        let answered = match tokio::time::timeout(WAIT, asked).await {
            Ok(Ok(answered)) => answered.map_err(|why| LookupError::clone(&why)),
            Ok(Err(_)) => Err(LookupError::Failed("asking ended abnormally".into())),
            Err(_) => Err(LookupError::Late),
        };
        match answered {
            Ok(answer) => Ok(answer),
            Err(why) => {
                self.0
                    .failing
                    .store(clock::now_ms().saturating_add(REST_MS), Ordering::Relaxed);
                self.0.stale(user, why).await
            }
        }
    }

    /// Forgets the answers for all users, so that the next request of each asks the source.
    pub fn forget_all(&self) {
        self.0.epoch.fetch_add(1, Ordering::Relaxed);
        self.0.fresh.invalidate_all();
    }

    /// How long an answer counts.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.0.times.ttl
    }
}

impl Inner {
    async fn ask(&self, user: &UserId) -> Result<Answer, LookupError> {
        // Bound: the request that asked has stopped waiting by then, and more lookups come with each request.
        let turn = tokio::time::timeout(WAIT, self.room.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(LookupError::Late);
        };
        let at = clock::now();
        let rows = self.directory.rows(user).await.inspect_err(|why| {
            tracing::warn!(%user, %why, "the membership of a user could not be asked for");
            self.metrics.lookups.count(LookupResult::Failed);
        })?;
        self.metrics.membership_confirmed(at);
        self.metrics.lookups.count(if rows.is_some() {
            LookupResult::Found
        } else {
            LookupResult::Absent
        });
        let answer = Answer {
            known: rows.is_some(),
            rows: Arc::new(rows.unwrap_or_default()),
            at,
        };
        self.last.insert(user.clone(), answer.clone()).await;
        Ok(answer)
    }

    /// The last good answer, if it is not too old.
    async fn stale(&self, user: &UserId, why: LookupError) -> Result<Answer, LookupError> {
        let answer = self.last.get(user).await.ok_or(why)?;
        self.metrics.lookups.count(LookupResult::Stale);
        Ok(answer)
    }
}

/// The [`Lookups`] of the config in force, with the roles by which they read. None where the source delivers a whole table.
#[derive(Default)]
pub struct LookupSource(ArcSwapOption<(Lookups, Roles)>);

impl LookupSource {
    /// Puts these lookups in force.
    pub fn set(&self, lookups: Option<(Lookups, Roles)>) {
        self.0.store(lookups.map(Arc::new));
    }

    /// A snapshot in which `user` can be judged. It is `snapshot` where the membership needs no lookup, else the snapshot in force
    /// when the answer arrives. So a ban that arrives while a request waits counts for that request.
    ///
    /// # Errors
    /// When the source fails and its last answer for the user is too old, or there is none.
    pub async fn view(
        &self,
        snapshots: &SnapshotStore,
        snapshot: Arc<Snapshot>,
        user: &UserId,
    ) -> Result<Arc<Snapshot>, LookupError> {
        let asks = |snapshot: &Snapshot| {
            snapshot
                .members
                .as_ref()
                .is_some_and(|members| members.must_ask(user))
        };
        if !asks(&snapshot) {
            return Ok(snapshot);
        }
        let none = || LookupError::Failed("no source is there to ask".into());
        let source = self.0.load_full().ok_or_else(none)?;
        let (lookups, roles) = &*source;
        let answer = lookups.answer(user).await?;
        let now = snapshots.load();
        if !asks(&now) {
            return Ok(now);
        }
        // Fail closed: the same number means another role in another list of roles.
        if now.rules.roles.as_ref() != Some(roles) {
            return Err(LookupError::Failed(
                "the config was reloaded meanwhile".into(),
            ));
        }
        Ok(Arc::new(now.asked(user.clone(), answer.rows, answer.at)))
    }

    /// Forgets all answers. Returns whether the source is asked user by user.
    pub fn forget_all(&self) -> bool {
        let asking = self.0.load();
        asking.iter().for_each(|source| source.0.forget_all());
        asking.is_some()
    }

    /// How long an answer counts. `None` where the source is not asked user by user.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        self.0.load().as_ref().map(|source| source.0.ttl())
    }
}

#[cfg(test)]
mod tests;
