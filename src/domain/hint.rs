//! Hints to the operator about a refusal: a wrong clock, a token of another instance, an origin that is not listed.
//!
//! No hint affects a decision. Hints are computed after the decision, and only for the log.

use std::sync::Arc;

use http::{HeaderMap, Method, header};

use super::issuer::Issuer;
use super::snapshot::Snapshot;
use super::token::{UnverifiedToken, bearer};
use super::{Rejection, UnixTime};

/// In seconds. A token that expired at most this long ago was valid a moment before: a clock is ahead, or the client keeps
/// tokens.
const JUST_NOW: u64 = 120;
/// The most characters of the request that a hint repeats.
const LONGEST: usize = 120;

/// What the operator should check. The texts come from the request, cut short, and are not verified: print them quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A token with a valid signature of the issuer comes from the future. Only the issuer could make it, so a clock is wrong.
    FromTheFuture {
        issuer: Arc<str>,
        claim: &'static str,
        ahead: u64,
        leeway: u64,
    },
    /// A token with a valid signature of the issuer expired `ago` seconds before the request.
    JustExpired {
        issuer: Arc<str>,
        ago: u64,
        leeway: u64,
    },
    /// A token of an issuer that is not configured, or with a key that the configured issuer does not have.
    OtherInstance {
        reason: Rejection,
        iss: Box<str>,
        kid: Option<Box<str>>,
    },
    /// A token of the issuer does not fit the one key in the config.
    OtherKey { issuer: Arc<str> },
    /// The client has no token and sends JavaScript's word for a missing value.
    Placeholder(&'static str),
    /// A preflight from an origin that is not listed.
    Origin(Box<str>),
    /// A refused request on a webhook route.
    Webhook(Rejection),
}

/// The hint for a request that was refused for `reason`, if there is one.
#[must_use]
pub fn hint(
    snapshot: &Snapshot,
    method: &Method,
    headers: &HeaderMap,
    reason: Rejection,
    now: UnixTime,
) -> Option<Hint> {
    use Rejection as R;
    match reason {
        R::WebhookHeaders | R::WebhookSignature | R::WebhookTime => Some(Hint::Webhook(reason)),
        R::MalformedToken | R::UnknownService => placeholder(headers).map(Hint::Placeholder),
        R::UnknownKey | R::WrongIssuer => {
            let token = token(headers)?;
            let iss = cut(token.claimed_issuer()?);
            Some(Hint::OtherInstance {
                reason,
                iss,
                kid: token.kid().map(cut),
            })
        }
        R::BadSignature => {
            let issuer = issuer(snapshot, &token(headers)?)?;
            let only_key = snapshot.keys.get(&issuer.name)?.kids().is_empty();
            only_key.then(|| Hint::OtherKey {
                issuer: issuer.name.clone(),
            })
        }
        R::Expired | R::NotYetValid | R::IssuedInFuture => {
            let token = token(headers)?;
            time(reason, issuer(snapshot, &token)?, &token, now)
        }
        // A route that does not name OPTIONS refuses a preflight for another reason; the cause is the same unlisted origin.
        _ => {
            let origin = snapshot.rules.cors.unlisted_preflight(method, headers)?;
            Some(Hint::Origin(cut(&String::from_utf8_lossy(
                origin.as_bytes(),
            ))))
        }
    }
}

/// The JavaScript word that the client sent in place of a token.
#[must_use]
pub fn placeholder(headers: &HeaderMap) -> Option<&'static str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        bearer::placeholder(token)
    } else {
        None
    }
}

fn token(headers: &HeaderMap) -> Option<UnverifiedToken<'_>> {
    UnverifiedToken::parse(bearer(headers).ok()??).ok()
}

fn issuer<'s>(snapshot: &'s Snapshot, token: &UnverifiedToken<'_>) -> Option<&'s Issuer> {
    snapshot.rules.issuer(token.claimed_issuer()?)
}

/// The gate checks times only after the signature. So for these reasons the token is the issuer's own.
fn time(
    reason: Rejection,
    issuer: &Issuer,
    token: &UnverifiedToken<'_>,
    UnixTime(now): UnixTime,
) -> Option<Hint> {
    let (name, leeway) = (issuer.name.clone(), issuer.claims.leeway.secs());
    if reason == Rejection::Expired {
        let ago = now.checked_sub(token.claimed_seconds("exp")?)?;
        return (ago <= JUST_NOW).then_some(Hint::JustExpired {
            issuer: name,
            ago,
            leeway,
        });
    }
    let claim = if reason == Rejection::NotYetValid {
        "nbf"
    } else {
        "iat"
    };
    // A missing `iat` is not the fault of a clock.
    let ahead = token.claimed_seconds(claim)?.checked_sub(now)?;
    Some(Hint::FromTheFuture {
        issuer: name,
        claim,
        ahead,
        leeway,
    })
}

fn cut(text: &str) -> Box<str> {
    text.chars().take(LONGEST).collect()
}
