//! An event in the store that replicas share: a key that says what it is about, and a value of three parts: the version, the rank by
//! which the store compares, and after a line feed the body.
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
/// The first byte of a value. A reader that does not know it must not guess.
const VERSION: char = '1';
/// Between rank and body; neither has one.
const BETWEEN: char = '\n';

/// An event as a shared store keeps it. Nothing is known yet of what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    pub key: Box<str>,
    pub value: Box<str>,
}

impl MembershipEvent {
    /// What it is about. Of the events with one key one counts.
    #[must_use]
    pub fn key(&self) -> String {
        match &self.change {
            Change::User(user, _) => format!("user {user}"),
            Change::Member(org, user, _) => format!("member {org} {user}"),
            Change::Organization(org, _) => format!("organization {org}"),
            Change::Revoked(Revoked::Session(session)) => format!("session {session}"),
            Change::Revoked(Revoked::User(user)) => format!("tokens {user}"),
            // In no shared store.
            Change::Seen(user, _) => format!("seen {user}"),
        }
    }

    /// The event as a shared store keeps it; roles go by their names. `None` for what a token says, which is not shared.
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
    /// The text by which a store compares; `None` for something that no version of ours wrote, over which everything wins.
    #[must_use]
    pub fn rank(&self) -> Option<&str> {
        self.value
            .strip_prefix(VERSION)?
            .split_once(BETWEEN)
            .map(|(rank, _)| rank)
    }

    /// Whether it takes the place of `there`, which has the same key. Needs no understanding of either.
    #[must_use]
    pub fn supersedes(&self, there: Option<&Self>) -> bool {
        self.rank() > there.and_then(Self::rank)
    }

    /// Reads it. A role that `roles` does not name is no role, and whoever has it is no member.
    ///
    /// # Errors
    /// When it is nothing that this version writes.
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
        // An event is written in one way.
        if *self.key != event.key() {
            return Err(DecodeError::Key);
        }
        Ok(event)
    }
}

/// What happened to what `key` names.
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

/// Texts of users are not printed.
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
