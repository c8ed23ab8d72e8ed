//! How long a source is left alone between two looks.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// After the first failure. Doubled by each further one.
const FIRST: Duration = Duration::from_millis(500);

/// The pauses of one source.
#[derive(Debug)]
pub(super) struct Pause {
    interval: Duration,
    next: Duration,
}

impl Pause {
    /// Between two good looks: `interval` at the most, and after failures never longer than that.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            next: FIRST.min(interval),
        }
    }

    /// After a good look.
    pub(super) fn good(&mut self) -> Duration {
        self.next = FIRST.min(self.interval);
        spread(self.interval, 10)
    }

    /// After a failed one.
    pub(super) fn failed(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.interval);
        spread(now, 50)
    }
}

/// Up to `percent` shorter, so that many gates that were started together do not ask together.
fn spread(pause: Duration, percent: u32) -> Duration {
    let dice = u32::try_from(RandomState::new().hash_one(()) % 1000).unwrap_or(0);
    pause - pause * percent / 100 * dice / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_fails_is_asked_ever_more_seldom_and_never_less_than_a_good_one() {
        let second = Duration::from_secs(1);
        let mut pause = Pause::new(30 * second);
        let waits: Vec<Duration> = (0..20).map(|_| pause.failed()).collect();
        for (wait, longest) in waits
            .iter()
            .zip([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000])
        {
            let longest = Duration::from_millis(longest);
            assert!(
                (longest / 2..=longest).contains(wait),
                "{wait:?} of {longest:?}"
            );
        }
        assert!(waits.iter().all(|wait| *wait <= 30 * second));
        assert!((27 * second..=30 * second).contains(&pause.good()));
        assert!(pause.failed() <= FIRST, "a good look forgets the failures");
        assert!(Pause::new(second / 4).failed() <= second / 4);
    }
}
