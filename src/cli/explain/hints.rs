//! Hints in addition to the decision: how a browser treats the answer, what the app will miss, what else may refuse the request.

use http::header::ORIGIN;

use super::facts::Facts;
use super::{Judged, Request};
use crate::cli::offline_gate::OfflineGate;
use crate::cli::token::missing::{SOURCES, missing};
use crate::config::faults::quoted;
use crate::domain::identity::name::{USER_EMAIL, USER_ID, USER_NAME};
use crate::domain::judge::Caller;
use crate::domain::{Grant, Outcome};

/// The hints for a request with this verdict.
pub(super) fn hints(
    judged: &Judged,
    request: &Request,
    offline_gate: &OfflineGate,
    facts: &Facts<'_>,
) -> Vec<String> {
    let mut hints: Vec<_> = origin(request, facts).into_iter().collect();
    match judged {
        Judged::Decided(decision) => {
            if let Outcome::Forward(grant) = &decision.outcome
                && let Caller::User(person) = grant.caller()
            {
                let asked = decision.side_effects.missing_profile.is_some();
                hints.extend(missing_profile(grant, asked, offline_gate));
                let told = header(grant, USER_ID).unwrap_or_default();
                hints.push(format!(
                    "a 403 to this request would be the app's own. Where row-level security guards its data, the owner of a row must \
                     be what it compares with: it is told x-user-id {}, and the token's sub is {}",
                    quoted(&told),
                    quoted(person.user().as_str())
                ));
            }
        }
        Judged::Webhook(_) => hints.push(
            "if Clerk's own never arrive: the endpoint in the Clerk dashboard must be publicly accessible (on your own machine by a \
             tunnel such as ngrok), and lead to this path"
                .to_owned(),
        ),
    }
    hints
}

fn header(grant: &Grant, wanted: &str) -> Option<String> {
    let (_, value) = grant
        .headers()
        .values()
        .find(|(name, _)| **name == *wanted)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Whether a page of this origin may read the answer.
fn origin(request: &Request, facts: &Facts<'_>) -> Option<String> {
    let origin = request.headers.get(ORIGIN)?;
    let shown = quoted(&String::from_utf8_lossy(origin.as_bytes()));
    let cors = &facts.snapshot.rules.cors;
    Some(
        match (cors.unlisted(&request.headers), cors.origins.as_slice()) {
            (None, _) => format!(
                "the origin {shown} is listed in `cors.origins`: its pages may read bailiff's refusals"
            ),
            (Some(_), []) => format!(
                "the origin {shown} is not listed, as there is no `cors.origins` (CORS_ORIGINS): browsers show a CORS error for every \
             refusal, and preflights are answered by nobody"
            ),
            (Some(_), listed) => format!(
                "the origin {shown} is not listed: browsers show a CORS error for every refusal. `cors.origins` (CORS_ORIGINS) lists {}",
                listed.join(", ")
            ),
        },
    )
}

/// The user's data that the app does not get. `asked`: whether a running gate would ask Clerk for them.
fn missing_profile(grant: &Grant, asked: bool, offline_gate: &OfflineGate) -> Option<String> {
    let has = |name| header(grant, name).is_some();
    let what = missing(has(USER_EMAIL), has(USER_NAME))?;
    let then = match (&offline_gate.settings.reloadable.backend, asked) {
        (Some(backend), true) => format!(
            "A running gate asks {} for it, as there is a secret key. If Clerk has none either: does the Clerk application collect it \
             at sign-up?",
            backend.api_url
        ),
        (Some(_), false) => {
            "Clerk is not asked about a user whom the membership does not know: list them there, or set \
                            `membership: {first_sight: true}`"
                .to_owned()
        }
        (None, _) => SOURCES.to_owned(),
    };
    Some(format!(
        "the app gets {what}: neither the token nor the membership says it. {then}"
    ))
}
