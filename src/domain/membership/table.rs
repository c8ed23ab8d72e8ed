//! The membership as one source gave it. The table is built row by row and does not change afterwards.
//!
//! A million users fit into some 120 MB. A look-up takes the same time at any size, and replacing the table frees few large
//! pieces. The rows are bytes ([`row`]) of packed texts ([`text`]), one after the other ([`arena`]), and are found by name
//! ([`register`], [`index`]). The row of a person lists their memberships, so looking up a role reads few lines of memory.

mod arena;
mod builder;
mod index;
mod register;
mod row;
mod text;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{Flags, MAX_ROLES, Role, User};
use crate::domain::ids::{OrgId, UserId, WorkspaceId};
use index::Index;
use register::Names;
use row::{Seat, height_in, is_described, length_of_person, name_of, org_of, place_of, seats_of};
use text::{PackedText, UuidBuffer};

pub use builder::TableBuilder;
pub use row::Row;

/// A workspace as the source describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// The Clerk organization of the workspace, if it has one. Webhooks and tokens name the organization.
    pub org: Option<OrgId>,
    pub members: HashMap<UserId, Role>,
}

/// Why a row contradicts earlier rows, or does not fit into the table.
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

/// The membership as one source gave it: complete, or not at all.
#[derive(Clone, Default)]
pub struct Table {
    rows: Arc<Rows>,
    /// The present role for each height in the rows; `None` while the roles are those of the time when the rows were written.
    roles: Option<Arc<Renamed>>,
    members: usize,
}

/// The rows, and how to find them.
#[derive(Debug, Default)]
struct Rows {
    /// Users, and members who are not listed as users.
    people: Names,
    workspaces: Names,
    by_org: Index,
    /// The distinct sets of flags of all users. There are few.
    sets: Vec<Flags>,
    users: usize,
}

/// The present role for each old height, if the role still exists.
type Renamed = [Option<Role>; MAX_ROLES];

/// Up to this number of seats, comparing the workspace of each seat is faster than looking up the requested workspace.
const FEW: usize = 4;

impl Table {
    /// A table of the given users and workspaces.
    ///
    /// # Errors
    /// When two users have one id, or two workspaces one organization.
    pub fn new(
        users: HashMap<UserId, User>,
        workspaces: HashMap<WorkspaceId, Workspace>,
    ) -> Result<Self, RowFault> {
        let mut table = TableBuilder::new();
        users
            .iter()
            .try_for_each(|(id, user)| table.user(id, user))?;
        for (id, workspace) in &workspaces {
            table.workspace(id, workspace.org.as_ref())?;
            workspace
                .members
                .iter()
                .try_for_each(|(user, role)| table.member(id, user, *role))?;
        }
        Ok(table.build())
    }

