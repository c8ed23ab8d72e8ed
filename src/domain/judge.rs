//! The table of contents of the product: what happens to a request, given one snapshot and one second.
//!
//! [`judge`] is total and deterministic. It answers with a [`Step`]: the verdict, or the one thing that it still needs. The
//! caller meets a need once and asks again; what then is still missing has its verdict in [`Step::NeedKey`] already.

mod access;
mod authorize;
mod conditions;
mod grant;
mod own;
mod principal;
mod readings;
mod reauthorize;
mod service;
mod sighting;
mod standing;
#[cfg(test)]
mod tests;
mod workspace;

use std::sync::Arc;
use std::time::Duration;

pub use reauthorize::{STREAM_END_REASONS, reauthorize};
pub use sighting::{Lesson, Sighting};

use super::answer::Answer;
use super::cors::Fields;
use super::head::RequestHead;
use super::identity::TrustedHeaders;
use super::ids::{ClerkUserId, ServiceName, SvixId, UserId, WorkspaceId};
use super::membership::Roles;
use super::path::PathSegment;
use super::routes::{Access, Mode, Own, Reading, Route, Streams};
use super::snapshot::Snapshot;
use super::token::SignedClaims;
use super::webhook::{Envelope, SignedWebhook};
use super::{Rejection, UnixTime};

pub use principal::Principal;

/// What happens next to a request.
#[derive(Debug)]
#[must_use]
pub enum Step {
    Judged(Verdict),
    /// The token names a key that its issuer did not have when the snapshot was made: fetch once, ask again.
    NeedKey {
        issuer: Arc<str>,
        /// The verdict when the key cannot be had.
        otherwise: Verdict,
    },
    /// The membership is asked user by user, and was not asked about this one: do so once, and judge again by
    /// [`Snapshot::asked`].
    NeedMember {
        user: UserId,
        /// The verdict when its source does not answer.
        otherwise: Verdict,
    },
    /// A webhook route: nothing can be said before the body is here. Read at most `max_body` bytes, then [`judge_webhook`].
    NeedBody {
        route: Arc<Route>,
        max_body: usize,
    },
}

/// The end of a judgement.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    Forward(Grant),
    Reject(Refusal),
    /// A preflight of a listed origin: 204 with these fields.
    Preflight(Fields),
    /// An answer of our own, on a route with `answer:`.
    Answer(Reply),
    /// A webhook that the upstream has already taken: 200, and nobody is told again.
    Acknowledge(Arc<Route>, SvixId),
}

impl Verdict {
    /// What the request teaches about its user, to be kept.
    #[must_use]
    pub fn sighting(&self) -> Option<&Sighting> {
        match self {
            Self::Forward(grant) => grant.lesson.sighting.as_ref(),
            Self::Answer(reply) => reply.lesson.sighting.as_ref(),
            Self::Reject(refusal) => refusal.sighting.as_ref(),
            Self::Preflight(_) | Self::Acknowledge(..) => None,
        }
    }

    /// The known user of Clerk who was let in, and of whom nobody has told an e-mail address or a name.
    #[must_use]
    pub fn nameless(&self) -> Option<&ClerkUserId> {
        match self {
            Self::Forward(grant) => grant.nameless(),
            Self::Answer(reply) => reply.lesson.nameless.as_ref(),
            Self::Reject(_) | Self::Preflight(_) | Self::Acknowledge(..) => None,
        }
    }

    fn teaching(mut self, sighting: Option<Sighting>) -> Self {
        match &mut self {
            Self::Forward(grant) => grant.lesson.sighting = sighting,
            Self::Answer(reply) => reply.lesson.sighting = sighting,
            Self::Reject(refusal) => refusal.sighting = sighting,
            Self::Preflight(_) | Self::Acknowledge(..) => {}
        }
        self
    }
}

/// Leave to go to the upstream, with the headers that it may believe. Only this floor makes one; the proxy can do nothing
/// towards the upstream without it. Owned, so that it can wait in the request's context.
#[derive(Clone, Debug)]
pub struct Grant {
    route: Arc<Route>,
    /// Further routes at which some app server arrives with this request. They let the caller in, too.
    further_routes: Vec<Arc<Route>>,
    caller: Caller,
    who: Identified,
    headers: TrustedHeaders,
    /// What would have been refused, on a route in report mode.
    reported: Option<Rejection>,
    lesson: Lesson,
    /// The list that the caller's role in the workspace is from: what a role of one list is in another, nobody knows.
    roles: Option<Roles>,
}

