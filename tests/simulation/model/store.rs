//! The store: the reference model of the product, with a copy that lags behind, readers that wait, and a switch.

use std::collections::{BTreeMap, VecDeque};

use bailiff::domain::event::EncodedEvent;
use bailiff::domain::shared::{Committed, Cursor, Item, Nonce, Offered, Position, StoreLog};

use super::clerk::EPOCH;
use super::mutant::Mutant;

/// Entries that the log keeps.
const KEPT: usize = 64;
/// Entries of one answer.
const AT_ONCE: usize = 500;
/// In how many steps everything is read. Between them the store changes.
pub const PARTS: usize = 4;
/// How much of the past a copy may be behind, in commits.
const COPIES: usize = 64;

/// Who waits for what is behind the cursor.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub life: u64,
    pub cursor: Cursor,
    /// Which of the gate's questions this is.
    pub question: u64,
    pub since: u64,
}

#[derive(Default)]
pub struct Store {
    log: StoreLog,
    pub stopped: bool,
    pub waiting: BTreeMap<usize, Waiting>,
    /// What the store was, and until when.
    past: VecDeque<(u64, StoreLog)>,
    mutant: Option<Mutant>,
    /// What a wrong store has in the place of what counts.
    instead: BTreeMap<Box<str>, EncodedEvent>,
}

impl Store {
    pub fn new(mutant: Option<Mutant>) -> Self {
        Self {
            mutant,
            ..Self::default()
        }
    }

    pub fn commit(&mut self, offered: &[Offered], nonce: u64, now: u64) -> Committed {
        self.past.push_back((now, self.log.clone()));
        if self.past.len() > COPIES {
            self.past.pop_front();
        }
        if self.mutant == Some(Mutant::StoreTakesAnything) {
            self.instead.extend(
                offered
                    .iter()
                    .map(|offered| (offered.event.key.clone(), offered.event.clone())),
            );
        }
        self.log.commit(offered, Nonce(nonce), EPOCH + now, KEPT)
    }

    pub fn head(&self) -> Option<Position> {
        self.log.head()
    }

    pub fn items(&self, cursor: Cursor) -> Vec<Item> {
        self.log
            .after(cursor, AT_ONCE)
            .into_iter()
            .map(Item::LogEntry)
            .collect()
    }

    /// One part of everything, by how the key falls.
    pub fn part(&mut self, part: usize, now: u64) -> Vec<EncodedEvent> {
        self.log.forget(EPOCH + now);
        let falls = |key: &str| {
            key.bytes().fold(7_usize, |sum, byte| {
                sum.wrapping_mul(31).wrapping_add(usize::from(byte))
            }) % PARTS
        };
        self.facts()
            .into_iter()
            .filter(|written| falls(&written.key) == part)
            .collect()
    }

    pub fn facts(&self) -> Vec<EncodedEvent> {
        let there =
            |written: EncodedEvent| self.instead.get(&written.key).cloned().unwrap_or(written);
        self.log.facts().into_iter().map(there).collect()
    }

    pub fn flush(&mut self) {
        self.log = StoreLog::default();
    }

    /// The copy as it was at `then` takes over.
    pub fn fail_over(&mut self, then: u64) {
        // Each of the past is what the store was until a commit.
        if let Some((_, copy)) = self.past.iter().find(|(until, _)| *until > then) {
            self.log = copy.clone();
        }
        self.past.clear();
    }

    pub fn trim(&mut self, max: usize) {
        self.log.trim(max);
    }
}
