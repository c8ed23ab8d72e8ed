//! The table of contents of the product: what happens to a request, given one snapshot and one second.
//!
//! [`judge`] is total and deterministic. It answers with a [`Step`]: the decision, or the one thing that it still needs. The
//! caller meets a need once and asks again; what then is still missing has its decision in [`Step::NeedKey`] already.

mod access;
mod authorize;
mod conditions;
mod decision;
mod grant;
mod observation;
mod own;
mod permit;
mod principal;
mod readings;
mod reauthorize;
mod service;
#[cfg(test)]
mod tests;
mod user_state;
mod webhook;
mod workspace;

use std::sync::Arc;

pub use decision::{Decision, Identified, Outcome};
pub use grant::{Caller, Grant};
pub use observation::{Observation, SideEffects};
pub use permit::Permit;
pub use principal::Principal;
pub use reauthorize::{STREAM_END_REASONS, reauthorize};
pub use webhook::{UnverifiedWebhook, VerifiedWebhook};

use super::head::RequestHead;
use super::ids::UserId;
use super::path::PathSegment;
use super::routes::{Access, Mode, Own, Route, RouteReading};
use super::snapshot::Snapshot;
use super::token::SignedClaims;
use super::{Rejection, UnixTime};

/// What happens next to a request.
#[derive(Debug)]
#[must_use]
pub enum Step {
    Decided(Decision),
    /// The token names a key that its issuer did not have when the snapshot was made: fetch once, ask again.
    NeedKey {
        issuer: Arc<str>,
        /// The decision when the key cannot be had.
        otherwise: Decision,
    },
    /// The membership is asked user by user, and was not asked about this one: do so once, and judge again by
    /// [`Snapshot::asked`].
    NeedMember {
        user: UserId,
        /// The decision when its source does not answer.
        otherwise: Decision,
    },
    /// A webhook route: nothing can be decided before the body is here. Read at most [`UnverifiedWebhook::max_body`] bytes, then
    /// [`UnverifiedWebhook::verify`].
    NeedBody(UnverifiedWebhook),
}

/// A step once no further need is met.
#[derive(Debug)]
#[must_use]
pub enum Settled {
    Decided(Decision),
    Webhook(UnverifiedWebhook),
}

impl Step {
    /// The step without its need: what was asked for and could not be had is decided without it.
    pub fn settled(self) -> Settled {
        match self {
            Self::Decided(decision)
            | Self::NeedKey {
                otherwise: decision,
                ..
            }
            | Self::NeedMember {
                otherwise: decision,
                ..
            } => Settled::Decided(decision),
            Self::NeedBody(webhook) => Settled::Webhook(webhook),
        }
    }
}

/// Signatures that were checked before. A cache of these saves the RSA arithmetic; it holds no verdict, so time, policy and
/// membership are looked at on every request (Oathkeeper CVE-2026-33496 cached verdicts).
pub trait Proofs {
    /// The claims of exactly this token, if its signature was good.
    fn find(&self, token: &str) -> Option<Arc<SignedClaims>>;
    fn keep(&self, token: &str, signed: &Arc<SignedClaims>);
}

/// No cache: every signature is checked.
impl Proofs for () {
    fn find(&self, _: &str) -> Option<Arc<SignedClaims>> {
        None
    }

    fn keep(&self, _: &str, _: &Arc<SignedClaims>) {}
}

/// Watches the steps of a judgement, for `bailiff explain`.
pub trait Trace {
    fn step(&mut self, text: impl FnOnce() -> String);
}

/// Nobody watches.
impl Trace for () {
    fn step(&mut self, _: impl FnOnce() -> String) {}
}

/// Judges a request. No panic, no clock, no randomness: the same arguments always give the same step.
pub fn judge(snapshot: &Snapshot, head: &RequestHead, now: UnixTime, proofs: &impl Proofs) -> Step {
    judge_traced(snapshot, head, now, proofs, &mut ())
}

