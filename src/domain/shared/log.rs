//! How a store must behave, as plain code. The real store is compared with it, and the simulation uses it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Cursor, LogEntry, Nonce, Position};
use crate::domain::event::{Change, EncodedEvent, MembershipEvent};
use crate::domain::membership::Roles;

/// A store remembers a revocation longer than a replica by this time: clocks differ, and a webhook can be late.
const LONGER: Duration = Duration::from_secs(600);

/// An event to be written to the store, and how long the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub event: EncodedEvent,
    /// `None` means for ever.
    pub lasts: Option<Duration>,
}

impl Offered {
    /// The event for a store, with roles by name. Revocations are kept for `keep`. `None` for an event that is not shared.
    ///
    /// Tombstones of superseded events stay for ever: a replica that comes back after weeks still knows the events that they
    /// supersede. A tombstone replaces its event, so it does not make the store larger.
    #[must_use]
    pub fn of(event: &MembershipEvent, roles: Option<&Roles>, keep: Duration) -> Option<Self> {
        let is_revocation = matches!(event.change, Change::Revoked(_));
        Some(Self {
            event: event.encode(roles)?,
            lasts: is_revocation.then(|| keep.saturating_add(LONGER)),
        })
    }
}

/// The result of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The number of events that ranked above those in the store.
    pub taken: usize,
    /// Where the store is now.
    pub position: Position,
}

/// A store in memory. A clone of it is a replica of the store; [`StoreLog::default`] is an emptied store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreLog {
    head: Option<Position>,
    /// Events by key, each with the time until which it is kept.
    facts: BTreeMap<Box<str>, (EncodedEvent, Option<u64>)>,
    entries: VecDeque<LogEntry>,
}

impl StoreLog {
    /// Takes those of `offered` that rank above the stored events, all at once, as one entry in the same order. Keeps the last
    /// `max` entries. `now` is the store's own clock, in milliseconds: only this clock decides when an event is forgotten.
    ///
    /// `nonce` is the writer's random number. If no event ranks higher, nothing is written: offering an event twice costs
    /// nothing.
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
            // An emptied store must not start with numbers that readers have passed already, or the readers would miss its
            // entries.
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
