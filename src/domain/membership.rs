//! Who belongs to which workspace in which role: a table from a source, and on top of it what webhooks have said since.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;

use super::event::{Change, EventTime, MemberChange, UserChange};
use super::ids::{AppUserId, ClerkUserId, OrgId, WorkspaceId, text_header};

/// A role by its height: index into [`Roles`]. Higher ones contain the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(u8);

/// The roles of `membership.roles`, rising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(Vec<(Box<str>, HeaderValue)>);

/// Most roles.
pub const MAX_ROLES: usize = 32;

impl Roles {
    /// `names`, lowest first: 1 to [`MAX_ROLES`] distinct words of letters, digits, `_` and `-`. `None` for anything else.
    #[must_use]
    pub fn new(names: &[String]) -> Option<Self> {
        let word = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let distinct = names.iter().enumerate().all(|(i, n)| !names.iter().take(i).any(|m| m == n));
        let good = distinct && (1..=MAX_ROLES).contains(&names.len()) && names.iter().all(|n| word(n));
        let header = |n: &String| HeaderValue::from_str(n).ok().map(|value| (n.as_str().into(), value));
        if good { names.iter().map(header).collect::<Option<_>>().map(Self) } else { None }
    }

    /// The role with this name; `org:admin` means `admin`. Otherwise the names must be the same to the letter (attack A-64).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Role> {
        let name = name.strip_prefix("org:").unwrap_or(name);
        let index = self.0.iter().position(|(n, _)| **n == *name)?;
        u8::try_from(index).ok().map(Role)
    }

    /// The name of `role`.
    #[must_use]
    pub fn name(&self, role: Role) -> &str {
        self.0.get(usize::from(role.0)).map_or("", |(name, _)| name)
    }

    pub(super) fn header(&self, role: Role) -> Option<HeaderValue> {
        self.0.get(usize::from(role.0)).map(|(_, value)| value.clone())
    }

    /// The lowest role: what it takes to be a member at all.
    #[must_use]
    pub fn lowest(&self) -> Role {
        Role(0)
    }

    /// All names, lowest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

/// Whether a user may use the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessStatus {
    Pending,
    Active,
    Suspended,
}

impl AccessStatus {
    pub const NAMES: &[&str] = &["pending", "active", "suspended"];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// The status with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Suspended].into_iter().find(|s| s.name() == name)
    }
}

/// A user as the source describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The app's own id, where it has one.
    pub id: Option<AppUserId>,
    pub email: Option<HeaderValue>,
    pub name: Option<HeaderValue>,
    pub access: AccessStatus,
    /// Counts as active whatever `access` says.
    pub founder: bool,
}

/// A workspace as the source describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// The Clerk organization that it is, if it is one: webhooks and tokens speak of that.
    pub org: Option<OrgId>,
    pub members: HashMap<ClerkUserId, Role>,
}

/// The membership as one source gave it: whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    users: HashMap<ClerkUserId, User>,
    workspaces: HashMap<WorkspaceId, Workspace>,
    by_org: HashMap<OrgId, WorkspaceId>,
}

impl Table {
    /// Two workspaces cannot be the same organization: the ids of such two are the error.
    pub fn new(
        users: HashMap<ClerkUserId, User>,
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

    fn role(&self, workspace: &WorkspaceId, user: &ClerkUserId) -> Option<Role> {
        self.workspaces.get(workspace)?.members.get(user).copied()
    }

    fn role_in_org(&self, org: &OrgId, user: &ClerkUserId) -> Option<Role> {
        self.role(self.by_org.get(org)?, user)
    }

    /// Users, workspaces, and members of all workspaces together.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        (self.users.len(), self.workspaces.len(), self.workspaces.values().map(|w| w.members.len()).sum())
    }
}

