//! bailiff: an authentication gate for HTTP apps whose users sign in with Clerk.

pub mod config;
