//! Places by hash, for a finished table.
//!
//! A slot has five bytes: a place and one byte of the hash. One slot in five is empty. So a look-up reads one or two lines of
//! memory, and then the row itself. With a million rows, each of these waits for the memory, and that is all the time that a
//! look-up takes.

/// The place of a row, and the lowest byte of the hash of its name. One in 256 other names has the same byte.
type Slot = [u8; 5];

/// The place in an empty slot. No row has a place this high.
const EMPTY: u32 = u32::MAX;

#[derive(Debug, Default)]
pub struct Index(Box<[Slot]>);

impl Index {
    /// An index with room for this many places.
    pub fn with_room(places: usize) -> Self {
        Self(vec![slot(0, EMPTY); places + places.div_ceil(4)].into_boxed_slice())
    }

    /// Adds a place whose name has this hash.
    pub fn insert(&mut self, hash: u64, place: u32) {
        let start = self.start(hash);
        let (before, from) = self.0.split_at_mut(start);
        if let Some(free) = from
            .iter_mut()
            .chain(before)
            .find(|slot| place_in(slot) == EMPTY)
        {
            *free = slot(hash, place);
        }
    }

    /// The place with this hash for which `is_it` holds.
    pub fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let (before, from) = self.0.split_at_checked(self.start(hash))?;
        let [tag, ..] = slot(hash, EMPTY);
        let slots = from
            .iter()
            .chain(before)
            .map(|slot| (slot[0], place_in(slot)));
        let mut slots = slots.take_while(|(_, place)| *place != EMPTY);
        slots
            .find(|(other, place)| *other == tag && is_it(*place))
            .map(|(_, place)| place)
    }

    /// The slot where the search begins: the upper half of the hash, spread over the slots.
    fn start(&self, hash: u64) -> usize {
        let slots = self.0.len() as u64;
        usize::try_from(((hash >> 32) * slots) >> 32).unwrap_or(0)
    }
}

fn slot(hash: u64, place: u32) -> Slot {
    let [tag, ..] = hash.to_le_bytes();
    let [a, b, c, d] = place.to_le_bytes();
    [tag, a, b, c, d]
}

fn place_in(slot: &Slot) -> u32 {
    let [_, a, b, c, d] = *slot;
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_index_of_nothing_has_nothing() {
        assert_eq!(Index::default().find(7, |_| true), None);
        assert_eq!(Index::with_room(0).find(7, |_| true), None);
        let mut none = Index::with_room(0);
        none.insert(7, 7);
        assert_eq!(none.find(7, |_| true), None);
    }

    proptest! {
        /// Hashes from few values, so that many start at one slot and continue past the end.
        #[test]
        fn every_place_is_found_by_its_hash_and_no_other(
            hashes in proptest::collection::vec(prop_oneof![any::<u64>(), Just(u64::MAX), (0_u64..3).prop_map(|n| n << 62)], 0..80),
        ) {
            let mut index = Index::with_room(hashes.len());
            for (place, hash) in (0..).zip(&hashes) {
                index.insert(*hash, place);
            }
            for (place, hash) in (0..).zip(&hashes) {
                prop_assert_eq!(index.find(*hash, |found| found == place), Some(place));
                prop_assert_eq!(index.find(*hash, |_| false), None);
            }
        }
    }
}
