//! What a request carries through Pingora's phases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::IntGauge;

use crate::clock;
use crate::deliveries::{Delivery, Taken};
use crate::domain::ids::{RequestId, SvixId};
use crate::domain::judge::{Identified, Reply};
use crate::domain::routes::Route;
use crate::domain::{Grant, Refusal, Rejection, Snapshot};

/// Where a request stands. Later phases have exactly one thing to look at; whatever does not fit is an internal error, never a
/// pass.
#[derive(Debug)]
pub enum Phase {
    Received,
    Forwarding(Grant),
    Answered(Answered),
}

/// An answer that bailiff gave in its own name.
#[derive(Debug)]
pub enum Answered {
    Refused(Refusal),
    /// On a route with `answer:`.
    Own(Reply),
    Preflight,
    Acknowledged(Arc<Route>, SvixId),
    /// A webhook that was forwarded as a subrequest.
    Webhook(Grant),
}

/// The context of one request.
pub struct Ctx {
    /// The snapshot of the request, fixed at its start.
    pub snapshot: Arc<Snapshot>,
    pub phase: Phase,
    pub request_id: Option<RequestId>,
    pub started: Instant,
    pub decided: Option<Duration>,
    pub forwarded_at: Option<Instant>,
    pub upstream_took: Option<Duration>,
    /// What went wrong after the verdict.
    pub failure: Option<Rejection>,
    /// Bytes of the body that have gone to the upstream.
    pub body_bytes: u64,
    /// Whether the upstream has answered a webhook with 2xx.
    pub webhook_taken: bool,
    /// For a webhook on its way to the upstream: where the outer request learns what became of it.
    pub delivery: Option<Arc<WebhookOutcome>>,
    /// `None` for the second half of a webhook, whose first half counts for both.
    pub in_flight: Option<InFlight>,
}

/// What became of a forwarded webhook, told by the subrequest to the request that waits for it.
#[derive(Debug)]
pub struct WebhookOutcome {
    outcome: Mutex<Outcome>,
    delivery: Mutex<Option<Delivery>>,
    /// Set once the upstream has taken it.
    taken: Mutex<Option<Taken>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub status: Option<u16>,
    pub failure: Option<Rejection>,
    pub upstream_took: Option<Duration>,
}

impl WebhookOutcome {
    pub fn new(delivery: Delivery) -> Self {
        Self {
            outcome: Mutex::default(),
            delivery: Mutex::new(Some(delivery)),
            taken: Mutex::default(),
        }
    }

    /// The upstream has answered. Settled before the sender can see the answer: a retry that follows on its heels must find
    /// the delivery either taken or free again.
    pub fn answered(&self, status: u16, took: Option<Duration>) {
        if let Some(mut delivery) = self.delivery.lock().take()
            && (200..300).contains(&status)
        {
            *self.taken.lock() = Some(delivery.taken());
        }
        let mut outcome = self.outcome.lock();
        (outcome.status, outcome.upstream_took) = (Some(status), took);
    }

    /// The way to the upstream or back has failed. What the upstream has taken stays taken, unless its answer broke off: then the
    /// sender is told that it failed and comes again, and must not be told then that all was well (attack A-118).
    pub fn failed(&self, reason: Rejection) {
        drop(self.delivery.lock().take());
        if let Some(taken) = self.taken.lock().take()
            && matches!(
                reason,
                Rejection::UpstreamProtocol | Rejection::UpstreamTimeout
            )
        {
            taken.take_back();
        }
        let mut outcome = self.outcome.lock();
        outcome.failure = outcome.failure.or(Some(reason));
    }

    pub fn ask(&self) -> Outcome {
        *self.outcome.lock()
    }
}

/// Counts a request as being handled. A guard, because a panic in a phase skips Pingora's `logging`.
pub struct InFlight(IntGauge);

impl InFlight {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Ctx {
    pub fn new(snapshot: Arc<Snapshot>, in_flight: &IntGauge) -> Self {
        Self {
            snapshot,
            phase: Phase::Received,
            request_id: None,
            started: clock::monotonic(),
            decided: None,
            forwarded_at: None,
            upstream_took: None,
            failure: None,
            body_bytes: 0,
            webhook_taken: false,
            delivery: None,
            in_flight: Some(InFlight::new(in_flight)),
        }
    }

    /// The grant, where the request has one.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.phase {
            Phase::Forwarding(grant) | Phase::Answered(Answered::Webhook(grant)) => Some(grant),
            _ => None,
        }
    }

    /// The route that covers the request, as far as it is known.
    pub fn route(&self) -> Option<&Arc<Route>> {
        match &self.phase {
            Phase::Answered(Answered::Refused(refusal)) => refusal.route.as_ref(),
            Phase::Answered(Answered::Own(reply)) => Some(&reply.route),
            Phase::Answered(Answered::Acknowledged(route, _)) => Some(route),
            _ => self.grant().map(Grant::route),
        }
    }

    /// What was found out about the caller.
    pub fn who(&self) -> Option<&Identified> {
        match &self.phase {
            Phase::Answered(Answered::Refused(refusal)) => Some(&refusal.who),
            Phase::Answered(Answered::Own(reply)) => Some(&reply.who),
            _ => self.grant().map(Grant::who),
        }
    }
}
