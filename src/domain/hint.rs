//! What a refusal suggests to whoever runs the gate: a wrong clock, a token of another instance, an origin that is not listed.
//!
//! Nothing here decides about a request. It is told after the verdict, and only the log hears of it.

use std::sync::Arc;

use http::{HeaderMap, Method, header};

use super::issuer::Issuer;
use super::snapshot::Snapshot;
use super::token::{UnverifiedToken, bearer};
use super::{Rejection, UnixTime};

/// A token that ended at most so many seconds ago was good a moment before: a clock that is ahead, or a client that keeps tokens.
const JUST_NOW: u64 = 120;
/// Bound on what is repeated of a request, in characters.
const LONGEST: usize = 120;

/// What to look at. Texts are as the request had them, cut short, and nobody vouches for them: print them quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A token that a key of the issuer has signed comes from the future. Nobody else could have made it, so a clock is wrong.
    FromTheFuture {
        issuer: Arc<str>,
        claim: &'static str,
        ahead: u64,
        leeway: u64,
    },
    /// A token that a key of the issuer has signed ended `ago` seconds before it came.
    JustExpired {
        issuer: Arc<str>,
        ago: u64,
        leeway: u64,
    },
    /// A token of somebody who is not configured, or by a key that the configured issuer does not have.
    OtherInstance {
        reason: Rejection,
        iss: Box<str>,
        kid: Option<Box<str>>,
    },
    /// A token of the issuer does not fit the one key that stands in the config.
    OtherKey { issuer: Arc<str> },
    /// The client has no token and sends JavaScript's word for that.
    Placeholder(&'static str),
    /// A preflight from an origin that is not listed.
    Origin(Box<str>),
    /// Something on a webhook route that is not let in.
    Webhook(Rejection),
}

/// What the refusal of a request for `reason` suggests, if anything.
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
        // A route that does not name OPTIONS refuses a preflight in another way, for the same want of an origin.
        _ => {
            let origin = snapshot.rules.cors.unlisted_preflight(method, headers)?;
            Some(Hint::Origin(cut(&String::from_utf8_lossy(
                origin.as_bytes(),
            ))))
        }
    }
}

/// The word that stands where a token should be.
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

/// Times are looked at only after the signature, so for these reasons the token is one of the issuer's.
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
    // Without an `iat` no clock is to blame.
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
