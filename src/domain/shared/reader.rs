//! Decides what a reader of the shared store does next after each answer of the store. Uses no socket, no clock and no random
//! numbers.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use super::{Cursor, LogEntry, Nonce, Position, ResyncReason};
use crate::domain::event::EncodedEvent;

/// After so many checks in a row without a gap, the next gap counts as a first one again.
const QUIET: u32 = 12;
/// Bound: entries that the log is known to contain and that are not read yet.
const MAX_EXPECTED: usize = 10_000;
/// Bound: the last entries whose positions are remembered.
const MAX_READ: usize = 1024;

/// An element of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    LogEntry(LogEntry),
    /// An element at this place that is no valid entry. The reader skips it.
    InvalidEntry(Cursor),
}

/// The result of an answer from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Heard {
    /// The events to apply. An event is true wherever it was found: after a gap the reader reads more, and still applies what it
    /// has.
    pub facts: Vec<EncodedEvent>,
    /// A gap that this answer has shown for the first time.
    pub gap: Option<ResyncReason>,
    /// The number of elements of the log that were no valid entries.
    pub poisoned: usize,
}

/// The replica must read everything, and then write to the store what the store lacks ([`super::unshared`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    pub cause: ResyncReason,
    /// How many full reads came before this one without a quiet period. Many readers find the same gap at the same moment: each
    /// waits for a random time within a span that doubles with this number.
    pub again: u32,
}

/// One replica's place in the shared log. The caller asks it what to do ([`Reader::needs_resync`], [`Reader::cursor`]) and passes
/// the store's answers to it. Until everything was read, the log is still read on from the reader's place.
#[derive(Clone, Debug)]
pub struct Reader {
    position: Position,
    cursor: Cursor,
    needs_resync: Option<ResyncReason>,
    again: u32,
    quiet: u32,
    /// Positions of the store ahead of the reader: the one after the last full read, and those that the store returned for
    /// commits of this replica. A log that does not contain all of these has lost entries.
    expected: BTreeMap<u64, Nonce>,
    /// The last entries that were read without a gap, at most [`MAX_READ`].
    read: VecDeque<Position>,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader that has read nothing.
    #[must_use]
    pub fn new() -> Self {
        let start = Position::START;
        Self {
            position: start,
            cursor: start.into(),
            needs_resync: Some(ResyncReason::First),
            again: 0,
            quiet: 0,
            expected: BTreeMap::new(),
            read: VecDeque::new(),
        }
    }

    /// Whether everything must be read, and why.
    #[must_use]
    pub fn needs_resync(&self) -> Option<Owed> {
        self.needs_resync.map(|cause| Owed {
            cause,
            again: self.again,
        })
    }

