//! Finds the probable cause of a reason and its cure, from the facts of this request.

use super::facts::Facts;
use super::{browser, services};
use crate::domain::Rejection;
use crate::domain::issuer::IssuerKind;

/// A cause, and its cure.
pub(super) struct Advice {
    /// The cause that this request shows. `None` where the meaning of the reason is the whole explanation.
    pub cause: Option<String>,
    pub fix: String,
}

impl Advice {
    /// The lines of a report.
    pub(super) fn text(&self) -> String {
        let cause = self
            .cause
            .iter()
            .map(|cause| format!("  cause   {cause}\n"));
        let mut text: String = cause.collect();
        text += &format!("  fix     {}\n", self.fix);
        text
    }
}

/// The cause that a request shows, and a cure where the request suggests a better one than the reason alone.
pub(super) type Evidence = (String, Option<String>);

/// The addition where a running gate knows more than this command.
const NOT_SEEN: &str = "; what webhooks changed in a running gate is not seen here";

/// Advice for any reason. The cure is that of the catalogue ([`Rejection::fix`]), unless this request suggests a better one.
pub(super) fn advice(reason: Rejection, facts: &Facts<'_>) -> Advice {
    let (cause, fix) = match evidence(reason, facts) {
        Some((cause, fix)) => (Some(cause), fix),
        None => (None, None),
    };
    Advice {
        cause,
        fix: fix.unwrap_or_else(|| reason.fix().to_owned()),
    }
}

fn evidence(reason: Rejection, facts: &Facts<'_>) -> Option<Evidence> {
    browser::evidence(reason, facts)
        .or_else(|| token(reason, facts))
        .or_else(|| services::evidence(reason, facts))
        .or_else(|| access(reason, facts))
}

/// Where the reason is about the token of a user.
fn token(reason: Rejection, facts: &Facts<'_>) -> Option<Evidence> {
    use Rejection as R;
    let (cause, fix) = match reason {
        R::MissingToken => (
            "the request has no Authorization field; cookies and queries are not looked at".to_owned(),
            Some(format!("--token -; in the app {}", reason.fix())),
        ),
        R::MalformedToken => (facts.malformed(), None),
        R::UnknownKey | R::WrongIssuer | R::BadSignature => (facts.signer(), None),
        R::KeysUnavailable => (facts.no_keys(), None),
        R::Expired | R::NotYetValid | R::IssuedInFuture | R::TokenTooOld => facts.time(reason)?,
        R::WrongParty | R::WrongAudience => facts.party(reason)?,
        R::WrongAlgorithm => (
            format!("the token says alg {}, and only RS256 is accepted", facts.header("alg")),
            (facts.kind() == IssuerKind::Clerk)
                .then(|| "this is no Clerk session token: send the one that `getToken()` gives".to_owned()),
        ),
        R::WrongTokenType | R::MissingSession => (
            format!("the token has typ {}, cat {}, sub {}, sid {}", facts.header("typ"), facts.header("cat"), facts.claim("sub"), facts.claim("sid")),
            (facts.kind() == IssuerKind::Oidc)
                .then(|| "send the access token or the ID token of the user".to_owned()),
        ),
        R::SessionPending => (
            "the session has open tasks, such as choosing an organization".to_owned(),
            None,
        ),
        R::SeveralTokens => (
            "two Authorization fields, or a session cookie of another user beside the token".to_owned(),
            None,
        ),
        R::MissingSubject if facts.kind() == IssuerKind::Oidc => (
            format!("the token has {}", facts.subject()),
            Some("send the token of a user: one of the client credentials grant is the client's own; `claims: {user_id: …}` names another claim".to_owned()),
        ),
        R::WrongLocalToken => (
            "the gate runs in local mode, where one shared token counts, and this is another one".to_owned(),
            None,
        ),
        _ => return None,
    };
    Some((cause, fix))
}

/// Where the reason is about routes, membership, webhooks, or authentication that is switched off.
fn access(reason: Rejection, facts: &Facts<'_>) -> Option<Evidence> {
    use Rejection as R;
    let cause = match reason {
        R::AuthDisabledBehindProxy => facts.proxy(),
        R::AuthDisabledHost => {
            "while authentication is switched off, only requests to an IP address or to localhost are let in".to_owned()
        }
        R::AuthDisabledOrigin => {
            "while authentication is switched off, only pages of this machine and of `cors.origins` are let in".to_owned()
        }
        R::NoRoute => "the routes are all there is; there is no default".to_owned(),
        R::UnknownUser | R::NotAMember | R::RoleTooLow | R::Suspended | R::NotActive => {
            let fix = format!("{}{NOT_SEEN}", reason.fix());
            return Some((facts.user_state(reason), Some(fix)));
        }
        R::MembersUnavailable => {
            "the membership is in a database or with another service, which this command does not ask".to_owned()
        }
        R::NoWorkspace => "the route asks for a workspace, and nothing in the request names one".to_owned(),
        R::WebhookHeaders => {
            "svix-id, svix-timestamp and svix-signature must each be there once; this route is for Clerk".to_owned()
        }
        R::WebhookSignature => {
            "the secret is another endpoint's, or the body is not byte for byte what was signed".to_owned()
        }
        R::WebhookTime => facts.webhook_time(),
        _ => return None,
    };
    Some((cause, None))
}
