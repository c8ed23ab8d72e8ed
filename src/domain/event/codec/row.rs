//! The rows of the local store: one for each user with a record, for each organization, and for each revocation.
//!
//! The row of a user has the last event of each kind about them, and the access that they got when they first appeared. All rows
//! of a store have one format, and the name of its file states it. So a row has no version of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Body, DecodeError};
use crate::domain::event::{EventTime, OrgChange};
use crate::domain::ids::{OrgId, SessionId, UserId};
use crate::domain::membership::{AccessStatus, Flags, InitialAccess, OrgEntry, Record, Roles};
use crate::domain::revocation::Revoked;

/// Bound on a row, in bytes. [`crate::domain::membership::TooManyChanges`] keeps every record within it.
pub const MAX_ROW: usize = 64 * 1024;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Body>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Body>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<EntryBody>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    orgs: BTreeMap<String, Body>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryBody {
    at: u64,
    access: String,
    #[serde(default)]
    flags: Vec<String>,
}

/// A user's record as bytes, with roles by name.
#[must_use]
pub fn encode_user(record: &Record, roles: &Roles) -> Vec<u8> {
    let entry = |entry: &InitialAccess| EntryBody {
        at: entry.at.0,
        access: entry.access.name().to_owned(),
        flags: entry.flags.names().map(str::to_owned).collect(),
    };
    let member = |entry: &OrgEntry| {
        let mut body = Body::of_member(entry.change, entry.at, Some(roles));
        // In a row, a membership without a role has ended. Version 0.1 refuses a row with anything further.
        body.deleted = false;
        (entry.org.to_string(), body)
    };
    json(&UserRow {
        told: record
            .from_clerk
            .as_ref()
            .map(|(at, c)| Body::of_user(c, *at)),
        seen: record.from_token.as_ref().map(Body::of_seen),
        entry: record.initial_access.as_ref().map(entry),
        orgs: record.orgs.iter().map(member).collect(),
    })
}

/// Decodes what [`encode_user`] wrote. A role that the config does not list any more is no role.
///
/// # Errors
/// When this version does not write such a row.
pub fn decode_user(
    key: &str,
    value: &[u8],
    roles: &Roles,
) -> Result<(UserId, Record), DecodeError> {
    let row: UserRow = parsed(value)?;
    let told = |body: Body| Ok::<_, DecodeError>((body.at(), body.user()?));
    let member = |(org, mut body): (String, Body)| {
        body.deleted |= body.role.is_none() && !body.overruled;
        Ok::<_, DecodeError>(OrgEntry {
            org: OrgId::parse(&org)?,
            at: body.at(),
            change: body.member(Some(roles))?,
        })
    };
    let record = Record {
        from_clerk: row.told.map(told).transpose()?,
        from_token: row.seen.map(Body::seen).transpose()?,
        initial_access: row.entry.map(entry).transpose()?,
        // Sorted, because the keys of the map are sorted.
        orgs: row.orgs.into_iter().map(member).collect::<Result<_, _>>()?,
    };
    Ok((UserId::parse(key)?, record))
}

fn entry(body: EntryBody) -> Result<InitialAccess, DecodeError> {
    let access = AccessStatus::find(&body.access).ok_or(DecodeError::Word(body.access))?;
    let flags = Flags::new(body.flags.iter().map(String::as_str));
    Ok(InitialAccess {
        at: EventTime(body.at),
        access,
        flags: flags.ok_or_else(|| DecodeError::Word(body.flags.join(",")))?,
    })
}

/// An organization as bytes.
#[must_use]
pub fn encode_organization(at: EventTime, change: OrgChange) -> Vec<u8> {
    let mut body = Body::of_organization(change, at);
    // As with a membership, another word replaces `deleted`: here it is `exists`.
    body.deleted = false;
    body.exists = Some(change == OrgChange::Exists);
    json(&body)
}

/// Decodes what [`encode_organization`] wrote.
///
/// # Errors
/// When this version does not write such a row.
pub fn decode_organization(
    key: &str,
    value: &[u8],
) -> Result<(OrgId, EventTime, OrgChange), DecodeError> {
    let mut body: Body = parsed(value)?;
    let exists = body.exists.take().ok_or(DecodeError::NoBody)?;
    body.deleted |= !exists && !body.overruled;
    Ok((OrgId::parse(key)?, body.at(), body.organization()?))
}

/// A revocation as a row: the key names the session or user, and the value is the time.
#[must_use]
pub fn encode_revocation(revoked: &Revoked, EventTime(at): EventTime) -> (String, Vec<u8>) {
    (revocation_key(revoked), at.to_string().into_bytes())
}

/// The key of a revocation.
#[must_use]
pub fn revocation_key(revoked: &Revoked) -> String {
    match revoked {
        Revoked::Session(session) => format!("session {session}"),
        Revoked::User(user) => format!("user {user}"),
    }
}

/// Decodes what [`encode_revocation`] wrote.
///
/// # Errors
/// When this version does not write such a row.
pub fn decode_revocation(key: &str, value: &[u8]) -> Result<(Revoked, EventTime), DecodeError> {
    let revoked = match key.split_once(' ').ok_or(DecodeError::Key)? {
        ("session", id) => Revoked::Session(SessionId::parse(id)?),
        ("user", id) => Revoked::User(UserId::parse(id)?),
        _ => return Err(DecodeError::Key),
    };
    let at = std::str::from_utf8(value)
        .ok()
        .and_then(|at| at.parse().ok());
    let word = || DecodeError::Word(String::from_utf8_lossy(value).into_owned());
    Ok((revoked, EventTime(at.ok_or_else(word)?)))
}

fn parsed<'v, T: Deserialize<'v>>(value: &'v [u8]) -> Result<T, DecodeError> {
    if value.len() > MAX_ROW {
        return Err(DecodeError::TooLong);
    }
    Ok(serde_json::from_slice(value)?)
}

fn json(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("texts, numbers and lists are JSON")
}
