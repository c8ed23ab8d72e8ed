//! Builds a table row by row.

use std::collections::HashMap;
use std::sync::Arc;

use hashbrown::HashTable;

use super::super::{Flags, Role, User};
use super::index::Index;
use super::register::{Names, Register};
use super::row::{
    Row, is_described, membership, name_of, org_of, place_of, write_again, write_brief,
    write_seated, write_user, write_workspace,
};
use super::text::{PackedText, UuidBuffer};
use super::{RowFault, Rows, Table};
use crate::domain::ids::{OrgId, UserId, WorkspaceId};

/// A membership: the numbers of person and workspace, and the height of the role.
type Link = (u32, u32, u8);

/// Builds a table. A row that is refused changes nothing. The caller decides whether to use the other rows: only the caller knows
/// where the refused row is in the source.
#[derive(Debug, Default)]
pub struct TableBuilder {
    people: Register,
    /// People by the id that the app gives them.
    by_id: HashTable<u32>,
    users: usize,
    workspaces: Register,
    by_org: HashTable<u32>,
    links: Vec<Link>,
    /// Memberships by person and workspace.
    by_link: HashTable<u32>,
    sets: Vec<Flags>,
    /// The number of each set of flags, by the names in it.
    numbers: HashMap<Box<str>, usize>,
    /// A buffer for the next row.
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
    /// When the user is there already, another user has their app's own id, or there is no room.
    pub fn user(&mut self, id: &UserId, user: &User) -> Result<(), RowFault> {
        let (mut room, mut own_room) = (UuidBuffer::default(), UuidBuffer::default());
        let name = PackedText::of(id.as_str().as_bytes(), &mut room);
        let known = self.people.find(name);
        if known.is_some_and(|person| is_described(self.people.row(person))) {
            return Err(RowFault::SameUser(id.clone()));
        }
        let own = user
            .id
            .as_ref()
            .map(|own| PackedText::of(own.as_str().as_bytes(), &mut own_room));
        if let Some(other) = own.and_then(|own| self.holder_of(own)) {
            let other = name_of(self.people.row(other)).and_then(|name| name.parse(UserId::parse));
            return Err(RowFault::SameId(
                other.unwrap_or_else(|| id.clone()),
                id.clone(),
            ));
        }
        let flags = self.set(&user.flags);
        self.row.clear();
        write_user(name, user, flags, &mut self.row);
        let person = self
            .people
            .describe(name, known, &self.row)
            .ok_or(RowFault::TooMany)?;
        self.users += 1;
        if let Some(own) = own {
            let Self {
                people,
                by_id,
                sets,
                ..
            } = self;
            let own_id = |person: &u32| Row::read(people.row(*person), sets)?.id();
            by_id.insert_unique(people.hash(own), person, |other| {
                own_id(other).map_or(0, |id| people.hash(id))
            });
        }
        Ok(())
    }

    /// Describes a workspace. The same description again is no fault: a query by members repeats it in each row.
    ///
    /// # Errors
    /// When an earlier description differs, another workspace has the organization, or there is no room.
    pub fn workspace(&mut self, id: &WorkspaceId, org: Option<&OrgId>) -> Result<(), RowFault> {
        let (mut room, mut org_room) = (UuidBuffer::default(), UuidBuffer::default());
        let name = PackedText::of(id.as_str().as_bytes(), &mut room);
        let org = org.map(|org| PackedText::of(org.as_str().as_bytes(), &mut org_room));
        let workspaces = &self.workspaces;
        let known = workspaces.find(name);
        if let Some(row) = known
            .map(|number| workspaces.row(number))
            .filter(|row| is_described(row))
        {
            return if org_of(row) == org {
                Ok(())
            } else {
                Err(RowFault::SameWorkspace(id.clone()))
            };
        }
        if let Some(other) = org.and_then(|org| self.workspace_of(org)) {
            let other =
                name_of(workspaces.row(other)).and_then(|name| name.parse(WorkspaceId::parse));
            return Err(RowFault::SameOrg(
                other.unwrap_or_else(|| id.clone()),
                id.clone(),
            ));
        }
        self.row.clear();
        write_workspace(name, org, &mut self.row);
        let number = self
            .workspaces
            .describe(name, known, &self.row)
            .ok_or(RowFault::TooMany)?;
        if let Some(org) = org {
            let Self {
                workspaces, by_org, ..
            } = self;
            let hash_of = |number: &u32| {
                org_of(workspaces.row(*number)).map_or(0, |org| workspaces.hash(org))
            };
            by_org.insert_unique(workspaces.hash(org), number, hash_of);
        }
        Ok(())
    }

