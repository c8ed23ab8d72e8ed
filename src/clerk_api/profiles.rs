//! Names and e-mail addresses of users that neither the token nor the membership contains. The gate asks Clerk for them once.
//!
//! This never refuses a user. A request waits for a moment at most and continues without the missing data. The fetch itself goes
//! on, and its result is there for the next request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Backend, BackendError};
use crate::clock;
use crate::config::settings::BackendSettings;
use crate::domain::event::MembershipEvent;
use crate::domain::ids::ClerkUserId;
use crate::metrics::{Metrics, ProfileResult};

/// How long the gate does not ask again for a user whom Clerk has described. Webhooks deliver later changes, and a user without a
/// name at Clerk has none an hour later either.
const AGAIN: Duration = Duration::from_secs(3600);
/// The same after a failure, and for a user whom Clerk does not know.
const AGAIN_FAILED: Duration = Duration::from_secs(60);
/// Bound: users for whom the time of the last request is remembered.
const MAX_USERS: u64 = 100_000;

/// A service that describes users.
#[async_trait]
pub trait ProfileDirectory: Send + Sync + 'static {
    /// # Errors
    /// See [`BackendError`].
    async fn user(&self, user: &ClerkUserId) -> Result<MembershipEvent, BackendError>;
}

#[async_trait]
impl ProfileDirectory for Backend {
    async fn user(&self, user: &ClerkUserId) -> Result<MembershipEvent, BackendError> {
        Backend::user(self, user).await
    }
}

/// Applies Clerk's answer. Called once per successful fetch, before the waiting requests continue, and also when none waits any
/// more. It must be quick.
pub type Apply = Box<dyn Fn(MembershipEvent) + Send + Sync>;

/// The result of asking for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileOutcome {
    /// Clerk has described the user, and the description is in force: read the snapshot again.
    Fetched,
    /// Clerk gave no answer, or does not know the user.
    Failed,
    /// The wait is over. The fetch goes on, and a later request finds its result.
    Late,
    /// The gate does not ask now: it did so recently, or the rate limit is reached.
    NotNow,
}

/// Asks Clerk for users, for each once. Clones share everything.
#[derive(Clone)]
pub struct Profiles(Arc<Inner>);

struct Inner {
    directory: Arc<dyn ProfileDirectory>,
    apply: Apply,
    metrics: Arc<Metrics>,
    now: fn() -> Instant,
    /// The time before which the gate does not ask for this user again.
    asked: Cache<ClerkUserId, Instant>,
    /// Fetches under way. Bound: the requests that the rate limit permits within the time limit of one fetch.
    flights: Mutex<HashMap<ClerkUserId, watch::Receiver<Option<ProfileOutcome>>>>,
}

/// A fetch under way. While it lives, no second one for this user starts. When it ends for any reason, all waiting requests
/// continue.
struct Flight {
    inner: Arc<Inner>,
    user: ClerkUserId,
    outcome: watch::Sender<Option<ProfileOutcome>>,
}

impl Profiles {
    /// `apply` gets every description.
    #[must_use]
    pub fn new(directory: Arc<dyn ProfileDirectory>, apply: Apply, metrics: Arc<Metrics>) -> Self {
        Self::with_clock(directory, apply, metrics, clock::monotonic)
    }

    fn with_clock(
        directory: Arc<dyn ProfileDirectory>,
        apply: Apply,
        metrics: Arc<Metrics>,
        now: fn() -> Instant,
    ) -> Self {
        // Evicts the oldest first. The cache's default policy would rather evict a new user at once, and then every request of that
        // user would ask Clerk.
        let asked = Cache::builder()
            .max_capacity(MAX_USERS)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_live(AGAIN);
        let (asked, flights) = (asked.build(), Mutex::default());
        Self(Arc::new(Inner {
            directory,
            apply,
            metrics,
            now,
            asked,
            flights,
        }))
    }

