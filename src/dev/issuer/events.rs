//! Fills the data of an event about a user of the issuer.

use serde_json::Value;

use super::{DevUser, Org};
use crate::dev::answer::QueryParams;
use crate::dev::mint::session_of;
use crate::dev::webhook::data;

/// Every event that can be sent.
const KNOWN: &str = "user.created, user.updated, user.deleted, \
organization.created, organization.updated, organization.deleted, \
organizationMembership.created, organizationMembership.updated, organizationMembership.deleted, \
session.created, session.pending, session.ended, session.removed, session.revoked";

/// Why an event cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum NoEvent {
    #[error("there is no event of this kind; known kinds: {KNOWN}")]
    Kind,
    #[error("nobody here is in this organization")]
    Org,
    #[error("{0} is in no organization; name one with ?org=")]
    NoOrg(String),
}

/// The data of an event of this kind about `person`.
pub(super) fn about(
    person: &DevUser,
    people: &[DevUser],
    kind: &str,
    query: &QueryParams,
    now_ms: u64,
) -> Result<Value, NoEvent> {
    let (object, action) = kind.split_once('.').ok_or(NoEvent::Kind)?;
    match (object, action) {
        ("user", "created" | "updated") => Ok(user(person, query, now_ms)),
        ("user", "deleted") => Ok(data::deleted("user", &person.user_id)),
        ("organization", "created" | "updated") => {
            let org = org(person, people, query)?;
            Ok(data::organization(&org.id, &org.slug, &org.slug, now_ms))
        }
        ("organization", "deleted") => {
            let org = org(person, people, query)?;
            Ok(data::deleted("organization", &org.id))
        }
        ("organizationMembership", "created" | "updated" | "deleted") => {
            let org = org(person, people, query)?;
            let role = format!("org:{}", role(person, org, query));
            Ok(data::membership(&org.id, &person.user_id, &role, now_ms))
        }
        ("session", "created") => Ok(session(person, "active", now_ms)),
        ("session", "pending" | "ended" | "removed" | "revoked") => {
            Ok(session(person, action, now_ms))
        }
        _ => Err(NoEvent::Kind),
    }
}

fn user(person: &DevUser, query: &QueryParams, now_ms: u64) -> Value {
    let email = query.get("email").or(person.email.as_deref());
    described(
        person,
        email,
        (query.is_on("banned"), query.is_on("locked")),
        now_ms,
    )
}

/// A person as a user object of Clerk.
pub(super) fn described(
    person: &DevUser,
    email: Option<&str>,
    (banned, locked): (bool, bool),
    updated_at_ms: u64,
) -> Value {
    let (first_name, last_name) = match person.full_name.split_once(' ') {
        Some((first, last)) => (Some(first), Some(last)),
        None => (Some(person.full_name.as_str()), None),
    };
    data::user(&data::WebhookUser {
        id: &person.user_id,
        email,
        first_name: first_name.filter(|name| !name.is_empty()),
        last_name,
        banned,
        locked,
        updated_at_ms,
    })
}

fn session(person: &DevUser, status: &str, now_ms: u64) -> Value {
    data::session(
        &session_of(&person.user_id),
        &person.user_id,
        status,
        now_ms,
    )
}

/// The organization of `?org=`, even one that the person is not in yet; else their first one.
fn org<'a>(
    person: &'a DevUser,
    people: &'a [DevUser],
    query: &QueryParams,
) -> Result<&'a Org, NoEvent> {
    let Some(id) = query.get("org") else {
        let first = person.orgs.first();
        return first.ok_or_else(|| NoEvent::NoOrg(person.name.clone()));
    };
    let everywhere = people.iter().flat_map(|person| &person.orgs);
    person
        .orgs
        .iter()
        .chain(everywhere)
        .find(|org| org.id == id)
        .ok_or(NoEvent::Org)
}

/// The role of `?role=`, else the person's role there, else that of a new member.
fn role<'a>(person: &'a DevUser, org: &Org, query: &'a QueryParams) -> &'a str {
    let held = person.orgs.iter().find(|held| held.id == org.id);
    query
        .get("role")
        .or(held.map(|held| held.role.as_str()))
        .unwrap_or("member")
}
