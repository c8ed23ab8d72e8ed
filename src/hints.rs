//! Logs what refusals and fetches suggest: one warning with cause and cure, and not one for each request.
//!
//! Much of what these warnings repeat comes from unauthenticated clients. So every kind of warning has a pause, and the kinds that
//! contain foreign names have a bound on their number (attack A-126).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use parking_lot::Mutex;

use crate::advice::{self, Warning};
use crate::clock;
use crate::domain::hint::{Hint, hint};
use crate::domain::issuer::Issuer;
use crate::domain::{Rejection, Snapshot};
use crate::log_once::LogSeldom;

const MINUTE: Duration = Duration::from_secs(60);
/// So many tokens within a minute that expired just before they arrived are no accident.
const MANY: usize = 5;

/// The warnings so far, and the observed clocks. Clones of the `Arc` around it share everything.
#[derive(Debug, Default)]
pub struct Hints(Mutex<Seen>);

/// The subject of a warning. The same subject is not logged again before its pause is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Topic {
    Clock,
    Expired,
    OtherInstance(Rejection, Box<str>),
    OtherKey,
    Placeholder,
    Origin(Box<str>),
    Webhook(Rejection),
}

#[derive(Debug, Default)]
struct Seen {
    logged: LogSeldom<Topic>,
    /// When the last tokens arrived that had expired just before. At most [`MANY`].
    expired: VecDeque<Instant>,
    /// By how many seconds the gate's clock was ahead of an issuer's at the last fetch of its keys. One entry for each issuer.
    ahead: HashMap<Arc<str>, i64>,
}

impl Topic {
    fn of(hint: &Hint) -> Self {
        match hint {
            Hint::FromTheFuture { .. } => Self::Clock,
            Hint::JustExpired { .. } => Self::Expired,
            Hint::OtherInstance { reason, iss, .. } => Self::OtherInstance(*reason, iss.clone()),
            Hint::OtherKey { .. } => Self::OtherKey,
            Hint::Placeholder(_) => Self::Placeholder,
            Hint::Origin(origin) => Self::Origin(origin.clone()),
            Hint::Webhook(reason) => Self::Webhook(*reason),
        }
    }

    fn pause(&self) -> Duration {
        match self {
            Self::Clock | Self::Expired | Self::Webhook(_) => 5 * MINUTE,
            Self::OtherInstance(..) | Self::OtherKey | Self::Placeholder | Self::Origin(_) => {
                60 * MINUTE
            }
        }
    }
}

impl Seen {
    /// Whether `topic` may be logged at `now`. If so, it counts as logged.
    fn due(&mut self, topic: Topic, now: Instant) -> bool {
        let pause = topic.pause();
        self.logged.may_log(topic, pause, now)
    }

    /// Counts a token that expired just before it arrived. Returns whether there were many of them within a minute.
    fn another_expired(&mut self, now: Instant) -> bool {
        self.expired.push_back(now);
        if self.expired.len() > MANY {
            self.expired.pop_front();
        }
        let first = self.expired.front().filter(|_| self.expired.len() == MANY);
        first.is_some_and(|first| now.duration_since(*first) <= MINUTE)
    }

    fn is_worth_saying(&mut self, hint: &Hint, now: Instant) -> bool {
        match hint {
            Hint::JustExpired { .. } if !self.another_expired(now) => false,
            _ => self.due(Topic::of(hint), now),
        }
    }
}

impl Hints {
    /// Called for each refused request, also for one that a route in report mode let through.
    pub fn refused(
        &self,
        snapshot: &Snapshot,
        method: &Method,
        headers: &HeaderMap,
        reason: Rejection,
    ) {
        let Some(hint) = hint(snapshot, method, headers, reason, clock::now()) else {
            return;
        };
        // A flood of refusals must not queue up here: a request that finds the lock taken skips its hint.
        let Some(mut seen) = self.0.try_lock() else {
            return;
        };
        if !seen.is_worth_saying(&hint, clock::monotonic()) {
            return;
        }
        let ahead = match &hint {
            Hint::JustExpired { issuer, .. } => seen.ahead.get(issuer).copied(),
            _ => None,
        };
        drop(seen);
        log(&advice::warning(&hint, snapshot, ahead));
    }

    /// Called after each fetch of keys. The gate's clock is `ahead` seconds ahead of the issuer's, or behind if that is negative.
    pub fn measured(&self, issuer: &Issuer, ahead: i64) {
        let mut seen = self.0.lock();
        seen.ahead.insert(issuer.name.clone(), ahead);
        let leeway = issuer.claims.leeway.secs();
        if ahead.unsigned_abs() > leeway && seen.due(Topic::Clock, clock::monotonic()) {
            drop(seen);
            log(&advice::clock_is_off(&issuer.name, ahead, leeway));
        }
    }
}

fn log(Warning { what, cause, fix }: &Warning) {
    tracing::warn!(cause, fix, "{what}");
}

#[cfg(test)]
mod tests;
