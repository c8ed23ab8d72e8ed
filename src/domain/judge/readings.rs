//! One request, several readings of its path: the strictest verdict counts.
//!
//! The gate does not know which reading the app has. It admits a request only if each reading admits it, and sends headers that are
//! true for each.

use super::{Caller, Grant, Refusal, Step, Verdict};
use crate::domain::Rejection;
use crate::domain::routes::Route;

/// The stricter of two steps. What still needs something stays a need, with the stricter verdict for the case that it cannot be had.
pub(super) fn stricter(a: Step, b: Step) -> Step {
    match (a, b) {
        (Step::Judged(refusal), _) | (_, Step::Judged(refusal)) if is_refusal(&refusal) => {
            Step::Judged(refusal)
        }
        (Step::Judged(a), Step::Judged(b)) => Step::Judged(stricter_verdict(a, b)),
        (Step::NeedKey { issuer, otherwise }, other)
        | (other, Step::NeedKey { issuer, otherwise }) => Step::NeedKey {
            issuer,
            otherwise: stricter_verdict(otherwise, verdict_if_unmet(other)),
        },
        (Step::NeedMember { user, otherwise }, other)
        | (other, Step::NeedMember { user, otherwise }) => Step::NeedMember {
            user,
            otherwise: stricter_verdict(otherwise, verdict_if_unmet(other)),
        },
        // Fail closed: the path of a webhook has one reading, and the table of routes sees to it.
        (Step::NeedBody { route, .. }, _) | (_, Step::NeedBody { route, .. }) => {
            Step::Judged(Verdict::Reject(Refusal {
                route: Some(route),
                ..Refusal::bare(Rejection::Internal)
            }))
        }
    }
}

/// Whether the caller is not let in, whatever the other readings say.
pub(super) fn is_refused(step: &Step) -> bool {
    matches!(step, Step::Judged(verdict) if is_refusal(verdict))
}

/// The route whose verdict this is.
pub(super) fn decided_by(step: &Step) -> Option<&Route> {
    match step {
        Step::NeedBody { route, .. } => Some(route),
        Step::Judged(verdict)
        | Step::NeedKey {
            otherwise: verdict, ..
        }
        | Step::NeedMember {
            otherwise: verdict, ..
        } => match verdict {
            Verdict::Forward(grant) => Some(grant.route()),
            Verdict::Reject(refusal) => refusal.route.as_deref(),
            Verdict::Answer(reply) => Some(&reply.route),
            Verdict::Acknowledge(route, _) => Some(route),
            Verdict::Preflight(_) => None,
        },
    }
}

/// The verdict when what is needed cannot be had.
fn verdict_if_unmet(step: Step) -> Verdict {
    match step {
        Step::Judged(verdict) => verdict,
        Step::NeedKey { otherwise, .. } | Step::NeedMember { otherwise, .. } => otherwise,
        Step::NeedBody { route, .. } => Verdict::Reject(Refusal {
            route: Some(route),
            ..Refusal::bare(Rejection::Internal)
        }),
    }
}

/// Whether the caller would not be let in.
fn is_refusal(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Reject(_) => true,
        Verdict::Answer(reply) => reply.reason.is_some(),
        Verdict::Forward(_) | Verdict::Preflight(_) | Verdict::Acknowledge(..) => false,
    }
}

fn stricter_verdict(a: Verdict, b: Verdict) -> Verdict {
    match (a, b) {
        (refusal, _) | (_, refusal) if is_refusal(&refusal) => refusal,
        (Verdict::Forward(a), Verdict::Forward(b)) => merge_grants(a, b),
        // Whatever else it is, an answer of ours reaches no app that could read the path otherwise.
        (Verdict::Forward(_), ours) | (ours, _) => ours,
    }
}

/// Leave by both grants: with the headers of the one that tells the upstream more, if it tells all that the other one does.
fn merge_grants(a: Grant, b: Grant) -> Verdict {
    let (more, less) = if a.headers.includes(&b.headers) {
        (a, b)
    } else {
        (b, a)
    };
    // A reported refusal goes upstream without identity: no grant with identity may be merged into it.
    let reported = |grant: &Grant| grant.reported.is_some();
    let identity_allowed =
        matches!(more.caller, Caller::Nobody) || !(reported(&more) || reported(&less));
    if !identity_allowed || !more.headers.includes(&less.headers) {
        return Verdict::Reject(Refusal {
            who: more.who,
            ..Refusal::bare(Rejection::AmbiguousPath)
        });
    }
    let mut grant = more;
    if less.headers.drops_authorization() {
        grant.headers.drop_authorization();
    }
    grant.reported = grant.reported.or(less.reported);
    grant.further_routes.push(less.route);
    grant.further_routes.extend(less.further_routes);
    Verdict::Forward(grant)
}
