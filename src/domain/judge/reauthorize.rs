//! Whether the gate would still admit a user, for answers that go on for hours.

use std::sync::Arc;
use std::time::Duration;

use super::access::Stop;
use super::authorize::{Authorization, Purpose};
use super::{Caller, Grant, Principal};
use crate::domain::routes::{Mode, Route, Streams};
use crate::domain::snapshot::Snapshot;
use crate::domain::static_user::StaticAuth;
use crate::domain::token::VerifiedClaims;
use crate::domain::{Rejection, UnixTime};

/// Every reason of [`reauthorize`].
pub const STREAM_END_REASONS: &[Rejection] = &[
    Rejection::SessionRevoked,
    Rejection::UserRevoked,
    Rejection::UserDeleted,
    Rejection::UserBanned,
    Rejection::UnknownUser,
    Rejection::Suspended,
    Rejection::NotActive,
    Rejection::NotAMember,
    Rejection::RoleTooLow,
    Rejection::NoFlag,
    Rejection::NoPermission,
    Rejection::NoFeature,
    Rejection::NoPlan,
    Rejection::Expired,
    Rejection::WrongIssuer,
    Rejection::MembersUnavailable,
    Rejection::MembersStale,
    Rejection::SharedStateUnavailable,
    Rejection::IssuerNotAllowed,
    Rejection::Impersonated,
    Rejection::WrongLocalToken,
    Rejection::MissingToken,
];

/// Whether `snapshot` would still give `grant` at `now`, as far as access can end: by a revocation, a ban, another status, a lost
/// role or flag, a removed issuer or shared token. An expired token ends access only where the route asks for that.
///
/// # Errors
/// Why it would not.
pub fn reauthorize(snapshot: &Snapshot, grant: &Grant, now: UnixTime) -> Result<(), Rejection> {
    grant
        .permit
        .routes()
        .try_for_each(|route| still_by(snapshot, grant, route, now))
}

/// As [`reauthorize`], for one of the routes that admitted the user.
fn still_by(
    snapshot: &Snapshot,
    grant: &Grant,
    route: &Arc<Route>,
    now: UnixTime,
) -> Result<(), Rejection> {
    let Caller::User(principal) = &grant.caller else {
        return Ok(());
    };
    // In report mode the gate does not refuse requests, so it does not end their answers either.
    if route.streams == Streams::Never || route.mode == Mode::Report {
        return Ok(());
    }
    if let Principal::StaticUser(holder) = principal {
        StaticAuth::still_admits(snapshot.rules.static_user.as_ref(), holder)?;
    }
    if principal.bypasses_auth() {
        return Ok(());
    }
    let purpose = Purpose::Stream {
        workspace: grant.workspace.as_ref(),
        roles: grant.roles.as_ref(),
    };
    match (Authorization {
        snapshot,
        route,
        principal,
        purpose,
        now,
    })
    .check(&mut ())
    {
        Ok(_) => principal.claims().map_or(Ok(()), |verified| {
            check_issuer(snapshot, route.streams, verified, now)
        }),
        Err(Stop::Refuse(reason)) => Err(reason),
        // Fail closed: the caller must have asked the source before.
        Err(Stop::NeedMember(_) | Stop::NeedKey(_)) => Err(Rejection::MembersUnavailable),
    }
}

/// Checks that the issuer is still configured and, where the route asks for it, that the token has not expired.
fn check_issuer(
    snapshot: &Snapshot,
    streams: Streams,
    verified: &VerifiedClaims,
    now: UnixTime,
) -> Result<(), Rejection> {
    let issuer = snapshot
        .rules
        .issuers
        .iter()
        .find(|issuer| issuer.name == *verified.issuer());
    let issuer = issuer.ok_or(Rejection::WrongIssuer)?;
    let Streams::AtExpiry { grace } = streams else {
        return Ok(());
    };
    let expired = Duration::from_secs(
        verified
            .claims()
            .exp
            .saturating_add(issuer.claims.leeway.secs()),
    );
    if Duration::from_secs(now.0) >= expired.saturating_add(grace) {
        Err(Rejection::Expired)
    } else {
        Ok(())
    }
}
