//! The access log: one line per request, and nothing in it that could let anybody in.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::ctx::{Answered, Ctx, Phase};
use super::head;
use crate::clock;
use crate::domain::ids::RequestId;
use crate::domain::judge::Caller;
use crate::domain::routes::Access;
use crate::domain::{Grant, Rejection};
use crate::metrics::{Metrics, Outcome, WebhookResult};

/// Longest method and path in a log line, in bytes.
const MAX_TEXT: usize = 512;

/// Counts the request and writes its line. Called once per request.
pub fn finish(session: &Session, ctx: &Ctx, metrics: &Metrics) {
    let took = clock::monotonic().duration_since(ctx.started);
    let (outcome, reason) = outcome(ctx);
    metrics.request(
        ctx.route().map(|route| &**route.pattern.text()),
        outcome,
        reason,
        took,
    );
    if let Some(result) = webhook(ctx) {
        metrics.webhook(result);
    }
    write(session, ctx, outcome, reason, took);
}

/// What the line of a long answer tells of its beginning, in case that Pingora never comes to its end.
pub struct Begun {
    request_id: Option<RequestId>,
    method: Box<str>,
    path: Box<str>,
    status: u16,
    client_ip: Option<IpAddr>,
    decided: Option<Duration>,
    upstream_took: Option<Duration>,
    generation: u64,
    started: Instant,
}

impl Begun {
    /// Of an answer with this status.
    pub fn new(session: &Session, ctx: &Ctx, status: u16) -> Self {
        let request = session.req_header();
        Self {
            request_id: ctx.request_id.clone(),
            method: method(request).into(),
            path: path(request).into(),
            status,
            client_ip: head::peer(session),
            decided: ctx.decided,
            upstream_took: ctx.upstream_took,
            generation: ctx.snapshot.generation,
            started: ctx.started,
        }
    }
}

/// As [`finish`] for a long answer that is closed before its end, for `why`: Pingora drops such a request without its last phase.
pub fn cut_off(grant: &Grant, begun: &Begun, why: Rejection, metrics: &Metrics) {
    let took = clock::monotonic().duration_since(begun.started);
    let (route, who, reason) = (
        grant.route().pattern.text(),
        grant.who(),
        Rejection::AccessEnded,
    );
    metrics.request(Some(route), Outcome::Forward, Some(reason), took);
    metrics.streams.closed(why);
    tracing::info!(
        target: "access",
        request_id = begun.request_id.as_ref().map(|id| id.as_str()),
        method = &*begun.method,
        path = &*begun.path,
        route = &**route,
        status = begun.status,
        verdict = Outcome::Forward.label(),
        reason = reason.label(),
        why = why.label(),
        subject = who.user.as_ref().map(|user| user.as_str()),
        workspace = who.workspace.as_ref().map(|workspace| workspace.as_str()),
        client_ip = begun.client_ip.map(tracing::field::display),
        decision_us = begun.decided.map(micros),
        upstream_ms = begun.upstream_took.map(millis),
        duration_ms = millis(took),
        generation = begun.generation,
        "a stream was closed, as its user's access has ended"
    );
}

/// Why the request was refused, or would have been.
pub fn reason(ctx: &Ctx) -> Option<Rejection> {
    outcome(ctx).1
}

/// What became of a webhook; `None` for every other request.
fn webhook(ctx: &Ctx) -> Option<WebhookResult> {
    if ctx
        .route()
        .is_none_or(|route| route.access != Access::Webhook)
    {
        return None;
    }
    Some(match &ctx.phase {
        Phase::Answered(Answered::Acknowledged(..)) => WebhookResult::Duplicate,
        Phase::Answered(Answered::Webhook(_)) if ctx.webhook_taken => WebhookResult::Delivered,
        Phase::Answered(Answered::Webhook(_)) => WebhookResult::NotTaken,
        _ => WebhookResult::Refused,
    })
}

/// How the request ended. A request that is still only received when it ends was lost by a fault of ours or of its client.
fn outcome(ctx: &Ctx) -> (Outcome, Option<Rejection>) {
    match &ctx.phase {
        Phase::Received => (
            Outcome::Refuse,
            Some(ctx.failure.unwrap_or(Rejection::Internal)),
        ),
        Phase::Answered(Answered::Refused(refusal)) => (Outcome::Refuse, Some(refusal.reason)),
        Phase::Answered(Answered::Own(reply)) => (Outcome::Answer, reply.reason),
        Phase::Answered(Answered::Preflight) => (Outcome::Preflight, None),
        Phase::Answered(Answered::Acknowledged(..)) => (Outcome::Acknowledge, None),
        Phase::Forwarding(grant) | Phase::Answered(Answered::Webhook(grant)) => {
            match grant.reported() {
                Some(reason) => (Outcome::Report, Some(reason)),
                None => (Outcome::Forward, ctx.failure),
            }
        }
    }
}

fn write(
    session: &Session,
    ctx: &Ctx,
    outcome: Outcome,
    reason: Option<Rejection>,
    took: Duration,
) {
    let request = session.req_header();
    let status = session.response_written().map(|head| head.status.as_u16());
    let who = ctx.who();
    let webhook = match ctx.grant().map(Grant::caller) {
        Some(Caller::Webhook(id)) => Some(id.as_str()),
        _ => None,
    };
    tracing::info!(
        target: "access",
        request_id = ctx.request_id.as_ref().map(|id| id.as_str()),
        method = method(request),
        path = &*path(request),
        route = ctx.route().map(|route| &**route.pattern.text()),
        status,
        verdict = outcome.label(),
        reason = reason.map(Rejection::label),
        subject = who.and_then(|w| w.user.as_ref()).map(|user| user.as_str()),
        workspace = who.and_then(|w| w.workspace.as_ref()).map(|workspace| workspace.as_str()),
        service = who.and_then(|w| w.service.as_ref()).map(|service| service.as_str()),
        webhook,
        client_ip = head::peer(session).map(tracing::field::display),
        decision_us = ctx.decided.map(micros),
        upstream_ms = ctx.upstream_took.map(millis),
        duration_ms = millis(took),
        bytes = session.body_bytes_sent(),
        generation = ctx.snapshot.generation,
        // Nobody who reads a line can overlook it.
        auth_disabled = ctx.snapshot.rules.auth_disabled().then_some(true),
        "request"
    );
}

fn method(request: &RequestHeader) -> &str {
    let method = request.method.as_str();
    method.get(..MAX_TEXT.min(method.len())).unwrap_or_default()
}

/// The path without its query, where people put tokens. JSON escapes what could start a second line (attack A-126).
fn path(request: &RequestHeader) -> Cow<'_, str> {
    let path = request
        .raw_path()
        .split(|b| *b == b'?')
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(path.get(..MAX_TEXT.min(path.len())).unwrap_or_default())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
