//! Measures how long the parts of a request take.

use std::time::{Duration, Instant};

use crate::clock;

/// The clock of one request, for the access log and the metrics.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    started: Instant,
    /// From the start to the decision; for a webhook, to the start of forwarding.
    decision: Option<Duration>,
    /// From the decision to the head of the upstream's answer.
    upstream: Option<Duration>,
}

impl Timings {
    pub fn start() -> Self {
        Self {
            started: clock::monotonic(),
            decision: None,
            upstream: None,
        }
    }

    /// Marks the decision.
    pub fn decided(&mut self) -> Duration {
        let took = self.total();
        self.decision = Some(took);
        took
    }

    /// Marks the upstream's answer. `None` for a request that was never decided.
    pub fn answered(&mut self) -> Option<Duration> {
        self.upstream = self
            .decision
            .map(|decision| self.total().saturating_sub(decision));
        self.upstream
    }

    /// Sets the upstream's part of a webhook, as its subrequest measured it.
    pub fn answered_in(&mut self, upstream: Option<Duration>) {
        self.upstream = upstream;
    }

    pub fn decision(&self) -> Option<Duration> {
        self.decision
    }

    pub fn upstream(&self) -> Option<Duration> {
        self.upstream
    }

    /// From the start until now.
    pub fn total(&self) -> Duration {
        clock::monotonic().duration_since(self.started)
    }
}
