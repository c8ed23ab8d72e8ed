//! bailiff: an authentication gate for HTTP apps whose users sign in with Clerk.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dev;
pub mod domain;
pub mod listen;
pub mod metrics;
pub mod proxy;
pub mod server;
pub mod state;
