//! The wait before a retry.
//!
//! These types are pure: the caller waits and draws the random number. Every wait has a random part. So gates that lost the same
//! server at the same moment, or started together, do not all ask it again at the same moment.

use std::time::Duration;

/// A random share of a whole, from nothing to all of it.
#[derive(Clone, Copy, Debug)]
pub struct Chance(f64);

impl Chance {
    /// The share for a random `number`: 0 gives nothing, the largest number gives the whole.
    #[must_use]
    pub fn drawn(number: u32) -> Self {
        Self(f64::from(number) / f64::from(u32::MAX))
    }

    /// This share of `whole`.
    #[must_use]
    pub fn of(self, whole: Duration) -> Duration {
        whole.mul_f64(self.0)
    }
}

/// `first`, doubled `times` times, and at most `longest`.
#[must_use]
pub fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(1 << times.min(31)).min(longest)
}

/// The waits after failures. They double, from a shortest to a longest wait. Each is random between half of it and the whole.
#[derive(Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// The first wait is `shortest`, or `longest` where that is shorter.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            failures: 0,
        }
    }

    /// The wait after one more failure.
    pub fn delay(&mut self, chance: Chance) -> Duration {
        let whole = doubled(self.shortest, self.failures, self.longest);
        self.failures = self.failures.saturating_add(1);
        whole / 2 + chance.of(whole / 2)
    }

    /// Ends the row of failures: the next failure gets the first wait again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The pauses of a task that polls.
#[derive(Debug)]
pub struct Polling {
    interval: Duration,
    backoff: Backoff,
}

impl Polling {
    /// The pause after a first failure. Each further failure doubles it.
    const AFTER_FAILURE: Duration = Duration::from_millis(500);

    /// `interval` is the longest pause, also after failures: a source that fails is never asked less often than one that answers.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self {
            interval,
            backoff: Backoff::new(Self::AFTER_FAILURE, interval),
        }
    }

    /// The pause after a success: the interval, or up to a tenth less.
    pub fn succeeded(&mut self, chance: Chance) -> Duration {
        self.backoff.reset();
        self.interval - chance.of(self.interval / 10)
    }

    /// The pause after a failure.
    pub fn failed(&mut self, chance: Chance) -> Duration {
        self.backoff.delay(chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANCES: [u32; 3] = [0, 12_345, u32::MAX];

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew_after_an_answer() {
        for chance in CHANCES.map(Chance::drawn) {
            let mut backoff = Backoff::new(millis(100), millis(30_000));
            for whole in [
                100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
            ] {
                let wait = backoff.delay(chance);
                assert!(
                    (millis(whole) / 2..=millis(whole)).contains(&wait),
                    "{wait:?} of {whole} ms"
                );
            }
            backoff.reset();
            assert!(backoff.delay(chance) <= millis(100));
        }
    }

    #[test]
    fn chance_spreads_a_wait_from_half_of_it_to_the_whole() {
        let wait = |number| Backoff::new(millis(100), millis(100)).delay(Chance::drawn(number));
        assert_eq!(wait(0), millis(50));
        assert_eq!(wait(u32::MAX), millis(100));
        assert_eq!(Chance::drawn(0).of(millis(7)), Duration::ZERO);
        assert_eq!(Chance::drawn(u32::MAX).of(millis(7)), millis(7));
    }

    #[test]
    fn a_wait_never_overflows_however_often_it_failed() {
        assert_eq!(
            doubled(Duration::MAX, u32::MAX, Duration::MAX),
            Duration::MAX
        );
        let mut backoff = Backoff::new(millis(1), millis(10));
        backoff.failures = u32::MAX;
        assert!(backoff.delay(Chance::drawn(u32::MAX)) == millis(10));
    }

    #[test]
    fn a_source_that_fails_is_asked_ever_more_seldom_and_never_less_than_a_good_one() {
        for chance in CHANCES.map(Chance::drawn) {
            let mut polling = Polling::every(millis(30_000));
            let waits: Vec<Duration> = (0..20).map(|_| polling.failed(chance)).collect();
            for (wait, longest) in waits
                .iter()
                .zip([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].map(millis))
            {
                assert!(
                    (longest / 2..=longest).contains(wait),
                    "{wait:?} of {longest:?}"
                );
            }
            assert!(waits.iter().all(|wait| *wait <= millis(30_000)));
            assert!((millis(27_000)..=millis(30_000)).contains(&polling.succeeded(chance)));
            let first = polling.failed(chance);
            assert!(first <= millis(500), "a good look forgets the failures");
            assert!(Polling::every(millis(250)).failed(chance) <= millis(250));
        }
    }
}
