//! One change that replicas share, and how it is written.

use std::time::Duration;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::rank::{rank, text, without_role};
use crate::domain::event::{Change, EventTime, MemberChange, OrgChange, UserChange};
use crate::domain::ids::{IdError, OrgId, SessionId, UserId};
use crate::domain::membership::Roles;
use crate::domain::revocation::Revoked;

/// Bound on a fact as it is written, in bytes: rank and body with two texts of [`crate::domain::ids::MAX_TEXT`].
pub const MAX_VALUE: usize = 8 * 1024;
/// Bound on its key, in bytes: a word, an organization, a user.
const MAX_KEY: usize = 640;
/// The first byte of whatever is written. A reader that does not know it must not guess.
const VERSION: char = '1';
/// Between rank and body; neither has one.
const BETWEEN: char = '\n';
/// How much longer than a replica a store remembers a revocation: their clocks differ, and a webhook can be late.
const LONGER: Duration = Duration::from_secs(600);

/// One change that replicas share, and the time of which it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    change: Change,
    at: EventTime,
}

/// A fact as a store keeps it. Nothing is known yet of what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct Written {
    pub key: Box<str>,
    pub value: Box<str>,
}

/// Why something in the store is no fact. It is skipped; what was known stays.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEntry {
    #[error("its key is none of ours")]
    Key,
    #[error("its key {0}")]
    Id(#[from] IdError),
    #[error("it is longer than any fact")]
    TooLong,
    #[error("it is of another version")]
    Version,
    #[error("it has no rank and body")]
    Form,
    #[error("its body is not what this version writes: {0}")]
    Body(#[from] serde_json::Error),
    #[error("a text of it is none that a header may have")]
    Text,
    /// Fail closed: a body with somebody else's rank would win over newer ones.
    #[error("its rank is not that of its body")]
    Rank,
}

impl Fact {
    /// What replicas share of `change`. What takes a user's access away revokes their tokens as well, and is two facts: the ban may
    /// be lifted before a replica hears of it, and the tokens from before it must not count there either.
    ///
    /// What a token says of its user is shared by nobody: every replica sees the tokens itself.
    #[must_use]
    pub fn of(change: &Change, at: EventTime) -> Vec<Self> {
        let fact = |change| Self { change, at };
        match change {
            Change::Seen(..) => vec![],
            Change::User(user, told) if told.takes_access() => {
                vec![
                    fact(Change::Revoked(Revoked::User(user.clone()))),
                    fact(change.clone()),
                ]
            }
            _ => vec![fact(change.clone())],
        }
    }

    /// `change` as a fact of its own; `None` for what is not shared.
    pub(super) fn alone(change: Change, at: EventTime) -> Option<Self> {
        if matches!(change, Change::Seen(..)) {
            None
        } else {
            Some(Self { change, at })
        }
    }

    /// What happened.
    #[must_use]
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> EventTime {
        self.at
    }

    /// Whether it can only take access away. Of many, these come in force first.
    #[must_use]
    pub fn takes_access(&self) -> bool {
        self.change.takes_access()
    }

    /// What it is about. Of facts with the same key one counts.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.change)
    }

    /// Of facts with the same key the one with the larger rank counts, byte for byte.
    #[must_use]
    pub fn rank(&self) -> String {
        rank(&self.change, self.at)
    }

    /// As a store keeps it; roles go by their names.
    #[must_use]
    pub fn write(&self, roles: Option<&Roles>) -> Written {
        let body = Body::of(&self.change, self.at, roles);
        let body = serde_json::to_string(&body).expect("texts and numbers are JSON");
        let value = format!("{VERSION}{}{BETWEEN}{body}", self.rank());
        Written {
            key: self.key().into(),
            value: value.into(),
        }
    }

    /// How long after it was written a store keeps it, where revocations are kept for `keep`; `None` for ever.
    ///
    /// Marks of what was overruled stay: a replica that comes back after weeks still knows what they overrule. They take the place of
    /// it, so a store does not grow by them.
    #[must_use]
    pub fn lasts(&self, keep: Duration) -> Option<Duration> {
        matches!(self.change, Change::Revoked(_)).then(|| keep.saturating_add(LONGER))
    }
}

impl Written {
    /// By what a store compares; `None` for something that no version of ours wrote, over which everything wins.
    #[must_use]
    pub fn rank(&self) -> Option<&str> {
        self.value
            .strip_prefix(VERSION)?
            .split_once(BETWEEN)
            .map(|(rank, _)| rank)
    }

    /// Reads it. A role that `roles` does not name is no role, and whoever has it is no member.
    ///
    /// # Errors
    /// When it is nothing that this version writes.
    pub fn read(&self, roles: Option<&Roles>) -> Result<Fact, InvalidEntry> {
        if self.key.len() > MAX_KEY || self.value.len() > MAX_VALUE {
            return Err(InvalidEntry::TooLong);
        }
        let rest = self
            .value
            .strip_prefix(VERSION)
            .ok_or(InvalidEntry::Version)?;
        let (rank, body) = rest.split_once(BETWEEN).ok_or(InvalidEntry::Form)?;
        let body: Body = serde_json::from_str(body)?;
        let at = EventTime(body.at);
        let named = body.role.is_some();
        let change = body.about(&self.key, roles)?;
        let expected = if named {
            without_role(at)
        } else {
            self::rank(&change, at)
        };
        let digits = rank.strip_prefix(&expected).ok_or(InvalidEntry::Rank)?;
        let role = digits.len() == 2
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if named && role || !named && digits.is_empty() {
            Ok(Fact { change, at })
        } else {
            Err(InvalidEntry::Rank)
        }
    }
}

