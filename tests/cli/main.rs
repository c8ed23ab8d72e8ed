//! The command line as people and scripts meet it: the real binary, what it prints, and how it ends.

#![expect(clippy::disallowed_methods, reason = "tests wait in real time")]

mod check;
mod demo;
mod explain;
mod harness;
mod token;
mod webhook;
