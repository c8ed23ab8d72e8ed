//! Rows of bytes, one after the other, in few large pieces: a million rows are freed as fast as some hundred.

/// Bytes of a piece. Large, so that there are few pieces. Not larger, so that growing never copies existing rows.
const PIECE: usize = 1 << BITS;
const BITS: u32 = 20;

/// Rows, each in one piece. A row is found by its place: the number of the piece, and where in it the row begins.
#[derive(Clone, Debug, Default)]
pub struct Arena(Vec<Vec<u8>>);

impl Arena {
    /// Bound on the bytes of rows for which there are always enough places. Two neighbouring pieces together have more bytes than
    /// one piece, or the second would not have been started. 2 GiB, less than one in a thousand.
    pub const MAX_BYTES: usize = (1 << 31) - 4 * PIECE;
    /// Bound on a row that a source gives. A row that grows later may be larger: then it has a piece of its own.
    pub const MAX_ROW: usize = PIECE;

    /// Adds a row and returns its place. `None` when no place is left.
    pub fn push(&mut self, row: &[u8]) -> Option<u32> {
        let fits = |piece: &Vec<u8>| piece.len() + row.len() <= PIECE;
        if !self.0.last().is_some_and(fits) {
            // A small table has one piece that grows. A table that fills this piece fills further ones, so those get all their
            // bytes at once.
            self.0.push(if self.0.is_empty() {
                Vec::new()
            } else {
                Vec::with_capacity(PIECE)
            });
        }
        let number = self.0.len() - 1;
        let piece = self.0.last_mut()?;
        let place = u32::try_from((number << BITS) + piece.len()).ok()?;
        piece.extend_from_slice(row);
        Some(place)
    }

    /// The bytes from `place` on. The row itself shows where it ends.
    pub fn at(&self, place: u32) -> &[u8] {
        let (number, offset) = ((place >> BITS) as usize, place as usize % PIECE);
        self.0
            .get(number)
            .and_then(|piece| piece.get(offset..))
            .unwrap_or_default()
    }

    /// Frees the pieces before the one that contains `place`.
    pub fn forget_before(&mut self, place: u32) {
        let past = self.0.iter_mut().take((place >> BITS) as usize).rev();
        past.take_while(|piece| piece.capacity() > 0)
            .for_each(|piece| *piece = Vec::new());
    }

    /// Frees unused capacity.
    pub fn shrink(&mut self) {
        self.0.iter_mut().rev().take(1).for_each(Vec::shrink_to_fit);
        self.0.shrink_to_fit();
    }

    /// All rows in order. `ends` gives the length of the first row in some bytes.
    pub fn rows(&self, ends: impl Fn(&[u8]) -> usize + Copy) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flat_map(move |piece| {
            let mut rest = &**piece;
            std::iter::from_fn(move || {
                // At least one byte, so that the iteration ends whatever the bytes are.
                let (row, more) = rest.split_at_checked(ends(rest).max(1))?;
                rest = more;
                Some(row)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_again_across_pieces_and_a_long_one_has_a_piece_for_itself() {
        let mut arena = Arena::default();
        let lengths = [3, PIECE, 1, PIECE - 1, 1, 2, 3 * PIECE, 5];
        let rows: Vec<Vec<u8>> = lengths
            .iter()
            .enumerate()
            .map(|(i, length)| vec![i as u8; *length])
            .collect();
        let places: Vec<u32> = rows
            .iter()
            .map(|row| arena.push(row).expect("room"))
            .collect();
        for (row, place) in rows.iter().zip(&places) {
            assert!(arena.at(*place).starts_with(row));
        }
        assert_eq!(arena.0.len(), 6, "what does not fit begins another piece");
        assert_eq!(arena.at(u32::MAX), b"", "a place that was never given");
        let ends = |rest: &[u8]| {
            rest.iter()
                .take_while(|byte| rest.first() == Some(byte))
                .count()
        };
        assert!(arena.rows(ends).eq(rows.iter().map(|row| &**row)));

        arena.forget_before(places[4]);
        assert_eq!(arena.at(places[2]), b"");
        assert!(
            rows.iter()
                .zip(&places)
                .skip(4)
                .all(|(row, place)| arena.at(*place).starts_with(row))
        );
    }
}
