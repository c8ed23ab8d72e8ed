//! The checks on claims: time, issuer, party, audience, session. A signature alone admits no caller.

use std::sync::Arc;

use serde_json::Value;

use super::claims::Claims;
use super::jws::{Category, SignedClaims};
use crate::domain::ids::{CLERK, UserId};
use crate::domain::issuer::{ClaimsPolicy, Issuer, IssuerKind};
use crate::domain::{Rejection, UnixTime};

/// Claims that passed every check at one second. Only these claims may be used to look up a member. There is no other constructor
/// than [`VerifiedClaims::verify`].
#[derive(Clone, Debug)]
pub struct VerifiedClaims {
    signed: Arc<SignedClaims>,
    user: UserId,
}

impl VerifiedClaims {
    /// Checks `signed` against the issuer's policy at `now`.
    pub fn verify(
        signed: Arc<SignedClaims>,
        issuer: &Issuer,
        now: UnixTime,
    ) -> Result<Self, Rejection> {
        let claims = signed.claims();
        // The issuer is compared byte for byte (RFC 7519, 4.1.1). The same claim chose the issuer's keys, so a difference is not
        // possible today. The second check costs nothing, and it still protects if that choice changes.
        if *claims.iss != *issuer.iss || signed.issuer() != &issuer.name {
            return Err(Rejection::WrongIssuer);
        }
        // Users of `clerk` have their bare id, so no other issuer may use that name. The config refuses it too.
        if !signed.read_as(issuer) || (issuer.kind == IssuerKind::Oidc && *issuer.name == *CLERK) {
            return Err(Rejection::WrongIssuer);
        }
        check_time(claims, &issuer.claims, now)?;
        match issuer.kind {
            IssuerKind::Clerk => {
                check_party(claims, &issuer.claims)?;
                check_audience(claims, &issuer.claims)?;
                check_session(claims, signed.category(), &issuer.claims)?;
            }
            IssuerKind::Oidc => check_oidc(claims, &issuer.claims)?,
        }
        let user = claims
            .sub
            .as_ref()
            .and_then(|sub| UserId::of(&issuer.name, sub))
            .ok_or(claims.subject_fault)?;
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

/// The leeway extends `exp` and limits how far a token may be from the future (attack A-53). An `iat` in the past is never a
/// fault; the operator sets an age limit with `max_token_age`.
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

/// Checks that the party that asked for the token, `azp`, is listed exactly (attack A-55).
fn check_party(claims: &Claims, policy: &ClaimsPolicy) -> Result<(), Rejection> {
    let Some(parties) = &policy.authorized_parties else {
        return Ok(());
    };
    match &claims.azp {
        Some(azp) if parties.contains(azp) => Ok(()),
        None if policy.azp_optional => Ok(()),
        _ => Err(Rejection::WrongParty),
    }
}

/// Checks that the token is for this app: one `aud` is among those of the config (RFC 7519, 4.1.3).
fn check_audience(claims: &Claims, policy: &ClaimsPolicy) -> Result<(), Rejection> {
    match &policy.audience {
        Some(audience) if !claims.aud.iter().any(|aud| audience.contains(aud)) => {
            Err(Rejection::WrongAudience)
        }
        _ => Ok(()),
    }
}

/// RFC 8725, 3.9: a provider signs for many apps with one key. The operator of another app could send its users' tokens to this
/// gate. So the token must name this app.
fn check_oidc(claims: &Claims, policy: &ClaimsPolicy) -> Result<(), Rejection> {
    // RFC 8417, 2.2: a security event or a logout token is about a user and does not come from one. Old ones have the `typ` of an
    // ID token.
    if claims.all.contains_key("events") {
        return Err(Rejection::WrongTokenType);
    }
    if let Some(client) = &policy.client_id {
        let is_ours = |named: &str| *named == **client;
        let good = match (&claims.azp, &claims.client_id) {
            // OpenID Connect Core, 3.1.3.7; then RFC 9068, 2.2; then an ID token, which names its client in `aud`.
            (Some(azp), _) => is_ours(azp),
            (None, Some(named)) => is_ours(named),
            (None, None) => claims.aud.iter().any(|aud| is_ours(aud)),
        };
        if !good {
            return Err(Rejection::WrongParty);
        }
    } else if policy.audience.is_none() {
        // Fail closed: the config must set the client or the audience.
        return Err(Rejection::WrongAudience);
    }
    check_audience(claims, policy)?;
    if is_a_clients_own(claims) {
        Err(Rejection::MissingSubject)
    } else {
        Ok(())
    }
}

/// RFC 9068, 2.2: with the client credentials grant the subject is the client itself, and that is not a user. Okta names the
/// client in `cid`, Auth0 writes `…@clients` and the grant, Entra ID the kind of its subject. The claim that the config maps to
/// the user does not change this: a client has an `oid` too.
fn is_a_clients_own(claims: &Claims) -> bool {
    let said = |name: &str| claims.all.get(name).and_then(Value::as_str);
    let clients = [
        claims.azp.as_deref(),
        claims.client_id.as_deref(),
        said("cid"),
    ];
    let subjects = [claims.sub.as_ref().map(|sub| sub.as_str()), said("sub")];
    let is_client = |sub: &str| {
        let name = sub.strip_suffix("@clients").unwrap_or(sub);
        clients
            .iter()
            .flatten()
            .any(|client| *client == sub || *client == name)
    };
    subjects.into_iter().flatten().any(is_client)
        || said("gty") == Some("client-credentials")
        || said("idtyp") == Some("app")
}

/// One key signs all kinds of Clerk tokens, so the kind is checked by name (attacks ). A token of a JWT template
/// outlives its session, so such tokens need an explicit option.
fn check_session(
    claims: &Claims,
    category: Category,
    policy: &ClaimsPolicy,
) -> Result<(), Rejection> {
    match category {
        Category::Template if !policy.allow_jwt_templates => return Err(Rejection::WrongTokenType),
        Category::Session if claims.sid.is_none() => return Err(Rejection::MissingSession),
        Category::Unsaid if claims.sid.is_none() && !policy.allow_jwt_templates => {
            // A machine token is known by its subject. Any other token without a session is a template's or forged.
            let machine = claims.sub.is_none() && claims.subject_fault == Rejection::WrongTokenType;
            return Err(if machine {
                Rejection::WrongTokenType
            } else {
                Rejection::MissingSession
            });
        }
        _ => {}
    }
    if claims.pending && !policy.allow_pending {
        Err(Rejection::SessionPending)
    } else {
        Ok(())
    }
}
