//! Reading configuration: from bytes to typed values, with every fault of a file in one run.
//!
//! The floors, each of which imports only those above it in this list (`tests/layering.rs` holds that):
//!
//! - [`values`]: what a text means by itself: a URL, a key of Clerk's, a duration.
//! - [`document`]: a text and its tree, in which every key and value knows its place, and the faults that were found.
//! - [`settings`]: the result, in which no raw text has a meaning left.
//! - [`reader`]: typed access to the document. It collects every fault with its place.
//! - `sections`: one file per section of the config.
//! - `checks`: what sections must have in common with each other.
//! - [`load`], [`provider`], [`membership_file`]: what is read as a whole.
//!
//! Nothing on the way stops at the first mistake: each step adds to [`faults::Faults`] and goes on
//! with what is left, and nothing may be used before [`faults::Faults::has_errors`] says no.
//!
//! Fail closed: unknown keys, empty values, second documents and unknown words are errors.

pub mod document;
pub mod load;
pub mod membership_file;
pub mod provider;
pub mod reader;
pub mod settings;
pub mod values;

mod checks;
mod sections;

pub use document::{faults, interpolate, source, yaml};
pub use settings::postgres;
pub use values::secret;

#[cfg(test)]
mod tests;
