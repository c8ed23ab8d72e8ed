//! How long things take in the simulation, and the bounds that follow. Milliseconds.

use bailiff::domain::shared::{Owed, ResyncReason};

use super::dice::Dice;

/// How long a gate waits for news before it asks where the store is.
pub const BLOCK: u64 = 5_000;
/// How long a webhook waits for the store.
pub const COMMIT_PATIENCE: u64 = 250;
/// The longest wait before a lost store is tried again.
pub const BACKOFF_MAX: u64 = 8_000;
/// The longest of the waits before everything is read once more.
pub const SPREAD_MAX: u64 = 300_000;
/// The longest way between a gate and the store, one direction.
pub const ANSWER_MAX: u64 = 400;

/// One way: 1 ms in a zone, and in one of twenty cases something is in the way.
pub fn slow(dice: &mut Dice) -> u64 {
    if dice.percent(5) {
        dice.between(20, ANSWER_MAX)
    } else {
        dice.between(0, 3)
    }
}

/// The span of the random wait before everything is read, as the product has it by default.
pub fn spread(owed: &Owed) -> u64 {
    if owed.cause == ResyncReason::First {
        0
    } else {
        (2_000_u64 << owed.again.min(16)).min(SPREAD_MAX)
    }
}

/// A fact is at a gate that only waits for news: it may just be told that there is none, and then ask where the store is first.
pub const TAIL: u64 = 5 * ANSWER_MAX;
/// A fact that the store has is at a gate that has just come back, or whose store has just become another: it notices, tries again,
/// asks where the store is, waits for its turn (`longest`), reads everything (six questions), finds that there is more and does so once
/// more.
pub fn read(longest: u64) -> u64 {
    BLOCK + BACKOFF_MAX + 2 * (longest.max(2_000) + 6 * 2 * ANSWER_MAX) + TAIL
}

/// A fact that a gate has and the store has not is at the store: the same way, and then it is told.
pub fn push(longest: u64) -> u64 {
    read(longest) + BLOCK + ANSWER_MAX
}

const _: () = assert!(
    2 * ANSWER_MAX < BLOCK,
    "a question that waits is not taken for one that is lost"
);
