//! One request, top to bottom: receive, decide, forward or answer, record.
//!
//! Pingora calls the phases at the end of this file in this order:
//!
//! | phase | what happens in it |
//! |---|---|
//! | `new_ctx`, `early_request_filter` | the snapshot is pinned, deadlines are set |
//! | `request_filter` | **receive** the head, **decide**, **answer** what is not forwarded |
//! | `upstream_peer` | **forward**: to which server, over which connection |
//! | `upstream_request_filter` | headers of the client are stripped, headers of the gate are written |
//! | `request_body_filter` | the size of the body is bounded |
//! | `response_filter` | the head of the upstream's answer is checked, long answers are watched |
//! | `fail_to_proxy` | the answer when the upstream gives none |
//! | `logging` | **record**: the request is counted and its line is written |
//!
//! A webhook leaves this path after the decision that it is one ([`super::webhook`]). Once it is verified it comes back as a
//! subrequest, which begins at `upstream_peer`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::{Error, ErrorType};

use super::ctx::{Ctx, State};
use super::failure::failure;
use super::headers::UpstreamHeaders;
use super::{UpstreamPeer, WebhookMemory, head, log, respond, webhook};
use crate::clerk_api::profiles::ProfileSource;
use crate::clock;
use crate::config::settings::Timeouts;
use crate::deliveries::Deliveries;
use crate::domain::identity::name;
use crate::domain::judge::{Permit, Settled};
use crate::domain::{Decision, Outcome, Rejection, RequestHead, Step, judge};
use crate::hints::Hints;
use crate::keys::KeyKeeper;
use crate::keys::proofs::ProofCache;
use crate::listen::limits;
use crate::membership_sources::lookups::LookupSource;
use crate::metrics::Metrics;
use crate::records::Records;
use crate::snapshot_store::SnapshotStore;

/// The gate as Pingora sees it.
#[derive(Clone)]
pub struct Gate {
    pub snapshots: Arc<SnapshotStore>,
    pub keeper: Arc<KeyKeeper>,
    pub proofs: ProofCache,
    pub records: Arc<Records>,
    pub profiles: Arc<ProfileSource>,
    pub lookups: Arc<LookupSource>,
    pub hints: Arc<Hints>,
    pub deliveries: Deliveries,
    pub webhook_memory: WebhookMemory,
    pub upstream: Arc<UpstreamPeer>,
    pub metrics: Arc<Metrics>,
    pub timeouts: Timeouts,
    /// Set when the process is ending: connections are then not kept.
    pub draining: Arc<AtomicBool>,
}

// === Receive ===

/// Checks the head of the request, once: everything later uses this view of it.
fn receive<'s>(session: &'s Session, ctx: &mut Ctx) -> Result<RequestHead<'s>, Rejection> {
    let head = head::read(session, ctx.request_id.clone())?;
    ctx.request_id = head.request_id.clone();
    Ok(head)
}

// === Decide ===

impl Gate {
    /// Judges the request, and meets each need of the judge once.
    async fn decide(&self, head: &RequestHead<'_>, ctx: &mut Ctx) -> Settled {
        let mut step = self.judge(head, ctx);
        if let Step::NeedKey { issuer, .. } = &step {
            self.keeper.fetch_for_unknown(issuer).await;
            ctx.snapshot = self.snapshots.load();
            step = self.judge(head, ctx);
        }
        match self.look_up_member(head, ctx, step).await.settled() {
            Settled::Decided(decision) => {
                Settled::Decided(self.record_and_enrich(head, ctx, decision).await)
            }
            webhook @ Settled::Webhook(_) => webhook,
        }
    }

    /// The floor's judgement, by the snapshot of the request.
    pub(super) fn judge(&self, head: &RequestHead<'_>, ctx: &Ctx) -> Step {
        judge(&ctx.snapshot, head, clock::now(), &self.proofs)
    }

