//! How long to wait until somebody who does not answer is asked again.

use std::time::Duration;

/// Waits that double, from a shortest to a longest one, each by chance between half of it and the whole: gates that lost the same
/// server at the same moment do not all come back at the same moment.
#[derive(Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            next: shortest,
        }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let whole = self.next.min(self.longest);
        self.next = whole.saturating_mul(2);
        let mut chance = [0; 2];
        // Without randomness gates only come together.
        let _ = aws_lc_rs::rand::fill(&mut chance);
        let share = f64::from(u16::from_be_bytes(chance)) / f64::from(u16::MAX);
        whole.mul_f64(0.5 + share / 2.0)
    }

    /// It has answered: the next failure is a new one.
    pub fn reset(&mut self) {
        self.next = self.shortest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew_after_an_answer() {
        let [short, long] = [100, 30_000].map(Duration::from_millis);
        let mut backoff = Backoff::new(short, long);
        for whole in [
            100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
        ] {
            let (wait, whole) = (backoff.wait(), Duration::from_millis(whole));
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.wait() <= short);
    }
}
