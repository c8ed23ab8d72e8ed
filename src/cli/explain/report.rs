//! The decision, for people and for programs. It never contains a credential.

use std::fmt::Write as _;

use http::HeaderName;
use serde_json::{Value, json};

use super::advice::{self, Advice};
use super::facts::Facts;
use super::{Judged, Request};
use crate::cli::offline_gate::OfflineGate;
use crate::domain::identity::Headers as _;
use crate::domain::identity::name::USER_EMAIL;
use crate::domain::identity::{Override, TrustedNames};
use crate::domain::judge::{Caller, Permit};
use crate::domain::{Outcome, Rejection};

/// The whole answer of `bailiff explain`.
pub(super) struct Report {
    pub asked: String,
    pub steps: Vec<String>,
    pub outcome: Explained,
    /// Hints in addition to the decision.
    pub hints: Vec<String>,
}

/// What happens to the request.
pub(super) enum Explained {
    Forward {
        upstream: String,
        /// Name, value as it may be shown, and whether the header is one of bailiff's own.
        headers: Vec<(String, String, bool)>,
        /// The headers that were removed, and what apps would derive from each, where it overrides what was judged.
        stripped: Vec<(String, Option<Override>)>,
        /// The data that the app may miss.
        note: Option<String>,
        /// On a route in report mode: what would have been refused.
        reported: Option<Rejection>,
    },
    Refuse {
        reason: Rejection,
        status: u16,
        body: String,
        advice: Advice,
    },
    /// A route with `answer:`: answered by the gate.
    Answer {
        status: u16,
        body: String,
        /// Why the caller would be refused, and what to do about it.
        reason: Option<(Rejection, Advice)>,
    },
    /// A preflight: answered by the gate.
    Preflight(Vec<(String, String)>),
}

impl Explained {
    pub(super) fn of(
        judged: Judged,
        request: &Request,
        offline_gate: &OfflineGate,
        facts: &Facts<'_>,
    ) -> Self {
        let decision = match judged {
            Judged::Decided(decision) => decision,
            Judged::Webhook(webhook) => {
                return forward(webhook.permit(), request, offline_gate, None, None);
            }
        };
        match decision.outcome {
            Outcome::Forward(grant) => {
                let email = grant.headers().values().any(|(name, _)| name == USER_EMAIL);
                let note = match grant.caller() {
                    Caller::User(_) if !email => facts.no_email(),
                    _ => None,
                };
                forward(
                    grant.permit(),
                    request,
                    offline_gate,
                    note,
                    grant.reported(),
                )
            }
            Outcome::Refuse(reason) => {
                let answer = facts.snapshot.rules.answers.answer(reason.kind());
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                Self::Refuse {
                    reason,
                    status: answer.status,
                    body,
                    advice: advice::advice(reason, facts),
                }
            }
            Outcome::Answer { answer, reason } => Self::Answer {
                status: answer.status,
                body: String::from_utf8_lossy(&answer.body).into_owned(),
                reason: reason.map(|reason| (reason, advice::advice(reason, facts))),
            },
            Outcome::Preflight(fields) => Self::Preflight(
                fields
                    .iter()
                    .map(|(name, value)| (name.to_string(), shown(name, value.as_bytes())))
                    .collect(),
            ),
        }
    }
}

/// The headers as the gate's own code writes them, and which headers of the client are removed.
fn forward(
    permit: &Permit,
    request: &Request,
    offline_gate: &OfflineGate,
    note: Option<String>,
    reported: Option<Rejection>,
) -> Explained {
    let (sent, upstream) = (
        &request.headers,
        offline_gate.settings.fixed.upstream.to_string(),
    );
    let mut received = sent.clone();
    permit.headers().apply(&mut received);
    let gone = |name: &&HeaderName| {
        let kept: Vec<_> = received.get_all(*name).iter().collect();
        sent.get_all(*name)
            .iter()
            .any(|value| !kept.contains(&value))
    };
    let stripped = sent
        .names()
        .filter(gone)
        .map(|name| (name.to_string(), TrustedNames::overridden(name.as_str())));
    let stripped = stripped.collect();
    let ours = |name: &HeaderName| {
        permit
            .headers()
            .values()
            .any(|(trusted, _)| *name == *trusted)
    };
    let headers = received
        .iter()
        .map(|(name, value)| (name.to_string(), shown(name, value.as_bytes()), ours(name)))
        .collect();
    Explained::Forward {
        upstream,
        headers,
        stripped,
        note,
        reported,
    }
}

