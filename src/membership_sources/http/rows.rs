//! One user, one role, one organization of a document: the same keys, meanings and bounds as in the membership file.

use std::collections::BTreeMap;

use super::node::Node;
use crate::config::faults::quoted;
use crate::domain::ids::{AppUserId, OrgId, UserId, WorkspaceId};
use crate::domain::membership::{AccessStatus, Details, Flags, Role, Roles, TableBuilder, User};
use crate::membership_sources::RowFaults;

/// Bounds on what only the profile tells, as in the file.
const MAX_ATTRIBUTES: usize = 32;
const MAX_DETAIL: usize = 1024;

/// A table in the making, and what is wrong with it so far.
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

    /// The good, or a fault at `path`.
    pub(super) fn take<T, E: std::fmt::Display>(
        &mut self,
        path: impl std::fmt::Display,
        read: Result<T, E>,
    ) -> Option<T> {
        read.map_err(|why| self.faults.push(path, why)).ok()
    }

    /// Adds the user with this key.
    pub(super) fn user(&mut self, path: &str, key: &str, node: &Node) -> Option<UserId> {
        let id = self.take(path, UserId::parse(key));
        let user = self.read_user(path, node);
        let (id, user) = (id?, user?);
        let added = self.table.user(&id, &user);
        self.take(path, added)?;
        Some(id)
    }

    /// The described user; `None` after a fault.
    pub(super) fn read_user(&mut self, path: &str, node: &Node) -> Option<User> {
        let members = match node {
            Node::Map(members) => members,
            other => {
                return self.take(
                    path,
                    Err(format!("is {}, and must be an object", other.kind())),
                );
            }
        };
        let mut read = Described::default();
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
                read.field(name, value, self.flags)
            };
            good &= self.take(place(), told).is_some();
        }
        good.then(|| read.user())
    }

    pub(super) fn org(&mut self, path: &str, node: &Node) -> Option<OrgId> {
        let read = node.text().and_then(|text| match OrgId::parse(&text) {
            Ok(id) if text.starts_with("org_") => Ok(id),
            Ok(_) => Err(format!(
                "is {}, and must be the id of a Clerk organization, `org_…`",
                quoted(&text)
            )),
            Err(why) => Err(format!("is {} and {why}", quoted(&text))),
        });
        self.take(path, read)
    }

    /// The role, if it is one; without a copy, as there may be a million.
    pub(super) fn find_role(&self, node: &Node) -> Option<Role> {
        match node {
            Node::Text(name) => self.roles.find(name),
            other => self.roles.find(&other.text().ok()?),
        }
    }

    pub(super) fn role(&mut self, path: &str, node: &Node) -> Option<Role> {
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

/// A key as a part of a path: as it is where it is plain, else quoted.
pub(super) fn key(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b':');
    if (1..=60).contains(&name.len()) && name.bytes().all(plain) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// What was said of a user so far.
#[derive(Default)]
struct Described {
    id: Option<AppUserId>,
    email: Option<String>,
    name: Option<String>,
    access: Option<AccessStatus>,
    founder: bool,
    flags: Flags,
    details: Details,
}

impl Described {
    fn field(&mut self, name: &str, value: &Node, known: &Flags) -> Result<(), String> {
        match name {
            "id" => {
                let text = value.text()?;
                self.id = Some(AppUserId::parse(&text).map_err(|why| why.to_string())?);
            }
            "email" => self.email = Some(value.text()?),
            "name" => self.name = Some(value.text()?),
            "access" => {
                let text = value.text()?;
                let access = AccessStatus::find(&text);
                self.access = Some(access.ok_or_else(|| {
                    format!(
                        "is {}, and must be one of {}",
                        quoted(&text),
                        AccessStatus::NAMES.join(", ")
                    )
                })?);
            }
            "founder" => self.founder = value.bool()?,
            "flags" => self.flags = flags(value, known)?,
            "activated_at" => self.details.activated_at = Some(detail(value)?),
            "attributes" => self.details.attributes = attributes(value)?,
            _ => {
                let known = "id, email, name, access, founder, flags, activated_at and attributes";
                return Err(format!("is not known here; there are {known}"));
            }
        }
        Ok(())
    }

    fn user(self) -> User {
        // Who lists a user means to let them in.
        let access = self.access.unwrap_or(AccessStatus::Active);
        let user = User::new(
            self.id,
            self.email.as_deref(),
            self.name.as_deref(),
            access,
            self.founder,
        );
        let any = self.details.activated_at.is_some() || !self.details.attributes.is_empty();
        User {
            flags: self.flags,
            details: any.then(|| Box::new(self.details)),
            ..user
        }
    }
}

fn flags(value: &Node, known: &Flags) -> Result<Flags, String> {
    let Node::List(items) = value else {
        return Err(format!("is {}, and must be a list", value.kind()));
    };
    let names: Vec<String> = items
        .iter()
        .map(Node::text)
        .collect::<Result<_, _>>()
        .map_err(|why| format!("an item {why}"))?;
    if let Some(unknown) = names.iter().find(|name| !known.has(name)) {
        return Err(format!(
            "names the flag {}, which `membership.flags` has not",
            quoted(unknown)
        ));
    }
    Flags::new(names.iter().map(String::as_str)).ok_or_else(|| "has too many flags".to_owned())
}

fn detail(value: &Node) -> Result<Box<str>, String> {
    match value.text()? {
        text if text.len() <= MAX_DETAIL => Ok(text.into()),
        _ => Err(format!("is longer than {MAX_DETAIL} bytes")),
    }
}

fn attributes(value: &Node) -> Result<BTreeMap<Box<str>, Box<str>>, String> {
    let members = match value {
        Node::Map(members) if members.len() <= MAX_ATTRIBUTES => members,
        Node::Map(_) | Node::Many => return Err(format!("has more than {MAX_ATTRIBUTES} members")),
        other => {
            return Err(format!(
                "is {}, and must be an object of texts",
                other.kind()
            ));
        }
    };
    let mut read = BTreeMap::new();
    for (name, value) in members {
        let text = detail(value).map_err(|why| format!("has {}, which {why}", quoted(name)))?;
        if read.insert(name.as_str().into(), text).is_some() {
            return Err(format!("has {} twice", quoted(name)));
        }
    }
    Ok(read)
}