/// The membership in force. Cheap to clone and to change by one event: the table is shared, the changes are a persistent map.
///
/// **Who wins:** for each user and each membership, the last to speak. A webhook stands above the table that was loaded
/// before it; a reloaded table takes back only the rows that it changed itself. So editing one row of a file does not undo
/// the ban of another user, and an operator can always overrule a webhook by writing the row.
///
/// What takes access away falls only to a row that gives it anew: a new row, or another `access`. An app that follows a
/// deletion by removing its row, or that writes down the new name of a banned user, gives nobody access back by that, and an
/// older event that is delivered later still finds the newer one.
#[derive(Clone, Debug, Default)]
pub struct Members {
    table: Arc<Table>,
    users: imbl::HashMap<ClerkUserId, (EventTime, UserChange)>,
    members: imbl::HashMap<(OrgId, ClerkUserId), (EventTime, MemberChange)>,
    orgs: imbl::HashMap<OrgId, (EventTime, bool)>,
    /// The status of a user of whom only a webhook has spoken.
    new_users: Option<AccessStatus>,
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<'m> {
    Unknown,
    Deleted,
    /// Banned or locked at Clerk.
    Banned,
    Known(Known<'m>),
}

/// A user who is neither deleted nor banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<'m> {
    pub id: Option<&'m AppUserId>,
    pub access: AccessStatus,
    pub founder: bool,
    pub email: Option<&'m HeaderValue>,
    pub name: Option<&'m HeaderValue>,
}

/// Bound: rows of change kept on top of the table.
pub const MAX_CHANGES: usize = 1_000_000;

/// The change cannot be kept, because [`MAX_CHANGES`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_CHANGES} users and memberships were changed by webhooks since the start")]
pub struct TooManyChanges;

impl Members {
    /// The membership as the table says.
    #[must_use]
    pub fn new(table: Table, new_users: AccessStatus) -> Self {
        Self { table: Arc::new(table), new_users: Some(new_users), ..Self::default() }
    }

    /// The membership after the source was read again: changes by webhooks stay, except in rows that the source changed.
    #[must_use]
    pub fn reloaded(&self, table: Table, new_users: AccessStatus) -> Self {
        let old = &self.table;
        let mut next = self.clone();
        next.users.retain(|user, (_, change)| {
            let (before, after) = (old.users.get(user), table.users.get(user));
            let access = |user: &User| (user.access, user.founder);
            let gives = after.is_some() && before.map(access) != after.map(access);
            before == after || (change.takes_access() && !gives)
        });
        next.members.retain(|(org, user), (_, change)| {
            let (before, after) = (old.role_in_org(org, user), table.role_in_org(org, user));
            before == after || (*change == MemberChange::Removed && after.is_none())
        });
        next.orgs.retain(|org, (_, exists)| {
            let (before, after) = (old.by_org.contains_key(org), table.by_org.contains_key(org));
            before == after || (!*exists && !after)
        });
        next.table = Arc::new(table);
        next.new_users = Some(new_users);
        next
    }

    /// The same membership in the words of other roles: a role keeps its name, not its height. One whose name is gone is no role,
    /// so its holder is out.
    #[must_use]
    pub fn with_roles(&self, old: &Roles, new: &Roles) -> Self {
        let renamed = |role: Role| new.find(old.name(role));
        let mut table = Table::clone(&self.table);
        for workspace in table.workspaces.values_mut() {
            workspace.members = workspace.members.drain().filter_map(|(u, r)| Some((u, renamed(r)?))).collect();
        }
        let change = |change: &MemberChange| match change {
            MemberChange::Role(role) => renamed(*role).map_or(MemberChange::Removed, MemberChange::Role),
            MemberChange::Removed => MemberChange::Removed,
        };
        let members = self.members.iter().map(|(key, (at, c))| (key.clone(), (*at, change(c)))).collect();
        Self { table: Arc::new(table), members, ..self.clone() }
    }

    /// The membership after `change`. An older event never undoes a newer one (attack A-114): then nothing changes. Of two
    /// events with the same time the one that takes more access away wins, so that no order of delivery matters.
    pub fn changed(&self, change: Change, at: EventTime) -> Result<Self, TooManyChanges> {
        self.changed_within(MAX_CHANGES, change, at)
    }

