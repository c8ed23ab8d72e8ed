//! How requests end, and which outcomes a route can have. The series of all these outcomes exist from the start.

use crate::domain::Rejection;
use crate::domain::routes::{Access, Mode, Route};

/// How a request ended: the label `verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerdictLabel {
    Forward,
    Refuse,
    /// Forwarded without identity from a route in report mode.
    Report,
    Preflight,
    /// The gate itself answered, on a route with `answer:`.
    Answer,
    Acknowledge,
}

impl VerdictLabel {
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Refuse => "refuse",
            Self::Report => "report",
            Self::Preflight => "preflight",
            Self::Answer => "answer",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// The label `reason` of a request without a fault.
pub const NO_REASON: &str = "none";

/// The faults that can happen after a request is forwarded.
const AFTER_FORWARD: &[Rejection] = &[
    Rejection::UpstreamConnect,
    Rejection::UpstreamTimeout,
    Rejection::UpstreamProtocol,
    Rejection::ClientGone,
    Rejection::BodyTimeout,
    Rejection::BodyTooLarge,
    Rejection::AccessEnded,
    Rejection::Internal,
];

/// The outcomes that a request can have, with their label `reason`. `None`: no route covers the request.
pub(super) fn ends(route: Option<&Route>) -> Vec<(VerdictLabel, &'static str)> {
    let all = |outcome: VerdictLabel| Rejection::ALL.iter().map(move |r| (outcome, r.label()));
    let Some(route) = route else {
        return [(VerdictLabel::Preflight, NO_REASON)]
            .into_iter()
            .chain(all(VerdictLabel::Refuse))
            .collect();
    };
    let mut ends = Vec::new();
    match route.answer {
        Some(own) => {
            ends.push((VerdictLabel::Answer, NO_REASON));
            let told = Rejection::ALL.iter().filter(|reason| own.tells(**reason));
            ends.extend(told.map(|reason| (VerdictLabel::Answer, reason.label())));
        }
        None => {
            ends.push((VerdictLabel::Forward, NO_REASON));
            ends.extend(
                AFTER_FORWARD
                    .iter()
                    .map(|reason| (VerdictLabel::Forward, reason.label())),
            );
        }
    }
    ends.extend(all(if route.mode == Mode::Report {
        VerdictLabel::Report
    } else {
        VerdictLabel::Refuse
    }));
    if route.access == Access::Webhook {
        ends.push((VerdictLabel::Acknowledge, NO_REASON));
    }
    ends
}