    /// Asks the source of the membership about the user, if that is what `step` needs, and judges again.
    pub(super) async fn look_up_member(
        &self,
        head: &RequestHead<'_>,
        ctx: &mut Ctx,
        step: Step,
    ) -> Step {
        let Step::NeedMember { user, .. } = &step else {
            return step;
        };
        let pinned = ctx.snapshot.clone();
        match self.lookups.view(&self.snapshots, pinned, user).await {
            Ok(snapshot) => {
                ctx.snapshot = snapshot;
                self.judge(head, ctx)
            }
            // Logged where the source was asked.
            Err(_) => step,
        }
    }

    pub(super) fn observe_decision(&self, ctx: &mut Ctx) {
        let took = ctx.timings.decided();
        self.metrics.decision_duration.observe(took.as_secs_f64());
    }
}

// === Forward or answer ===

impl Gate {
    /// Answers what is not forwarded. Whether it has.
    async fn forward_or_answer(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        decision: Decision,
    ) -> pingora::Result<bool> {
        self.observe_decision(ctx);
        let answered = match &decision.outcome {
            Outcome::Forward(_) => Ok(false),
            Outcome::Answer { answer, .. } => {
                respond::local(session, ctx, answer).await.map(|()| true)
            }
            Outcome::Preflight(fields) => respond::preflight(session, ctx, fields)
                .await
                .map(|()| true),
            Outcome::Refuse(reason) => respond::refuse(session, ctx, *reason).await.map(|_| true),
        };
        ctx.state = State::Decided(decision);
        answered
    }

    /// How long to wait for the next bytes of the upstream's answer. A WebSocket or an event stream may be quiet for hours,
    /// unless the route says otherwise.
    fn read_timeout(&self, session: &Session, permit: &Permit) -> Option<Duration> {
        let accept = session
            .req_header()
            .headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok());
        let streams = session.is_upgrade_req()
            || accept.is_some_and(|accept| accept.contains("text/event-stream"));
        permit.timeout((!streams).then_some(self.timeouts.read))
    }

    /// The head of the upstream's answer has come: measures it, and watches an answer that may go on for long.
    fn upstream_answered(&self, session: &Session, response: &ResponseHeader, ctx: &mut Ctx) {
        let took = ctx.timings.answered();
        if let Some(took) = took {
            self.metrics.upstream_duration.observe(took.as_secs_f64());
        }
        if let State::Forwarding(forward) = &ctx.state {
            forward.report.answered(response.status.as_u16(), took);
        }
        self.watch_stream(session, response, ctx);
    }
}

/// Fail closed: the way to the upstream is open only to what the floor has permitted.
fn permit(ctx: &Ctx) -> pingora::Result<&Permit> {
    ctx.permit().ok_or_else(|| {
        Error::explain(
            ErrorType::InternalError,
            "no permit, so no way to the upstream",
        )
    })
}

// === Record ===

impl Gate {
    /// Counts the request, writes its line, and notes what it has in common with other refusals.
    fn record(&self, session: &Session, ctx: &Ctx) {
        log::finish(session, ctx, &self.metrics);
        if let Some(reason) = log::reason(ctx) {
            let request = session.req_header();
            self.hints
                .refused(&ctx.snapshot, &request.method, &request.headers, reason);
        }
    }
}

// === Pingora's phases ===

