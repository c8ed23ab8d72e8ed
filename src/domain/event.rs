//! What a verified webhook says, as far as it concerns access. A user whom Clerk was asked for looks like the one in a webhook
//! and is read by the same code.
//!
//! Clerk delivers at least once and in any order, so each change carries the time of which it speaks, and whoever applies it
//! compares that time per row ([`super::membership::Members::changed`]).

use http::HeaderValue;
use serde_json::{Map, Value};

use super::ids::{ClerkUserId, OrgId, SessionId, UserId, text_header};
use super::membership::{Role, Roles, Seen};
use super::revocation::Revoked;
use super::token::json;

/// Milliseconds since 1970 of which an event speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTime(pub u64);

/// One change of access.
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

impl Change {
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

    /// What Clerk said when asked for a profile: it fills what is missing, and a ban is a ban; the name that somebody has here
    /// already stays.
    #[must_use]
    pub fn as_profile(&self, at: EventTime) -> Self {
        match self {
            Self::User(
                user,
                UserChange::Described {
                    banned: false,
                    email,
                    name,
                },
            ) => Self::Seen(
                user.clone(),
                Seen {
                    at,
                    email: email.clone(),
                    name: name.clone(),
                },
            ),
            other => other.clone(),
        }
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
            Self::User(user, UserChange::Overruled { .. }) => {
                write!(f, "{user} is as the source says")
            }
            Self::Seen(user, _) => write!(f, "{user} is seen"),
            Self::Member(org, user, MemberChange::Removed) => {
                write!(f, "{user} is no member of {org}")
            }
            Self::Member(org, user, MemberChange::Role(_)) => {
                write!(f, "{user} has a new role in {org}")
            }
            Self::Member(org, user, MemberChange::Overruled) => {
                write!(f, "{user} has the role in {org} that the source says")
            }
            Self::Organization(org, OrgChange::Exists) => write!(f, "{org} is there"),
            Self::Organization(org, OrgChange::Deleted) => write!(f, "{org} is deleted"),
            Self::Organization(org, OrgChange::Overruled) => {
                write!(f, "{org} is as the source says")
            }
            Self::Revoked(revoked) => write!(f, "{revoked} is revoked"),
        }
    }
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
    Overruled {
        deleted: bool,
    },
}

impl UserChange {
    pub(super) fn is_overruled(&self) -> bool {
        matches!(self, Self::Overruled { .. })
    }

    /// Whether whatever else is said of the user, another deletion aside, was said before, however late it arrives: Clerk never gives
    /// an id a second time.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Deleted | Self::Overruled { deleted: true })
    }

    pub(super) fn takes_access(&self) -> bool {
        matches!(self, Self::Deleted | Self::Described { banned: true, .. })
    }

    /// Of two changes of one user the larger counts.
    pub(super) fn order(&self, at: EventTime) -> impl Ord + use<'_> {
        (self.is_final(), at, self.weight())
    }

    /// Which of two changes with the same time counts: the heavier. What takes access weighs most; the texts only make sure
    /// that any two differ, so that replicas agree whatever order each of them saw.
    fn weight(&self) -> impl Ord + use<'_> {
        let bytes = |text: &'_ Option<HeaderValue>| text.as_ref().map(|t| t.as_bytes().to_vec());
        match self {
            Self::Overruled { .. } => (3_u8, None, None),
            Self::Deleted => (2, None, None),
            Self::Described {
                banned,
                email,
                name,
            } => (u8::from(*banned), bytes(email), bytes(name)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Role(Role),
    Removed,
    /// What was said until then is overruled by the source.
    Overruled,
}

/// What was said of an organization. Of two words with the same time the larger counts, as with users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrgChange {
    Exists,
    Deleted,
    /// What was said until then is overruled by the source.
    Overruled,
}

impl MemberChange {
    /// As [`UserChange::weight`]: no role weighs more than any, and the lower one more than the higher.
    pub(super) fn weight(self) -> impl Ord {
        match self {
            Self::Overruled => (2_u8, None),
            Self::Removed => (1, None),
            Self::Role(role) => (0, Some(std::cmp::Reverse(role))),
        }
    }
}

