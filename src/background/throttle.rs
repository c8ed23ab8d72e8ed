//! Work that rests.

use std::time::Duration;

/// After so much work of its thread a [`Throttle`] rests. Short, as a request that wakes up on the same processor may wait for so long.
const WORK: Duration = Duration::from_micros(500);
/// A rest. So a thread takes a third of one processor at the most. A low priority alone does not help where processor time is metered, as
/// in a container with a quota, nor against the database driver on the threads that serve requests, or a server on the same machine:
/// these rest when the reader does. A million members take two and a half times as long; rows of an ordinary app are read before the first rest.
const REST: Duration = Duration::from_millis(1);

/// Divides the time of one thread into work and rest.
#[derive(Debug)]
pub struct Throttle {
    rested_at: Duration,
}

impl Default for Throttle {
    /// Begins to work.
    fn default() -> Self {
        Self {
            rested_at: worked(),
        }
    }
}

impl Throttle {
    /// Rests if it is time for it. Takes a system call, so call it ten thousand times a second at the most.
    pub fn rest_if_due(&mut self) {
        if worked().saturating_sub(self.rested_at) >= WORK {
            std::thread::sleep(REST);
            self.rested_at = worked();
        }
    }
}

/// The processor time that this thread has had. Waiting for a processor is no work, or on a busy machine the thread would rest all
/// the time.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_rests_and_one_that_waits_does_not() {
        let mut throttle = Throttle::default();
        let began = worked();
        throttle.rest_if_due();
        assert!(throttle.rested_at <= began, "nothing was done yet");
        while worked().saturating_sub(began) < 2 * WORK {
            std::hint::black_box(began);
        }
        throttle.rest_if_due();
        assert!(
            throttle.rested_at >= began + 2 * WORK,
            "it has rested and begins anew"
        );
    }
}
