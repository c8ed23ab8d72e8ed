//! The command line as people and scripts meet it: the real binary, what it prints, and how it ends.

#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod check;
mod clerk;
mod demo;
mod explain;
mod harness;
mod pages;
mod providers;
mod stand_in;
mod systems;
mod token;
mod trouble;
mod webhook;