/// Texts of users are not printed.
impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Written({:?}, {} bytes)", self.key, self.value.len())
    }
}

fn key(change: &Change) -> String {
    match change {
        Change::User(user, _) | Change::Seen(user, _) => format!("user {user}"),
        Change::Member(org, user, _) => format!("member {org} {user}"),
        Change::Organization(org, _) => format!("organization {org}"),
        Change::Revoked(Revoked::Session(session)) => format!("session {session}"),
        Change::Revoked(Revoked::User(user)) => format!("tokens {user}"),
    }
}

/// What is said, in milliseconds since 1970 and words that no config changes.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
}

impl Body {
    fn of(change: &Change, EventTime(at): EventTime, roles: Option<&Roles>) -> Self {
        let bare = Self {
            at,
            ..Self::default()
        };
        let owned = |value| text(value).map(str::to_owned);
        match change {
            Change::User(_, UserChange::Deleted) => Self {
                deleted: true,
                ..bare
            },
            Change::User(_, UserChange::Overruled { deleted }) => Self {
                overruled: true,
                deleted: *deleted,
                ..bare
            },
            Change::User(
                _,
                UserChange::Described {
                    banned,
                    email,
                    name,
                },
            ) => Self {
                banned: *banned,
                email: owned(email),
                name: owned(name),
                ..bare
            },
            Change::Member(_, _, MemberChange::Role(role)) => {
                // Without roles there is no `Role`; a name that nobody knows is no role.
                Self {
                    role: Some(roles.map_or("", |roles| roles.name(*role)).to_owned()),
                    ..bare
                }
            }
            Change::Member(_, _, MemberChange::Removed)
            | Change::Organization(_, OrgChange::Deleted) => Self {
                deleted: true,
                ..bare
            },
            Change::Member(_, _, MemberChange::Overruled)
            | Change::Organization(_, OrgChange::Overruled) => Self {
                overruled: true,
                ..bare
            },
            Change::Organization(_, OrgChange::Exists) | Change::Revoked(_) | Change::Seen(..) => {
                bare
            }
        }
    }

    /// The change of what `key` names.
    fn about(self, key: &str, roles: Option<&Roles>) -> Result<Change, InvalidEntry> {
        let (word, id) = key.split_once(' ').ok_or(InvalidEntry::Key)?;
        let change = match word {
            "user" => Change::User(UserId::parse(id)?, self.user()?),
            "member" => {
                let (org, user) = id.split_once(' ').ok_or(InvalidEntry::Key)?;
                Change::Member(
                    OrgId::parse(org)?,
                    UserId::parse(user)?,
                    self.member(roles)?,
                )
            }
            "organization" => Change::Organization(OrgId::parse(id)?, self.organization()?),
            "session" => Change::Revoked(Revoked::Session(SessionId::parse(id)?)),
            "tokens" => Change::Revoked(Revoked::User(UserId::parse(id)?)),
            _ => return Err(InvalidEntry::Key),
        };
        // One fact is written in one way.
        if self::key(&change) == key {
            Ok(change)
        } else {
            Err(InvalidEntry::Key)
        }
    }

    fn user(self) -> Result<UserChange, InvalidEntry> {
        match self {
            Self { role: Some(_), .. } => Err(InvalidEntry::Form),
            Self {
                overruled: true,
                banned: false,
                email: None,
                name: None,
                deleted,
                ..
            } => Ok(UserChange::Overruled { deleted }),
            Self {
                overruled: false,
                deleted: true,
                banned: false,
                email: None,
                name: None,
                ..
            } => Ok(UserChange::Deleted),
            Self {
                overruled: false,
                deleted: false,
                banned,
                email,
                name,
                ..
            } => Ok(UserChange::Described {
                banned,
                email: header(email)?,
                name: header(name)?,
            }),
            _ => Err(InvalidEntry::Form),
        }
    }

    fn member(self, roles: Option<&Roles>) -> Result<MemberChange, InvalidEntry> {
        match (self.overruled, self.deleted, self.role) {
            (true, false, None) => Ok(MemberChange::Overruled),
            (false, true, None) => Ok(MemberChange::Removed),
            (false, false, Some(name)) => {
                let role = roles.and_then(|roles| roles.find(&name));
                Ok(role.map_or(MemberChange::Removed, MemberChange::Role))
            }
            _ => Err(InvalidEntry::Form),
        }
    }

    fn organization(self) -> Result<OrgChange, InvalidEntry> {
        match (self.overruled, self.deleted) {
            (true, false) => Ok(OrgChange::Overruled),
            (false, true) => Ok(OrgChange::Deleted),
            (false, false) => Ok(OrgChange::Exists),
            (true, true) => Err(InvalidEntry::Form),
        }
    }
}

fn header(text: Option<String>) -> Result<Option<HeaderValue>, InvalidEntry> {
    let visible = |text: &String| text.bytes().all(|b| (0x20..0x7f).contains(&b));
    match text {
        None => Ok(None),
        Some(text) if visible(&text) => HeaderValue::from_str(&text)
            .map(Some)
            .map_err(|_| InvalidEntry::Text),
        Some(_) => Err(InvalidEntry::Text),
    }
}
