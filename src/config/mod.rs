//! Reading configuration: from bytes to typed values, with every fault of a file in one run.
//!
//! The way up: [`source::Source`] (a text and its name) -> [`yaml::parse`] (a tree in which every
//! key and value knows its place) -> [`reader::Fields`] (typed values) -> the settings of bailiff.
//! Nothing on the way stops at the first mistake: each step adds to [`faults::Faults`] and goes on
//! with what is left, and nothing may be used before [`faults::Faults::has_errors`] says no.
//!
//! Fail closed: unknown keys, empty values, second documents and unknown words are errors.

pub mod faults;
pub mod interpolate;
pub mod load;
pub mod membership;
pub mod postgres;
pub mod reader;
pub mod secret;
pub mod settings;
pub mod source;
pub mod yaml;

mod backend;
mod boot;
mod claims;
mod clerk_source;
mod codes;
mod conditions;
mod coverage;
mod field;
mod fields;
mod headers;
mod http_source;
mod issuers;
mod keys;
mod mapping;
mod near;
mod oidc;
mod outside;
mod own;
mod paths;
pub(crate) mod place;
pub mod provider;
mod publishable;
mod render;
mod roles;
mod routes;
mod scalars;
mod service_routes;
mod services;
mod shared;
mod stand_in;
mod switched_off;
mod syntax;
mod tree;
mod units;
mod url;
mod webhooks;

#[cfg(test)]
mod tests;
