//! What a verified webhook says, as far as it concerns access.
//!
//! Clerk delivers at least once and in any order, so each change carries the time of which it speaks, and whoever applies it
//! compares that time per row ([`super::membership::Members::changed`]).

use http::HeaderValue;
use serde_json::{Map, Value};

use super::ids::{ClerkUserId, OrgId, text_header};
use super::membership::{Role, Roles};
use super::token::json;

/// Milliseconds since 1970 of which an event speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTime(pub u64);

/// One change of access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    User(ClerkUserId, UserChange),
    Member(OrgId, ClerkUserId, MemberChange),
    /// Whether the organization exists.
    Organization(OrgId, bool),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserChange {
    Deleted,
    Described { banned: bool, email: Option<HeaderValue>, name: Option<HeaderValue> },
}

impl UserChange {
    pub(super) fn takes_access(&self) -> bool {
        matches!(self, Self::Deleted | Self::Described { banned: true, .. })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Role(Role),
    Removed,
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
    let Some(event) = json::object(body) else { return Meaning::Unreadable("the body is no JSON object") };
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    if instance.is_some_and(|expected| text("instance_id") != Some(expected)) {
        return Meaning::OtherInstance;
    }
    let Some(kind) = text("type") else { return Meaning::Unreadable("the event has no `type`") };
    let Some((subject, verb)) = kind.split_once('.') else { return Meaning::Nothing };
    let Some(data) = event.get("data").and_then(Value::as_object) else {
        return Meaning::Unreadable("the event has no `data`");
    };
    let deleted = verb == "deleted";
    let read = match (subject, verb) {
        ("user", "created" | "updated" | "deleted") => user(data, deleted),
        ("organization", "created" | "updated" | "deleted") => organization(data, deleted),
        ("organizationMembership", "created" | "updated" | "deleted") => member(data, deleted, roles),
        _ => return Meaning::Nothing,
    };
    // A deletion has no time of its own; neither has the row after it, so the envelope's time orders both (clerk.md 8).
    let own = if deleted { None } else { data.get("updated_at").and_then(milliseconds) };
    let time = own.or_else(|| event.get("timestamp").and_then(milliseconds));
    match (read, time) {
        (Ok(change), Some(time)) => Meaning::Change(change, time),
        (Ok(_), None) => Meaning::Unreadable("the event has neither `updated_at` nor `timestamp`"),
        (Err(why), _) => Meaning::Unreadable(why),
    }
}

/// Clerk writes milliseconds in most places and seconds in some: told apart by size.
fn milliseconds(value: &Value) -> Option<EventTime> {
    const SMALLEST_MS: u64 = 100_000_000_000;
    let number = value.as_u64()?;
    Some(EventTime(if number > SMALLEST_MS { number } else { number.saturating_mul(1000) }))
}

fn user(data: &Map<String, Value>, deleted: bool) -> Result<Change, &'static str> {
    let id = text(data, "id").and_then(|id| ClerkUserId::parse(id).ok()).ok_or("`data.id` is no user id")?;
    if deleted {
        return Ok(Change::User(id, UserChange::Deleted));
    }
    let flag = |name| data.get(name).and_then(Value::as_bool).unwrap_or(false);
    let parts: Vec<_> = ["first_name", "last_name"].iter().filter_map(|part| text(data, part)).collect();
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
    let entry = entries.iter().find(|entry| entry.get("id").and_then(Value::as_str) == Some(primary))?;
    let verified = entry.pointer("/verification/status").and_then(Value::as_str) == Some("verified");
    if verified { entry.get("email_address")?.as_str() } else { None }
}

fn organization(data: &Map<String, Value>, deleted: bool) -> Result<Change, &'static str> {
    let id = text(data, "id").and_then(|id| OrgId::parse(id).ok()).ok_or("`data.id` is no organization id")?;
    Ok(Change::Organization(id, !deleted))
}

fn member(data: &Map<String, Value>, deleted: bool, roles: Option<&Roles>) -> Result<Change, &'static str> {
    let within = |object: &str, name: &str| data.get(object).and_then(|o| o.get(name)).and_then(Value::as_str);
    let org = within("organization", "id").and_then(|id| OrgId::parse(id).ok());
    let user = within("public_user_data", "user_id").and_then(|id| ClerkUserId::parse(id).ok());
    let (Some(org), Some(user)) = (org, user) else {
        return Err("the membership names no organization or user");
    };
    // Fail closed: a role that the config does not know is no role. A member with it is out until the config names it.
    let role = text(data, "role").and_then(|name| roles?.find(name)).filter(|_| !deleted);
    Ok(Change::Member(org, user, role.map_or(MemberChange::Removed, MemberChange::Role)))
}

fn text<'a>(data: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    data.get(name).and_then(Value::as_str)
}
