//! The text of a configuration: its YAML tree, places in it, references to values outside of it, and what is wrong with it.

mod code;
pub(crate) mod env;
pub(crate) mod fault;
pub mod faults;
mod file;
pub mod interpolate;
mod node;
mod render;
pub mod source;
mod syntax;
mod tree;
pub mod yaml;
