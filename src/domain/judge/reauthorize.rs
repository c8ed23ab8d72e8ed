//! Whether somebody who was let in would still be: for answers that go on for hours.

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

/// Whether `grant` would still be given by `snapshot` at `now`, as far as access can end: by a revocation, a ban, another status, a
/// lost role or flag, an issuer or a shared token that is gone. That the token has expired meanwhile counts where the route says so.
///
/// # Errors
/// Why it would not.
pub fn reauthorize(snapshot: &Snapshot, grant: &Grant, now: UnixTime) -> Result<(), Rejection> {
    grant
        .permit
        .routes()
        .try_for_each(|route| still_by(snapshot, grant, route, now))
}

/// As [`reauthorize`], by one of the routes that let the user in.
fn still_by(
    snapshot: &Snapshot,
    grant: &Grant,
    route: &Arc<Route>,
    now: UnixTime,
) -> Result<(), Rejection> {
    let Caller::User(principal) = &grant.caller else {
        return Ok(());
    };
    // What would only be reported of a request ends no answer either.
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
        // Fail closed: whoever asks here has asked the source before.
        Err(Stop::NeedMember(_) | Stop::NeedKey(_)) => Err(Rejection::MembersUnavailable),
    }
}

/// The issuer must be there, and the token's time where the route says that it counts.
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
