//! The membership as one source gave it: built row by row, and then only read.

use std::collections::{HashMap, HashSet};

use super::{Role, User};
use crate::domain::ids::{AppUserId, OrgId, UserId, WorkspaceId};

/// A workspace as the source describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// The Clerk organization that it is, if it is one: webhooks and tokens speak of that.
    pub org: Option<OrgId>,
    pub members: HashMap<UserId, Role>,
}

/// The membership as one source gave it: whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    users: HashMap<UserId, User>,
    workspaces: HashMap<WorkspaceId, Workspace>,
    by_org: HashMap<OrgId, WorkspaceId>,
}

/// Why a row does not fit to those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    #[error("the user {0} comes twice")]
    SameUser(UserId),
    #[error("the users {0} and {1} have one `id`")]
    SameId(UserId, UserId),
    #[error("the workspace {0} comes twice, and differs")]
    SameWorkspace(WorkspaceId),
    #[error("the workspaces {0} and {1} have one `org`")]
    SameOrg(WorkspaceId, WorkspaceId),
    #[error("{1} is a member of {0} twice")]
    SameMember(WorkspaceId, UserId),
    #[error("there are more rows, or longer ones, than a table holds")]
    TooMany,
}

/// A table in the making. A row that is refused changes nothing; whether the others are worth having then is for the caller to
/// say, who alone knows where the row stands.
#[derive(Debug, Default)]
pub struct TableBuilder {
    table: Table,
    ids: HashMap<AppUserId, UserId>,
    /// Workspaces that were described, and not only named by a member.
    described: HashSet<WorkspaceId>,
}

impl TableBuilder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// When the user is there already, or their app's own id is somebody else's.
    pub fn user(&mut self, id: &UserId, user: &User) -> Result<(), RowFault> {
        if self.table.users.contains_key(id) {
            return Err(RowFault::SameUser(id.clone()));
        }
        if let Some(own) = &user.id {
            if let Some(other) = self.ids.get(own) {
                return Err(RowFault::SameId(other.clone(), id.clone()));
            }
            self.ids.insert(own.clone(), id.clone());
        }
        self.table.users.insert(id.clone(), user.clone());
        Ok(())
    }

    /// Describes a workspace. Saying the same twice is no fault, as a query by members repeats it in each row.
    ///
    /// # Errors
    /// When it was described otherwise before, or its organization is another workspace.
    pub fn workspace(&mut self, id: &WorkspaceId, org: Option<&OrgId>) -> Result<(), RowFault> {
        if self.described.contains(id) {
            let same = self.table.workspaces.get(id).is_some_and(|known| known.org.as_ref() == org);
            return if same { Ok(()) } else { Err(RowFault::SameWorkspace(id.clone())) };
        }
        if let Some(org) = org {
            if let Some(other) = self.table.by_org.get(org) {
                return Err(RowFault::SameOrg(other.clone(), id.clone()));
            }
            self.table.by_org.insert(org.clone(), id.clone());
        }
        self.described.insert(id.clone());
        self.table.workspaces.entry(id.clone()).or_default().org = org.cloned();
        Ok(())
    }

    /// Adds a member to a workspace, which need not be described.
    ///
    /// # Errors
    /// When the user is one already.
    pub fn member(&mut self, workspace: &WorkspaceId, user: &UserId, role: Role) -> Result<(), RowFault> {
        let members = &mut self.table.workspaces.entry(workspace.clone()).or_default().members;
        if members.contains_key(user) {
            return Err(RowFault::SameMember(workspace.clone(), user.clone()));
        }
        members.insert(user.clone(), role);
        Ok(())
    }

    #[must_use]
    pub fn build(self) -> Table {
        self.table
    }
}

impl Table {
    /// Two workspaces cannot be the same organization: the ids of such two are the error.
    pub fn new(
        users: HashMap<UserId, User>,
        workspaces: HashMap<WorkspaceId, Workspace>,
    ) -> Result<Self, (WorkspaceId, WorkspaceId)> {
        let mut by_org = HashMap::new();
        for (id, workspace) in &workspaces {
            if let Some(org) = &workspace.org
                && let Some(other) = by_org.insert(org.clone(), id.clone())
            {
                return Err((other, id.clone()));
            }
        }
        Ok(Self { users, workspaces, by_org })
    }

    /// The row of a user.
    pub(super) fn user(&self, id: &UserId) -> Option<&User> {
        self.users.get(id)
    }

    /// The role of a user in a workspace.
    pub(super) fn role(&self, workspace: &WorkspaceId, user: &UserId) -> Option<Role> {
        self.workspaces.get(workspace)?.members.get(user).copied()
    }

    /// The workspace that is this organization.
    pub(super) fn workspace_of(&self, org: &OrgId) -> Option<&WorkspaceId> {
        self.by_org.get(org)
    }

    /// The organization that a workspace is; the outer `None` for a workspace of which the table says nothing.
    pub(super) fn org_of(&self, workspace: &WorkspaceId) -> Option<Option<OrgId>> {
        self.workspaces.get(workspace).map(|known| known.org.clone())
    }

    /// The same table in the words of other roles. `renamed` gives the new role, or none: then the member is out.
    pub(super) fn with_roles(&self, renamed: impl Fn(Role) -> Option<Role>) -> Self {
        let mut table = self.clone();
        for workspace in table.workspaces.values_mut() {
            workspace.members = workspace.members.drain().filter_map(|(u, r)| Some((u, renamed(r)?))).collect();
        }
        table
    }

    /// Users, workspaces, and members of all workspaces together.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        (self.users.len(), self.workspaces.len(), self.workspaces.values().map(|w| w.members.len()).sum())
    }

    /// Everybody who has a row.
    pub(super) fn user_ids(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys()
    }

    /// Every membership.
    pub(super) fn members(&self) -> impl Iterator<Item = (&WorkspaceId, &UserId, Role)> {
        let members = self.workspaces.iter().map(|(id, workspace)| (id, &workspace.members));
        members.flat_map(|(id, members)| members.iter().map(move |(user, role)| (id, user, *role)))
    }
}
