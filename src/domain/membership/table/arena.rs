//! Rows of bytes, one behind the other, in few large pieces: a million rows are freed as fast as some hundred.

/// Bytes of a piece. Large, so that there are few; no larger, so that growing never copies what is there.
const PIECE: usize = 1 << BITS;
const BITS: u32 = 20;
/// Bound, 2 GiB in all: with it, 31 bits name a place.
pub const MAX_PIECES: usize = 1 << (31 - BITS);

/// Rows, each in one piece.
#[derive(Clone, Debug, Default)]
pub struct Arena(Vec<Vec<u8>>);

impl Arena {
    /// Adds a row and says where it is. `None` when it is longer than a piece, or the arena full.
    pub fn push(&mut self, row: &[u8]) -> Option<u32> {
        let fits = |piece: &Vec<u8>| piece.len() + row.len() <= PIECE;
        if !self.0.last().is_some_and(fits) {
            if row.len() > PIECE || self.0.len() >= MAX_PIECES {
                return None;
            }
            // A small table has one piece that grows; whoever fills that one will fill more.
            self.0.push(if self.0.is_empty() { Vec::new() } else { Vec::with_capacity(PIECE) });
        }
        let number = self.0.len() - 1;
        let piece = self.0.last_mut()?;
        let place = u32::try_from((number << BITS) + piece.len()).ok();
        piece.extend_from_slice(row);
        place
    }

    /// The bytes from `place` on: a row says itself where it ends.
    pub fn at(&self, place: u32) -> &[u8] {
        let (number, offset) = ((place >> BITS) as usize, place as usize % PIECE);
        self.0.get(number).and_then(|piece| piece.get(offset..)).unwrap_or_default()
    }

    /// How many pieces there are.
    pub fn pieces(&self) -> usize {
        self.0.len()
    }

    /// Gives back what it does not need.
    pub fn shrink(&mut self) {
        self.0.iter_mut().rev().take(1).for_each(Vec::shrink_to_fit);
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_again_across_pieces_and_the_longest_fills_one() {
        let mut arena = Arena::default();
        let rows: Vec<Vec<u8>> =
            [3, PIECE, 1, PIECE - 1, 1, 2, 0].iter().enumerate().map(|(i, len)| vec![i as u8; *len]).collect();
        let places: Vec<u32> = rows.iter().map(|row| arena.push(row).expect("room")).collect();
        for (row, place) in rows.iter().zip(places) {
            assert!(arena.at(place).starts_with(row));
        }
        assert_eq!(arena.push(&vec![0; PIECE + 1]), None);
        assert_eq!(arena.pieces(), 4, "what does not fit begins another piece");
        assert_eq!(arena.at(u32::MAX), b"", "a place that was never given");
    }
}
