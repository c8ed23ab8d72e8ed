//! One event of membership: what happened to which user or organization, and when.
//!
//! Whatever changes what is known of users is a [`MembershipEvent`], from wherever it comes: a webhook or Clerk's API (`clerk`), a
//! user's token, a source whose rows supersede earlier events, an operator, another replica, the local store.
//!
//! Events come late, twice and in any order. Of two events about the same thing the one with the larger [`Rank`] counts, and nothing
//! else decides that: applying the same events in any order gives the same membership. A replica and the local store write events by
//! one codec (`codec`).

mod clerk;
mod codec;
mod rank;
#[cfg(test)]
pub(super) mod tests;

use http::HeaderValue;

use super::ids::{OrgId, UserId};
use super::membership::{Role, Seen};
use super::revocation::Revoked;

pub use clerk::{
    ListedMember, ListedUser, Meaning, described, listed_member, listed_user, meaning,
};
pub use codec::DecodeError;
pub use codec::entry::{EncodedEvent, MAX_VALUE};
pub use codec::row;
pub use rank::Rank;

/// Milliseconds since 1970 of which an event speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTime(pub u64);

/// Something happened to a user, a membership or an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipEvent {
    pub change: Change,
    /// When it happened, by the clock of whoever says so. Not when it was heard of.
    pub at: EventTime,
}

/// Who says that something happened. It follows from what happened, so it is not written anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOrigin {
    /// Clerk, by webhook or by its API; or an operator, whose word counts as much.
    Clerk,
    /// A token of the user it is about. Every replica sees the tokens itself, so replicas do not share it.
    Token,
    /// The source of the membership, whose rows supersede an earlier event.
    Source,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    User(UserId, UserChange),
    /// What a token said of its user: less than what Clerk itself says.
    Seen(UserId, Seen),
    Member(OrgId, UserId, MemberChange),
    Organization(OrgId, OrgChange),
    /// Tokens that count no more.
    Revoked(Revoked),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    Deleted,
    Described {
        banned: bool,
        email: Option<HeaderValue>,
        name: Option<HeaderValue>,
    },
    /// What was said until then is overruled by the source: its row counts. `deleted`: what was overruled is a deletion, after which
    /// Clerk has nothing more to say of the user.
    Superseded {
        deleted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Role(Role),
    Removed,
    /// What was said until then is overruled by the source.
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrgChange {
    Exists,
    Deleted,
    /// What was said until then is overruled by the source.
    Superseded,
}

impl MembershipEvent {
    /// Whether it can only take access away. Of many events, these are applied first.
    #[must_use]
    pub fn takes_access(&self) -> bool {
        self.change.takes_access()
    }

    /// The events that replicas share of this one. An event that takes a user's access away revokes their tokens as well, and both are
    /// shared: the ban may be lifted before a replica hears of it, and the tokens from before it must not count there either.
    ///
    /// None for what a token says.
    #[must_use]
    pub fn shared(&self) -> Vec<Self> {
        match &self.change {
            _ if self.change.origin() == EventOrigin::Token => vec![],
            Change::User(user, change) if change.takes_access() => {
                let revoked = Change::Revoked(Revoked::User(user.clone()));
                vec![revoked.at(self.at), self.clone()]
            }
            _ => vec![self.clone()],
        }
    }

    /// What Clerk said when it was asked for a profile: it fills what is missing, and a ban is a ban; the name that the user has here
    /// already stays.
    #[must_use]
    pub fn as_profile(&self) -> Self {
        match &self.change {
            Change::User(
                user,
                UserChange::Described {
                    banned: false,
                    email,
                    name,
                },
            ) => {
                let seen = Seen {
                    at: self.at,
                    email: email.clone(),
                    name: name.clone(),
                };
                Change::Seen(user.clone(), seen).at(self.at)
            }
            _ => self.clone(),
        }
    }
}

impl Change {
    /// It happened at `at`.
    #[must_use]
    pub fn at(self, at: EventTime) -> MembershipEvent {
        MembershipEvent { change: self, at }
    }

    /// Who says so.
    #[must_use]
    pub fn origin(&self) -> EventOrigin {
        match self {
            Self::Seen(..) => EventOrigin::Token,
            Self::User(_, UserChange::Superseded { .. })
            | Self::Member(_, _, MemberChange::Superseded)
            | Self::Organization(_, OrgChange::Superseded) => EventOrigin::Source,
            Self::User(..) | Self::Member(..) | Self::Organization(..) | Self::Revoked(_) => {
                EventOrigin::Clerk
            }
        }
    }

    /// Whether it can only take access away.
    pub(super) fn takes_access(&self) -> bool {
        match self {
            Self::User(_, change) => change.takes_access(),
            Self::Member(_, _, change) => *change == MemberChange::Removed,
            Self::Organization(_, change) => *change == OrgChange::Deleted,
            Self::Revoked(_) => true,
            Self::Seen(..) => false,
        }
    }
}

impl UserChange {
    pub(super) fn is_overruled(&self) -> bool {
        matches!(self, Self::Superseded { .. })
    }

    /// Whether whatever else is said of the user, another deletion aside, was said before, however late it arrives: Clerk never gives
    /// an id a second time.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Deleted | Self::Superseded { deleted: true })
    }

    pub(super) fn takes_access(&self) -> bool {
        matches!(self, Self::Deleted | Self::Described { banned: true, .. })
    }
}

/// For the log: who is concerned, and how. No e-mail address, no name.
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user, UserChange::Deleted) => write!(f, "{user} is deleted"),
            Self::User(user, UserChange::Described { banned: true, .. }) => {
                write!(f, "{user} is banned or locked")
            }
            Self::User(user, UserChange::Described { .. }) => write!(f, "{user} is described anew"),
            Self::User(user, UserChange::Superseded { .. }) => {
                write!(f, "{user} is as the source says")
            }
            Self::Seen(user, _) => write!(f, "{user} is seen"),
            Self::Member(org, user, MemberChange::Removed) => {
                write!(f, "{user} is no member of {org}")
            }
            Self::Member(org, user, MemberChange::Role(_)) => {
                write!(f, "{user} has a new role in {org}")
            }
            Self::Member(org, user, MemberChange::Superseded) => {
                write!(f, "{user} has the role in {org} that the source says")
            }
            Self::Organization(org, OrgChange::Exists) => write!(f, "{org} is there"),
            Self::Organization(org, OrgChange::Deleted) => write!(f, "{org} is deleted"),
            Self::Organization(org, OrgChange::Superseded) => {
                write!(f, "{org} is as the source says")
            }
            Self::Revoked(revoked) => write!(f, "{revoked} is revoked"),
        }
    }
}
