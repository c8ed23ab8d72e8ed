//! What a request teaches about its user.

use super::Caller;
use crate::domain::UnixTime;
use crate::domain::event::EventTime;
use crate::domain::ids::UserId;
use crate::domain::membership::Seen;
use crate::domain::snapshot::Snapshot;

/// Something about a user that should be kept: that they were seen, under which address and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub user: UserId,
    pub seen: Seen,
}

/// What is new about the caller, where the membership makes records at first sight. Counts from the time at which the issuer
/// said it, so that an older token never brings back an older address.
pub(super) fn sighting(snapshot: &Snapshot, caller: &Caller, now: UnixTime) -> Option<Sighting> {
    let (Caller::User(verified), Some(members)) = (caller, &snapshot.members) else { return None };
    let claims = verified.claims();
    let at = EventTime(claims.iat.unwrap_or(now.0).min(now.0).saturating_mul(1000));
    let seen = Seen { at, email: claims.email.clone(), name: claims.name.clone() };
    members.is_news(verified.user(), &seen).then(|| Sighting { user: verified.user().clone(), seen })
}