/// A header's value as it may be shown (attack A-125).
fn shown(name: &HeaderName, value: &[u8]) -> String {
    const SECRET: [&str; 6] = [
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "svix-signature",
        "webhook-signature",
    ];
    let text = String::from_utf8_lossy(value);
    if SECRET.contains(&name.as_str()) || text.contains("eyJ") {
        return match text.split_once(' ') {
            Some((scheme, _)) if name.as_str().ends_with("authorization") && scheme.len() <= 16 => {
                format!("{scheme} ***")
            }
            _ => "***".to_owned(),
        };
    }
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

impl Report {
    pub(super) fn refused(&self) -> bool {
        matches!(
            self.outcome,
            Explained::Refuse { .. }
                | Explained::Answer {
                    reason: Some(_),
                    ..
                }
        )
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.asked);
        for (number, step) in self.steps.iter().enumerate() {
            let _ = writeln!(text, "  {}  {step}", number + 1);
        }
        if !self.steps.is_empty() {
            text.push('\n');
        }
        match &self.outcome {
            Explained::Forward {
                upstream,
                headers,
                stripped,
                note,
                reported,
            } => {
                let _ = writeln!(text, "forwarded to {upstream}");
                if let Some(reason) = reported {
                    let _ = writeln!(
                        text,
                        "  report mode: would otherwise be refused, {}: {}",
                        reason.label(),
                        reason.meaning()
                    );
                }
                list(
                    &mut text,
                    "from bailiff",
                    headers.iter().filter(|(_, _, ours)| *ours),
                );
                list(
                    &mut text,
                    "from the request",
                    headers.iter().filter(|(_, _, ours)| !*ours),
                );
                if !stripped.is_empty() {
                    text += "  stripped from the request\n";
                }
                for (name, taken) in stripped {
                    let why = taken
                        .map(|taken| format!(": some apps take {taken} from it"))
                        .unwrap_or_default();
                    let _ = writeln!(text, "    {name}{why}");
                }
                if let Some(note) = note {
                    let _ = writeln!(text, "  note    {note}");
                }
            }
            Explained::Refuse {
                reason,
                status,
                body,
                advice,
            } => {
                let _ = writeln!(text, "refused: {}", reason.label());
                let _ = writeln!(
                    text,
                    "  means   {}\n  answer  {status} {body}",
                    reason.meaning()
                );
                text += &advice.text();
            }
            Explained::Answer {
                status,
                body,
                reason,
            } => {
                let _ = writeln!(text, "answered by bailiff: {status}\n    {body}");
                if let Some((reason, advice)) = reason {
                    let _ = writeln!(text, "  because {}: {}", reason.label(), reason.meaning());
                    text += &advice.text();
                }
            }
            Explained::Preflight(fields) => {
                let _ = writeln!(text, "answered by bailiff: 204");
                fields
                    .iter()
                    .for_each(|(name, value)| text += &format!("    {name}: {value}\n"));
            }
        }
        self.hints
            .iter()
            .for_each(|hint| text += &format!("  hint    {hint}\n"));
        text
    }

    pub(super) fn json(&self) -> Value {
        let mut all = json!({"request": self.asked, "steps": self.steps, "hints": self.hints});
        let more = match &self.outcome {
            Explained::Forward {
                upstream,
                headers,
                stripped,
                note,
                reported,
            } => {
                let pairs = |wanted: bool| -> Vec<_> {
                    headers
                        .iter()
                        .filter(|(.., ours)| *ours == wanted)
                        .map(|(name, value, _)| [name, value])
                        .collect()
                };
                let taken = |(name, taken): &(String, Option<Override>)| {
                    Some((name.clone(), json!(taken.as_ref()?.to_string())))
                };
                let overrides: serde_json::Map<_, _> = stripped.iter().filter_map(taken).collect();
                json!({
                    "verdict": if reported.is_some() { "report" } else { "forward" },
                    "upstream": upstream,
                    "headers_from_bailiff": pairs(true),
                    "headers_from_request": pairs(false),
                    "stripped": stripped.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                    "overrides": overrides,
                    "note": note,
                    "reason": reported.map(Rejection::label),
                })
            }
            Explained::Refuse {
                reason,
                status,
                body,
                advice,
            } => json!({
                "verdict": "refuse",
                "reason": reason.label(),
                "means": reason.meaning(),
                "status": status,
                "body": body,
                "cause": &advice.cause,
                "fix": &advice.fix,
            }),
            Explained::Answer {
                status,
                body,
                reason,
            } => {
                let advice = reason.as_ref().map(|(_, advice)| advice);
                json!({
                    "verdict": "answer",
                    "status": status,
                    "body": body,
                    "reason": reason.as_ref().map(|(reason, _)| reason.label()),
                    "means": reason.as_ref().map(|(reason, _)| reason.meaning()),
                    "cause": advice.and_then(|advice| advice.cause.as_ref()),
                    "fix": advice.map(|advice| &advice.fix),
                })
            }
            Explained::Preflight(fields) => {
                json!({"verdict": "preflight", "status": 204, "headers": fields})
            }
        };
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        all
    }
}

fn list<'h>(
    text: &mut String,
    title: &str,
    headers: impl Iterator<Item = &'h (String, String, bool)>,
) {
    let lines: Vec<_> = headers
        .map(|(name, value, _)| format!("    {name}: {value}\n"))
        .collect();
    if !lines.is_empty() {
        *text += &format!("  {title}\n{}", lines.concat());
    }
}
