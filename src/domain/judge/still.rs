//! Whether somebody who was let in would still be: for answers that go on for hours.

use super::{Caller, Grant, Person, standing};
use crate::domain::routes::{Access, Condition, Streams};
use crate::domain::snapshot::Snapshot;
use crate::domain::token::VerifiedClaims;
use crate::domain::{Rejection, UnixTime, revocation};

/// Whether `grant` would still be given by `snapshot` at `now`, as far as access can end: by a revocation, a ban, another status, a
/// lost role, an issuer that is gone. That the token has expired meanwhile counts where the route says so.
///
/// # Errors
/// Why it would not.
pub fn still(snapshot: &Snapshot, grant: &Grant, now: UnixTime) -> Result<(), Rejection> {
    let Caller::User(person) = &grant.caller else { return Ok(()) };
    if grant.route.streams == Streams::Never || person.may_everything() {
        return Ok(());
    }
    match &snapshot.members {
        Some(members) => standing::admits(&grant.route, &members.standing(person.user()), person.is_stand_in())?,
        // Fail closed: what was asked of a membership cannot be answered without one.
        None if grant.who.workspace.is_some() || grant.route.access == Access::Active => {
            return Err(Rejection::MembersUnavailable);
        }
        None => {}
    }
    if let Person::Verified(verified) = person {
        check_token(snapshot, grant, verified, now)?;
    }
    let (Some(workspace), Some(members)) = (&grant.who.workspace, &snapshot.members) else { return Ok(()) };
    let role = members.role(workspace, person.user()).ok_or(Rejection::NotAMember)?;
    let required = grant.route.require.iter().filter_map(|condition| match condition {
        Condition::Role(role) => Some(*role),
        _ => None,
    });
    let own = match grant.route.access {
        Access::Role(role) => Some(role),
        _ => None,
    };
    if required.chain(own).any(|wanted| role < wanted) { Err(Rejection::RoleTooLow) } else { Ok(()) }
}

fn check_token(snapshot: &Snapshot, grant: &Grant, verified: &VerifiedClaims, now: UnixTime) -> Result<(), Rejection> {
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
    let ended = now.0 >= claims.exp.saturating_add(issuer.claims.leeway.secs());
    if grant.route.streams == Streams::AtExpiry && ended { Err(Rejection::Expired) } else { Ok(()) }
}
