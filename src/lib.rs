//! bailiff: an authentication gate for HTTP apps whose users sign in with Clerk.

pub mod config;
pub mod dev;
pub mod domain;
pub mod listen;
