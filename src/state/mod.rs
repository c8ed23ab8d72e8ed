//! Who fills the snapshot: keys from issuers, membership from its source, rules from the config, changes from webhooks.

pub mod deliveries;
pub(crate) mod discovery;
pub mod fetch;
pub mod keys;
mod print;
pub mod proofs;
pub mod reload;
pub mod watch;
pub mod world;

pub use world::World;
