//! The answers of an endpoint: everything, or one user. The keys are those of the membership file, as JSON.
//!
//! Everything is parsed as it arrives. Memory holds the table in the making, one user's object at a time, and the ids of the
//! workspaces. Faults in the content are collected. A fault in the JSON itself ends the reading, because the rest cannot be parsed.

use std::collections::HashSet;
use std::io::Read;

use serde::de::{DeserializeSeed as _, IgnoredAny, MapAccess};

use super::node::{Depth, Each, MemberSink};
use super::rows::{Work, key};
use crate::background::Throttle;
use crate::domain::ids::{OrgId, UserId, WorkspaceId};
use crate::domain::membership::{Flags, Roles, Table};
use crate::membership_sources::RowFaults;

/// Why a document gave no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("it is no JSON document, or ends too early ({0})")]
    Json(String),
    #[error("{0}")]
    Rows(RowFaults),
}

impl From<serde_json::Error> for DocumentError {
    fn from(error: serde_json::Error) -> Self {
        // The message contains the kind and the place of the fault only: the text itself is personal data.
        let (line, column) = (error.line(), error.column());
        let what = match error.classify() {
            serde_json::error::Category::Eof => "it ends in the middle",
            serde_json::error::Category::Io => "it could not be read to its end",
            serde_json::error::Category::Syntax | serde_json::error::Category::Data => {
                "a syntax error"
            }
        };
        Self::Json(format!("{what}, line {line}, column {column}"))
    }
}

/// Reads everything: `{"users": {…}, "workspaces": {…}}`. Rests again and again while it builds the table; reading from `from`
/// rests as well.
pub(crate) fn read_all(
    from: impl Read,
    roles: &Roles,
    flags: &Flags,
) -> Result<Table, DocumentError> {
    let mut root = Root {
        work: Work::new(roles, flags),
        users: false,
        workspaces: false,
    };
    let mut json = serde_json::Deserializer::from_reader(from);
    Each(&mut root).deserialize(&mut json)?;
    json.end()?;
    let Root {
        mut work, users, ..
    } = root;
    if !users {
        work.faults
            .push("users", "is missing: an object with every user");
    }
    let Work { table, faults, .. } = work;
    let mut throttle = Throttle::default();
    faults
        .judge(table.build_with_rests(|| throttle.rest_if_due()))
        .map_err(DocumentError::Rows)
}

/// Reads one user: `{"user": {…}, "workspaces": {"ws_1": {"org": "org_1", "role": "admin"}}}`.
pub(crate) fn read_one(
    body: &[u8],
    user: &UserId,
    roles: &Roles,
    flags: &Flags,
) -> Result<Table, DocumentError> {
    let mut root = One {
        work: Work::new(roles, flags),
        user,
        described: false,
        workspaces: false,
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    Each(&mut root).deserialize(&mut json)?;
    json.end()?;
    let One {
        mut work,
        described,
        ..
    } = root;
    if !described {
        work.faults.push(
            "user",
            "is missing: an object; a user who is not there is a 404",
        );
    }
    let Work { table, faults, .. } = work;
    faults.judge(table.build()).map_err(DocumentError::Rows)
}

fn no_object(work: &mut Work<'_>, path: &str, kind: &str) {
    work.faults
        .push(path, format_args!("is {kind}, and must be an object"));
}

struct Root<'w> {
    work: Work<'w>,
    users: bool,
    workspaces: bool,
}

impl MemberSink for Root<'_> {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: String,
        access: &mut A,
    ) -> Result<(), A::Error> {
        match name.as_str() {
            "users" if !self.users => {
                self.users = true;
                access.next_value_seed(Each(&mut Users(&mut self.work)))
            }
            "workspaces" if !self.workspaces => {
                self.workspaces = true;
                access.next_value_seed(Each(&mut Workspaces {
                    work: &mut self.work,
                    seen: HashSet::new(),
                }))
            }
            "users" | "workspaces" => {
                self.work.faults.push(name, "comes twice");
                access.next_value::<IgnoredAny>().map(drop)
            }
            _ => {
                self.work.unknown("", &name, "users and workspaces");
                access.next_value::<IgnoredAny>().map(drop)
            }
        }
    }

    fn other(&mut self, kind: &'static str) {
        no_object(&mut self.work, "the document", kind);
    }
}

struct Users<'a, 'w>(&'a mut Work<'w>);

impl MemberSink for Users<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: String,
        access: &mut A,
    ) -> Result<(), A::Error> {
        let node = access.next_value_seed(Depth(2))?;
        self.0.user(&format!("users.{}", key(&name)), &name, &node);
        Ok(())
    }

    fn other(&mut self, kind: &'static str) {
        no_object(self.0, "users", kind);
    }
}

struct Workspaces<'a, 'w> {
    work: &'a mut Work<'w>,
    seen: HashSet<WorkspaceId>,
}

impl MemberSink for Workspaces<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: String,
        access: &mut A,
    ) -> Result<(), A::Error> {
        let path = format!("workspaces.{}", key(&name));
        let id = self.work.workspace_id(&path, &name);
        if let Some(id) = &id
            && !self.seen.insert(id.clone())
        {
            self.work.faults.push(&path, "comes twice");
        }
        let (mut org, mut keys) = (None, (false, false));
        let members = OneWorkspace {
            work: self.work,
            path: &path,
            id: id.as_ref(),
            org: &mut org,
            keys: &mut keys,
        };
        access.next_value_seed(Each(&mut { members }))?;
        if let Some(id) = &id {
            let described = self.work.table.workspace(id, org.as_ref());
            self.work.take(&path, described);
        }
        Ok(())
    }

    fn other(&mut self, kind: &'static str) {
        no_object(self.work, "workspaces", kind);
    }
}

