//! The gate's share of Clerk's rate limit: a token bucket. The caller passes the time.
//!
//! Clerk counts 1000 requests in 10 s for a production instance and 100 for a development instance, over all programs with its
//! secret key. The app has that key too, and its sign-ins must not fail because the gate looks up a name.

use std::time::{Duration, Instant};

/// Clerk's window.
const WINDOW: Duration = Duration::from_secs(10);
/// The gate's share in any window: a tenth of Clerk's limit.
const LIVE: u32 = 100;
const TEST: u32 = 10;
/// Bounds on `Retry-After`. The upper bound limits the damage of a wrong value; the lower one prevents a busy loop.
const CLOSED: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(300);

/// Counts requests of one instance.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The time in which the bucket gains one request.
    each: Duration,
    /// The time in which an empty bucket fills.
    whole: Duration,
    /// When the bucket is full again. Each request delays it by `each`. `None` before the first request.
    full: Option<Instant>,
    /// No request is sent before this time, because Clerk answered 429.
    closed: Option<Instant>,
}

impl Limit {
    /// For a production instance (`live`) or a development instance.
    #[must_use]
    pub fn new(live: bool) -> Self {
        let share = if live { LIVE } else { TEST };
        // A full bucket holds half of the share and gains the other half within a window. So no window, wherever it begins, has
        // more than the share.
        let each = WINDOW / (share / 2);
        Self {
            each,
            whole: WINDOW,
            full: None,
            closed: None,
        }
    }

    /// Takes one request.
    ///
    /// # Errors
    /// The time until there is a request again; at most 5 minutes.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if let Some(closed) = self
            .closed
            .map(|until| until.saturating_duration_since(now))
            .filter(|left| !left.is_zero())
        {
            return Err(closed);
        }
        let missing = self
            .full
            .map_or(Duration::ZERO, |full| full.saturating_duration_since(now))
            + self.each;
        if missing > self.whole {
            return Err(missing - self.whole);
        }
        self.full = Some(now + missing);
        Ok(())
    }

    /// Handles Clerk's 429: no request is sent until `after` is over, within bounds. Without `after`, that is Clerk's window. A
    /// shorter time does not replace a longer one.
    pub fn close(&mut self, now: Instant, after: Option<Duration>) -> Duration {
        let after = after
            .unwrap_or(WINDOW)
            .clamp(*CLOSED.start(), *CLOSED.end());
        self.closed = self.closed.max(Some(now + after));
        after
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    /// The number of requests that are available at once.
    fn at_once(limit: &mut Limit, now: Instant) -> usize {
        (0..10_000).take_while(|_| limit.take(now).is_ok()).count()
    }

    #[test]
    fn half_of_the_share_is_there_at_once_and_the_other_half_comes_within_the_window() {
        for (live, half) in [(true, 50), (false, 5)] {
            let (mut limit, start) = (Limit::new(live), clock::monotonic());
            assert_eq!(at_once(&mut limit, start), half);
            let each = WINDOW / u32::try_from(half).unwrap();
            assert_eq!(
                limit.take(start),
                Err(each),
                "it says when the next one is there"
            );
            assert_eq!(limit.take(start + each), Ok(()));
            assert_eq!(
                at_once(&mut limit, start + 100 * WINDOW),
                half,
                "it is never more than full"
            );
        }
    }

    #[test]
    fn after_a_429_nothing_is_asked_until_its_time_is_over() {
        let second = Duration::from_secs(1);
        for (given, held) in [
            (Some(7 * second), 7 * second),
            (None, 10 * second),
            (Some(Duration::ZERO), second),
            (Some(Duration::from_secs(u64::MAX)), 300 * second),
        ] {
            let (mut limit, start) = (Limit::new(true), clock::monotonic());
            assert_eq!(limit.close(start, given), held);
            assert_eq!(limit.take(start), Err(held), "given: {given:?}");
            assert_eq!(limit.take(start + held - second / 2), Err(second / 2));
            limit.close(start, Some(second));
            assert!(
                limit.take(start + held - second / 2).is_err(),
                "a shorter time takes nothing back"
            );
            assert_eq!(limit.take(start + held), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn no_window_ever_sees_more_than_a_tenth_of_what_clerk_allows(
            live: bool,
            pauses in proptest::collection::vec(0_u64..400, 1..600),
        ) {
            let (mut limit, start) = (Limit::new(live), clock::monotonic());
            let (mut now, mut asked) = (start, Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if limit.take(now).is_ok() {
                    asked.push(now);
                }
            }
            let most = if live { 100 } else { 10 };
            for begin in &asked {
                let within = asked.iter().filter(|at| *at >= begin && at.duration_since(*begin) < WINDOW).count();
                prop_assert!(within <= most, "{} in one window", within);
            }
        }
    }
}
