//! One user, one role, one organization of a document, with the keys, meanings and bounds of the membership file.

use super::node::JsonNode;
use crate::config::faults::quoted;
use crate::domain::ids::{IdError, OrgId, UserId, WorkspaceId};
use crate::domain::membership::{
    AccessStatus, Flags, MAX_ATTRIBUTES, Role, Roles, TableBuilder, User, UserRow, UserRowError,
};
use crate::membership_sources::RowFaults;

/// A table in the making, and its faults so far.
pub(super) struct Work<'w> {
    pub roles: &'w Roles,
    pub flags: &'w Flags,
    pub table: TableBuilder,
    pub faults: RowFaults,
}

impl<'w> Work<'w> {
    pub(super) fn new(roles: &'w Roles, flags: &'w Flags) -> Self {
        Self {
            roles,
            flags,
            table: TableBuilder::new(),
            faults: RowFaults::default(),
        }
    }

    /// The good value, or a fault at `path`.
    pub(super) fn take<T, E: std::fmt::Display>(
        &mut self,
        path: impl std::fmt::Display,
        read: Result<T, E>,
    ) -> Option<T> {
        read.map_err(|why| self.faults.push(path, why)).ok()
    }

    /// Adds the user with this key.
    pub(super) fn user(&mut self, path: &str, key: &str, node: &JsonNode) -> Option<UserId> {
        let id = self.take(path, UserId::parse(key));
        let user = self.read_user(path, node);
        let (id, user) = (id?, user?);
        let added = self.table.user(&id, &user);
        self.take(path, added)?;
        Some(id)
    }

    /// The described user; `None` after a fault.
    pub(super) fn read_user(&mut self, path: &str, node: &JsonNode) -> Option<User> {
        let members = match node {
            JsonNode::Map(members) => members,
            other => {
                return self.take(
                    path,
                    Err(format!("is {}, and must be an object", other.kind())),
                );
            }
        };
        let mut row = UserRow::new(self.flags);
        let mut good = true;
        for (position, (name, value)) in members.iter().enumerate() {
            let place = || format!("{path}.{}", key(name));
            let twice = members
                .iter()
                .take(position)
                .any(|(earlier, _)| earlier == name);
            let told = if twice {
                Err("comes twice".to_owned())
            } else {
                field(&mut row, name, value)
            };
            good &= self.take(place(), told).is_some();
        }
        good.then(|| row.user())
    }

    pub(super) fn org(&mut self, path: &str, node: &JsonNode) -> Option<OrgId> {
        let read = node.text().and_then(|text| {
            OrgId::parse_clerk(&text).map_err(|why| match why {
                IdError::Prefix(_) => format!(
                    "is {}, and must be the id of a Clerk organization, `org_…`",
                    quoted(&text)
                ),
                why => format!("is {} and {why}", quoted(&text)),
            })
        });
        self.take(path, read)
    }

    /// The role, if the node is one. It makes no copy, as there may be a million.
    pub(super) fn find_role(&self, node: &JsonNode) -> Option<Role> {
        match node {
            JsonNode::Text(name) => self.roles.find(name),
            other => self.roles.find(&other.text().ok()?),
        }
    }

    pub(super) fn role(&mut self, path: &str, node: &JsonNode) -> Option<Role> {
        let read = node.text().and_then(|name| {
            self.roles.find(&name).ok_or_else(|| {
                let known: Vec<_> = self.roles.names().map(quoted).collect();
                format!(
                    "is the unknown role {}; `membership.roles` has {}",
                    quoted(&name),
                    known.join(", ")
                )
            })
        });
        self.take(path, read)
    }

    pub(super) fn workspace_id(&mut self, path: &str, text: &str) -> Option<WorkspaceId> {
        self.take(path, WorkspaceId::parse(text))
    }

    pub(super) fn unknown(&mut self, path: &str, name: &str, known: &str) {
        self.faults.push(
            format_args!("{path}{}", key(name)),
            format_args!("is not known here; there are {known}"),
        );
    }
}

/// A key as a part of a path. It is quoted unless it is plain.
pub(super) fn key(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':');
    if (1..=60).contains(&name.len()) && name.bytes().all(plain) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// Passes one member of a user's object to the row.
fn field(row: &mut UserRow<'_>, name: &str, value: &JsonNode) -> Result<(), String> {
    let plain = |read: Result<(), UserRowError>| read.map_err(|why| why.to_string());
    match name {
        "id" => plain(row.id(&value.text()?)),
        "email" => {
            row.email(&value.text()?);
            Ok(())
        }
        "name" => {
            row.name(&value.text()?);
            Ok(())
        }
        "access" => {
            let text = value.text()?;
            row.access(&text).map_err(|_| {
                format!(
                    "is {}, and must be one of {}",
                    quoted(&text),
                    AccessStatus::NAMES.join(", ")
                )
            })
        }
        "founder" => {
            row.founder(value.bool()?);
            Ok(())
        }
        "flags" => flags(row, value),
        "activated_at" => plain(row.activated_at(&value.text()?)),
        "attributes" => attributes(row, value),
        _ => {
            let known = "id, email, name, access, founder, flags, activated_at and attributes";
            Err(format!("is not known here; there are {known}"))
        }
    }
}

fn flags(row: &mut UserRow<'_>, value: &JsonNode) -> Result<(), String> {
    let JsonNode::List(items) = value else {
        return Err(format!("is {}, and must be a list", value.kind()));
    };
    let names: Vec<String> = items
        .iter()
        .map(JsonNode::text)
        .collect::<Result<_, _>>()
        .map_err(|why| format!("an item {why}"))?;
    row.flags(names.iter().map(String::as_str))
        .map_err(|why| match why {
            UserRowError::UnknownFlag(name) => format!(
                "names the flag {}, which `membership.flags` has not",
                quoted(&name)
            ),
            why => why.to_string(),
        })
}

fn attributes(row: &mut UserRow<'_>, value: &JsonNode) -> Result<(), String> {
    let members = match value {
        JsonNode::Map(members) => members,
        JsonNode::Many => return Err(format!("has more than {MAX_ATTRIBUTES} members")),
        other => {
            return Err(format!(
                "is {}, and must be an object of texts",
                other.kind()
            ));
        }
    };
    for (name, value) in members {
        let text = value
            .text()
            .map_err(|why| format!("has {}, which {why}", quoted(name)))?;
        row.attribute(name, &text).map_err(|why| match why {
            UserRowError::TooManyAttributes => format!("has more than {MAX_ATTRIBUTES} members"),
            UserRowError::SameAttribute => format!("has {} twice", quoted(name)),
            why => format!("has {}, which {why}", quoted(name)),
        })?;
    }
    Ok(())
}