    /// Asks Clerk for `user`, unless the gate did so recently, and waits for at most `wait`. Concurrent requests share one fetch.
    pub async fn fetch(&self, user: &ClerkUserId, wait: Duration) -> ProfileOutcome {
        let Some(mut flight) = self.flight(user) else {
            return ProfileOutcome::NotNow;
        };
        let ended = async {
            flight
                .wait_for(Option::is_some)
                .await
                .map_or(Some(ProfileOutcome::Failed), |outcome| *outcome)
        };
        match tokio::time::timeout(wait, ended).await {
            Ok(outcome) => outcome.unwrap_or(ProfileOutcome::Failed),
            Err(_) => ProfileOutcome::Late,
        }
    }

    /// The fetch under way, or a new one. `None` if it is too early for a new one.
    fn flight(&self, user: &ClerkUserId) -> Option<watch::Receiver<Option<ProfileOutcome>>> {
        // Most users with a missing name have none at Clerk either. They take no lock.
        if self.too_early(user) {
            return None;
        }
        // Held until the new fetch is in the map, so that only one of two concurrent requests starts it.
        let mut flights = self.0.flights.lock();
        if let Some(flight) = flights.get(user) {
            return Some(flight.clone());
        }
        // A fetch may have ended since the first check.
        if self.too_early(user) {
            return None;
        }
        let (outcome, flight) = watch::channel(None);
        flights.insert(user.clone(), flight.clone());
        drop(flights);
        let under_way = Flight {
            inner: self.0.clone(),
            user: user.clone(),
            outcome,
        };
        // A task of its own, so that the fetch goes on when a request stops waiting.
        tokio::spawn(async move {
            let outcome = under_way.inner.ask(&under_way.user).await;
            let _ = under_way.outcome.send(Some(outcome));
        });
        Some(flight)
    }

    fn too_early(&self, user: &ClerkUserId) -> bool {
        self.0
            .asked
            .get(user)
            .is_some_and(|until| (self.0.now)() < until)
    }
}

/// The [`Profiles`] of the config in force. None without a secret key.
#[derive(Default)]
pub struct ProfileSource(ArcSwapOption<(BackendSettings, Profiles)>);

impl ProfileSource {
    /// Follows the config. `make` makes new profiles if the settings have changed.
    pub fn follow(
        &self,
        settings: Option<&BackendSettings>,
        make: impl FnOnce(BackendSettings) -> Profiles,
    ) {
        let current = self.0.load();
        match settings {
            None => self.0.store(None),
            Some(settings)
                if current
                    .as_ref()
                    .is_some_and(|current| current.0 == *settings) => {}
            Some(settings) => self
                .0
                .store(Some(Arc::new((settings.clone(), make(settings.clone()))))),
        }
    }

    /// See [`Profiles::fetch`]. Without a secret key, Clerk is not asked.
    pub async fn fetch(&self, user: &ClerkUserId, wait: Duration) -> ProfileOutcome {
        match self.0.load_full() {
            Some(current) => current.1.fetch(user, wait).await,
            None => ProfileOutcome::NotNow,
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.inner.flights.lock().remove(&self.user);
    }
}

impl Inner {
    async fn ask(&self, user: &ClerkUserId) -> ProfileOutcome {
        let (result, again, outcome) = match self.directory.user(user).await {
            Ok(event) => {
                tracing::debug!(%user, "Clerk has described a user");
                (self.apply)(event);
                (ProfileResult::Ok, Some(AGAIN), ProfileOutcome::Fetched)
            }
            // No request was sent, so the next one may try. The rate limit decides when.
            Err(why @ BackendError::Limited { .. }) => {
                tracing::debug!(%user, %why, "a user stays without what is missing");
                (ProfileResult::Limited, None, ProfileOutcome::NotNow)
            }
            // Logged once, because there is no further request before the time is over.
            Err(why @ BackendError::TooMany { .. }) => {
                tracing::warn!(%user, %why, "no profile fetched; users stay without what is missing");
                (ProfileResult::Limited, None, ProfileOutcome::NotNow)
            }
            Err(why) => {
                tracing::warn!(%user, %why, "no profile fetched; the user stays without what is missing");
                let unknown = matches!(why, BackendError::NotFound { .. });
                let result = if unknown {
                    ProfileResult::NotFound
                } else {
                    ProfileResult::Failed
                };
                (result, Some(AGAIN_FAILED), ProfileOutcome::Failed)
            }
        };
        self.metrics.profile_fetches.count(result);
        if let Some(again) = again {
            self.asked.insert(user.clone(), (self.now)() + again);
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
