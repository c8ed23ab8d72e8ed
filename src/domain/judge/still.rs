//! Whether somebody who was let in would still be: for answers that go on for hours.

use std::time::Duration;

use super::access::Joined;
use super::conditions::Scope;
use super::{Caller, Grant, Person, standing};
use crate::domain::routes::{Access, Condition, Mode, Route, Streams};
use crate::domain::snapshot::Snapshot;
use crate::domain::stand_in::StandInMode;
use crate::domain::token::VerifiedClaims;
use crate::domain::{Rejection, UnixTime, revocation};

/// Every reason of [`still`].
pub const ENDINGS: &[Rejection] = &[
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
    Rejection::WrongLocalToken,
    Rejection::MissingToken,
];

/// Whether `grant` would still be given by `snapshot` at `now`, as far as access can end: by a revocation, a ban, another status, a
/// lost role or flag, an issuer or a shared token that is gone. That the token has expired meanwhile counts where the route says so.
///
/// # Errors
/// Why it would not.
pub fn still(snapshot: &Snapshot, grant: &Grant, now: UnixTime) -> Result<(), Rejection> {
    grant.routes().try_for_each(|route| still_by(snapshot, grant, route, now))
}

/// As [`still`], by one of the routes that let the user in.
fn still_by(snapshot: &Snapshot, grant: &Grant, route: &Route, now: UnixTime) -> Result<(), Rejection> {
    let Caller::User(person) = &grant.caller else { return Ok(()) };
    // What would only be reported of a request ends no answer either.
    let left_alone = route.streams == Streams::Never || route.mode == Mode::Report;
    if left_alone {
        return Ok(());
    }
    if let Person::StandIn(holder) = person {
        StandInMode::still_admits(snapshot.rules.stand_in.as_ref(), holder)?;
    }
    if person.may_everything() {
        return Ok(());
    }
    match &snapshot.members {
        Some(members) if !members.is_lookup() && members.too_old(now) => return Err(Rejection::MembersStale),
        Some(members) => standing::admits(route, &members.standing(person.user()), person.is_stand_in())?,
        // Fail closed: what was asked of a membership cannot be answered without one.
        None if grant.who.workspace.is_some() || route.access == Access::Active => {
            return Err(Rejection::MembersUnavailable);
        }
        None => {}
    }
    if let Person::Verified(verified) = person {
        check_token(snapshot, route.streams, verified, now)?;
    }
    let members = snapshot.members.as_ref();
    let joined = match (&grant.who.workspace, members) {
        (Some(_), Some(_)) if grant.roles != snapshot.rules.roles => return Err(Rejection::RoleTooLow),
        (Some(workspace), Some(members)) => {
            let claim = person.claimed(snapshot.rules.roles.as_ref());
            let role = members.role(workspace, person.user(), claim).ok_or(Rejection::NotAMember)?;
            if matches!(route.access, Access::Role(wanted) if role < wanted) {
                return Err(Rejection::RoleTooLow);
            }
            Some(Joined { workspace: workspace.clone(), role })
        }
        _ => None,
    };
    let scope = Scope { person, joined: joined.as_ref(), members, now };
    // How long ago the second factor was given is asked at the door only: it grows old with every answer.
    let lasting = |condition: &&Condition| !matches!(condition, Condition::SecondFactorWithin(_));
    route.require.iter().filter(lasting).try_for_each(|condition| scope.check(condition))
}

fn check_token(
    snapshot: &Snapshot,
    streams: Streams,
    verified: &VerifiedClaims,
    now: UnixTime,
) -> Result<(), Rejection> {
    let issuer = snapshot.rules.issuers.iter().find(|issuer| issuer.name == *verified.issuer());
    let issuer = issuer.ok_or(Rejection::WrongIssuer)?;
    let claims = verified.claims();
    let token = revocation::Token {
        user: verified.user(),
        session: claims.sid.as_ref(),
        issued: claims.iat.map(UnixTime),
        // How long it lives was judged when it came.
        expires: now,
    };
    snapshot.revocations.check(&token, now, snapshot.rules.keep_revocations)?;
    let Streams::AtExpiry { grace } = streams else { return Ok(()) };
    let expired = Duration::from_secs(claims.exp.saturating_add(issuer.claims.leeway.secs()));
    if Duration::from_secs(now.0) >= expired.saturating_add(grace) { Err(Rejection::Expired) } else { Ok(()) }
}
