//! The context of a request, which it carries through Pingora's phases.

use std::sync::Arc;

use prometheus::IntGauge;

use super::head;
use super::timings::Timings;
use super::webhook::{WebhookEnd, WebhookForward};
use crate::domain::ids::RequestId;
use crate::domain::judge::{Identified, Permit};
use crate::domain::routes::Route;
use crate::domain::{Decision, Grant, Rejection, Snapshot};

/// The stage of a request. Later phases check only this. A stage that does not fit the phase is an internal error and never lets
/// the request pass.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per request, and nearly always the large one: a box would only be one more allocation"
)]
pub enum State {
    /// Nothing is decided yet.
    Received,
    Decided(Decision),
    /// A webhook that has ended.
    Webhook {
        route: Arc<Route>,
        end: WebhookEnd,
    },
    /// The subrequest that carries a verified webhook to the upstream.
    Forwarding(WebhookForward),
}

/// The context of one request.
pub struct Ctx {
    /// The snapshot that judges the request. It stays the same from the request's start.
    pub snapshot: Arc<Snapshot>,
    /// A fresh id until the head is read, because the head may contain one.
    pub request_id: RequestId,
    pub state: State,
    pub timings: Timings,
    /// What failed after the decision.
    pub failure: Option<Rejection>,
    /// Bytes of the body that were sent to the upstream.
    pub body_bytes: u64,
    /// `None` for the subrequest of a webhook, because its outer request counts for both.
    in_flight: Option<InFlight>,
}

/// Counts a request that is being handled. It is a guard, because a panic in a phase skips Pingora's `logging`.
struct InFlight(IntGauge);

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
            request_id: head::fresh_id(),
            state: State::Received,
            timings: Timings::start(),
            failure: None,
            body_bytes: 0,
            in_flight: Some(InFlight::new(in_flight)),
        }
    }

    /// Makes this the context of the subrequest that carries a verified webhook. It is not judged again.
    pub fn forward_webhook(&mut self, forward: WebhookForward) {
        self.snapshot = forward.snapshot.clone();
        self.in_flight = None;
        self.state = State::Forwarding(forward);
        self.timings.decided();
    }

    /// The permit to go to the upstream. Without it, nothing is sent there.
    pub fn permit(&self) -> Option<&Permit> {
        match &self.state {
            State::Decided(decision) => decision.grant().map(Grant::permit),
            State::Forwarding(forward) => Some(forward.webhook.permit()),
            State::Received | State::Webhook { .. } => None,
        }
    }

    /// The grant of an ordinary request; a webhook has none.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.state {
            State::Decided(decision) => decision.grant(),
            State::Received | State::Webhook { .. } | State::Forwarding(_) => None,
        }
    }

    /// The route that covers the request, as far as it is known.
    pub fn route(&self) -> Option<&Arc<Route>> {
        match &self.state {
            State::Received => None,
            State::Decided(decision) => decision.route.as_ref(),
            State::Webhook { route, .. } => Some(route),
            State::Forwarding(forward) => Some(forward.webhook.permit().route()),
        }
    }

    /// The identity of the caller, as far as it was found.
    pub fn subject(&self) -> Option<&Identified> {
        match &self.state {
            State::Decided(decision) => Some(&decision.subject),
            State::Received | State::Webhook { .. } | State::Forwarding(_) => None,
        }
    }
}
