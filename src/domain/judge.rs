//! Judges one request, given one snapshot and one second.
//!
//! [`judge`] is total and deterministic. It returns a [`Step`]: the decision, or the one thing that is still needed for it. The
//! caller gets what is needed once and calls again. If the second step needs something too, [`Settled`] takes its `otherwise`
//! decision.

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

/// The next step for a request.
#[derive(Debug)]
#[must_use]
pub enum Step {
    Decided(Decision),
    /// The token names a key that the snapshot does not have. The caller fetches the issuer's keys once and judges again.
    NeedKey {
        issuer: Arc<str>,
        /// The decision if the fetch brings no such key.
        otherwise: Decision,
    },
    /// The membership source is asked user by user, and this user was not asked for yet. The caller asks once and judges again
    /// with [`Snapshot::asked`].
    NeedMember {
        user: UserId,
        /// The decision if the source does not answer.
        otherwise: Decision,
    },
    /// A webhook route. The decision needs the body: the caller reads at most [`UnverifiedWebhook::max_body`] bytes, then calls
    /// [`UnverifiedWebhook::verify`].
    NeedBody(UnverifiedWebhook),
}

/// A step after which the caller fetches nothing more.
#[derive(Debug)]
#[must_use]
pub enum Settled {
    Decided(Decision),
    Webhook(UnverifiedWebhook),
}

impl Step {
    /// The step without its need. If the fetch brought nothing, this is the decision without it.
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

/// A cache of checked signatures. It saves the RSA arithmetic. It holds no decision, so time, policy and membership are checked
/// on every request (Oathkeeper CVE-2026-33496 cached decisions).
pub trait Proofs {
    /// The claims of exactly this token, if its signature was valid.
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

/// Records the steps of a judgement, for `bailiff explain`.
pub trait Trace {
    fn step(&mut self, text: impl FnOnce() -> String);
}

/// Records nothing.
impl Trace for () {
    fn step(&mut self, _: impl FnOnce() -> String) {}
}

/// Judges a request. It never panics and reads neither clock nor random numbers: the same arguments always give the same step.
pub fn judge(snapshot: &Snapshot, head: &RequestHead, now: UnixTime, proofs: &impl Proofs) -> Step {
    judge_traced(snapshot, head, now, proofs, &mut ())
}

/// As [`judge`], and reports every step to `trace`.
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
        // Further readings could not be stricter, and a client cannot make the gate check a bad signature more than once.
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

/// Judges the request in the reading of an app server that serves it by this route.
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

/// Answers an admitted caller on a route with `answer:`. Such a route never leads to the upstream.
fn answer(snapshot: &Snapshot, own: Own, caller: &Caller) -> Outcome {
    match caller {
        Caller::User(principal) => Outcome::Answer {
            answer: own::answer(snapshot, own, principal),
            reason: None,
        },
        // Fail closed: a caller who is not a user has no profile. The config does not let such a caller reach this point.
        Caller::Nobody | Caller::Service(_) => Outcome::Refuse(Rejection::Denied),
    }
}

/// Refuses the request. On a route in report mode it forwards the request without identity and reports the refusal instead.
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
