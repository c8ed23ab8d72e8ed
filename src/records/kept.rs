//! Records of users and organizations as the store keeps them: JSON with names, never with numbers that a config gives.

use std::collections::BTreeMap;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::domain::event::{EventTime, MemberChange, OrgChange, UserChange};
use crate::domain::ids::{IdError, OrgId, SessionId, UserId};
use crate::domain::membership::{AccessStatus, Entry, Flags, OrgEntry, Record, Roles, Seen};
use crate::domain::revocation::Revoked;
use crate::storage::{Op, OpError, Table};

/// Why a row of the store is not understood. Fail closed: a row that cannot be read may be a ban.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    #[error("its key {0}")]
    Key(#[from] IdError),
    #[error("it is not what this version writes: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{0}` is none that this version knows")]
    Word(String),
}

/// A user's record. Times are milliseconds since 1970; texts are as headers say them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptUser {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<KeptTold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<KeptSeen>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entry: Option<KeptEntry>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    orgs: BTreeMap<String, KeptMember>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptTold {
    at: u64,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    banned: bool,
    /// The source has the word; with `deleted`, over a deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overruled: bool,
    email: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSeen {
    at: u64,
    email: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptEntry {
    at: u64,
    access: String,
    #[serde(default)]
    flags: Vec<String>,
}

/// A membership; without a role it has ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptMember {
    at: u64,
    role: Option<String>,
    /// The source has the word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overruled: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptOrganization {
    at: u64,
    exists: bool,
    /// The source has the word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overruled: bool,
}

