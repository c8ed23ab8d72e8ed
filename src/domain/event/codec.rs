//! How events are encoded: JSON with words that do not depend on the config, and never with numbers that a config assigns.
//! Replicas write an event as an [`entry`] of the store that they share. The local store keeps the events of a user in one
//! [`row`]. Both use the same body.
//!
//! The formats are those of version 0.1, and gates of that version can read what this version writes: replicas are updated one by
//! one, and an update may be rolled back. `tests/formats` checks that.

pub mod entry;
pub mod row;
#[cfg(test)]
mod tests;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::rank::text;
use super::{EventTime, MemberChange, OrgChange, UserChange};
use crate::domain::ids::IdError;
use crate::domain::membership::{Roles, Seen};

/// Why bytes could not be decoded as an event. Fail closed: unreadable bytes may be a ban. So a local store that contains some is
/// refused. In a shared store the entry is skipped, and the earlier events stay in force.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("its key is none of ours")]
    Key,
    #[error("its key {0}")]
    Id(#[from] IdError),
    #[error("it is longer than anything that is written")]
    TooLong,
    #[error("it is of another version")]
    Version,
    #[error("it has no rank and body")]
    NoBody,
    #[error("it is not what this version writes: {0}")]
    Body(#[from] serde_json::Error),
    #[error("its parts contradict each other")]
    Contradiction,
    #[error("a text of it is none that a header may have")]
    Text,
    #[error("`{0}` is none that this version knows")]
    Word(String),
    /// Fail closed: a body with the rank of another body would supersede newer events.
    #[error("its rank is not that of its body")]
    Rank,
}

/// What happened, and when, in milliseconds since 1970. The key or row around it names the subject.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    at: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overruled: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    banned: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The name of the role. Its index among the roles depends on the config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    /// Only in the row of an organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exists: Option<bool>,
}

impl Body {
    fn of_time(EventTime(at): EventTime) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }

    fn of_user(change: &UserChange, at: EventTime) -> Self {
        let (banned, email, name) = match change {
            UserChange::Described {
                banned,
                email,
                name,
            } => (*banned, owned(email), owned(name)),
            UserChange::Deleted | UserChange::Superseded { .. } => (false, None, None),
        };
        Self {
            overruled: change.is_overruled(),
            deleted: change.is_final(),
            banned,
            email,
            name,
            ..Self::of_time(at)
        }
    }

    fn of_member(change: MemberChange, at: EventTime, roles: Option<&Roles>) -> Self {
        // Without roles there is no `Role`. The empty name is in no config, so it reads as no role.
        let name = |role| roles.map_or("", |roles| roles.name(role)).to_owned();
        let role = match change {
            MemberChange::Role(role) => Some(name(role)),
            MemberChange::Removed | MemberChange::Superseded => None,
        };
        Self {
            overruled: change == MemberChange::Superseded,
            deleted: change == MemberChange::Removed,
            role,
            ..Self::of_time(at)
        }
    }

    fn of_organization(change: OrgChange, at: EventTime) -> Self {
        Self {
            deleted: change == OrgChange::Deleted,
            overruled: change == OrgChange::Superseded,
            ..Self::of_time(at)
        }
    }

    fn of_seen(seen: &Seen) -> Self {
        Self {
            email: owned(&seen.email),
            name: owned(&seen.name),
            ..Self::of_time(seen.at)
        }
    }

    fn at(&self) -> EventTime {
        EventTime(self.at)
    }

    fn user(self) -> Result<UserChange, DecodeError> {
        let described = self.banned || self.email.is_some() || self.name.is_some();
        match (self.overruled, self.deleted, described) {
            _ if self.role.is_some() || self.exists.is_some() => Err(DecodeError::Contradiction),
            (true, deleted, false) => Ok(UserChange::Superseded { deleted }),
            (false, true, false) => Ok(UserChange::Deleted),
            (false, false, _) => Ok(UserChange::Described {
                banned: self.banned,
                email: header(self.email)?,
                name: header(self.name)?,
            }),
            _ => Err(DecodeError::Contradiction),
        }
    }

    /// A role that `roles` does not list is no role, and its holder is no member.
    fn member(mut self, roles: Option<&Roles>) -> Result<MemberChange, DecodeError> {
        match (self.role.take(), self.flags()?) {
            (None, (true, false)) => Ok(MemberChange::Superseded),
            (None, (false, true)) => Ok(MemberChange::Removed),
            (Some(name), (false, false)) => {
                let role = roles.and_then(|roles| roles.find(&name));
                Ok(role.map_or(MemberChange::Removed, MemberChange::Role))
            }
            _ => Err(DecodeError::Contradiction),
        }
    }

    fn organization(self) -> Result<OrgChange, DecodeError> {
        match self.flags()? {
            (true, false) => Ok(OrgChange::Superseded),
            (false, true) => Ok(OrgChange::Deleted),
            (false, false) => Ok(OrgChange::Exists),
            (true, true) => Err(DecodeError::Contradiction),
        }
    }

    fn nothing_else(self) -> Result<(), DecodeError> {
        match self.flags()? {
            (false, false) => Ok(()),
            _ => Err(DecodeError::Contradiction),
        }
    }

    fn seen(mut self) -> Result<Seen, DecodeError> {
        let (at, email, name) = (self.at(), self.email.take(), self.name.take());
        self.nothing_else()?;
        Ok(Seen {
            at,
            email: header(email)?,
            name: header(name)?,
        })
    }

    /// The values of `overruled` and `deleted`, where nothing else may be set.
    fn flags(self) -> Result<(bool, bool), DecodeError> {
        match self {
            Self {
                at: _,
                overruled,
                deleted,
                banned: false,
                email: None,
                name: None,
                role: None,
                exists: None,
            } => Ok((overruled, deleted)),
            _ => Err(DecodeError::Contradiction),
        }
    }
}

fn owned(value: &Option<HeaderValue>) -> Option<String> {
    text(value).map(str::to_owned)
}

/// Texts become headers, so a text that would end a header is refused.
fn header(text: Option<String>) -> Result<Option<HeaderValue>, DecodeError> {
    let Some(text) = text else { return Ok(None) };
    let is_visible = text.bytes().all(|b| (0x20..0x7f).contains(&b));
    let value = HeaderValue::from_str(&text).ok().filter(|_| is_visible);
    value.map(Some).ok_or(DecodeError::Text)
}
