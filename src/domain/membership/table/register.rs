//! Names with their rows: numbered as they come, and found by name.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

use super::arena::{Arena, MAX_PIECES};
use super::row::{name_of, up_to_name};
use super::text::Text;

/// Names with their rows, each of which begins as [`name_of`] reads it.
///
/// The hash has a seed of its own: names come from outside, and whoever could choose many that fall on one place could make every
/// look-up slow.
#[derive(Debug, Default)]
pub struct Register {
    hasher: RandomState,
    rows: Arena,
    /// Rows of names of which nothing more has been said so far. Most get another one, so they stand where they can be thrown away.
    brief: Arena,
    places: Vec<u32>,
    by_name: HashTable<u32>,
}

/// Marks a place among the brief rows.
const BRIEF: u32 = 1 << 31;

impl Register {
    /// The number of a name.
    pub fn find(&self, name: Text<'_>) -> Option<u32> {
        let is_it = |number: &u32| name_of(self.row(*number)) == Some(name);
        self.by_name.find(self.hash(name), is_it).copied()
    }

    /// The row with a number.
    pub fn row(&self, number: u32) -> &[u8] {
        row(&self.rows, &self.brief, self.places.get(number as usize))
    }

    /// A hash with the seed of this register.
    pub fn hash(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds a name of which only `row` is said so far. `None` when there is no room.
    pub fn add_brief(&mut self, name: Text<'_>, row: &[u8]) -> Option<u32> {
        let place = if self.has_room() { self.brief.push(row)? } else { return None };
        self.add(name, place | BRIEF)
    }

    /// Says all of a name, which has the number `known` if it has one. `None` when there is no room.
    pub fn describe(&mut self, name: Text<'_>, known: Option<u32>, row: &[u8]) -> Option<u32> {
        let place = if self.has_room() { self.rows.push(row)? } else { return None };
        let Some(number) = known else { return self.add(name, place) };
        *self.places.get_mut(number as usize)? = place;
        Some(number)
    }

    /// Whether the brief rows will find room among the others. A row of some hundred bytes may be left over in each piece, which is
    /// less than one piece in all.
    fn has_room(&self) -> bool {
        self.rows.pieces() + self.brief.pieces() + 2 <= MAX_PIECES
    }

    fn add(&mut self, name: Text<'_>, place: u32) -> Option<u32> {
        let number = u32::try_from(self.places.len()).ok()?;
        self.places.push(place);
        let Self { hasher, rows, brief, places, by_name } = self;
        let rehash = |number: &u32| {
            let row = row(rows, brief, places.get(*number as usize));
            name_of(row).map_or(0, |name| hasher.hash_one(name))
        };
        by_name.insert_unique(hasher.hash_one(name), number, rehash);
        Some(number)
    }

    /// Keeps what is left of the brief rows, and gives back what is not needed.
    pub fn seal(&mut self) {
        for place in self.places.iter_mut().filter(|place| **place & BRIEF != 0) {
            let row = self.brief.at(*place & !BRIEF);
            // There is room: see `has_room`. Fail closed: were there none, nobody would find the name any more.
            if let Some(kept) = self.rows.push(up_to_name(row)) {
                *place = kept;
            }
        }
        self.brief = Arena::default();
        self.rows.shrink();
        self.places.shrink_to_fit();
    }
}

fn row<'r>(rows: &'r Arena, brief: &'r Arena, place: Option<&u32>) -> &'r [u8] {
    match place {
        Some(place) if place & BRIEF != 0 => brief.at(place & !BRIEF),
        Some(place) => rows.at(*place),
        None => &[],
    }
}