    /// The place in the log behind which to read on.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The last entry that was read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the reader has read everything that the store is known to have contained, and has found no gap since.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.needs_resync.is_none() && self.expected.is_empty()
    }

    /// The store is at `position` after a commit of this replica. Call this before the next request to the store: the answer to
    /// an earlier request may or may not contain the commit.
    pub fn committed(&mut self, position: Position) {
        let known = match position.seq.cmp(&self.position.seq) {
            // The writer may still be connected to a former primary. The log that was read does not contain what that one
            // accepted.
            Ordering::Less => {
                let whole = self
                    .read
                    .front()
                    .is_some_and(|oldest| oldest.seq <= position.seq);
                if whole && !self.read.contains(&position) {
                    self.owe(ResyncReason::Forked);
                }
                return;
            }
            Ordering::Equal => self.position.nonce,
            Ordering::Greater if self.expected.len() >= MAX_EXPECTED => {
                return self.owe(ResyncReason::Trimmed);
            }
            Ordering::Greater => *self.expected.entry(position.seq).or_insert(position.nonce),
        };
        if known != position.nonce {
            self.owe(ResyncReason::Forked);
        }
    }

    /// An event could not be written to the store, or an answer of the store could not be applied.
    pub fn owe(&mut self, cause: ResyncReason) {
        self.needs_resync.get_or_insert(cause);
    }

    /// Takes the part of the log behind the cursor.
    pub fn tail(&mut self, items: Vec<Item>) -> Heard {
        let mut heard = Heard::default();
        for item in items {
            match item {
                Item::InvalidEntry(place) => {
                    heard.poisoned += 1;
                    self.cursor = self.cursor.max(place);
                }
                Item::LogEntry(entry) => self.take(entry, &mut heard),
            }
        }
        heard
    }

    /// Takes the position of the store and the log behind [`Reader::position`], both from one moment. `whole`: the log part is
    /// complete. The caller asks for this on a new connection and after a quiet time: a store that was emptied or set back sends
    /// nothing by itself.
    pub fn check(&mut self, head: Option<Position>, items: Vec<Item>, whole: bool) -> Heard {
        // Elements that were skipped may be gone. Then the log continues before them.
        self.cursor = self.position.into();
        let mut heard = self.tail(items);
        let head = head.unwrap_or(Position::START);
        if head != self.position && heard.gap.is_none() && whole {
            let cause = if head == Position::START {
                ResyncReason::Emptied
            } else if head.seq > self.position.seq {
                ResyncReason::Trimmed
            } else {
                ResyncReason::Forked
            };
            self.gap(cause, &mut heard);
            // From here the reader follows this log.
            (self.position, self.cursor) = (head, head.into());
            self.read.clear();
        } else if heard.gap.is_none() && whole && !self.expected.is_empty() {
            self.gap(ResyncReason::Forked, &mut heard);
        } else if heard.gap.is_none() && self.needs_resync.is_none() {
            self.quiet = self.quiet.saturating_add(1);
            if self.quiet >= QUIET {
                self.again = 0;
            }
        }
        heard
    }

    /// Takes a full read: the position before it, all events, and the position after it.
    pub fn snapshot(
        &mut self,
        before: Option<Position>,
        facts: Vec<EncodedEvent>,
        after: Option<Position>,
    ) -> Heard {
        let (before, after) = (
            before.unwrap_or(Position::START),
            after.unwrap_or(Position::START),
        );
        (self.position, self.cursor) = (before, before.into());
        self.read.clear();
        self.expected = if after == before {
            BTreeMap::new()
        } else {
            BTreeMap::from([(after.seq, after.nonce)])
        };
        self.needs_resync = None;
        self.again = self.again.saturating_add(1);
        self.quiet = 0;
        let mut heard = Heard {
            facts,
            ..Heard::default()
        };
        // The store was emptied or set back during the full read.
        if after.seq < before.seq || (after.seq == before.seq && after.nonce != before.nonce) {
            self.gap(ResyncReason::Forked, &mut heard);
        }
        heard
    }

    fn take(&mut self, entry: LogEntry, heard: &mut Heard) {
        let position = entry.position();
        let ahead = self.expected.split_off(&position.seq.saturating_add(1));
        let mut due = std::mem::replace(&mut self.expected, ahead);
        let expected = due
            .remove(&position.seq)
            .is_none_or(|nonce| nonce == position.nonce)
            && due.is_empty();
        if !entry.follows(self.position) {
            self.read.clear();
            let trimmed = entry.seq > self.position.seq.saturating_add(1) && entry.previous.0 != 0;
            self.gap(
                if trimmed {
                    ResyncReason::Trimmed
                } else {
                    ResyncReason::Forked
                },
                heard,
            );
        } else if !expected {
            // The entry that the store had at this place, or before it where the log starts again, is gone.
            self.gap(ResyncReason::Forked, heard);
        }
        heard.facts.extend(entry.facts);
        self.position = position;
        if self.read.len() >= MAX_READ {
            self.read.pop_front();
        }
        self.read.push_back(position);
        self.cursor = self.cursor.max(position.into());
    }

    fn gap(&mut self, cause: ResyncReason, heard: &mut Heard) {
        self.needs_resync.get_or_insert(cause);
        heard.gap.get_or_insert(cause);
    }
}
