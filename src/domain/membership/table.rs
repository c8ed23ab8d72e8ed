//! The membership as one source gave it: built row by row, and then only read.
//!
//! A million users fit into some 120 MB, look-ups take the same time whatever the size, and replacing the table frees few large
//! pieces: see [`text`], [`arena`] and [`register`].

mod arena;
mod builder;
mod register;
mod row;
mod text;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use hashbrown::HashTable;

use super::{Flags, MAX_ROLES, Role, User};
use crate::domain::ids::{OrgId, UserId, WorkspaceId};
use register::Register;
use row::{name_of, org_of};
use text::{Room, Text};

pub use builder::TableBuilder;
pub use row::Row;

/// A workspace as the source describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// The Clerk organization that it is, if it is one: webhooks and tokens speak of that.
    pub org: Option<OrgId>,
    pub members: HashMap<UserId, Role>,
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

/// The membership as one source gave it: whole, or not at all.
#[derive(Clone, Default)]
pub struct Table {
    names: Arc<Names>,
    /// Where the seats of each person begin, and where the last one's end.
    first: Box<[u32]>,
    /// By person, and then by workspace.
    seats: Box<[Seat]>,
}

/// Who and what there is.
#[derive(Debug, Default)]
struct Names {
    /// Users, and members who are none.
    people: Register,
    workspaces: Register,
    by_org: HashTable<u32>,
    /// The sets of flags that users have: few.
    sets: Vec<Flags>,
    users: usize,
}

/// A role in a workspace: its number above, the role in the lowest bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seat(u32);

const ROLE_BITS: u32 = 5;
const _: () = assert!(MAX_ROLES <= 1 << ROLE_BITS, "a role must fit into its bits");

impl Seat {
    /// Bound on workspaces: 134 million.
    const MAX_WORKSPACES: usize = 1 << (u32::BITS - ROLE_BITS);

    fn new(workspace: u32, role: Role) -> Self {
        Self((workspace << ROLE_BITS) | (u32::from(role.0) % (1 << ROLE_BITS)))
    }

    fn workspace(self) -> u32 {
        self.0 >> ROLE_BITS
    }

    fn role(self) -> Role {
        Role(u8::try_from(self.0 % (1 << ROLE_BITS)).unwrap_or(0))
    }
}

impl Names {
    fn row(&self, person: u32) -> Option<Row<'_>> {
        Row::read(self.people.row(person), &self.sets)
    }

    fn workspace_of(&self, org: Text<'_>) -> Option<u32> {
        let is_it = |number: &u32| org_of(self.workspaces.row(*number)) == Some(org);
        self.by_org.find(self.workspaces.hash(org), is_it).copied()
    }
}

impl Table {
    /// A table of all that is known at once.
    ///
    /// # Errors
    /// When two users have one id, or two workspaces one organization.
    pub fn new(users: HashMap<UserId, User>, workspaces: HashMap<WorkspaceId, Workspace>) -> Result<Self, RowFault> {
        let mut table = TableBuilder::new();
        users.iter().try_for_each(|(id, user)| table.user(id, user))?;
        for (id, workspace) in &workspaces {
            table.workspace(id, workspace.org.as_ref())?;
            workspace.members.iter().try_for_each(|(user, role)| table.member(id, user, *role))?;
        }
        Ok(table.build())
    }

    /// `links` are sorted.
    fn of(names: Arc<Names>, links: &[(u32, Seat)]) -> Self {
        let mut at = 0;
        let mut begins = |person: usize| {
            while links.get(at).is_some_and(|(who, _)| (*who as usize) < person) {
                at += 1;
            }
            u32::try_from(at).unwrap_or(u32::MAX)
        };
        let first = (0..=names.people.len()).map(&mut begins).collect();
        Self { names, first, seats: links.iter().map(|(_, seat)| *seat).collect() }
    }

