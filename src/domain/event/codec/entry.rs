//! An event in the store that replicas share. The key names the subject. The value has three parts: the version, the rank that
//! the store compares, and after a line feed the body.
//!
//! | about | key | body beside `at` |
//! |---|---|---|
//! | a user | `user {user}` | `banned`, `email`, `name`; or `deleted`; or `overruled`, with `deleted` over a deletion |
//! | a membership | `member {org} {user}` | `role`; or `deleted`; or `overruled` |
//! | an organization | `organization {org}` | nothing; or `deleted`; or `overruled` |
//! | a session | `session {session}` | nothing |
//! | the tokens of a user | `tokens {user}` | nothing |

use super::{Body, DecodeError};
use crate::domain::event::rank::is_of_some_role;
use crate::domain::event::{Change, EventOrigin, MembershipEvent};
use crate::domain::ids::{OrgId, SessionId, UserId};
use crate::domain::membership::Roles;
use crate::domain::revocation::Revoked;

/// Bound on a value, in bytes: rank and body with two texts of [`crate::domain::ids::MAX_TEXT`].
pub const MAX_VALUE: usize = 8 * 1024;
/// Bound on a key, in bytes: a word, an organization, a user.
const MAX_KEY: usize = 640;
/// The first byte of a value. A reader refuses a value with any other version.
const VERSION: char = '1';
/// Separates rank and body. Neither contains it.
const BETWEEN: char = '\n';

/// An event as a shared store keeps it, not decoded yet.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    pub key: Box<str>,
    pub value: Box<str>,
}

impl MembershipEvent {
    /// The key: what the event is about. Of all events with one key, one counts.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.change {
            Change::User(user, _) => format!("user {user}"),
            Change::Member(org, user, _) => format!("member {org} {user}"),
            Change::Organization(org, _) => format!("organization {org}"),
            Change::Revoked(Revoked::Session(session)) => format!("session {session}"),
            Change::Revoked(Revoked::User(user)) => format!("tokens {user}"),
            // Never written to a shared store.
            Change::Seen(user, _) => format!("seen {user}"),
        }
    }

    /// The event as a shared store keeps it, with roles by name. `None` for an event from a token, which is not shared.
    #[must_use]
    pub fn encode(&self, roles: Option<&Roles>) -> Option<EncodedEvent> {
        if self.change.origin() == EventOrigin::Token {
            return None;
        }
        let body = match &self.change {
            Change::User(_, change) => Body::of_user(change, self.at),
            Change::Member(_, _, change) => Body::of_member(*change, self.at, roles),
            Change::Organization(_, change) => Body::of_organization(*change, self.at),
            Change::Revoked(_) | Change::Seen(..) => Body::of_time(self.at),
        };
        let body = serde_json::to_string(&body).expect("texts and numbers are JSON");
        Some(EncodedEvent {
            key: self.key().into(),
            value: format!("{VERSION}{}{BETWEEN}{body}", self.rank()).into(),
        })
    }
}

impl EncodedEvent {
    /// The text that a store compares. `None` for a value that no version of the gate wrote; every event supersedes such a value.
    #[must_use]
    pub fn rank(&self) -> Option<&str> {
        self.value
            .strip_prefix(VERSION)?
            .split_once(BETWEEN)
            .map(|(rank, _)| rank)
    }

    /// Whether this event supersedes `there`, which has the same key. Decodes neither of them.
    #[must_use]
    pub fn supersedes(&self, there: Option<&Self>) -> bool {
        self.rank() > there.and_then(Self::rank)
    }

    /// Decodes the event. A role that `roles` does not list is no role, and its holder is no member.
    ///
    /// # Errors
    /// When this version does not write such a value.
    pub fn decode(&self, roles: Option<&Roles>) -> Result<MembershipEvent, DecodeError> {
        if self.key.len() > MAX_KEY || self.value.len() > MAX_VALUE {
            return Err(DecodeError::TooLong);
        }
        let rest = self
            .value
            .strip_prefix(VERSION)
            .ok_or(DecodeError::Version)?;
        let (rank, body) = rest.split_once(BETWEEN).ok_or(DecodeError::NoBody)?;
        let body: Body = serde_json::from_str(body)?;
        let (at, has_role) = (body.at(), body.role.is_some());
        let event = change(&self.key, body, roles)?.at(at);
        let is_good = if has_role {
            is_of_some_role(rank, at)
        } else {
            *rank == event.rank().to_string()
        };
        if !is_good {
            return Err(DecodeError::Rank);
        }
        // Every event has exactly one encoding.
        if *self.key != event.key() {
            return Err(DecodeError::Key);
        }
        Ok(event)
    }
}

/// The change of the subject that `key` names.
fn change(key: &str, body: Body, roles: Option<&Roles>) -> Result<Change, DecodeError> {
    let (word, id) = key.split_once(' ').ok_or(DecodeError::Key)?;
    Ok(match word {
        "user" => Change::User(UserId::parse(id)?, body.user()?),
        "member" => {
            let (org, user) = id.split_once(' ').ok_or(DecodeError::Key)?;
            let (org, user) = (OrgId::parse(org)?, UserId::parse(user)?);
            Change::Member(org, user, body.member(roles)?)
        }
        "organization" => Change::Organization(OrgId::parse(id)?, body.organization()?),
        "session" => {
            body.nothing_else()?;
            Change::Revoked(Revoked::Session(SessionId::parse(id)?))
        }
        "tokens" => {
            body.nothing_else()?;
            Change::Revoked(Revoked::User(UserId::parse(id)?))
        }
        _ => return Err(DecodeError::Key),
    })
}

/// Prints the key and the length of the value. The texts of users are not printed.
impl std::fmt::Debug for EncodedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "EncodedEvent({:?}, {} bytes)",
            self.key,
            self.value.len()
        )
    }
}
