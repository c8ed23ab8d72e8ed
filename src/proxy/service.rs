//! Pingora's phases, each a short call downward.

mod meet;

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

use super::ctx::{Answered, Ctx, Phase};
use super::failure::failure;
use super::headers::UpstreamHeaders;
use super::webhook::{self, Forwarded};
use super::{UpstreamPeer, head, log, respond};
use crate::clerk_api::profiles::ProfileSource;
use crate::clock;
use crate::config::settings::Timeouts;
use crate::deliveries::{Deliveries, Start};
use crate::domain::identity::name;
use crate::domain::judge::{Caller, judge_webhook};
use crate::domain::routes::Route;
use crate::domain::{Grant, Refusal, Rejection, Step, Verdict, judge};
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
    pub webhook_memory: webhook::Memory,
    pub upstream: Arc<UpstreamPeer>,
    pub metrics: Arc<Metrics>,
    pub timeouts: Timeouts,
    /// Set when the process is ending: connections are then not kept.
    pub draining: Arc<AtomicBool>,
}

impl Gate {
    /// The verdict, with what it needs fetched. Each need is met once.
    async fn verdict(&self, session: &mut Session, ctx: &mut Ctx) -> Verdict {
        let fresh = head::fresh_id();
        let step = match head::read(session, fresh.clone()) {
            Err(reason) => {
                ctx.request_id = Some(fresh);
                return Verdict::Reject(Refusal::bare(reason));
            }
            Ok(head) => {
                ctx.request_id = Some(head.request_id.clone());
                judge(&ctx.snapshot, &head, clock::now(), &self.proofs)
            }
        };
        let step = match step {
            Step::NeedKey { issuer, .. } => {
                self.keeper.fetch_for_unknown(&issuer).await;
                ctx.snapshot = self.snapshots.load();
                self.judge_again(session, ctx)
            }
            other => other,
        };
        match self.ask_for(session, ctx, step).await {
            Step::Judged(verdict)
            | Step::NeedKey {
                otherwise: verdict, ..
            }
            | Step::NeedMember {
                otherwise: verdict, ..
            } => self.meet(session, ctx, verdict).await,
            Step::NeedBody { route, max_body } => {
                self.webhook(session, ctx, &route, max_body).await
            }
        }
    }

    /// Meets the need for a user's rows, if that is what `step` is.
    async fn ask_for(&self, session: &Session, ctx: &mut Ctx, step: Step) -> Step {
        let Step::NeedMember { user, otherwise } = step else {
            return step;
        };
        match self
            .lookups
            .view(&self.snapshots, ctx.snapshot.clone(), &user)
            .await
        {
            Ok(snapshot) => {
                ctx.snapshot = snapshot;
                self.judge_again(session, ctx)
            }
            // Said where the source was asked.
            Err(_) => Step::NeedMember { user, otherwise },
        }
    }

    fn judge_again(&self, session: &Session, ctx: &Ctx) -> Step {
        let id = ctx.request_id.clone().unwrap_or_else(head::fresh_id);
        match head::read(session, id) {
            Ok(head) => judge(&ctx.snapshot, &head, clock::now(), &self.proofs),
            Err(reason) => Step::Judged(Verdict::Reject(Refusal::bare(reason))),
        }
    }