    /// Adds a member to a workspace, which need not be described.
    ///
    /// # Errors
    /// When the user is a member already, or there is no room.
    pub fn member(
        &mut self,
        workspace: &WorkspaceId,
        user: &UserId,
        role: Role,
    ) -> Result<(), RowFault> {
        let number = u32::try_from(self.links.len()).map_err(|_| RowFault::TooMany)?;
        let (mut room, mut user_room) = (UuidBuffer::default(), UuidBuffer::default());
        let place = PackedText::of(workspace.as_str().as_bytes(), &mut room);
        let person = PackedText::of(user.as_str().as_bytes(), &mut user_room);
        let known = (self.workspaces.find(place), self.people.find(person));
        if let (Some(place), Some(person)) = known
            && self.is_member(person, place)
        {
            return Err(RowFault::SameMember(workspace.clone(), user.clone()));
        }
        // The person first: if there is no room for the workspace, a person without a membership remains, and that has no effect.
        let person = named(&mut self.people, person, known.1, &mut self.row)?;
        self.people.reserve_seat().ok_or(RowFault::TooMany)?;
        let place = named(&mut self.workspaces, place, known.0, &mut self.row)?;
        self.links.push((person, place, role.0));
        let Self {
            people,
            links,
            by_link,
            ..
        } = self;
        let hash_of = |number: &u32| {
            links
                .get(*number as usize)
                .map_or(0, |(who, at, _)| people.hash((who, at)))
        };
        by_link.insert_unique(people.hash((person, place)), number, hash_of);
        Ok(())
    }

    /// The table, with no more bytes than it needs. Sorts the memberships.
    #[must_use]
    pub fn build(self) -> Table {
        self.build_with_rests(|| {})
    }

    /// Like [`TableBuilder::build`], and calls `rest` repeatedly meanwhile: with a million users building takes a second.
    #[must_use]
    pub fn build_with_rests(self, mut rest: impl FnMut()) -> Table {
        let Self {
            people,
            by_id,
            users,
            workspaces,
            by_org,
            mut links,
            by_link,
            mut sets,
            ..
        } = self;
        drop((by_id, by_link));
        sets.shrink_to_fit();
        links.sort_unstable();
        let members = links.len();
        let (workspaces, places) =
            workspaces.settle(|_, row, out| write_again(row, out), &mut rest);
        let by_org = settled(&by_org, &workspaces, &places);
        let mut seats = Vec::new();
        let write = |person: u32, row: &[u8], out: &mut Vec<u8>| {
            let first = links.partition_point(|(who, ..)| *who < person);
            let mine = links
                .iter()
                .skip(first)
                .take_while(|(who, ..)| *who == person);
            seats.clear();
            seats.extend(mine.filter_map(|(_, at, role)| {
                places
                    .get(*at as usize)
                    .map(|place| membership(*place, *role))
            }));
            seats.sort_unstable_by_key(place_of);
            write_seated(row, &seats, out);
        };
        let (people, _) = people.settle(write, &mut rest);
        Table {
            rows: Arc::new(Rows {
                people,
                workspaces,
                by_org,
                sets,
                users,
            }),
            roles: None,
            members,
        }
    }

    /// The person with this app id.
    fn holder_of(&self, own: PackedText<'_>) -> Option<u32> {
        let has_it = |person: &u32| {
            Row::read(self.people.row(*person), &self.sets).and_then(Row::id) == Some(own)
        };
        self.by_id.find(self.people.hash(own), has_it).copied()
    }

    fn workspace_of(&self, org: PackedText<'_>) -> Option<u32> {
        let is_it = |number: &u32| org_of(self.workspaces.row(*number)) == Some(org);
        self.by_org.find(self.workspaces.hash(org), is_it).copied()
    }

    fn is_member(&self, person: u32, workspace: u32) -> bool {
        let is_it = |(who, at, _): &Link| *who == person && *at == workspace;
        let found = |number: &u32| self.links.get(*number as usize).is_some_and(is_it);
        self.by_link
            .find(self.people.hash((person, workspace)), found)
            .is_some()
    }

    /// The number of a set of flags; `None` for the empty one.
    fn set(&mut self, flags: &Flags) -> Option<usize> {
        let words = flags.header()?;
        let words = words.to_str().ok()?;
        if let Some(number) = self.numbers.get(words) {
            return Some(*number);
        }
        let number = self.sets.len();
        self.sets.push(flags.clone());
        self.numbers.insert(words.into(), number);
        Some(number)
    }
}

/// An index of organizations by places, made from one by the numbers of their workspaces.
fn settled(by_org: &HashTable<u32>, workspaces: &Names, places: &[u32]) -> Index {
    let mut index = Index::with_room(by_org.len());
    for place in by_org
        .iter()
        .filter_map(|number| places.get(*number as usize))
    {
        if let Some(org) = org_of(workspaces.row(*place)) {
            index.insert(workspaces.hash(org), *place);
        }
    }
    index
}

/// The number of a name. Adds a brief row for a new name.
fn named(
    register: &mut Register,
    name: PackedText<'_>,
    known: Option<u32>,
    row: &mut Vec<u8>,
) -> Result<u32, RowFault> {
    if let Some(number) = known {
        return Ok(number);
    }
    row.clear();
    write_brief(name, row);
    register.add_brief(name, row).ok_or(RowFault::TooMany)
}
