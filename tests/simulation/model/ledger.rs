//! What everybody has been told, written down apart from what they made of it: so a gate that loses something is found out.

use std::collections::{HashMap, HashSet};

use bailiff::domain::event::{EncodedEvent, MembershipEvent};

use super::clerk::{Subject, roles};
use super::gate::offered;

/// A fact by its number.
pub type Id = usize;

/// A fact that was told at some time.
#[derive(Clone, Debug)]
pub struct Told {
    pub key: usize,
    pub rank: String,
    pub fact: MembershipEvent,
}

/// Something that is held, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub id: Id,
    pub since: u64,
}

/// An event, and the first time at which a gate has accepted it.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub subject: Subject,
    /// When it happened at Clerk.
    pub at: u64,
    pub facts: Vec<Id>,
    pub accepted: Option<u64>,
}

#[derive(Default)]
pub struct Ledger {
    numbers: HashMap<Box<str>, Vec<(Box<str>, Id)>>,
    keys: HashMap<Box<str>, usize>,
    pub facts: Vec<Told>,
    /// By gate and key.
    pub gates: Vec<Vec<Option<Held>>>,
    pub store: Vec<Option<Held>>,
    /// When the store was last told of each fact.
    written: HashMap<Id, u64>,
    pub events: HashMap<usize, Accepted>,
    /// Keys of which something is lost, because everybody who knew it has died or was emptied; or of which a gate tells after weeks what
    /// may be overruled. Nobody can be blamed.
    pub lost: HashSet<usize>,
}

impl Ledger {
    pub fn new(gates: usize) -> Self {
        Self {
            gates: vec![vec![]; gates],
            ..Self::default()
        }
    }

    /// The number of a fact; `None` for what is none.
    pub fn number(&mut self, written: &EncodedEvent) -> Option<Id> {
        if let Some((_, id)) = self
            .numbers
            .get(&written.key)
            .and_then(|all| all.iter().find(|(v, _)| *v == written.value))
        {
            return Some(*id);
        }
        let fact = written.decode(Some(&roles())).ok()?;
        let next = self.keys.len();
        let key = *self.keys.entry(written.key.clone()).or_insert(next);
        let id = self.facts.len();
        self.facts.push(Told {
            key,
            rank: fact.rank().to_string(),
            fact,
        });
        self.numbers
            .entry(written.key.clone())
            .or_default()
            .push((written.value.clone(), id));
        Some(id)
    }

    pub fn rank(&self, id: Id) -> &str {
        self.facts.get(id).map_or("", |told| &told.rank)
    }

    /// The gate has learned it, from whomever.
    pub fn gate_told(&mut self, gate: usize, id: Id, now: u64) {
        let mut held = std::mem::take(self.gates.get_mut(gate).expect("a gate"));
        self.join(&mut held, id, now);
        *self.gates.get_mut(gate).expect("a gate") = held;
    }

    pub fn store_told(&mut self, id: Id, now: u64) {
        if !self.has(&self.store, id) || now >= self.store_keeps_until(id) {
            self.written.insert(id, now);
        }
        let mut held = std::mem::take(&mut self.store);
        self.join(&mut held, id, now);
        self.store = held;
    }

    /// The store has been set to these, and to nothing else.
    pub fn store_is(&mut self, ids: &[Id], now: u64) {
        self.store.clear();
        for id in ids {
            let since = self.written.get(id).copied().unwrap_or(now);
            let mut held = std::mem::take(&mut self.store);
            self.join(&mut held, *id, since);
            self.store = held;
        }
    }

    /// Until when the store keeps the fact.
    pub fn store_keeps_until(&self, id: Id) -> u64 {
        let lasts = self
            .facts
            .get(id)
            .and_then(|told| offered(&told.fact).lasts);
        let from = self.written.get(&id).copied().unwrap_or(0);
        lasts.map_or(u64::MAX, |lasts| from + lasts.as_millis() as u64)
    }

    fn join(&self, held: &mut Vec<Option<Held>>, id: Id, now: u64) {
        let Some(told) = self.facts.get(id) else {
            return;
        };
        if held.len() <= told.key {
            held.resize(told.key + 1, None);
        }
        let Some(place) = held.get_mut(told.key) else {
            return;
        };
        if place.is_none_or(|there| self.rank(there.id) < told.rank.as_str()) {
            *place = Some(Held { id, since: now });
        }
    }

    pub fn held(held: &[Option<Held>], key: usize) -> Option<Held> {
        held.get(key).copied().flatten()
    }

    /// Whether `held` has this fact, or one that counts more.
    pub fn has(&self, held: &[Option<Held>], id: Id) -> bool {
        let Some(told) = self.facts.get(id) else {
            return false;
        };
        Self::held(held, told.key).is_some_and(|there| self.rank(there.id) >= told.rank.as_str())
    }

    /// What counts of this key nobody can say any more.
    pub fn excuse(&mut self, written: &EncodedEvent) {
        let id = self.number(written);
        self.lost
            .extend(id.and_then(|id| self.facts.get(id)).map(|told| told.key));
    }

    /// Somebody has died or was emptied: what nobody has any more is lost.
    pub fn take_stock(&mut self) {
        let gone = |id: &Id| {
            !self.has(&self.store, *id) && !self.gates.iter().any(|held| self.has(held, *id))
        };
        let lost: Vec<usize> = self
            .facts
            .iter()
            .enumerate()
            .filter(|(id, _)| gone(id))
            .map(|(_, told)| told.key)
            .collect();
        self.lost.extend(lost);
    }
}
