//! Names with their rows. Each name gets a number when it is added, and a place in the finished table.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;

use super::arena::Arena;
use super::index::Index;
use super::row::{SEAT, name_of};
use super::text::PackedText;

/// Names with their rows, each of which begins as [`name_of`] reads it.
///
/// The hash has a random seed of its own. Attack: names come from outside, and an attacker who chooses many names with the same
/// hash would make every look-up slow.
#[derive(Debug, Default)]
pub struct Register {
    hasher: RandomState,
    rows: Arena,
    /// Rows of names without a description so far. Most are replaced later, so they are in an arena of their own that is dropped.
    stub: Arena,
    /// The bytes that all rows take in the finished table, or more.
    bytes: usize,
    places: Vec<u32>,
    by_name: HashTable<u32>,
}

/// Marks a place among the brief rows.
const BRIEF: u32 = 1 << 31;
/// Bytes that a row may gain in the finished table beside seats: the number of the seats.
const MORE: usize = 4;
/// Rows that are written without a rest: some hundred microseconds.
const STRETCH: usize = 128;

impl Register {
    /// The number of a name.
    pub fn find(&self, name: PackedText<'_>) -> Option<u32> {
        let is_it = |number: &u32| name_of(self.row(*number)) == Some(name);
        self.by_name.find(self.hash(name), is_it).copied()
    }

    /// The row with a number.
    pub fn row(&self, number: u32) -> &[u8] {
        row(&self.rows, &self.stub, self.places.get(number as usize))
    }

    /// A hash with the seed of this register.
    pub fn hash(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    /// Adds a name without a description; `row` is its brief row. `None` when there is no room.
    pub fn add_brief(&mut self, name: PackedText<'_>, row: &[u8]) -> Option<u32> {
        self.bytes = self.with_more(row.len() + MORE)?;
        let place = self.stub.push(row).filter(|place| place & BRIEF == 0)?;
        self.add(name, place | BRIEF)
    }

    /// Adds the full row of a name, which has the number `known` if it was added before. `None` when there is no room.
    pub fn describe(
        &mut self,
        name: PackedText<'_>,
        known: Option<u32>,
        row: &[u8],
    ) -> Option<u32> {
        self.bytes = self
            .with_more(row.len() + MORE)
            .filter(|_| row.len() <= Arena::MAX_ROW)?;
        let place = self.rows.push(row).filter(|place| place & BRIEF == 0)?;
        let Some(number) = known else {
            return self.add(name, place);
        };
        *self.places.get_mut(number as usize)? = place;
        Some(number)
    }

    /// Reserves room for one more seat in any row. `None` when there is none.
    pub fn reserve_seat(&mut self) -> Option<()> {
        self.bytes = self.with_more(SEAT)?;
        Some(())
    }

    /// The total of bytes with `bytes` more, if that is within the bound.
    fn with_more(&self, bytes: usize) -> Option<usize> {
        self.bytes
            .checked_add(bytes)
            .filter(|bytes| *bytes <= Arena::MAX_BYTES)
    }

    fn add(&mut self, name: PackedText<'_>, place: u32) -> Option<u32> {
        let number = u32::try_from(self.places.len()).ok()?;
        self.places.push(place);
        let Self {
            hasher,
            rows,
            stub,
            places,
            by_name,
            ..
        } = self;
        let rehash = |number: &u32| {
            let row = row(rows, stub, places.get(*number as usize));
            name_of(row).map_or(0, |name| hasher.hash_one(name))
        };
        by_name.insert_unique(hasher.hash_one(name), number, rehash);
        Some(number)
    }

    /// Copies every row with `write`, which gets the number of a row and the bytes from the row on, and appends to a buffer.
    /// Returns the rows by name, and the place of each number. Calls `rest` after each [`STRETCH`].
    pub fn settle(
        self,
        mut write: impl FnMut(u32, &[u8], &mut Vec<u8>),
        rest: &mut impl FnMut(),
    ) -> (Names, Vec<u32>) {
        let Self {
            hasher,
            mut rows,
            stub,
            mut places,
            by_name,
            ..
        } = self;
        drop(by_name);
        let mut order: Vec<u32> = (0..).take(places.len()).collect();
        // In the order of the places. It is mostly the order of the numbers, so old rows can be freed on the way.
        order.sort_unstable_by_key(|number| places.get(*number as usize).copied());
        let (mut settled, mut index, mut buffer) =
            (Arena::default(), Index::with_room(places.len()), Vec::new());
        for (count, number) in order.into_iter().enumerate() {
            if count % STRETCH == 0 {
                rest();
            }
            let Some(place) = places.get_mut(number as usize) else {
                continue;
            };
            buffer.clear();
            write(number, row(&rows, &stub, Some(place)), &mut buffer);
            if *place & BRIEF == 0 {
                rows.forget_before(*place);
            }
            // There is room, see `Arena::MAX_BYTES`. Fail closed: without room, the name would not be found any more.
            if let (Some(found), Some(name)) = (settled.push(&buffer), name_of(&buffer)) {
                *place = found;
                index.insert(hasher.hash_one(name), found);
            }
        }
        settled.shrink();
        (
            Names {
                hasher,
                rows: settled,
                index,
                count: places.len(),
            },
            places,
        )
    }
}

fn row<'r>(rows: &'r Arena, stub: &'r Arena, place: Option<&u32>) -> &'r [u8] {
    match place {
        Some(place) if place & BRIEF != 0 => stub.at(place & !BRIEF),
        Some(place) => rows.at(*place),
        None => &[],
    }
}

/// Names with their rows in a finished table. A name gives a place, and a place gives the row.
#[derive(Debug, Default)]
pub struct Names {
    hasher: RandomState,
    rows: Arena,
    index: Index,
    count: usize,
}

impl Names {
    /// The place of the row with this name.
    pub fn find(&self, name: PackedText<'_>) -> Option<u32> {
        self.index.find(self.hash(name), |place| {
            name_of(self.row(place)) == Some(name)
        })
    }

    /// The bytes from the row at a place on.
    pub fn row(&self, place: u32) -> &[u8] {
        self.rows.at(place)
    }

    /// All rows. `ends` gives the length of the first row in some bytes.
    pub fn rows(&self, ends: impl Fn(&[u8]) -> usize + Copy) -> impl Iterator<Item = &[u8]> {
        self.rows.rows(ends)
    }

    /// A hash with the seed of these names.
    pub fn hash(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.count
    }
}