    /// Reads, verifies, applies and forwards a webhook. What comes back as a grant has been forwarded and answered already.
    async fn webhook(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        route: &Arc<Route>,
        max_body: usize,
    ) -> Verdict {
        let refuse = |reason| {
            Verdict::Reject(Refusal {
                route: Some(route.clone()),
                ..Refusal::bare(reason)
            })
        };
        let read = webhook::read_body(
            session,
            &self.webhook_memory,
            max_body,
            self.timeouts.webhook_body,
        )
        .await;
        // Held to the end: with it the memory counts as taken.
        let whole = match read {
            Ok(whole) => whole,
            Err(reason) => {
                // Where the next request begins is not known any more (attack A-87).
                session.set_keepalive(None);
                return refuse(reason);
            }
        };
        let body = whole.bytes.clone();
        let verdict = if body.len() > webhook::LARGE {
            tokio::task::block_in_place(|| self.judge_body(session, ctx, route, &body))
        } else {
            self.judge_body(session, ctx, route, &body)
        };
        let grant = match verdict {
            Verdict::Forward(grant) => grant,
            Verdict::Acknowledge(..) | Verdict::Reject(_) => return verdict,
            Verdict::Preflight(_) | Verdict::Answer(_) => return refuse(Rejection::Internal),
        };
        let Caller::Webhook(id) = grant.caller().clone() else {
            return refuse(Rejection::Internal);
        };
        let delivery = match self.deliveries.start(&id).await {
            Start::Begun(delivery) => delivery,
            Start::UnderWay => return refuse(Rejection::WebhookInFlight),
            Start::Taken => return Verdict::Acknowledge(route.clone(), id),
        };
        if let Err(reason) =
            webhook::apply(&self.snapshots, &self.records, &self.metrics, &body).await
        {
            return refuse(reason);
        }
        ctx.decided = Some(clock::monotonic().duration_since(ctx.started));
        let outcome =
            webhook::forward(session, ctx.snapshot.clone(), grant.clone(), body, delivery).await;
        let taken = outcome
            .status
            .is_some_and(|status| (200..300).contains(&status));
        ctx.webhook_taken = taken && outcome.failure.is_none();
        ctx.failure = outcome.failure;
        ctx.upstream_took = outcome.upstream_took;
        Verdict::Forward(grant)
    }

    fn judge_body(
        &self,
        session: &Session,
        ctx: &Ctx,
        route: &Arc<Route>,
        body: &Bytes,
    ) -> Verdict {
        let id = ctx.request_id.clone().unwrap_or_else(head::fresh_id);
        match head::read(session, id) {
            Ok(head) => {
                let taken = |id: &_| self.deliveries.taken(id);
                judge_webhook(&ctx.snapshot, &head, route, body, clock::now(), taken)
            }
            Err(reason) => Verdict::Reject(Refusal::bare(reason)),
        }
    }

