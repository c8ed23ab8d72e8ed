//! A table in the making.

use std::collections::HashMap;
use std::sync::Arc;

use hashbrown::HashTable;

use super::super::{Flags, Role, User};
use super::register::Register;
use super::row::{Row, is_described, name_of, org_of, write_brief, write_user, write_workspace};
use super::text::{Room, Text};
use super::{Names, RowFault, Seat, Table};
use crate::domain::ids::{OrgId, UserId, WorkspaceId};

/// A membership: who, and where in which role.
type Link = (u32, Seat);

/// A table in the making. A row that is refused changes nothing; whether the others are worth having then is for the caller to
/// say, who alone knows where the row stands.
#[derive(Debug, Default)]
pub struct TableBuilder {
    names: Names,
    /// People by the app's own id of them.
    by_id: HashTable<u32>,
    links: Vec<Link>,
    /// Memberships by person and workspace.
    by_link: HashTable<u32>,
    /// The number of each set of flags, by its names.
    numbers: HashMap<Box<str>, usize>,
    /// Where the next row is written.
    row: Vec<u8>,
}

impl TableBuilder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// When the user is there already, their app's own id is somebody else's, or there is no room.
    pub fn user(&mut self, id: &UserId, user: &User) -> Result<(), RowFault> {
        let (mut room, mut own_room) = (Room::default(), Room::default());
        let name = Text::of(id.as_str().as_bytes(), &mut room);
        let known = self.names.people.find(name);
        if known.is_some_and(|person| self.names.row(person).is_some()) {
            return Err(RowFault::SameUser(id.clone()));
        }
        let own = user.id.as_ref().map(|own| Text::of(own.as_str().as_bytes(), &mut own_room));
        if let Some(other) = own.and_then(|own| self.holder_of(own)) {
            let other = name_of(self.names.people.row(other)).and_then(|name| name.parse(UserId::parse));
            return Err(RowFault::SameId(other.unwrap_or_else(|| id.clone()), id.clone()));
        }
        let flags = self.set(&user.flags);
        self.row.clear();
        write_user(name, user, flags, &mut self.row);
        let person = self.names.people.describe(name, known, &self.row).ok_or(RowFault::TooMany)?;
        self.names.users += 1;
        if let Some(own) = own {
            let Self { names, by_id, .. } = self;
            let hash_of = |person: &u32| names.row(*person).and_then(Row::id).map_or(0, |id| names.people.hash(id));
            by_id.insert_unique(names.people.hash(own), person, hash_of);
        }
        Ok(())
    }

    /// Describes a workspace. Saying the same twice is no fault, as a query by members repeats it in each row.
    ///
    /// # Errors
    /// When it was described otherwise before, its organization is another workspace, or there is no room.
    pub fn workspace(&mut self, id: &WorkspaceId, org: Option<&OrgId>) -> Result<(), RowFault> {
        let (mut room, mut org_room) = (Room::default(), Room::default());
        let name = Text::of(id.as_str().as_bytes(), &mut room);
        let org = org.map(|org| Text::of(org.as_str().as_bytes(), &mut org_room));
        let workspaces = &self.names.workspaces;
        let known = workspaces.find(name);
        if let Some(row) = known.map(|number| workspaces.row(number)).filter(|row| is_described(row)) {
            return if org_of(row) == org { Ok(()) } else { Err(RowFault::SameWorkspace(id.clone())) };
        }
        if let Some(other) = org.and_then(|org| self.names.workspace_of(org)) {
            let other = name_of(workspaces.row(other)).and_then(|name| name.parse(WorkspaceId::parse));
            return Err(RowFault::SameOrg(other.unwrap_or_else(|| id.clone()), id.clone()));
        }
        if known.is_none() && !self.has_room_for_a_workspace() {
            return Err(RowFault::TooMany);
        }
        self.row.clear();
        write_workspace(name, org, &mut self.row);
        let number = self.names.workspaces.describe(name, known, &self.row).ok_or(RowFault::TooMany)?;
        if let Some(org) = org {
            let Names { workspaces, by_org, .. } = &mut self.names;
            let hash_of = |number: &u32| org_of(workspaces.row(*number)).map_or(0, |org| workspaces.hash(org));
            by_org.insert_unique(workspaces.hash(org), number, hash_of);
        }
        Ok(())
    }

    /// Adds a member to a workspace, which need not be described.
    ///
    /// # Errors
    /// When the user is one already, or there is no room.
    pub fn member(&mut self, workspace: &WorkspaceId, user: &UserId, role: Role) -> Result<(), RowFault> {
        let number = u32::try_from(self.links.len()).map_err(|_| RowFault::TooMany)?;
        let (mut room, mut user_room) = (Room::default(), Room::default());
        let place = Text::of(workspace.as_str().as_bytes(), &mut room);
        let person = Text::of(user.as_str().as_bytes(), &mut user_room);
        let known = (self.names.workspaces.find(place), self.names.people.find(person));
        if let (Some(place), Some(person)) = known
            && self.is_member(person, place)
        {
            return Err(RowFault::SameMember(workspace.clone(), user.clone()));
        }
        if known.0.is_none() && !self.has_room_for_a_workspace() {
            return Err(RowFault::TooMany);
        }
        // The person first: a stranger without a membership is nobody, if there is no room for the workspace.
        let person = named(&mut self.names.people, person, known.1, &mut self.row)?;
        let place = named(&mut self.names.workspaces, place, known.0, &mut self.row)?;
        self.links.push((person, Seat::new(place, role)));
        let Self { names, links, by_link, .. } = self;
        let hash_of = |number: &u32| match links.get(*number as usize) {
            Some((who, seat)) => names.people.hash((*who, seat.workspace())),
            None => 0,
        };
        by_link.insert_unique(names.people.hash((person, place)), number, hash_of);
        Ok(())
    }

    /// The table, with no more bytes than it needs. Sorts the memberships.
    #[must_use]
    pub fn build(self) -> Table {
        let Self { mut names, mut links, by_id, by_link, .. } = self;
        drop((by_id, by_link));
        names.people.seal();
        names.workspaces.seal();
        names.sets.shrink_to_fit();
        links.sort_unstable();
        Table::of(Arc::new(names), &links)
    }

    /// Who has this as their app's own id.
    fn holder_of(&self, own: Text<'_>) -> Option<u32> {
        let has_it = |person: &u32| self.names.row(*person).and_then(Row::id) == Some(own);
        self.by_id.find(self.names.people.hash(own), has_it).copied()
    }

    fn is_member(&self, person: u32, workspace: u32) -> bool {
        let is_it = |(who, seat): &Link| *who == person && seat.workspace() == workspace;
        let found = |number: &u32| self.links.get(*number as usize).is_some_and(is_it);
        self.by_link.find(self.names.people.hash((person, workspace)), found).is_some()
    }

    fn has_room_for_a_workspace(&self) -> bool {
        self.names.workspaces.len() < Seat::MAX_WORKSPACES
    }

    /// The number of a set of flags; `None` for the empty one.
    fn set(&mut self, flags: &Flags) -> Option<usize> {
        let words = flags.header()?;
        let words = words.to_str().ok()?;
        if let Some(number) = self.numbers.get(words) {
            return Some(*number);
        }
        let number = self.names.sets.len();
        self.names.sets.push(flags.clone());
        self.numbers.insert(words.into(), number);
        Some(number)
    }
}

/// The number of a name, which need not be described.
fn named(register: &mut Register, name: Text<'_>, known: Option<u32>, row: &mut Vec<u8>) -> Result<u32, RowFault> {
    if let Some(number) = known {
        return Ok(number);
    }
    row.clear();
    write_brief(name, row);
    register.add_brief(name, row).ok_or(RowFault::TooMany)
}