impl Grant {
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The largest body of this request in bytes; `None` for no bound of ours.
    #[must_use]
    pub fn max_body(&self) -> Option<u64> {
        self.routes().filter_map(|route| route.max_body).min()
    }

    /// The longest wait for the upstream's next bytes, where `otherwise` is that of a route which says nothing; `None` for no bound.
    #[must_use]
    pub fn timeout(&self, otherwise: Option<Duration>) -> Option<Duration> {
        self.routes()
            .filter_map(|route| route.timeout.or(otherwise))
            .min()
    }

    /// Whether nothing but app and client ends the answer.
    #[must_use]
    pub fn streams_never_end(&self) -> bool {
        self.routes().all(|route| route.streams == Streams::Never)
    }

    /// Whether the answer ends with the caller's token.
    #[must_use]
    pub fn ends_at_expiry(&self) -> bool {
        self.routes()
            .any(|route| matches!(route.streams, Streams::AtExpiry { .. }))
    }

    /// Every route that the caller was let in by.
    fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        std::iter::once(&self.route).chain(&self.further_routes)
    }

    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    #[must_use]
    pub fn who(&self) -> &Identified {
        &self.who
    }

    #[must_use]
    pub fn headers(&self) -> &TrustedHeaders {
        &self.headers
    }

    #[must_use]
    pub fn reported(&self) -> Option<Rejection> {
        self.reported
    }

    /// The known user of Clerk of whom the upstream would learn no e-mail address or no name.
    #[must_use]
    pub fn nameless(&self) -> Option<&ClerkUserId> {
        self.lesson.nameless.as_ref()
    }
}

/// Who comes in.
#[derive(Clone, Debug)]
pub enum Caller {
    Nobody,
    User(Principal),
    Service(ServiceName),
    Webhook(SvixId),
}

/// A refusal, with the route if one matched.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub route: Option<Arc<Route>>,
    pub reason: Rejection,
    pub who: Identified,
    /// What the request teaches about its user all the same.
    pub sighting: Option<Sighting>,
}

impl Refusal {
    /// A refusal of a request of which nothing is known.
    #[must_use]
    pub fn bare(reason: Rejection) -> Self {
        Self {
            route: None,
            reason,
            who: Identified::default(),
            sighting: None,
        }
    }
}

/// What a route with `answer:` says: to somebody who was let in, or, where it verifies tokens, why they were not.
#[derive(Clone, Debug)]
pub struct Reply {
    pub route: Arc<Route>,
    pub who: Identified,
    pub answer: Answer,
    /// Why the caller would not be let in.
    pub reason: Option<Rejection>,
    pub lesson: Lesson,
}

/// What was found out about the caller on the way, for the log.
#[derive(Clone, Debug, Default)]
pub struct Identified {
    pub user: Option<UserId>,
    pub workspace: Option<WorkspaceId>,
    /// Whose token it is, be it of use here or not.
    pub service: Option<ServiceName>,
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
        return Step::Judged(Verdict::Preflight(fields));
    }
    let aliases = match head.path.aliases() {
        Ok(aliases) => aliases,
        Err(reason) => return Step::Judged(Verdict::Reject(Refusal::bare(reason))),
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
        return Step::Judged(Verdict::Reject(Refusal::bare(Rejection::NoRoute)));
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
    reading: Reading<'_>,
) -> Step {
    let Reading { route, path } = reading;
    trace.step(|| {
        format!(
            "route {} asks for {}",
            route.pattern.text(),
            access::describe(route, &snapshot.rules)
        )
    });

    let (who, sighting) = (Identified::default(), None);
    let mut judgement = access::Judgement {
        snapshot,
        head,
        now,
        proofs,
        trace,
        route,
        path,
        who,
        sighting,
    };
    let admitted = judgement.admit();
    let (who, sighting) = (
        std::mem::take(&mut judgement.who),
        judgement.sighting.take(),
    );
    match admitted {
        Ok(access::Admitted::Caller(caller, joined)) => {
            let mut grant = grant::grant(snapshot, head, route, caller, who, joined);
            grant.lesson = Lesson::of(snapshot, &grant, now);
            Step::Judged(match route.answer {
                None => Verdict::Forward(grant),
                Some(own) => reply(snapshot, own, grant),
            })
        }
        Ok(access::Admitted::Webhook { max_body }) => Step::NeedBody {
            route: route.clone(),
            max_body,
        },
        Err(access::Stop::Refuse(reason)) => {
            let verdict = refuse(snapshot, head, route, reason, who);
            Step::Judged(verdict.teaching(sighting))
        }
        Err(access::Stop::NeedKey(issuer)) => Step::NeedKey {
            issuer,
            otherwise: refuse(snapshot, head, route, Rejection::UnknownKey, who),
        },
        Err(access::Stop::NeedMember(user)) => Step::NeedMember {
            user,
            otherwise: refuse(snapshot, head, route, Rejection::MembersUnavailable, who),
        },
    }
}

