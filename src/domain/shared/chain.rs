//! The position of a reader in the log, and whether the next entry follows it.

use crate::domain::event::EncodedEvent;

/// A random number that the writer of an entry chooses for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub u64);

/// The last entry that was read or written. `seq` alone is not enough: a store that lost its last entries gives their numbers
/// to other entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub seq: u64,
    pub nonce: Nonce,
}

impl Position {
    /// The position of an empty store. No entry has these numbers.
    pub const START: Self = Self {
        seq: 0,
        nonce: Nonce(0),
    };
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub seq: u64,
    /// The nonce of the entry before it, or that of [`Position::START`] in a store that had none.
    pub previous: Nonce,
    pub nonce: Nonce,
    /// At most 100 events.
    pub facts: Vec<EncodedEvent>,
}

impl LogEntry {
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            seq: self.seq,
            nonce: self.nonce,
        }
    }

    /// Whether the entry comes right after `position`. The first entry of a store may have any number: an emptied store must not
    /// start again with numbers that readers have passed already.
    pub(super) fn follows(&self, position: Position) -> bool {
        let next = position == Position::START || position.seq.checked_add(1) == Some(self.seq);
        next && self.previous == position.nonce
    }
}

/// The place in the log behind which to read on, as an id of the log. Our entries have ids `seq-0`; elements of other writers are
/// skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub u64, pub u64);

impl From<Position> for Cursor {
    fn from(position: Position) -> Self {
        Self(position.seq, 0)
    }
}

/// Why everything must be read (again).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResyncReason {
    /// Nothing was read before.
    First,
    /// The store is empty, and was not before.
    Emptied,
    /// The store is behind the reader, or continues from another entry: it has lost entries.
    Forked,
    /// The store deleted entries before they were read.
    Trimmed,
    /// An event could not be written when it happened, and is still to be written.
    Unsent,
}

impl ResyncReason {
    pub const ALL: [Self; 5] = [
        Self::First,
        Self::Emptied,
        Self::Forked,
        Self::Trimmed,
        Self::Unsent,
    ];

    /// Its name, for metric and log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Emptied => "emptied",
            Self::Forked => "forked",
            Self::Trimmed => "trimmed",
            Self::Unsent => "unsent",
        }
    }
}
