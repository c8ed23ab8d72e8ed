//! One request, several readings of its path: the strictest decision counts.
//!
//! The gate does not know which reading the app has. It admits a request only if each reading admits it, and sends headers that are
//! true for each.

use super::{Caller, Decision, Grant, Outcome, Settled, Step};
use crate::domain::Rejection;
use crate::domain::routes::Route;

/// The stricter of two steps. A step that needs something keeps its need, and its `otherwise` becomes the stricter decision.
pub(super) fn stricter(a: Step, b: Step) -> Step {
    match (a, b) {
        (Step::Decided(refusal), _) | (_, Step::Decided(refusal))
            if refusal.refusal().is_some() =>
        {
            Step::Decided(refusal)
        }
        (Step::Decided(a), Step::Decided(b)) => Step::Decided(stricter_decision(a, b)),
        (Step::NeedKey { issuer, otherwise }, other)
        | (other, Step::NeedKey { issuer, otherwise }) => Step::NeedKey {
            issuer,
            otherwise: stricter_decision(otherwise, if_unmet(other)),
        },
        (Step::NeedMember { user, otherwise }, other)
        | (other, Step::NeedMember { user, otherwise }) => Step::NeedMember {
            user,
            otherwise: stricter_decision(otherwise, if_unmet(other)),
        },
        (webhook @ Step::NeedBody(_), _) | (_, webhook @ Step::NeedBody(_)) => {
            Step::Decided(if_unmet(webhook))
        }
    }
}

/// Whether the caller is refused, whatever the other readings decide.
pub(super) fn is_refused(step: &Step) -> bool {
    matches!(step, Step::Decided(decision) if decision.refusal().is_some())
}

/// The route that decided the step.
pub(super) fn decided_by(step: &Step) -> Option<&Route> {
    match step {
        Step::NeedBody(webhook) => Some(webhook.route()),
        Step::Decided(decision)
        | Step::NeedKey {
            otherwise: decision,
            ..
        }
        | Step::NeedMember {
            otherwise: decision,
            ..
        } => decision.route.as_deref(),
    }
}

/// The decision if the need cannot be met.
fn if_unmet(step: Step) -> Decision {
    match step.settled() {
        Settled::Decided(decision) => decision,
        // Fail closed. It does not happen: the table of routes gives the path of a webhook one reading only.
        Settled::Webhook(webhook) => Decision {
            route: Some(webhook.route().clone()),
            ..Decision::refuse(Rejection::Internal)
        },
    }
}

fn stricter_decision(a: Decision, b: Decision) -> Decision {
    if a.refusal().is_some() {
        return a;
    }
    if b.refusal().is_some() {
        return b;
    }
    match (&a.outcome, &b.outcome) {
        (Outcome::Forward(first), Outcome::Forward(second)) => {
            // Choose the grant whose headers tell the upstream more, if they include the other grant's headers.
            if first.headers().includes(second.headers()) {
                merge(a, b)
            } else {
                merge(b, a)
            }
        }
        // The gate's own answer reaches no app, so no app can read the path another way.
        (Outcome::Forward(_), _) => b,
        _ => a,
    }
}

/// Merges two grants: with the headers of `more`, if they include those of `less`.
fn merge(mut more: Decision, less: Decision) -> Decision {
    let (Outcome::Forward(grant), Outcome::Forward(other)) = (&mut more.outcome, less.outcome)
    else {
        return Decision::refuse(Rejection::Internal);
    };
    if !mergeable(grant, &other) {
        return Decision {
            subject: more.subject,
            ..Decision::refuse(Rejection::AmbiguousPath)
        };
    }
    grant.reported = grant.reported.or(other.reported);
    grant.permit.join(other.permit);
    more
}

fn mergeable(more: &Grant, less: &Grant) -> bool {
    // A reported refusal goes upstream without identity: no grant with identity may be merged into it.
    let reported = more.reported.or(less.reported).is_some();
    let identity_allowed = matches!(more.caller, Caller::Nobody) || !reported;
    identity_allowed && more.headers().includes(less.headers())
}
