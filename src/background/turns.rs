//! Work that rests.

use std::time::Duration;

/// After so much work of this thread there is a rest. It is short, so that whoever is kept waiting by it is not for long.
const WORK: Duration = Duration::from_micros(500);
/// A rest. So a thread has a third of one processor at the most: that it steps back is of no avail where processor time is metered, as in
/// a container with a quota, nor against the driver on the threads that serve requests, or a server on the same machine, which both rest
/// when the reader does. A million members take ten seconds longer, and nobody waits for them; rows of an ordinary app are read within
/// the first turn.
const REST: Duration = Duration::from_millis(1);

/// The turns of work and rest of one thread.
#[derive(Debug)]
pub struct Turns {
    rested: Duration,
}

impl Default for Turns {
    /// Begins to work.
    fn default() -> Self {
        Self { rested: worked() }
    }
}

impl Turns {
    /// Rests if it is time for it: asked some ten thousand times a second at the most, as it takes a system call.
    pub fn rest_if_due(&mut self) {
        if worked().saturating_sub(self.rested) >= WORK {
            std::thread::sleep(REST);
            self.rested = worked();
        }
    }
}

/// The processor time that this thread has had. What others took from it is none, or on a busy machine it would rest all the time.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_works_rests_and_whoever_waits_does_not() {
        let mut turns = Turns::default();
        let began = worked();
        turns.rest_if_due();
        assert!(turns.rested <= began, "nothing was done yet");
        while worked().saturating_sub(began) < 2 * WORK {
            std::hint::black_box(began);
        }
        turns.rest_if_due();
        assert!(
            turns.rested >= began + 2 * WORK,
            "it has rested and begins anew"
        );
    }
}
