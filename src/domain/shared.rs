//! What replicas tell each other through a store that they share.
//!
//! A webhook reaches one replica. What it changes is a [`Fact`], and facts reach all the others. They are made so that nothing
//! depends on how:
//!
//! - Facts of one key have a total order, and the largest counts. So facts can come late, twice, in any order, or again from a
//!   store that has lost some, and two replicas that have seen the same facts know the same.
//! - The store has every fact that counts, and a log of the last ones. Each entry of the log names the one before it, by a random
//!   number: a counter repeats numbers after a failover to a copy that lagged behind, a chain shows that it is another one.
//! - A [`Reader`] reads the position, then all facts, then goes on with the log from that position: whatever changed meanwhile is
//!   in the log. Where the chain is broken it begins anew.
//! - After reading all, a replica writes what it knows and the store does not ([`unshared`]). So what it learned while the store
//!   was away is not lost, and a store that was emptied is filled again by whoever is left. An empty store takes nothing away.
//!
//! Nothing here talks to a store: `replication` does, the simulation has its own, and [`Log`] says what a store must do.

mod chain;
mod fact;
mod known;
mod log;
mod rank;
mod reader;

#[cfg(test)]
mod tests;

pub use chain::{Cursor, Entry, Nonce, Position, ResyncReason};
pub use fact::{Fact, InvalidEntry, MAX_VALUE, Written};
pub use known::{SILENT_AFTER, everything, is_news, may_push, unshared};
pub use log::{Committed, Log, Offered};
pub use reader::{Heard, Item, Owed, Reader};
