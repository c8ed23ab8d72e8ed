//! Rests during long work, so that requests get the processor.

use std::time::Duration;

/// A [`Throttle`] rests after its thread has worked for this long. It is short, because a request that wakes up on the same
/// processor may wait for as long.
const WORK: Duration = Duration::from_micros(500);
/// The length of a rest. With it, a thread takes a third of one processor at most. A low priority alone does not help where
/// processor time is metered, as in a container with a quota. Nor does it help against the database driver on the threads that
/// serve requests, or against a server on the same machine; both rest when the reader does. A million members take two and a half
/// times as long. The rows of an ordinary app are read before the first rest.
const REST: Duration = Duration::from_millis(1);

/// Divides the time of one thread into work and rests.
#[derive(Debug)]
pub struct Throttle {
    rested_at: Duration,
}

impl Default for Throttle {
    /// Starts with work.
    fn default() -> Self {
        Self {
            rested_at: worked(),
        }
    }
}

impl Throttle {
    /// Rests if a rest is due. It makes a system call, so call it at most ten thousand times a second.
    pub fn rest_if_due(&mut self) {
        if worked().saturating_sub(self.rested_at) >= WORK {
            std::thread::sleep(REST);
            self.rested_at = worked();
        }
    }
}

/// The processor time that this thread has used. Waiting for a processor does not count as work; otherwise the thread would rest
/// all the time on a busy machine.
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