/// As [`judge`], with every step told to `trace`.
pub fn judge_traced(
    snapshot: &Snapshot,
    head: &RequestHead,
    now: UnixTime,
    proofs: &impl Proofs,
    trace: &mut impl Trace,
) -> Step {
    if let Some(fields) = snapshot.rules.cors.preflight(head) {
        trace.step(|| "a preflight of a listed origin: answered here".into());
        return Step::Decided(Decision::without_route(Outcome::Preflight(fields)));
    }
    let aliases = match head.path.aliases() {
        Ok(aliases) => aliases,
        Err(reason) => return Step::Decided(Decision::refuse(reason)),
    };
    let Some(readings) = snapshot
        .rules
        .routes
        .readings(head.method, &head.path, &aliases)
    else {
        trace.step(|| {
            let all = head
                .path
                .segments()
                .all(PathSegment::is_canonically_encoded);
            let readings = if all {
                ""
            } else {
                " in each of its readings (decoded, and as it stands)"
            };
            format!(
                "no route covers {} {}{readings}",
                head.method,
                head.path.as_str()
            )
        });
        return Step::Decided(Decision::refuse(Rejection::NoRoute));
    };
    let mut strictest = judge_reading(snapshot, head, now, proofs, trace, readings.first());
    for reading in readings.further() {
        // Nothing is stricter, and nobody makes us check a bad signature more than once.
        if readings::is_refused(&strictest) {
            break;
        }
        trace.step(|| {
            "some app servers read the path otherwise, and must be let in there too".into()
        });
        let other = judge_reading(snapshot, head, now, proofs, trace, *reading);
        strictest = readings::stricter(strictest, other);
    }
    if !readings.further().is_empty() {
        trace.step(|| match readings::decided_by(&strictest) {
            Some(route) => format!(
                "the strictest of these readings decides: {}",
                route.pattern.text()
            ),
            None => "these readings cannot be let in together".into(),
        });
    }
    strictest
}

/// Judges a request as an app server has it that arrives at this route.
fn judge_reading(
    snapshot: &Snapshot,
    head: &RequestHead,
    now: UnixTime,
    proofs: &impl Proofs,
    trace: &mut impl Trace,
    reading: RouteReading<'_>,
) -> Step {
    let RouteReading { route, path } = reading;
    trace.step(|| {
        format!(
            "route {} asks for {}",
            route.pattern.text(),
            access::describe(route, &snapshot.rules)
        )
    });

    let mut judgement = access::Judgement {
        snapshot,
        head,
        now,
        proofs,
        trace,
        route,
        path,
        who: Identified::default(),
        observation: None,
    };
    let admitted = judgement.admit();
    let (subject, observation) = (
        std::mem::take(&mut judgement.who),
        judgement.observation.take(),
    );
    let refused = |reason, subject| refuse(snapshot, head, route, reason, subject);
    match admitted {
        Ok(access::Admitted::Caller(caller, joined)) => {
            let grant = Grant::new(snapshot, head, route, caller, joined);
            let side_effects = SideEffects::of(snapshot, &grant, now);
            let outcome = match route.answer {
                None => Outcome::Forward(grant),
                Some(own) => answer(snapshot, own, grant.caller()),
            };
            Step::Decided(Decision {
                side_effects,
                ..Decision::on_route(route, subject, outcome)
            })
        }
        Ok(access::Admitted::Webhook { envelope, max_body }) => Step::NeedBody(
            UnverifiedWebhook::new(snapshot, head, route, envelope, max_body),
        ),
        Err(access::Stop::Refuse(reason)) => {
            let mut decision = refused(reason, subject);
            decision.side_effects.observation = observation;
            Step::Decided(decision)
        }
        Err(access::Stop::NeedKey(issuer)) => Step::NeedKey {
            issuer,
            otherwise: refused(Rejection::UnknownKey, subject),
        },
        Err(access::Stop::NeedMember(user)) => Step::NeedMember {
            user,
            otherwise: refused(Rejection::MembersUnavailable, subject),
        },
    }
}

/// Answers a caller who was let in on a route with `answer:`. Such a route never leads to the upstream.
fn answer(snapshot: &Snapshot, own: Own, caller: &Caller) -> Outcome {
    match caller {
        Caller::User(principal) => Outcome::Answer {
            answer: own::answer(snapshot, own, principal),
            reason: None,
        },
        // Fail closed: there is nothing to say of a caller who is no person. The config lets none come here.
        Caller::Nobody | Caller::Service(_) => Outcome::Refuse(Rejection::Denied),
    }
}

/// Refuses; or on a route in report mode forwards without any identity, and reports what would have been refused.
fn refuse(
    snapshot: &Snapshot,
    head: &RequestHead,
    route: &Arc<Route>,
    reason: Rejection,
    subject: Identified,
) -> Decision {
    let leads_upstream = route.access != Access::Webhook && route.answer.is_none();
    let outcome = if route.mode == Mode::Report && leads_upstream {
        Outcome::Forward(Grant::reporting(snapshot, head, route, reason))
    } else {
        let verifies = route.answer == Some(Own::Verify);
        match verifies
            .then(|| own::not_valid(&snapshot.rules.answers, reason))
            .flatten()
        {
            Some(answer) => Outcome::Answer {
                answer,
                reason: Some(reason),
            },
            None => Outcome::Refuse(reason),
        }
    };
    Decision::on_route(route, subject, outcome)
}