/// What an event means for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Change the membership.
    Change(Change, EventTime),
    /// An event that does not concern access.
    Nothing,
    /// An event of another Clerk instance: it changes nothing (attack A-115).
    OtherInstance,
    /// An event of a kind we know that does not say what its kind must say. Passed on, and reported.
    Unreadable(&'static str),
}

/// Reads the body of a verified webhook. `instance` is the expected `instance_id`, where one is configured.
#[must_use]
pub fn meaning(body: &[u8], instance: Option<&str>, roles: Option<&Roles>) -> Meaning {
    let Some(event) = json::object(body) else {
        return Meaning::Unreadable("the body is no JSON object");
    };
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    if instance.is_some_and(|expected| text("instance_id") != Some(expected)) {
        return Meaning::OtherInstance;
    }
    let Some(kind) = text("type") else {
        return Meaning::Unreadable("the event has no `type`");
    };
    let Some((subject, verb)) = kind.split_once('.') else {
        return Meaning::Nothing;
    };
    let Some(data) = event.get("data").and_then(Value::as_object) else {
        return Meaning::Unreadable("the event has no `data`");
    };
    let deleted = verb == "deleted";
    let read = match (subject, verb) {
        ("user", "created" | "updated" | "deleted") => user(data, deleted),
        ("organization", "created" | "updated" | "deleted") => organization(data, deleted),
        ("organizationMembership", "created" | "updated" | "deleted") => {
            member(data, deleted, roles)
        }
        ("session", "ended" | "removed" | "revoked") => session(data),
        _ => return Meaning::Nothing,
    };
    let told = |time: Option<&Value>| time.and_then(|time| milliseconds(time, deleted));
    let (own, sent) = (told(data.get("updated_at")), told(event.get("timestamp")));
    // A deletion happened after the last update of its row, so the envelope's time orders it. Without one it counts as that
    // update, of which a deletion is the stronger: a deletion that is not applied leaves somebody in.
    let time = if deleted { sent.or(own) } else { own.or(sent) };
    match (read, time) {
        (Ok(change), Some(time)) => Meaning::Change(change, time),
        (Ok(_), None) => Meaning::Unreadable("the event has neither `updated_at` nor `timestamp`"),
        (Err(why), _) => Meaning::Unreadable(why),
    }
}

/// What a user says as Clerk's Backend API gives one: the `data` of `user.updated`, without the envelope around it. So what was
/// asked for and what was sent are one kind of change, and the later of them counts.
///
/// # Errors
/// What is missing: the id, or the time that orders it among other changes.
pub fn described(user: &Map<String, Value>) -> Result<(Change, EventTime), &'static str> {
    let change = self::user(user, false)?;
    let at = user
        .get("updated_at")
        .and_then(|time| milliseconds(time, false));
    Ok((change, at.ok_or("the user has no `updated_at`")?))
}

/// A user in a list of Clerk's Backend API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUser {
    pub id: UserId,
    /// Banned, locked or deprovisioned.
    pub banned: bool,
    pub email: Option<HeaderValue>,
    pub name: Option<HeaderValue>,
}

/// Reads a user of a list by the same rules as one in a webhook.
///
/// # Errors
/// What is missing.
pub fn listed_user(user: &Map<String, Value>) -> Result<ListedUser, &'static str> {
    match self::user(user, false)? {
        Change::User(
            id,
            UserChange::Described {
                banned,
                email,
                name,
            },
        ) => Ok(ListedUser {
            id,
            banned,
            email,
            name,
        }),
        _ => Err("it is no user"),
    }
}

/// A membership in a list of Clerk's Backend API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMember {
    pub org: OrgId,
    pub user: UserId,
    /// `None` for a role that the config does not name.
    pub role: Option<Role>,
}

