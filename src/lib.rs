//! bailiff: an authentication gate for HTTP apps whose users sign in with Clerk.

pub mod admin;
pub mod advice;
pub mod background;
pub mod clerk_api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deliveries;
pub mod dev;
pub mod domain;
pub mod fetch;
pub mod hints;
pub mod keys;
pub mod listen;
pub mod log_once;
pub mod membership_sources;
pub mod metrics;
pub mod providers;
pub mod proxy;
pub mod random;
pub mod records;
pub mod reload;
pub mod replication;
pub mod server;
pub mod snapshot_store;
pub mod storage;