    /// The row of a user.
    pub(super) fn user(&self, id: &UserId) -> Option<Row<'_>> {
        self.names.row(self.person(id)?)
    }

    /// The role of a user in a workspace.
    pub(super) fn role(&self, workspace: &WorkspaceId, user: &UserId) -> Option<Role> {
        self.role_of(self.person(user)?, self.workspace(workspace)?)
    }

    /// The role of a user in an organization: in the workspace that is said to be it, else in the one with its id.
    pub(super) fn role_in_org(&self, org: &OrgId, user: &UserId) -> Option<Role> {
        self.role_of(self.person(user)?, self.place_of(org).or_else(|| self.nameless(org))?)
    }

    /// The workspace that has the id of an organization and is not said to be any: see [`super::Members::org_of`].
    fn nameless(&self, org: &OrgId) -> Option<u32> {
        let place =
            self.workspace(&WorkspaceId::parse(org.as_str()).ok().filter(|id| id.as_str().starts_with("org_"))?)?;
        Some(place).filter(|place| org_of(self.names.workspaces.row(*place)).is_none())
    }

    /// The workspace that is this organization.
    pub(super) fn workspace_of(&self, org: &OrgId) -> Option<WorkspaceId> {
        name_of(self.names.workspaces.row(self.place_of(org)?))?.parse(WorkspaceId::parse)
    }

    /// Whether some workspace is this organization.
    pub(super) fn has_org(&self, org: &OrgId) -> bool {
        self.place_of(org).is_some()
    }

    /// The organization that a workspace is; the outer `None` for a workspace of which the table says nothing.
    pub(super) fn org_of(&self, workspace: &WorkspaceId) -> Option<Option<OrgId>> {
        let row = self.names.workspaces.row(self.workspace(workspace)?);
        Some(org_of(row).and_then(|org| org.parse(OrgId::parse)))
    }

    /// The same table in the words of other roles. `renamed` gives the new role, or none: then the member is out.
    pub(super) fn with_roles(&self, renamed: impl Fn(Role) -> Option<Role>) -> Self {
        let in_new_words =
            |(person, seat): (u32, Seat)| Some((person, Seat::new(seat.workspace(), renamed(seat.role())?)));
        let links: Vec<_> = self.links().filter_map(in_new_words).collect();
        Self::of(self.names.clone(), &links)
    }

    /// Users, workspaces, and members of all workspaces together.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        (self.names.users, self.names.workspaces.len(), self.seats.len())
    }

    fn person(&self, user: &UserId) -> Option<u32> {
        self.names.people.find(Text::of(user.as_str().as_bytes(), &mut Room::default()))
    }

    fn workspace(&self, id: &WorkspaceId) -> Option<u32> {
        self.names.workspaces.find(Text::of(id.as_str().as_bytes(), &mut Room::default()))
    }

    fn place_of(&self, org: &OrgId) -> Option<u32> {
        self.names.workspace_of(Text::of(org.as_str().as_bytes(), &mut Room::default()))
    }

    fn role_of(&self, person: u32, workspace: u32) -> Option<Role> {
        let seats = self.seats_of(person as usize);
        let found = seats.binary_search_by_key(&workspace, |seat| seat.workspace()).ok()?;
        seats.get(found).map(|seat| seat.role())
    }

    fn seats_of(&self, person: usize) -> &[Seat] {
        let bounds = self.first.get(person).zip(self.first.get(person + 1));
        bounds.and_then(|(first, end)| self.seats.get(*first as usize..*end as usize)).unwrap_or_default()
    }

    fn links(&self) -> impl Iterator<Item = (u32, Seat)> {
        let people = 0..u32::try_from(self.names.people.len()).unwrap_or(u32::MAX);
        people.flat_map(|person| self.seats_of(person as usize).iter().map(move |seat| (person, *seat)))
    }

    /// Everybody who has a row.
    pub(super) fn user_ids(&self) -> impl Iterator<Item = UserId> {
        let people = 0..u32::try_from(self.names.people.len()).unwrap_or(u32::MAX);
        people.filter(|person| self.names.row(*person).is_some()).filter_map(|person| self.user_id(person))
    }

    /// Every membership.
    pub(super) fn members(&self) -> impl Iterator<Item = (WorkspaceId, UserId, Role)> {
        self.links().filter_map(|(person, seat)| {
            let workspace = name_of(self.names.workspaces.row(seat.workspace()))?.parse(WorkspaceId::parse)?;
            Some((workspace, self.user_id(person)?, seat.role()))
        })
    }

    fn user_id(&self, person: u32) -> Option<UserId> {
        name_of(self.names.people.row(person))?.parse(UserId::parse)
    }

    /// Members who are not among the users: they pass routes that ask for a token only, which may be a slip of the pen.
    pub fn strangers(&self) -> impl Iterator<Item = (WorkspaceId, UserId)> {
        let links = self.links().filter(|(person, _)| self.names.row(*person).is_none());
        links.filter_map(|(person, seat)| {
            let workspace = name_of(self.names.workspaces.row(seat.workspace()))?.parse(WorkspaceId::parse)?;
            Some((workspace, self.user_id(person)?))
        })
    }
}

/// Whose users these are is no matter of a log, and a million of them none of a line.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, workspaces, members) = self.size();
        write!(f, "Table({users} users, {workspaces} workspaces, {members} members)")
    }
}

#[cfg(test)]
mod tests;
