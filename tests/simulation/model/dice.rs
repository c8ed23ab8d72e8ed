//! Chance that is the same in every run: SplitMix64 (Steele, Lea, Flood 2014), of which a seed of 64 bits is the whole state.

/// A source of numbers that only its seed decides.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for one thing that happens, named by numbers. What is thrown for it does not depend on what else happens, so a case in
    /// which something is left out is the same in the rest.
    pub fn of(seed: u64, names: &[u64]) -> Self {
        let mut dice = Self(seed);
        for name in names {
            dice.0 = dice.next().wrapping_add(*name);
        }
        dice
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, 0 where there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("an index is a usize")
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        *list
            .get(self.index(list.len()))
            .expect("a list to choose from is not empty")
    }

    /// `list` in another order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.index(i + 1));
        }
    }
}