/// Reads a membership of a list by the same rules as one in a webhook.
///
/// # Errors
/// What is missing.
pub fn listed_member(
    data: &Map<String, Value>,
    roles: &Roles,
) -> Result<ListedMember, &'static str> {
    let within = |object: &str, name: &str| {
        data.get(object)
            .and_then(|o| o.get(name))
            .and_then(Value::as_str)
    };
    let org = within("organization", "id").and_then(|id| OrgId::parse(id).ok());
    let user = within("public_user_data", "user_id")
        .and_then(|id| ClerkUserId::parse(id).ok())
        .map(UserId::from);
    let (Some(org), Some(user)) = (org, user) else {
        return Err("the membership names no organization or user");
    };
    Ok(ListedMember {
        org,
        user,
        role: text(data, "role").and_then(|name| roles.find(name)),
    })
}

/// Clerk writes milliseconds in most places and seconds in some: told apart by size. Fail closed: a deletion that is timed in
/// seconds counts from the end of its second, or an update in the same second would look newer than it.
fn milliseconds(value: &Value, deleted: bool) -> Option<EventTime> {
    const SMALLEST_MS: u64 = 100_000_000_000;
    let number = value.as_u64()?;
    let rest = if deleted { 999 } else { 0 };
    Some(EventTime(if number > SMALLEST_MS {
        number
    } else {
        number.saturating_mul(1000).saturating_add(rest)
    }))
}

fn user(data: &Map<String, Value>, deleted: bool) -> Result<Change, &'static str> {
    let id = text(data, "id")
        .and_then(|id| ClerkUserId::parse(id).ok())
        .ok_or("`id` is no user id")?;
    let id = UserId::from(id);
    if deleted {
        return Ok(Change::User(id, UserChange::Deleted));
    }
    let flag = |name| data.get(name).and_then(Value::as_bool).unwrap_or(false);
    let parts: Vec<_> = ["first_name", "last_name"]
        .iter()
        .filter_map(|part| text(data, part))
        .collect();
    let change = UserChange::Described {
        banned: flag("banned") || flag("locked") || flag("deprovisioned"),
        email: primary_email(data).and_then(text_header),
        name: text_header(parts.join(" ").trim()),
    };
    Ok(Change::User(id, change))
}

/// The primary address, and only a verified one: an unverified address is what somebody typed.
fn primary_email(data: &Map<String, Value>) -> Option<&str> {
    let primary = text(data, "primary_email_address_id")?;
    let entries = data.get("email_addresses")?.as_array()?;
    let entry = entries
        .iter()
        .find(|entry| entry.get("id").and_then(Value::as_str) == Some(primary))?;
    let verified = entry
        .pointer("/verification/status")
        .and_then(Value::as_str)
        == Some("verified");
    if verified {
        entry.get("email_address")?.as_str()
    } else {
        None
    }
}

fn session(data: &Map<String, Value>) -> Result<Change, &'static str> {
    let id = text(data, "id")
        .and_then(|id| SessionId::parse(id).ok())
        .ok_or("`data.id` is no session id")?;
    Ok(Change::Revoked(Revoked::Session(id)))
}

fn organization(data: &Map<String, Value>, deleted: bool) -> Result<Change, &'static str> {
    let id = text(data, "id")
        .and_then(|id| OrgId::parse(id).ok())
        .ok_or("`id` is no organization id")?;
    Ok(Change::Organization(
        id,
        if deleted {
            OrgChange::Deleted
        } else {
            OrgChange::Exists
        },
    ))
}

fn member(
    data: &Map<String, Value>,
    deleted: bool,
    roles: Option<&Roles>,
) -> Result<Change, &'static str> {
    let within = |object: &str, name: &str| {
        data.get(object)
            .and_then(|o| o.get(name))
            .and_then(Value::as_str)
    };
    let org = within("organization", "id").and_then(|id| OrgId::parse(id).ok());
    let user = within("public_user_data", "user_id")
        .and_then(|id| ClerkUserId::parse(id).ok())
        .map(UserId::from);
    let (Some(org), Some(user)) = (org, user) else {
        return Err("the membership names no organization or user");
    };
    // Fail closed: a role that the config does not know is no role. A member with it is out until the config names it.
    let role = text(data, "role")
        .and_then(|name| roles?.find(name))
        .filter(|_| !deleted);
    Ok(Change::Member(
        org,
        user,
        role.map_or(MemberChange::Removed, MemberChange::Role),
    ))
}

fn text<'a>(data: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    data.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