#[async_trait]
impl ProxyHttp for Gate {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        limits::head_received();
        Ctx::new(self.snapshots.load(), &self.metrics.in_flight)
    }

    /// Pingora would add a compression module that we do not want.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    fn allow_spawning_subrequest(&self, session: &Session, _: &Ctx) -> bool {
        session.subrequest_ctx.is_none()
    }

    async fn early_request_filter(
        &self,
        session: &mut Session,
        _: &mut Ctx,
    ) -> pingora::Result<()> {
        let client = self.timeouts.client;
        // Without this a connection that has served one request may stay idle, or send half a head, for ever.
        // Only where the client wants it: one of HTTP/1.0 may take the end of the connection for the end of the answer.
        let wanted = session.get_keepalive().is_some() && !self.draining.load(Ordering::Relaxed);
        session.set_keepalive(wanted.then(|| client.as_secs().max(1)));
        session.set_read_timeout(Some(client));
        session.set_write_timeout(Some(client));
        session.set_total_drain_timeout(Some(Duration::from_secs(5)));
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> pingora::Result<bool> {
        if let Some(forward) = webhook::forwarded(session) {
            ctx.forward_webhook(forward);
            return Ok(false);
        }
        let settled = match receive(session, ctx) {
            Ok(head) => self.decide(&head, ctx).await,
            Err(reason) => Settled::Decided(Decision::refuse(reason)),
        };
        match settled {
            Settled::Decided(decision) => self.forward_or_answer(session, ctx, decision).await,
            Settled::Webhook(webhook) => {
                self.handle_webhook(session, ctx, webhook).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
    ) -> pingora::Result<Box<HttpPeer>> {
        let read = self.read_timeout(session, permit(ctx)?);
        match self.upstream.peer(read, session.is_upgrade_req()) {
            Ok(peer) => Ok(Box::new(peer)),
            Err(reason) => {
                ctx.failure = Some(reason);
                Err(Error::explain(
                    ErrorType::ConnectError,
                    "the upstream has no address",
                ))
            }
        }
    }

    /// The last change to the request: after Pingora has removed what the client's `Connection` names (attack A-06).
    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        let permit = permit(ctx)?;
        if let Some(target) = permit.rewritten_target() {
            request.set_raw_path(target.as_bytes())?;
        }
        permit.headers().apply(&mut UpstreamHeaders(request));
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        // After a 101 the bytes are another protocol's, and no body.
        let body = body.as_ref().filter(|_| !session.was_upgraded());
        ctx.body_bytes += body.map_or(0, |chunk| chunk.len() as u64);
        let max = ctx.permit().and_then(Permit::max_body);
        if max.is_some_and(|max| ctx.body_bytes > max) {
            ctx.failure = Some(Rejection::BodyTooLarge);
            return Err(Error::explain(
                ErrorType::HTTPStatus(413),
                "the body is larger than the route allows",
            ));
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        // Attack A-89: what comes after a change of the protocol is not judged. Pingora refuses one where the request had an
        // `Upgrade` that it took out, and lets one through where there was none.
        if response.status == 101 && !session.is_upgrade_req() {
            ctx.failure = Some(Rejection::UpstreamProtocol);
            return Err(Error::explain(
                ErrorType::InvalidHTTPHeader,
                "a change of the protocol that was not asked for",
            ));
        }
        // Informational answers (100, 103) come before the one that counts.
        if response.status.is_informational() && response.status != 101 {
            return Ok(());
        }
        self.upstream_answered(session, response, ctx);
        if let Some(id) = ctx.permit().and_then(Permit::request_id) {
            response.insert_header(name::REQUEST_ID, id.clone())?;
        }
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        let reason = *ctx.failure.get_or_insert_with(|| failure(error));
        let answered = session.response_written().is_some();
        let error_code = if let State::Forwarding(forward) = &ctx.state {
            // The outer request answers: Pingora may drop what a failed subrequest still writes.
            forward.report.failed(reason);
            0
        } else if answered {
            0
        } else {
            respond::refuse(session, ctx, reason).await.unwrap_or(0)
        };
        FailToProxy {
            error_code,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, ctx: &mut Ctx) {
        // A subrequest is the second half of a webhook; the outer request counts for both.
        if session.subrequest_ctx.is_none() {
            self.record(session, ctx);
        }
    }

    /// Errors are in the access log with their reason; Pingora's own line would repeat them with the query in it.
    fn suppress_error_log(&self, _: &Session, _: &Ctx, _: &Error) -> bool {
        true
    }
}