    fn changed_within(&self, max: usize, change: Change, at: EventTime) -> Result<Self, TooManyChanges> {
        let mut next = self.clone();
        match change {
            Change::User(user, change) => {
                let earlier = next.users.get(&user).map(|(then, c)| (*then, c.weight()));
                if earlier.is_none_or(|earlier| (at, change.weight()) > earlier) {
                    next.users.insert(user, (at, change));
                }
            }
            Change::Member(org, user, change) => {
                let key = (org, user);
                let earlier = next.members.get(&key).map(|(then, c)| (*then, c.weight()));
                if earlier.is_none_or(|earlier| (at, change.weight()) > earlier) {
                    next.members.insert(key, (at, change));
                }
            }
            Change::Organization(org, exists) => {
                let earlier = next.orgs.get(&org).map(|(then, exists)| (*then, !exists));
                if earlier.is_none_or(|earlier| (at, !exists) > earlier) {
                    next.orgs.insert(org, (at, exists));
                }
            }
        }
        // Looked at last: a row that is kept already can always change, or a ban would be lost when it matters.
        let (before, after) = (self.changes(), next.changes());
        if after > before && after > max { Err(TooManyChanges) } else { Ok(next) }
    }

    fn changes(&self) -> usize {
        self.users.len() + self.members.len() + self.orgs.len()
    }

    /// What is known of `user`.
    #[must_use]
    pub fn standing(&self, user: &ClerkUserId) -> Standing<'_> {
        let row = self.table.users.get(user);
        match self.users.get(user) {
            Some((_, UserChange::Deleted)) => Standing::Deleted,
            Some((_, UserChange::Described { banned: true, .. })) => Standing::Banned,
            Some((_, UserChange::Described { email, name, .. })) => Standing::Known(Known {
                id: row.and_then(|u| u.id.as_ref()),
                access: row.map(|u| u.access).or(self.new_users).unwrap_or(AccessStatus::Pending),
                founder: row.is_some_and(|u| u.founder),
                email: email.as_ref(),
                name: name.as_ref(),
            }),
            None => row.map_or(Standing::Unknown, |user| {
                Standing::Known(Known {
                    id: user.id.as_ref(),
                    access: user.access,
                    founder: user.founder,
                    email: user.email.as_ref(),
                    name: user.name.as_ref(),
                })
            }),
        }
    }

    /// The role of `user` in `workspace`.
    #[must_use]
    pub fn role(&self, workspace: &WorkspaceId, user: &ClerkUserId) -> Option<Role> {
        let Some(org) = self.org_of(workspace) else { return self.table.role(workspace, user) };
        // A deleted organization has no members, whatever the table and late events say of them.
        if self.orgs.get(&org).is_some_and(|(_, exists)| !exists) {
            return None;
        }
        let change = if self.members.is_empty() { None } else { self.members.get(&(org, user.clone())) };
        match change {
            Some((_, MemberChange::Removed)) => None,
            Some((_, MemberChange::Role(role))) => Some(*role),
            None => self.table.role(workspace, user),
        }
    }

    /// The organization that `workspace` is. One of which only webhooks have spoken is its own workspace.
    #[must_use]
    pub fn org_of(&self, workspace: &WorkspaceId) -> Option<OrgId> {
        match self.table.workspaces.get(workspace) {
            Some(known) => known.org.clone(),
            None => OrgId::parse(workspace.as_str()).ok().filter(|org| !self.table.by_org.contains_key(org)),
        }
    }

    /// The workspace that `org` is.
    #[must_use]
    pub fn workspace_of(&self, org: &OrgId) -> Option<WorkspaceId> {
        self.table.by_org.get(org).cloned().or_else(|| WorkspaceId::parse(org.as_str()).ok())
    }

    /// Users, workspaces and members of the table; changes on top of it.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize, usize) {
        let (users, workspaces, members) = self.table.size();
        (users, workspaces, members, self.changes())
    }
}

impl User {
    /// A user from texts. Text that is too long for a header is left out.
    #[must_use]
    pub fn new(
        id: Option<AppUserId>,
        email: Option<&str>,
        name: Option<&str>,
        access: AccessStatus,
        founder: bool,
    ) -> Self {
        Self { id, email: email.and_then(text_header), name: name.and_then(text_header), access, founder }
    }
}

#[cfg(test)]
mod tests;
