//! What a judgement ends with: one value, whatever becomes of the request.

use std::sync::Arc;

use super::{Grant, SideEffects};
use crate::domain::Rejection;
use crate::domain::answer::Answer;
use crate::domain::cors::ResponseFields;
use crate::domain::ids::{ServiceName, UserId, WorkspaceId};
use crate::domain::routes::Route;

/// The end of a judgement. The proxy acts on the outcome and carries out the side effects; the log reports route and subject.
#[derive(Clone, Debug)]
#[must_use]
pub struct Decision {
    /// The route that covers the request, if one was found.
    pub route: Option<Arc<Route>>,
    /// What was found out about the caller, for the log.
    pub subject: Identified,
    pub outcome: Outcome,
    pub side_effects: SideEffects,
}

/// What happens to the request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It goes to the upstream.
    Forward(Grant),
    /// The gate answers it by itself, on a route with `answer:`.
    Answer {
        answer: Answer,
        /// Why the caller would not be let in; `None` for a caller who is.
        reason: Option<Rejection>,
    },
    /// A preflight of a listed origin: 204 with these fields.
    Preflight(ResponseFields),
    Refuse(Rejection),
}

/// What was found out about the caller on the way, for the log.
#[derive(Clone, Debug, Default)]
pub struct Identified {
    pub user: Option<UserId>,
    pub workspace: Option<WorkspaceId>,
    /// The service whose token it is, also where that token does not count.
    pub service: Option<ServiceName>,
}

impl Decision {
    /// The refusal of a request of which nothing is known.
    pub fn refuse(reason: Rejection) -> Self {
        Self::without_route(Outcome::Refuse(reason))
    }

    pub(super) fn without_route(outcome: Outcome) -> Self {
        Self {
            route: None,
            subject: Identified::default(),
            outcome,
            side_effects: SideEffects::default(),
        }
    }

    pub(super) fn on_route(route: &Arc<Route>, subject: Identified, outcome: Outcome) -> Self {
        Self {
            route: Some(route.clone()),
            subject,
            ..Self::without_route(outcome)
        }
    }

    /// The grant of a request that goes to the upstream.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        match &self.outcome {
            Outcome::Forward(grant) => Some(grant),
            Outcome::Answer { .. } | Outcome::Preflight(_) | Outcome::Refuse(_) => None,
        }
    }

    /// Why the caller is not let in. A refusal that is only reported lets them in.
    #[must_use]
    pub fn refusal(&self) -> Option<Rejection> {
        match &self.outcome {
            Outcome::Refuse(reason) => Some(*reason),
            Outcome::Answer { reason, .. } => *reason,
            Outcome::Forward(_) | Outcome::Preflight(_) => None,
        }
    }
}
