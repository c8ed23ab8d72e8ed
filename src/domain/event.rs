//! One event of membership: what happened to which user or organization, and when.
//!
//! Every change to what is known about users is a [`MembershipEvent`]. Events come from a webhook or Clerk's API (`clerk`), a
//! user's token, a source whose rows supersede earlier events, an operator, another replica, or the local store.
//!
//! Events arrive late, twice and in any order. Of two events about the same thing, the one with the larger [`Rank`] counts. Only
//! the rank decides: applying the same events in any order gives the same membership. Replicas and the local store encode events
//! with one codec (`codec`).

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

/// The time of an event, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTime(pub u64);

/// Something happened to a user, a membership or an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipEvent {
    pub change: Change,
    /// When it happened, by the clock of the sender of the event. Not the time of arrival.
    pub at: EventTime,
}

/// Where an event comes from. The change itself determines it, so it is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOrigin {
    /// Clerk, by webhook or by its API. Events from an operator have this origin too: they count as much.
    Clerk,
    /// A token of the user that the event is about. Every replica sees the tokens itself, so replicas do not share these events.
    Token,
    /// The source of the membership, whose rows supersede an earlier event.
    Source,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    User(UserId, UserChange),
    /// What a token contains about its user. It counts less than an event from Clerk.
    Seen(UserId, Seen),
    Member(OrgId, UserId, MemberChange),
    Organization(OrgId, OrgChange),
    /// Tokens that no longer count.
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
    /// The source supersedes the earlier event: its row counts. `deleted`: the superseded event is a deletion. Clerk sends no
    /// later events about that user.
    Superseded {
        deleted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Role(Role),
    Removed,
    /// The source supersedes the earlier event.
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrgChange {
    Exists,
    Deleted,
    /// The source supersedes the earlier event.
    Superseded,
}

impl MembershipEvent {
    /// Whether the event can only take access away. Of many events, these are applied first.
    #[must_use]
    pub fn takes_access(&self) -> bool {
        self.change.takes_access()
    }

    /// The events that a replica publishes for this one. An event that takes a user's access away also revokes their tokens, and
    /// both are published. The reason: the ban may be lifted before another replica receives it, and the tokens from before the
    /// ban must not count there either.
    ///
    /// Events from tokens are not published.
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

    /// The event as Clerk's answer to a request for a profile. It fills in missing values, and a ban in it is a ban. A name that
    /// the user already has here stays.
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
    /// The event that this change happened at `at`.
    #[must_use]
    pub fn at(self, at: EventTime) -> MembershipEvent {
        MembershipEvent { change: self, at }
    }

    /// Where the change comes from.
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

    /// Whether the change can only take access away.
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

    /// Whether the change is final: every event about the user, except another deletion, is then older, however late it arrives.
    /// Clerk never reuses an id.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Deleted | Self::Superseded { deleted: true })
    }

    pub(super) fn takes_access(&self) -> bool {
        matches!(self, Self::Deleted | Self::Described { banned: true, .. })
    }
}

/// For the log: which user or organization, and what happened. No e-mail address, no name.
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