/// The second half of a webhook's judgement, with its whole body. `taken` tells whether the upstream has already taken the
/// delivery with this id.
pub fn judge_webhook(
    snapshot: &Snapshot,
    head: &RequestHead,
    route: &Arc<Route>,
    body: &[u8],
    now: UnixTime,
    taken: impl FnOnce(&SvixId) -> bool,
) -> Verdict {
    let verified = verify_webhook(snapshot, head, route, body, now);
    match verified {
        Err(reason) => Verdict::Reject(Refusal {
            route: Some(route.clone()),
            ..Refusal::bare(reason)
        }),
        // Asked only after the signature: nobody can probe which ids are known.
        Ok(signed) if taken(signed.id()) => {
            Verdict::Acknowledge(route.clone(), signed.id().clone())
        }
        Ok(signed) => {
            let caller = Caller::Webhook(signed.id().clone());
            Verdict::Forward(grant::grant(
                snapshot,
                head,
                route,
                caller,
                Identified::default(),
                None,
            ))
        }
    }
}

fn verify_webhook(
    snapshot: &Snapshot,
    head: &RequestHead,
    route: &Route,
    body: &[u8],
    now: UnixTime,
) -> Result<SignedWebhook, Rejection> {
    let Some(policy) = snapshot
        .rules
        .webhooks
        .as_ref()
        .filter(|_| route.access == Access::Webhook)
    else {
        return Err(Rejection::Internal);
    };
    Envelope::read(head.headers)?.verify(body, &policy.secrets, policy.tolerance, now)
}

/// Answers somebody who was let in on a route with `answer:`. Such a route never leads to the upstream.
fn reply(snapshot: &Snapshot, own: Own, grant: Grant) -> Verdict {
    let Grant {
        route,
        caller,
        who,
        lesson,
        ..
    } = grant;
    match &caller {
        Caller::User(principal) => {
            let reply = own::answer(snapshot, &route, own, principal, who);
            Verdict::Answer(Reply { lesson, ..reply })
        }
        // Fail closed: there is nothing to say of a caller who is no person. The config lets none come here.
        Caller::Nobody | Caller::Service(_) | Caller::Webhook(_) => Verdict::Reject(Refusal {
            route: Some(route),
            who,
            ..Refusal::bare(Rejection::Denied)
        }),
    }
}

/// Refuses, or on a route in report mode lets nobody in particular pass and says what would have been refused.
fn refuse(
    snapshot: &Snapshot,
    head: &RequestHead,
    route: &Arc<Route>,
    reason: Rejection,
    who: Identified,
) -> Verdict {
    let leads_upstream = route.access != Access::Webhook && route.answer.is_none();
    if route.mode == Mode::Report && leads_upstream {
        let mut grant = grant::grant(snapshot, head, route, Caller::Nobody, who, None);
        grant.reported = Some(reason);
        return Verdict::Forward(grant);
    }
    let verifies = route.answer == Some(Own::Verify);
    match verifies
        .then(|| own::not_valid(&snapshot.rules.answers, reason))
        .flatten()
    {
        Some(answer) => Verdict::Answer(Reply {
            route: route.clone(),
            who,
            answer,
            reason: Some(reason),
            lesson: Lesson::default(),
        }),
        None => Verdict::Reject(Refusal {
            route: Some(route.clone()),
            who,
            ..Refusal::bare(reason)
        }),
    }
}