/// A user's record as bytes; roles go by their names.
#[must_use]
pub fn write_user(record: &Record, roles: &Roles) -> Vec<u8> {
    let text = |value: &Option<HeaderValue>| {
        value
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let told = record.told.as_ref().map(|(EventTime(at), change)| {
        let bare = KeptTold {
            at: *at,
            deleted: false,
            banned: false,
            overruled: false,
            email: None,
            name: None,
        };
        match change {
            UserChange::Deleted => KeptTold {
                deleted: true,
                ..bare
            },
            UserChange::Overruled { deleted } => KeptTold {
                deleted: *deleted,
                overruled: true,
                ..bare
            },
            UserChange::Described {
                banned,
                email,
                name,
            } => KeptTold {
                banned: *banned,
                email: text(email),
                name: text(name),
                ..bare
            },
        }
    });
    let seen = |seen: &Seen| KeptSeen {
        at: seen.at.0,
        email: text(&seen.email),
        name: text(&seen.name),
    };
    let entry = |entry: &Entry| KeptEntry {
        at: entry.at.0,
        access: entry.access.name().to_owned(),
        flags: entry.flags.names().map(str::to_owned).collect(),
    };
    let member = |entry: &OrgEntry| {
        let role = match entry.change {
            MemberChange::Role(role) => Some(roles.name(role).to_owned()),
            MemberChange::Removed | MemberChange::Overruled => None,
        };
        let overruled = entry.change == MemberChange::Overruled;
        (
            entry.org.to_string(),
            KeptMember {
                at: entry.at.0,
                role,
                overruled,
            },
        )
    };
    json(&KeptUser {
        told,
        seen: record.seen.as_ref().map(seen),
        entry: record.entry.as_ref().map(entry),
        orgs: record.orgs.iter().map(member).collect(),
    })
}

/// Reads what [`write_user`] wrote. A role that the config does not name any more is no role.
///
/// # Errors
/// When the row is not understood.
pub fn read_user(key: &str, value: &[u8], roles: &Roles) -> Result<(UserId, Record), RowError> {
    let kept: KeptUser = serde_json::from_slice(value)?;
    let told = match kept.told {
        None => None,
        Some(told) if told.overruled => Some((
            EventTime(told.at),
            UserChange::Overruled {
                deleted: told.deleted,
            },
        )),
        Some(told) if told.deleted => Some((EventTime(told.at), UserChange::Deleted)),
        Some(told) => {
            let (email, name) = (header(told.email)?, header(told.name)?);
            Some((
                EventTime(told.at),
                UserChange::Described {
                    banned: told.banned,
                    email,
                    name,
                },
            ))
        }
    };
    let seen = match kept.seen {
        None => None,
        Some(seen) => Some(Seen {
            at: EventTime(seen.at),
            email: header(seen.email)?,
            name: header(seen.name)?,
        }),
    };
    let entry = match kept.entry {
        None => None,
        Some(entry) => {
            let access = AccessStatus::find(&entry.access).ok_or(RowError::Word(entry.access))?;
            let flags = Flags::new(entry.flags.iter().map(String::as_str));
            let flags = flags.ok_or_else(|| RowError::Word(entry.flags.join(",")))?;
            Some(Entry {
                at: EventTime(entry.at),
                access,
                flags,
            })
        }
    };
    let member = |(org, kept): (String, KeptMember)| {
        let role = kept.role.and_then(|name| roles.find(&name));
        let change = match role {
            _ if kept.overruled => MemberChange::Overruled,
            Some(role) => MemberChange::Role(role),
            None => MemberChange::Removed,
        };
        Ok::<_, RowError>(OrgEntry {
            org: OrgId::parse(&org)?,
            at: EventTime(kept.at),
            change,
        })
    };
    let mut orgs = kept
        .orgs
        .into_iter()
        .map(member)
        .collect::<Result<Vec<_>, _>>()?;
    orgs.sort_by(|a, b| a.org.cmp(&b.org));
    Ok((
        UserId::parse(key)?,
        Record {
            told,
            seen,
            entry,
            orgs,
        },
    ))
}

/// An organization as bytes.
#[must_use]
pub fn write_organization(EventTime(at): EventTime, change: OrgChange) -> Vec<u8> {
    let (exists, overruled) = (change == OrgChange::Exists, change == OrgChange::Overruled);
    json(&KeptOrganization {
        at,
        exists,
        overruled,
    })
}

/// Reads what [`write_organization`] wrote.
///
/// # Errors
/// When the row is not understood.
pub fn read_organization(
    key: &str,
    value: &[u8],
) -> Result<(OrgId, EventTime, OrgChange), RowError> {
    let kept: KeptOrganization = serde_json::from_slice(value)?;
    let change = match kept {
        KeptOrganization {
            overruled: true, ..
        } => OrgChange::Overruled,
        KeptOrganization { exists: true, .. } => OrgChange::Exists,
        KeptOrganization { .. } => OrgChange::Deleted,
    };
    Ok((OrgId::parse(key)?, EventTime(kept.at), change))
}

/// The row of a revocation: whose it is in the key, milliseconds since 1970 in the value.
///
/// # Errors
/// When an id is too long for a key, which none is.
pub fn write_revocation(revoked: &Revoked, EventTime(at): EventTime) -> Result<Op, OpError> {
    Op::put(Table::Revocations, revocation_key(revoked), at.to_string())
}

/// Takes it out again.
///
/// # Errors
/// As [`write_revocation`].
pub fn forget_revocation(revoked: &Revoked) -> Result<Op, OpError> {
    Op::delete(Table::Revocations, revocation_key(revoked))
}

fn revocation_key(revoked: &Revoked) -> String {
    match revoked {
        Revoked::Session(session) => format!("session {session}"),
        Revoked::User(user) => format!("user {user}"),
    }
}

/// Reads what [`write_revocation`] wrote.
///
/// # Errors
/// When the row is not understood.
pub fn read_revocation(key: &str, value: &[u8]) -> Result<(Revoked, EventTime), RowError> {
    let word = || RowError::Word(key.to_owned());
    let revoked = match key.split_once(' ').ok_or_else(word)? {
        ("session", id) => Revoked::Session(SessionId::parse(id)?),
        ("user", id) => Revoked::User(UserId::parse(id)?),
        _ => return Err(word()),
    };
    let at = std::str::from_utf8(value)
        .ok()
        .and_then(|at| at.parse().ok());
    Ok((
        revoked,
        EventTime(at.ok_or_else(|| RowError::Word(String::from_utf8_lossy(value).into_owned()))?),
    ))
}

fn json(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("texts, numbers and lists are JSON")
}

fn header(text: Option<String>) -> Result<Option<HeaderValue>, RowError> {
    let visible = |text: &str| text.bytes().all(|b| (0x20..0x7f).contains(&b));
    match text {
        None => Ok(None),
        Some(text) if visible(&text) => HeaderValue::from_str(&text)
            .map(Some)
            .map_err(|_| RowError::Word(text)),
        Some(text) => Err(RowError::Word(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::text_header;

    fn roles(names: &[&str]) -> Roles {
        Roles::new(
            &names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )
        .unwrap()
    }

    fn full(roles: &Roles) -> Record {
        let org = |id, change| OrgEntry {
            org: OrgId::parse(id).unwrap(),
            at: EventTime(3),
            change,
        };
        Record {
            told: Some((
                EventTime(1),
                UserChange::Described {
                    banned: true,
                    email: text_header("a@x.test"),
                    name: text_header("Zoë"),
                },
            )),
            seen: Some(Seen {
                at: EventTime(2),
                email: text_header("b@x.test"),
                name: None,
            }),
            entry: Some(Entry {
                at: EventTime(1),
                access: AccessStatus::Pending,
                flags: Flags::new(["is_active"]).unwrap(),
            }),
            orgs: vec![
                org("org_1", MemberChange::Role(roles.find("admin").unwrap())),
                org("org_2", MemberChange::Removed),
                org("org_3", MemberChange::Overruled),
            ],
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let roles = roles(&["member", "admin"]);
        let told = |change| Record {
            told: Some((EventTime(9), change)),
            ..Record::default()
        };
        let deleted = told(UserChange::Deleted);
        let back = told(UserChange::Overruled { deleted: true });
        let described = told(UserChange::Overruled { deleted: false });
        for record in [full(&roles), deleted, back, described, Record::default()] {
            let (user, back) = read_user("user_a", &write_user(&record, &roles), &roles).unwrap();
            assert_eq!((user.as_str(), back), ("user_a", record));
        }
        for change in [OrgChange::Exists, OrgChange::Deleted, OrgChange::Overruled] {
            let (org, at, read) =
                read_organization("org_1", &write_organization(EventTime(5), change)).unwrap();
            assert_eq!((org.as_str(), at, read), ("org_1", EventTime(5), change));
        }
    }

    #[test]
    fn a_role_keeps_its_name_when_the_config_numbers_it_anew_and_is_none_when_it_is_gone() {
        let old = roles(&["member", "admin"]);
        let bytes = write_user(&full(&old), &old);
        let more = roles(&["guest", "member", "admin"]);
        let (_, record) = read_user("user_a", &bytes, &more).unwrap();
        let change = record
            .entry_of(&OrgId::parse("org_1").unwrap())
            .map(|entry| entry.change);
        assert_eq!(change, more.find("admin").map(MemberChange::Role));
        let (_, record) = read_user("user_a", &bytes, &roles(&["member"])).unwrap();
        let change = record
            .entry_of(&OrgId::parse("org_1").unwrap())
            .map(|entry| entry.change);
        assert_eq!(change, Some(MemberChange::Removed));
    }

    #[test]
    fn a_row_that_is_not_understood_is_never_taken_for_an_empty_one() {
        let roles = roles(&["member"]);
        for (key, value) in [
            ("user_a", &b""[..]),
            ("user_a", b"{}x"),
            ("user_a", br#"{"later": true}"#),
            ("user_a", br#"{"entry": {"at": 1, "access": "root"}}"#),
            ("user_a", br#"{"told": {"at": 1, "name": "a\nb"}}"#),
            ("user_a", br#"{"orgs": {"a,b": {"at": 1}}}"#),
            ("somebody", b"{}"),
        ] {
            assert!(read_user(key, value, &roles).is_err(), "{key} {value:?}");
        }
        assert!(read_organization("org_1", br#"{"at": 1}"#).is_err());
    }
}
