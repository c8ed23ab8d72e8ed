//! How version 0.1 reads the rows of its own store: the types of its reader, as they were.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRow {
    #[serde(default)]
    told: Option<Told>,
    #[serde(default)]
    seen: Option<Seen>,
    #[serde(default)]
    entry: Option<InitialAccess>,
    #[serde(default)]
    orgs: BTreeMap<String, Member>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    at: u64,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    banned: bool,
    #[serde(default)]
    overruled: bool,
    email: Option<String>,
    name: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    at: u64,
    email: Option<String>,
    name: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct InitialAccess {
    at: u64,
    access: String,
    #[serde(default)]
    flags: Vec<String>,
}

/// Without a role it has ended.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    at: u64,
    role: Option<String>,
    #[serde(default)]
    overruled: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationRow {
    at: u64,
    exists: bool,
    #[serde(default)]
    overruled: bool,
}

pub fn of_user(row: &[u8]) -> UserRow {
    serde_json::from_slice(row).unwrap_or_else(|why| panic!("{why}: {}", row.escape_ascii()))
}

pub fn of_organization(row: &[u8]) -> OrganizationRow {
    serde_json::from_slice(row).unwrap_or_else(|why| panic!("{why}: {}", row.escape_ascii()))
}
