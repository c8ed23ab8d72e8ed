//! Reads data from Clerk: the body of a verified webhook, and the users and memberships of its Backend API. Both have the same
//! form, so one code reads them.

use http::HeaderValue;
use serde_json::{Map, Value};

use super::{Change, EventTime, MemberChange, MembershipEvent, OrgChange, UserChange};
use crate::domain::ids::{ClerkUserId, OrgId, SessionId, UserId, text_header};
use crate::domain::membership::{Role, Roles};
use crate::domain::revocation::Revoked;
use crate::domain::token::json;

/// What the gate does with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Change the membership.
    Change(MembershipEvent),
    /// An event that does not concern access.
    Nothing,
    /// An event of another Clerk instance: it changes nothing (attack A-115).
    OtherInstance,
    /// An event of a known kind that lacks what its kind requires. It is accepted and reported.
    Unreadable(&'static str),
}

/// Reads the body of a verified webhook. `instance` is the expected `instance_id`, if one is configured.
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
    // A deletion happens after the last update of its row, so the time of the envelope orders it. Without that time it counts at
    // the time of that update, and there a deletion ranks higher: if a deletion were not applied, a deleted user would keep
    // access.
    let time = if deleted { sent.or(own) } else { own.or(sent) };
    match (read, time) {
        (Ok(change), Some(time)) => Meaning::Change(change.at(time)),
        (Ok(_), None) => Meaning::Unreadable("the event has neither `updated_at` nor `timestamp`"),
        (Err(why), _) => Meaning::Unreadable(why),
    }
}

/// Reads a user of Clerk's Backend API: the `data` of `user.updated`, without the envelope around it. So answers from the API and
/// webhooks give the same kind of change, and the later one counts.
///
/// # Errors
/// What is missing: the id, or the time that orders it among other changes.
pub fn described(user: &Map<String, Value>) -> Result<MembershipEvent, &'static str> {
    let change = self::user(user, false)?;
    let at = user
        .get("updated_at")
        .and_then(|time| milliseconds(time, false));
    Ok(change.at(at.ok_or("the user has no `updated_at`")?))
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

/// Reads a user of a list by the same rules as a user in a webhook.
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

/// Reads a membership of a list by the same rules as a membership in a webhook.
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

/// Clerk writes milliseconds in most places and seconds in some; the size of the number shows which. Fail closed: a deletion in
/// seconds counts from the end of its second. Otherwise an update in the same second would rank above it.
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

/// The primary address, if it is verified. An unverified address is only what the user typed.
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
    // Fail closed: a role that the config does not list is no role. A member with it is no member until the config lists it.
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
