//! Names and e-mail addresses of users that neither the token nor the membership knows: asked for at Clerk, once.
//!
//! It never refuses anybody. A request waits a moment at most and goes on without what is missing; the fetch itself goes on
//! too, and its result is there for the next request.

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

/// How long a user who was described is not asked about again. Webhooks tell what changes in the meantime; who has no name at
/// Clerk has none an hour later either.
const AGAIN: Duration = Duration::from_secs(3600);
/// How long after a failure, or after Clerk did not know the user.
const AGAIN_FAILED: Duration = Duration::from_secs(60);
/// Bound: users of whom it is remembered that they were asked about.
const MAX_USERS: u64 = 100_000;

/// Who describes users.
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

/// Takes what Clerk said. Called once per good fetch, before anybody who waits for it goes on, and also when nobody waits any
/// more. It must be quick.
pub type Apply = Box<dyn Fn(MembershipEvent) + Send + Sync>;

/// What became of the wish to know a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileOutcome {
    /// Clerk has described the user, and that is applied: look again.
    Fetched,
    /// Clerk was asked and did not say, or does not know the user.
    Failed,
    /// The wait is over. The fetch goes on, and a later request finds what it brings.
    Late,
    /// Nobody asks now: somebody has a moment ago, or the rate limit is reached.
    NotNow,
}

/// Asks for users, each once. Clones share everything.
#[derive(Clone)]
pub struct Profiles(Arc<Inner>);

struct Inner {
    directory: Arc<dyn ProfileDirectory>,
    apply: Apply,
    metrics: Arc<Metrics>,
    now: fn() -> Instant,
    /// Before which time nobody is asked about a user again.
    asked: Cache<ClerkUserId, Instant>,
    /// Fetches under way. Bound: what the rate limit lets through within the time limit of one fetch.
    flights: Mutex<HashMap<ClerkUserId, watch::Receiver<Option<ProfileOutcome>>>>,
}

/// A fetch under way. While it lives, no second one for this user starts; when it ends, however it ends, all who wait go on.
struct Flight {
    inner: Arc<Inner>,
    user: ClerkUserId,
    outcome: watch::Sender<Option<ProfileOutcome>>,
}

impl Profiles {
    /// `apply` gets what is fetched.
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
        // The oldest goes first: the usual policy would rather forget a new user at once, who would then be asked about with
        // each request.
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

    /// Asks Clerk about `user`, unless somebody has a moment ago, and waits for at most `wait`. All who ask at the same time
    /// share one fetch.
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

    /// The fetch under way, or a new one; `None` if it is too early for one.
    fn flight(&self, user: &ClerkUserId) -> Option<watch::Receiver<Option<ProfileOutcome>>> {
        // Most of those whose name is missing have none: they take no lock.
        if self.too_early(user) {
            return None;
        }
        // Held until the new one stands there: of two who come at the same moment, only one starts it.
        let mut flights = self.0.flights.lock();
        if let Some(flight) = flights.get(user) {
            return Some(flight.clone());
        }
        // One may have ended since the first look.
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
        // A task of its own: whoever gives up waiting does not take it along.
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

/// [`Profiles`] as the config wants them right now; none without a secret key.
#[derive(Default)]
pub struct ProfileSource(ArcSwapOption<(BackendSettings, Profiles)>);

impl ProfileSource {
    /// Follows the config. `make` makes the new ones if the settings are other than those in force.
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

    /// See [`Profiles::fetch`]; without a secret key nobody is asked.
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
            // Nothing was learnt about this user, so the next request may try; the limit itself says when.
            Err(why @ BackendError::Limited { .. }) => {
                tracing::debug!(%user, %why, "a user stays without what is missing");
                (ProfileResult::Limited, None, ProfileOutcome::NotNow)
            }
            // Said once: nobody asks before the time is over.
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
