//! The checks on claims: time, issuer, party, audience, session. A signature alone lets nobody in.

use std::sync::Arc;

use super::claims::Claims;
use super::jws::{Category, SignedClaims};
use crate::domain::ids::UserId;
use crate::domain::issuer::{ClaimsPolicy, Issuer};
use crate::domain::{Rejection, UnixTime};

/// Claims that passed every check at one second. Holding one is the permission to look up a member; there is no other
/// constructor than [`VerifiedClaims::verify`].
#[derive(Clone, Debug)]
pub struct VerifiedClaims {
    signed: Arc<SignedClaims>,
    user: UserId,
}

impl VerifiedClaims {
    /// Checks `signed` against the issuer's policy at `now`.
    pub fn verify(signed: Arc<SignedClaims>, issuer: &Issuer, now: UnixTime) -> Result<Self, Rejection> {
        let claims = signed.claims();
        // Policy P9: byte for byte. Which keys were tried was chosen by this claim, so this cannot differ; a second look
        // costs nothing and stands when somebody changes the choice.
        if *claims.iss != *issuer.iss || signed.issuer() != &issuer.name {
            return Err(Rejection::WrongIssuer);
        }
        check_time(claims, &issuer.claims, now)?;
        check_party(claims, &issuer.claims)?;
        check_session(claims, signed.category(), &issuer.claims)?;
        let user = claims.sub.as_ref().and_then(|sub| UserId::of(&issuer.name, sub)).ok_or(claims.subject_fault)?;
        Ok(Self { signed, user })
    }

    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.signed.claims()
    }

    #[must_use]
    pub fn issuer(&self) -> &Arc<str> {
        self.signed.issuer()
    }
}

/// Policy P7 and P8: the leeway widens `exp` and bounds tokens from the future. An `iat` in the past is never a fault; who
/// wants an age limit sets `max_token_age`.
fn check_time(claims: &Claims, policy: &ClaimsPolicy, now: UnixTime) -> Result<(), Rejection> {
    let UnixTime(now) = now;
    let leeway = policy.leeway.secs();
    let soon = now.saturating_add(leeway);
    if now >= claims.exp.saturating_add(leeway) {
        return Err(Rejection::Expired);
    }
    if claims.nbf.is_some_and(|nbf| nbf > soon) {
        return Err(Rejection::NotYetValid);
    }
    if policy.verify_iat && claims.iat.is_none_or(|iat| iat > soon) {
        return Err(Rejection::IssuedInFuture);
    }
    match policy.max_token_age {
        None => Ok(()),
        Some(max) => match claims.iat {
            Some(iat) if now.saturating_sub(iat) <= max.as_secs().saturating_add(leeway) => Ok(()),
            _ => Err(Rejection::TokenTooOld),
        },
    }
}

/// Policy P10 and P13; attack A-55.
fn check_party(claims: &Claims, policy: &ClaimsPolicy) -> Result<(), Rejection> {
    if let Some(parties) = &policy.authorized_parties {
        match &claims.azp {
            Some(azp) if parties.contains(azp) => {}
            None if policy.azp_optional => {}
            _ => return Err(Rejection::WrongParty),
        }
    }
    match &policy.audience {
        Some(audience) if !claims.aud.iter().any(|aud| audience.contains(aud)) => Err(Rejection::WrongAudience),
        _ => Ok(()),
    }
}

/// Policy P3, P11 and P12: all kinds of Clerk tokens are signed by one key, so the kind is asked for by name. A token of a
/// JWT template outlives the session that minted it, hence the explicit option.
fn check_session(claims: &Claims, category: Category, policy: &ClaimsPolicy) -> Result<(), Rejection> {
    match category {
        Category::Template if !policy.allow_jwt_templates => return Err(Rejection::WrongTokenType),
        Category::Session if claims.sid.is_none() => return Err(Rejection::MissingSession),
        Category::Unsaid if claims.sid.is_none() && !policy.allow_jwt_templates => {
            // A machine token says so in its subject; anything else without a session is a template or a forgery.
            let machine = claims.sub.is_none() && claims.subject_fault == Rejection::WrongTokenType;
            return Err(if machine { Rejection::WrongTokenType } else { Rejection::MissingSession });
        }
        _ => {}
    }
    if claims.pending && !policy.allow_pending { Err(Rejection::SessionPending) } else { Ok(()) }
}
