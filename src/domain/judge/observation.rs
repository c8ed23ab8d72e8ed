//! What a request leaves to be done beside its answer.

use super::{Caller, Grant, Principal};
use crate::domain::UnixTime;
use crate::domain::event::EventTime;
use crate::domain::identity::name;
use crate::domain::ids::{ClerkUserId, UserId};
use crate::domain::membership::{Members, Seen, UserState};
use crate::domain::snapshot::Snapshot;
use crate::domain::token::VerifiedClaims;

/// News about a user, to be recorded: that they were seen, under which address and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub user: UserId,
    pub seen: Seen,
}

/// What a decision leaves to be done about its user. None of it can refuse the request.
#[derive(Clone, Debug, Default)]
pub struct SideEffects {
    /// News about the user, to be recorded. Refused users have some, too.
    pub observation: Option<Observation>,
    /// The known user of Clerk who is let in, and of whom the app would learn no e-mail address or no name.
    pub missing_profile: Option<ClerkUserId>,
}

impl Observation {
    /// What a token says of its user, if that is news. It counts from the time at which the token was issued, so that an older
    /// one never brings back an older address.
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
        // Of a user whom the membership does not know, nothing could be recorded.
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
