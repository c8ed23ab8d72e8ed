//! Where a reader is in the log, and whether what comes next follows.

use crate::domain::event::EncodedEvent;

/// A random number that the writer of an entry gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub u64);

/// The last entry that was read, or written. `seq` alone is not enough: a store that lost its last entries gives their numbers
/// to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub seq: u64,
    pub nonce: Nonce,
}

impl Position {
    /// Where an empty store is. No entry has these numbers.
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
    /// At most 100.
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

    /// Whether it comes right after `position`. The first entry of a store has any number: a store that was emptied must not
    /// begin again with numbers that readers are past.
    pub(super) fn follows(&self, position: Position) -> bool {
        let next = position == Position::START || position.seq.checked_add(1) == Some(self.seq);
        next && self.previous == position.nonce
    }
}

/// Where to read on in the log: behind this id of it. Our entries are `seq-0`; whatever else somebody put there is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub u64, pub u64);

impl From<Position> for Cursor {
    fn from(position: Position) -> Self {
        Self(position.seq, 0)
    }
}

/// Why everything is to be read (again).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResyncReason {
    /// It never was.
    First,
    /// The store is empty, and was not.
    Emptied,
    /// The store is behind what was read, or goes on from elsewhere: it has lost something.
    Forked,
    /// Entries are gone before they were read.
    Trimmed,
    /// Something is to be told that could not be told when it happened.
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
