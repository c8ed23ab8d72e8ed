//! The access log: one line per request. A line contains nothing that could be used to get access.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::ctx::{Ctx, State};
use super::head;
use super::timings::Timings;
use super::webhook::WebhookEnd;
use crate::domain::ids::RequestId;
use crate::domain::judge::Identified;
use crate::domain::routes::{Access, Route};
use crate::domain::{Outcome, Rejection};
use crate::metrics::{Metrics, VerdictLabel, WebhookResult};

/// The longest method and path in a log line, in bytes.
const MAX_TEXT: usize = 512;

/// Counts the request and writes its line. Called once per request.
pub fn finish(session: &Session, ctx: &Ctx, metrics: &Metrics) {
    let took = ctx.timings.total();
    let (verdict, reason) = verdict(ctx);
    metrics.request(
        ctx.route().map(|route| &**route.pattern.text()),
        verdict,
        reason,
        took,
    );
    if let Some(result) = webhook(ctx) {
        metrics.webhook(result);
    }
    write(session, ctx, verdict, reason, took);
}

/// The data from the beginning of a long answer that its log line needs, if Pingora never reaches the answer's last phase.
pub struct Begun {
    request_id: RequestId,
    method: Box<str>,
    path: Box<str>,
    route: Option<Arc<Route>>,
    subject: Identified,
    status: u16,
    client_ip: Option<IpAddr>,
    timings: Timings,
    generation: u64,
}

impl Begun {
    /// The data of an answer with this status.
    pub fn new(session: &Session, ctx: &Ctx, status: u16) -> Self {
        let request = session.req_header();
        Self {
            request_id: ctx.request_id.clone(),
            method: method(request).into(),
            path: path(request).into(),
            route: ctx.route().cloned(),
            subject: ctx.subject().cloned().unwrap_or_default(),
            status,
            client_ip: head::peer(session),
            timings: ctx.timings,
            generation: ctx.snapshot.generation,
        }
    }
}

/// As [`finish`], for a long answer that the gate closed early because of `why`. Pingora drops such a request without its last
/// phase.
pub fn cut_off(begun: &Begun, why: Rejection, metrics: &Metrics) {
    let took = begun.timings.total();
    let route = begun.route.as_ref().map(|route| &**route.pattern.text());
    let (subject, reason) = (&begun.subject, Rejection::AccessEnded);
    metrics.request(route, VerdictLabel::Forward, Some(reason), took);
    metrics.streams.closed(why);
    tracing::info!(
        target: "access",
        request_id = begun.request_id.as_str(),
        method = &*begun.method,
        path = &*begun.path,
        route,
        status = begun.status,
        verdict = VerdictLabel::Forward.label(),
        reason = reason.label(),
        why = why.label(),
        subject = subject.user.as_ref().map(|user| user.as_str()),
        workspace = subject.workspace.as_ref().map(|workspace| workspace.as_str()),
        client_ip = begun.client_ip.map(tracing::field::display),
        decision_us = begun.timings.decision().map(micros),
        upstream_ms = begun.timings.upstream().map(millis),
        duration_ms = millis(took),
        generation = begun.generation,
        "a stream was closed, as its user's access has ended"
    );
}

/// Why the request was refused, or would have been in another mode.
pub fn reason(ctx: &Ctx) -> Option<Rejection> {
    verdict(ctx).1
}

/// The result of a webhook; `None` for every other request.
fn webhook(ctx: &Ctx) -> Option<WebhookResult> {
    if ctx
        .route()
        .is_none_or(|route| route.access != Access::Webhook)
    {
        return None;
    }
    Some(match &ctx.state {
        State::Webhook {
            end: WebhookEnd::Duplicate,
            ..
        } => WebhookResult::Duplicate,
        State::Webhook {
            end: WebhookEnd::Forwarded { taken, .. },
            ..
        } => {
            if *taken {
                WebhookResult::Delivered
            } else {
                WebhookResult::NotTaken
            }
        }
        _ => WebhookResult::Refused,
    })
}

/// How the request ended. A request that ends while it is still `Received` was lost by a fault of the gate or of the client.
fn verdict(ctx: &Ctx) -> (VerdictLabel, Option<Rejection>) {
    match &ctx.state {
        State::Received => (
            VerdictLabel::Refuse,
            Some(ctx.failure.unwrap_or(Rejection::Internal)),
        ),
        State::Decided(decision) => match &decision.outcome {
            Outcome::Refuse(reason) => (VerdictLabel::Refuse, Some(*reason)),
            Outcome::Answer { reason, .. } => (VerdictLabel::Answer, *reason),
            Outcome::Preflight(_) => (VerdictLabel::Preflight, None),
            Outcome::Forward(grant) => match grant.reported() {
                Some(reason) => (VerdictLabel::Report, Some(reason)),
                None => (VerdictLabel::Forward, ctx.failure),
            },
        },
        State::Webhook { end, .. } => match end {
            WebhookEnd::Refused(reason) => (VerdictLabel::Refuse, Some(*reason)),
            WebhookEnd::Duplicate => (VerdictLabel::Acknowledge, None),
            WebhookEnd::Forwarded { .. } => (VerdictLabel::Forward, ctx.failure),
        },
        State::Forwarding(_) => (VerdictLabel::Forward, ctx.failure),
    }
}

fn write(
    session: &Session,
    ctx: &Ctx,
    verdict: VerdictLabel,
    reason: Option<Rejection>,
    took: Duration,
) {
    let request = session.req_header();
    let status = session.response_written().map(|head| head.status.as_u16());
    let subject = ctx.subject();
    let webhook = match &ctx.state {
        State::Webhook {
            end: WebhookEnd::Forwarded { id, .. },
            ..
        } => Some(id.as_str()),
        _ => None,
    };
    tracing::info!(
        target: "access",
        request_id = ctx.request_id.as_str(),
        method = method(request),
        path = &*path(request),
        route = ctx.route().map(|route| &**route.pattern.text()),
        status,
        verdict = verdict.label(),
        reason = reason.map(Rejection::label),
        subject = subject.and_then(|s| s.user.as_ref()).map(|user| user.as_str()),
        workspace = subject.and_then(|s| s.workspace.as_ref()).map(|workspace| workspace.as_str()),
        service = subject.and_then(|s| s.service.as_ref()).map(|service| service.as_str()),
        webhook,
        client_ip = head::peer(session).map(tracing::field::display),
        decision_us = ctx.timings.decision().map(micros),
        upstream_ms = ctx.timings.upstream().map(millis),
        duration_ms = millis(took),
        bytes = session.body_bytes_sent(),
        generation = ctx.snapshot.generation,
        // On each line, so that no reader overlooks it.
        auth_disabled = ctx.snapshot.rules.auth_disabled().then_some(true),
        "request"
    );
}

fn method(request: &RequestHeader) -> &str {
    let method = request.method.as_str();
    method.get(..MAX_TEXT.min(method.len())).unwrap_or_default()
}

/// The path without its query, because clients may put tokens there. JSON escapes characters that could start a second line
/// (attack A-126).
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
