//! What a store must do, as plain code: the real one is compared with it, and the simulation runs on it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Cursor, LogEntry, Nonce, Position};
use crate::domain::event::{Change, EncodedEvent, MembershipEvent};
use crate::domain::membership::Roles;

/// How much longer than a replica a store remembers a revocation: their clocks differ, and a webhook can be late.
const LONGER: Duration = Duration::from_secs(600);

/// An event on its way to the store, and how long it is kept there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub event: EncodedEvent,
    /// `None` for ever.
    pub lasts: Option<Duration>,
}

impl Offered {
    /// The event for a store; roles go by their names, and revocations are kept for `keep`. `None` for what is not shared.
    ///
    /// Marks of what was overruled stay for ever: a replica that comes back after weeks still knows what they overrule. They take the
    /// place of it, so a store does not grow by them.
    #[must_use]
    pub fn of(event: &MembershipEvent, roles: Option<&Roles>, keep: Duration) -> Option<Self> {
        let is_revocation = matches!(event.change, Change::Revoked(_));
        Some(Self {
            event: event.encode(roles)?,
            lasts: is_revocation.then(|| keep.saturating_add(LONGER)),
        })
    }
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Events of a larger rank than what the store had.
    pub taken: usize,
    /// Where the store is now.
    pub position: Position,
}

/// A store in memory. A copy is a replica of it; what [`StoreLog::default`] gives is one that was emptied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreLog {
    head: Option<Position>,
    /// By their keys, and until when.
    facts: BTreeMap<Box<str>, (EncodedEvent, Option<u64>)>,
    entries: VecDeque<LogEntry>,
}

impl StoreLog {
    /// Takes those of `offered` whose rank is larger than that of what is there, at once, as one entry that keeps their order; and keeps the last
    /// `max` entries. `now` is the store's own clock, in milliseconds: only it says when something is forgotten.
    ///
    /// `nonce` is the writer's random number. Where nothing is larger nothing happens: what is told twice costs nothing.
    pub fn commit(&mut self, offered: &[Offered], nonce: Nonce, now: u64, max: usize) -> Committed {
        self.forget(now);
        let mut taken = Vec::new();
        for Offered { event, lasts } in offered {
            let there = self.facts.get(&event.key).map(|(there, _)| there);
            if event.supersedes(there) {
                let until = lasts.map(|lasts| {
                    now.saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX))
                });
                self.facts.insert(event.key.clone(), (event.clone(), until));
                taken.push(event.clone());
            }
        }
        let count = taken.len();
        if count > 0 {
            let before = self.head;
            // A store that was emptied must not begin with numbers that readers are past, or they would not see them.
            let seq = before.map_or(now.max(1), |head| head.seq + 1);
            let previous = before.unwrap_or(Position::START).nonce;
            self.head = Some(Position { seq, nonce });
            self.entries.push_back(LogEntry {
                seq,
                previous,
                nonce,
                facts: taken,
            });
            self.trim(max);
        }
        Committed {
            taken: count,
            position: self.head.unwrap_or(Position::START),
        }
    }

    /// Where the store is; `None` for an empty one.
    #[must_use]
    pub fn head(&self) -> Option<Position> {
        self.head
    }

    /// Every event that counts.
    #[must_use]
    pub fn facts(&self) -> Vec<EncodedEvent> {
        self.facts
            .values()
            .map(|(event, _)| event.clone())
            .collect()
    }

    /// At most `max` entries behind `cursor`.
    #[must_use]
    pub fn after(&self, cursor: Cursor, max: usize) -> Vec<LogEntry> {
        let behind = self
            .entries
            .iter()
            .filter(|entry| Cursor::from(entry.position()) > cursor);
        behind.take(max).cloned().collect()
    }

    /// Forgets all entries but the last `max`. Events stay.
    pub fn trim(&mut self, max: usize) {
        let surplus = self.entries.len().saturating_sub(max);
        self.entries.drain(..surplus);
    }

    /// Forgets events whose time is over.
    pub fn forget(&mut self, now: u64) {
        self.facts
            .retain(|_, (_, until)| until.is_none_or(|until| until > now));
    }
}
