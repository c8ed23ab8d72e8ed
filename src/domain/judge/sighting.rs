//! What a request teaches about its user.

use super::{Caller, Grant, Principal};
use crate::domain::UnixTime;
use crate::domain::event::EventTime;
use crate::domain::identity::name;
use crate::domain::ids::{ClerkUserId, UserId};
use crate::domain::membership::{Members, Seen, Standing};
use crate::domain::snapshot::Snapshot;
use crate::domain::token::VerifiedClaims;

/// Something about a user that should be kept: that they were seen, under which address and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub user: UserId,
    pub seen: Seen,
}

/// What a grant leaves to be done about its user. None of it can refuse the request.
#[derive(Clone, Debug, Default)]
pub struct Lesson {
    /// What is news about the user, to be kept.
    pub sighting: Option<Sighting>,
    /// The known user of Clerk of whom the upstream would learn no e-mail address or no name.
    pub nameless: Option<ClerkUserId>,
}

impl Sighting {
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

impl Lesson {
    pub(super) fn of(snapshot: &Snapshot, grant: &Grant, now: UnixTime) -> Self {
        let (Caller::User(Principal::Verified(verified)), Some(members)) =
            (&grant.caller, &snapshot.members)
        else {
            return Self::default();
        };
        let user = verified.user();
        let sighting = Sighting::of(members, verified, now);
        let told = |wanted: &str| grant.headers.values().any(|(header, _)| header == wanted);
        let whole = told(name::USER_EMAIL) && told(name::USER_NAME);
        // Of somebody whom the membership does not know, nothing could be kept.
        let known = || matches!(members.standing(user), Standing::Known(_));
        let nameless = if whole || !known() {
            None
        } else {
            user.clerk()
        };
        Self { sighting, nameless }
    }
}
