//! The follow-up work of a request, besides its answer.

use super::{Caller, Grant, Principal};
use crate::domain::UnixTime;
use crate::domain::event::EventTime;
use crate::domain::identity::name;
use crate::domain::ids::{ClerkUserId, UserId};
use crate::domain::membership::{Members, Seen, UserState};
use crate::domain::snapshot::Snapshot;
use crate::domain::token::VerifiedClaims;

/// News about a user, to be recorded: the gate saw them, with this address and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub user: UserId,
    pub seen: Seen,
}

/// The follow-up work of a decision about its user. None of it can refuse the request.
#[derive(Clone, Debug, Default)]
pub struct SideEffects {
    /// News about the user, to be recorded. A refused user can have news too.
    pub observation: Option<Observation>,
    /// A known Clerk user who is admitted and whose e-mail address or name is missing.
    pub missing_profile: Option<ClerkUserId>,
}

impl Observation {
    /// The token's data about its user, if it is new. It counts from the time at which the token was issued, so that an older
    /// token never brings back an older address.
    pub(super) fn of(members: &Members, verified: &VerifiedClaims, now: UnixTime) -> Option<Self> {
        let (user, claims) = (verified.user(), verified.claims());
        let at = EventTime(claims.iat.unwrap_or(now.0).min(now.0).saturating_mul(1000));
        let seen = Seen {
            at,
            email: claims.email.clone(),
            name: claims.name.clone(),
        };
        members.is_news(user, &seen).then(|| Self {
            user: user.clone(),
            seen,
        })
    }
}

impl SideEffects {
    pub(super) fn of(snapshot: &Snapshot, grant: &Grant, now: UnixTime) -> Self {
        let (Caller::User(Principal::Verified(verified)), Some(members)) =
            (&grant.caller, &snapshot.members)
        else {
            return Self::default();
        };
        let user = verified.user();
        let observation = Observation::of(members, verified, now);
        let has = |wanted: &str| grant.headers().values().any(|(header, _)| header == wanted);
        let complete = has(name::USER_EMAIL) && has(name::USER_NAME);
        // The membership cannot record anything for a user that it does not know.
        let known = || matches!(members.user_state(user), UserState::Known(_));
        let missing_profile = if complete || !known() {
            None
        } else {
            user.clerk()
        };
        Self {
            observation,
            missing_profile,
        }
    }
}
