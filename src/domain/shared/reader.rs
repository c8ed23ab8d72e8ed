//! What a reader of the shared store does next, given what it has heard: no socket, no clock, no dice.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use super::{Cursor, LogEntry, Nonce, Position, ResyncReason};
use crate::domain::event::EncodedEvent;

/// Checks in a row that find nothing amiss, until a gap is the first one again.
const QUIET: u32 = 12;
/// Bound: entries that are known to be in the log and are still to be read.
const MAX_EXPECTED: usize = 10_000;
/// Bound: entries of which it is remembered that they were read.
const MAX_READ: usize = 1024;

/// An element of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    LogEntry(LogEntry),
    /// Something at this place that is no entry: passed over.
    InvalidEntry(Cursor),
}

/// What comes of something that was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Heard {
    /// To be applied. They are true wherever they stand: a gap is a reason to read more, not to hear less.
    pub facts: Vec<EncodedEvent>,
    /// A gap that has just been found.
    pub gap: Option<ResyncReason>,
    /// Elements of the log that were none of ours.
    pub poisoned: usize,
}

/// That everything is to be read, and then what the store does not have is to be told to it ([`super::unshared`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    pub cause: ResyncReason,
    /// How often it was owed without an undisturbed time since. Many readers find the same gap in the same moment: each waits for a
    /// random time within a span that doubles with this.
    pub again: u32,
}

/// One replica's place in the shared log. It is asked what to do ([`Reader::needs_resync`], [`Reader::cursor`]) and told what the
/// store answered. Until everything was read, the log is read all the same from where the reader is.
#[derive(Clone, Debug)]
pub struct Reader {
    position: Position,
    cursor: Cursor,
    needs_resync: Option<ResyncReason>,
    again: u32,
    quiet: u32,
    /// Where the store has been, ahead of what was read: what it had when everything was read, and what it said to commits of
    /// this replica. A log that does not lead through all of these has lost something.
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
    /// A reader that knows nothing.
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

    /// Whether everything is to be read.
    #[must_use]
    pub fn needs_resync(&self) -> Option<Owed> {
        self.needs_resync.map(|cause| Owed {
            cause,
            again: self.again,
        })
    }

    /// Behind what to read on in the log.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The last entry that was read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether everything was read that the store is known to have had, and no gap was found since.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.needs_resync.is_none() && self.expected.is_empty()
    }

    /// The store said to a commit of this replica that it is at `position`. To be told before what is asked next, as of no answer
    /// that was asked for earlier can be said whether it should have it.
    pub fn committed(&mut self, position: Position) {
        let known = match position.seq.cmp(&self.position.seq) {
            // The writer may still be with a primary that is none any more: what that took is not in the log that was read.
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

    /// Something could not be told to the store, or what the store said could not be applied.
    pub fn owe(&mut self, cause: ResyncReason) {
        self.needs_resync.get_or_insert(cause);
    }

    /// The store gave what is behind the cursor.
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

    /// The store said in one moment where it is and what is behind [`Reader::position`]; `whole`: that is all. Asked when a
    /// connection is new, and when nothing came for a while: a store that was emptied or set back says nothing by itself.
    pub fn check(&mut self, head: Option<Position>, items: Vec<Item>, whole: bool) -> Heard {
        // Whatever was passed over may be gone: then the log goes on before it.
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
            // What follows in this log is read from here.
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

    /// The store gave everything: where it was before, all facts, where it was after.
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
        // While it was read, the store was emptied or set back.
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
            // What the store had at this place, or before it where it begins anew, is not there any more.
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