    /// How long to wait for the next bytes of the upstream's answer. A WebSocket or an event stream may be quiet for hours,
    /// unless the route says otherwise.
    fn read_timeout(&self, session: &Session, grant: &Grant) -> Option<Duration> {
        let accept = session
            .req_header()
            .headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok());
        let streams = session.is_upgrade_req()
            || accept.is_some_and(|accept| accept.contains("text/event-stream"));
        grant.timeout(if streams {
            None
        } else {
            Some(self.timeouts.read)
        })
    }
}

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
        let forwarded = session
            .subrequest_ctx
            .as_mut()
            .and_then(|sub| sub.user_ctx_mut());
        if let Some(forwarded) = forwarded.and_then(|any| any.downcast_mut::<Forwarded>()) {
            ctx.snapshot = forwarded.snapshot.clone();
            ctx.delivery = Some(forwarded.outcome.clone());
            ctx.in_flight = None;
            ctx.phase = Phase::Forwarding(forwarded.grant.clone());
            ctx.forwarded_at = Some(clock::monotonic());
            return Ok(false);
        }
        let verdict = self.verdict(session, ctx).await;
        let decided = clock::monotonic();
        let took = *ctx
            .decided
            .get_or_insert_with(|| decided.duration_since(ctx.started));
        self.metrics.decision_duration.observe(took.as_secs_f64());
        match verdict {
            Verdict::Forward(grant) if matches!(grant.caller(), Caller::Webhook(_)) => {
                ctx.phase = Phase::Answered(Answered::Webhook(grant));
                // The upstream's answer is on its way, unless there was none.
                if session.response_written().is_none() {
                    let reason = *ctx.failure.get_or_insert(Rejection::UpstreamProtocol);
                    respond::refuse(session, ctx, reason).await?;
                }
                Ok(true)
            }
            Verdict::Forward(grant) => {
                ctx.phase = Phase::Forwarding(grant);
                ctx.forwarded_at = Some(decided);
                Ok(false)
            }
            Verdict::Reject(refusal) => {
                let reason = refusal.reason;
                ctx.phase = Phase::Answered(Answered::Refused(refusal));
                respond::refuse(session, ctx, reason).await.map(|_| true)
            }
            Verdict::Preflight(fields) => {
                ctx.phase = Phase::Answered(Answered::Preflight);
                respond::preflight(session, ctx, fields)
                    .await
                    .map(|()| true)
            }
            Verdict::Answer(reply) => {
                let answer = reply.answer.clone();
                ctx.phase = Phase::Answered(Answered::Own(reply));
                respond::own(session, ctx, answer).await.map(|()| true)
            }
            Verdict::Acknowledge(route, id) => {
                ctx.phase = Phase::Answered(Answered::Acknowledged(route, id));
                respond::acknowledge(session, ctx).await.map(|()| true)
            }
        }
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
    ) -> pingora::Result<Box<HttpPeer>> {
        let Phase::Forwarding(grant) = &ctx.phase else {
            return Err(Error::explain(
                ErrorType::InternalError,
                "no grant, so no way to the upstream",
            ));
        };
        match self
            .upstream
            .peer(self.read_timeout(session, grant), session.is_upgrade_req())
        {
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

    /// The last hand on the request: after Pingora has removed what the client's `Connection` names (attack A-06).
    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> pingora::Result<()> {
        let Phase::Forwarding(grant) = &ctx.phase else {
            return Err(Error::explain(
                ErrorType::InternalError,
                "no grant, so no headers",
            ));
        };
        // A target in absolute form was judged by its path; that is also what is sent (RFC 9112, 3.2.1).
        if !request.raw_path().starts_with(b"/") {
            let id = ctx.request_id.clone().unwrap_or_else(head::fresh_id);
            let head = head::read(session, id).map_err(|_| Error::new(ErrorType::InternalError))?;
            request.set_raw_path(head.origin_form.as_bytes())?;
        }
        grant.headers().apply(&mut UpstreamHeaders(request));
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
        let max = ctx.grant().and_then(Grant::max_body);
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
        // Attack A-89: what comes behind a change of the protocol is judged by nobody. Pingora refuses one where the request had an
        // `Upgrade` that it took out, and lets one through where there was none.
        if response.status == 101 && !session.is_upgrade_req() {
            ctx.failure = Some(Rejection::UpstreamProtocol);
            return Err(Error::explain(
                ErrorType::InvalidHTTPHeader,
                "a change of the protocol that nobody asked for",
            ));
        }
        // Informational answers (100, 103) come before the one that counts.
        if response.status.is_informational() && response.status != 101 {
            return Ok(());
        }
        let took = ctx
            .forwarded_at
            .map(|then| clock::monotonic().duration_since(then));
        ctx.upstream_took = took;
        if let Some(took) = took {
            self.metrics.upstream_duration.observe(took.as_secs_f64());
        }
        if let Some(outcome) = &ctx.delivery {
            outcome.answered(response.status.as_u16(), took);
        }
        self.watch_stream(session, response, ctx);
        if let Some(grant) = ctx.grant()
            && let Some((_, id)) = grant
                .headers()
                .values()
                .find(|(header, _)| *header == name::REQUEST_ID)
        {
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
        if let Some(outcome) = &ctx.delivery {
            // The outer request answers: Pingora may drop what a failed subrequest still writes.
            outcome.failed(reason);
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        }
        let answered = session.response_written().is_some();
        let error_code = if answered {
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
            log::finish(session, ctx, &self.metrics);
            if let Some(reason) = log::reason(ctx) {
                let request = session.req_header();
                self.hints
                    .refused(&ctx.snapshot, &request.method, &request.headers, reason);
            }
        }
    }

    /// Errors are in the access log with their reason; Pingora's own line would repeat them with the query in it.
    fn suppress_error_log(&self, _: &Session, _: &Ctx, _: &Error) -> bool {
        true
    }
}
