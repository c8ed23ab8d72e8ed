//! What replicas publish to each other through a store that they share.
//!
//! A webhook reaches one replica. The replica turns it into a [`MembershipEvent`](super::event::MembershipEvent), and the event
//! reaches all other replicas. The way and the order of delivery make no difference:
//!
//! - Events with one key have a total order, and the one with the largest rank counts. So events may arrive late, twice, in any
//!   order, or again from a store that has lost some. Two replicas that have received the same events know the same.
//! - The store has every event that counts, and a log of the last ones. Each entry of the log names the one before it, by a random
//!   number. A counter would repeat numbers after a failover to a copy that lagged behind; the chain shows that an entry differs.
//! - A [`Reader`] reads the position, then all events, and then the log from that position. So every change during the reading
//!   is in the log. Where the chain is broken, the reader starts again from the beginning.
//! - After reading everything, a replica writes the events that it knows and the store lacks ([`unshared`]). So events that it
//!   learned while the store was away are not lost, and the remaining replicas fill an emptied store again. An empty store
//!   takes nothing away.
//!
//! This module does not connect to a store: `replication` does, and the simulation has a store of its own. [`StoreLog`] defines
//! how a store must behave.

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