struct OneWorkspace<'a, 'w> {
    work: &'a mut Work<'w>,
    path: &'a str,
    id: Option<&'a WorkspaceId>,
    org: &'a mut Option<OrgId>,
    /// Whether `org` and `members` were there.
    keys: &'a mut (bool, bool),
}

impl MemberSink for OneWorkspace<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: String,
        access: &mut A,
    ) -> Result<(), A::Error> {
        let path = format!("{}.{}", self.path, key(&name));
        match (name.as_str(), &*self.keys) {
            ("org", (false, _)) => {
                self.keys.0 = true;
                let node = access.next_value_seed(Depth(0))?;
                *self.org = self.work.org(&path, &node);
                Ok(())
            }
            ("members", (_, false)) => {
                self.keys.1 = true;
                access.next_value_seed(Each(&mut Roster {
                    work: self.work,
                    path: &path,
                    id: self.id,
                }))
            }
            ("org" | "members", _) => {
                self.work.faults.push(path, "comes twice");
                access.next_value::<IgnoredAny>().map(drop)
            }
            _ => {
                self.work
                    .unknown(&format!("{}.", self.path), &name, "org and members");
                access.next_value::<IgnoredAny>().map(drop)
            }
        }
    }

    fn other(&mut self, kind: &'static str) {
        no_object(self.work, self.path, kind);
    }
}

/// The members of one workspace.
struct Roster<'a, 'w> {
    work: &'a mut Work<'w>,
    path: &'a str,
    id: Option<&'a WorkspaceId>,
}

impl MemberSink for Roster<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: String,
        access: &mut A,
    ) -> Result<(), A::Error> {
        let node = access.next_value_seed(Depth(0))?;
        let (user, found) = (UserId::parse(&name), self.work.find_role(&node));
        let added = match (&user, found, self.id) {
            (Ok(user), Some(role), Some(id)) => self.work.table.member(id, user, role),
            (Ok(_), Some(_), None) => return Ok(()),
            _ => {
                // The path is built only for a fault, since there may be a million good members.
                let path = format!("{}.{}", self.path, key(&name));
                self.work.take(&path, user);
                self.work.role(&path, &node);
                return Ok(());
            }
        };
        if let Err(why) = added {
            self.work
                .faults
                .push(format_args!("{}.{}", self.path, key(&name)), why);
        }
        Ok(())
    }

    fn other(&mut self, kind: &'static str) {
        no_object(self.work, self.path, kind);
    }
}

struct One<'w> {
    work: Work<'w>,
    user: &'w UserId,
    described: bool,
    workspaces: bool,
}

impl MemberSink for One<'_> {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: String,
        access: &mut A,
    ) -> Result<(), A::Error> {
        match name.as_str() {
            "user" if !self.described => {
                self.described = true;
                let node = access.next_value_seed(Depth(2))?;
                self.work.user("user", self.user.as_str(), &node);
                Ok(())
            }
            "workspaces" if !self.workspaces => {
                self.workspaces = true;
                let of_one = Memberships {
                    work: &mut self.work,
                    user: self.user,
                    seen: HashSet::new(),
                };
                access.next_value_seed(Each(&mut { of_one }))
            }
            "user" | "workspaces" => {
                self.work.faults.push(name, "comes twice");
                access.next_value::<IgnoredAny>().map(drop)
            }
            _ => {
                self.work.unknown("", &name, "user and workspaces");
                access.next_value::<IgnoredAny>().map(drop)
            }
        }
    }

    fn other(&mut self, kind: &'static str) {
        no_object(&mut self.work, "the answer", kind);
    }
}

/// The workspaces of one user.
struct Memberships<'a, 'w> {
    work: &'a mut Work<'w>,
    user: &'a UserId,
    seen: HashSet<WorkspaceId>,
}

impl MemberSink for Memberships<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: String,
        access: &mut A,
    ) -> Result<(), A::Error> {
        let path = format!("workspaces.{}", key(&name));
        let node = access.next_value_seed(Depth(1))?;
        let id = self.work.workspace_id(&path, &name);
        let super::node::JsonNode::Map(members) = &node else {
            no_object(self.work, &path, node.kind());
            return Ok(());
        };
        let (mut org, mut role) = (None, None);
        for (position, (name, value)) in members.iter().enumerate() {
            let place = format!("{path}.{}", key(name));
            let twice = members
                .iter()
                .take(position)
                .any(|(earlier, _)| earlier == name);
            match name.as_str() {
                _ if twice => self.work.faults.push(place, "comes twice"),
                "org" => org = self.work.org(&place, value),
                "role" => role = self.work.role(&place, value),
                _ => self.work.unknown(&format!("{path}."), name, "org and role"),
            }
        }
        if !members.iter().any(|(name, _)| name == "role") {
            self.work
                .faults
                .push(format_args!("{path}.role"), "is missing");
        }
        let (Some(id), Some(role)) = (id, role) else {
            return Ok(());
        };
        if !self.seen.insert(id.clone()) {
            self.work.faults.push(&path, "comes twice");
            return Ok(());
        }
        let described = self.work.table.workspace(&id, org.as_ref());
        self.work.take(&path, described);
        let added = self.work.table.member(&id, self.user, role);
        self.work.take(&path, added);
        Ok(())
    }

    fn other(&mut self, kind: &'static str) {
        no_object(self.work, "workspaces", kind);
    }
}