    /// The row of a user.
    pub(super) fn user(&self, id: &UserId) -> Option<Row<'_>> {
        Row::read(self.person(id)?, &self.rows.sets)
    }

    /// The role of a user in a workspace.
    pub(super) fn role(&self, workspace: &WorkspaceId, user: &UserId) -> Option<Role> {
        let seats = seats_of(self.person(user)?);
        if seats.len() > FEW {
            return self.role_at(seats, self.workspace(workspace)?);
        }
        let mut room = UuidBuffer::default();
        let name = Some(PackedText::of(workspace.as_str().as_bytes(), &mut room));
        let membership = seats
            .iter()
            .find(|membership| name_of(self.rows.workspaces.row(place_of(membership))) == name)?;
        self.role_of(membership)
    }

    /// The role of a user in an organization: in the workspace that the source assigns to it, else in the workspace with its id.
    pub(super) fn role_in_org(&self, org: &OrgId, user: &UserId) -> Option<Role> {
        self.role_at(
            seats_of(self.person(user)?),
            self.place_of(org).or_else(|| self.nameless(org))?,
        )
    }

    /// The workspace with the id of an organization, if the source assigns no organization to it: see [`super::Members::org_of`].
    fn nameless(&self, org: &OrgId) -> Option<u32> {
        let place = self.workspace(
            &WorkspaceId::parse(org.as_str())
                .ok()
                .filter(|id| id.as_str().starts_with("org_"))?,
        )?;
        Some(place).filter(|place| org_of(self.rows.workspaces.row(*place)).is_none())
    }

    /// The workspace of this organization.
    pub(super) fn workspace_of(&self, org: &OrgId) -> Option<WorkspaceId> {
        self.workspace_at(self.place_of(org)?)
    }

    /// Whether a workspace has this organization.
    pub(super) fn has_org(&self, org: &OrgId) -> bool {
        self.place_of(org).is_some()
    }

    /// The organization of a workspace, or `Some(None)` if it has none. `None` for a workspace that is not in the table.
    pub(super) fn org_of(&self, workspace: &WorkspaceId) -> Option<Option<OrgId>> {
        let row = self.rows.workspaces.row(self.workspace(workspace)?);
        Some(org_of(row).and_then(|org| org.parse(OrgId::parse)))
    }

    /// The same table under another list of roles. `renamed` gives the new role; without one, the user loses the membership.
    pub(super) fn with_roles(&self, renamed: impl Fn(Role) -> Option<Role>) -> Self {
        let heights = std::array::from_fn(|rank| u8::try_from(rank).ok());
        let roles = heights.map(|rank| self.role_now(rank?).and_then(&renamed));
        let mut table = Self {
            roles: Some(Arc::new(roles)),
            ..self.clone()
        };
        table.members = table.links().count();
        table
    }

    /// Users, workspaces, and members of all workspaces together.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        (self.rows.users, self.rows.workspaces.len(), self.members)
    }

    /// All users with a row that describes them.
    pub(super) fn user_ids(&self) -> impl Iterator<Item = UserId> {
        self.people()
            .filter(|row| is_described(row))
            .filter_map(user_of)
    }

    /// Every membership.
    pub(super) fn members(&self) -> impl Iterator<Item = (WorkspaceId, UserId, Role)> {
        self.links().filter_map(|(row, membership, role)| {
            Some((
                self.workspace_at(place_of(membership))?,
                user_of(row)?,
                role,
            ))
        })
    }

    /// Members who are not listed as users. They pass routes that only ask for a token, so they may be a mistake in the source.
    pub fn unlisted_members(&self) -> impl Iterator<Item = (WorkspaceId, UserId)> {
        let links = self.links().filter(|(row, ..)| !is_described(row));
        links.filter_map(|(row, membership, _)| {
            Some((self.workspace_at(place_of(membership))?, user_of(row)?))
        })
    }

    fn people(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.people.rows(length_of_person)
    }

    fn links(&self) -> impl Iterator<Item = (&[u8], &Seat, Role)> {
        self.people().flat_map(move |row| {
            seats_of(row).iter().filter_map(move |membership| {
                self.role_of(membership).map(|role| (row, membership, role))
            })
        })
    }

    fn person(&self, user: &UserId) -> Option<&[u8]> {
        let people = &self.rows.people;
        people
            .find(PackedText::of(
                user.as_str().as_bytes(),
                &mut UuidBuffer::default(),
            ))
            .map(|place| people.row(place))
    }

    fn workspace(&self, id: &WorkspaceId) -> Option<u32> {
        self.rows.workspaces.find(PackedText::of(
            id.as_str().as_bytes(),
            &mut UuidBuffer::default(),
        ))
    }

    fn workspace_at(&self, place: u32) -> Option<WorkspaceId> {
        name_of(self.rows.workspaces.row(place))?.parse(WorkspaceId::parse)
    }

    fn place_of(&self, org: &OrgId) -> Option<u32> {
        let Rows {
            workspaces, by_org, ..
        } = &*self.rows;
        let mut room = UuidBuffer::default();
        let org = PackedText::of(org.as_str().as_bytes(), &mut room);
        by_org.find(workspaces.hash(org), |place| {
            org_of(workspaces.row(place)) == Some(org)
        })
    }

    fn role_at(&self, seats: &[Seat], workspace: u32) -> Option<Role> {
        let found = seats.binary_search_by_key(&workspace, place_of).ok()?;
        self.role_of(seats.get(found)?)
    }

    fn role_of(&self, membership: &Seat) -> Option<Role> {
        self.role_now(height_in(membership))
    }

    fn role_now(&self, rank: u8) -> Option<Role> {
        match &self.roles {
            None => Some(Role(rank)),
            Some(roles) => *roles.get(usize::from(rank))?,
        }
    }
}

fn user_of(row: &[u8]) -> Option<UserId> {
    name_of(row)?.parse(UserId::parse)
}

/// Prints numbers only: user ids do not belong in a log, and a million of them do not fit into a line.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, workspaces, members) = self.size();
        write!(
            f,
            "Table({users} users, {workspaces} workspaces, {members} members)"
        )
    }
}

#[cfg(test)]
mod tests;
