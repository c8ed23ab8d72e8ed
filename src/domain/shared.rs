//! What replicas tell each other through a store that they share.
//!
//! A webhook reaches one replica. What happened is a [`MembershipEvent`](super::event::MembershipEvent), and events
//! reach all the others. They are made so that nothing depends on how:
//!
//! - Events with one key have a total order, and the one with the largest rank counts. So events can come late, twice, in any order,
//!   or again from a store that has lost some, and two replicas that have seen the same events know the same.
//! - The store has every event that counts, and a log of the last ones. Each entry of the log names the one before it, by a random
//!   number: a counter repeats numbers after a failover to a copy that lagged behind, a chain shows that it is another one.
//! - A [`Reader`] reads the position, then all events, then goes on with the log from that position: whatever changed meanwhile is
//!   in the log. Where the chain is broken it begins anew.
//! - After reading all, a replica writes what it knows and the store does not ([`unshared`]). So what it learned while the store
//!   was away is not lost, and a store that was emptied is filled again by whoever is left. An empty store takes nothing away.
//!
//! Nothing here talks to a store: `replication` does, the simulation has its own, and [`StoreLog`] says what a store must do.

mod chain;
mod known;
mod log;
mod reader;

#[cfg(test)]
mod tests;

pub use chain::{Cursor, LogEntry, Nonce, Position, ResyncReason};
pub use known::{SILENT_AFTER, everything, may_push, unshared};
pub use log::{Committed, Offered, StoreLog};
pub use reader::{Heard, Item, Owed, Reader};
