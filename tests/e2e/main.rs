//! The gate as its users and its attackers meet it: the real binary on ports of its own, a real app
//! behind it that writes down every byte, an issuer that plays Clerk. Tests named `a_NN_…` bear the
//! id of the attack that they try.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "tests wait in real time, and a panic is how a test fails"
)]

mod harness;

mod aliases;
mod answers;
mod auth_disabled;
mod clerk_membership;
mod cli;
mod connections;
mod credentials;
mod fastapi;
mod harness_itself;
mod hosts_and_methods;
mod http_membership;
mod identity_headers;
mod kept_webhooks;
mod key_moves;
mod keys;
mod lifecycle;
mod local_mode;
mod observability;
mod own_answers;
mod paths;
mod postgres_membership;
mod profiles;
mod provider_api;
mod providers;
mod records;
mod reload;
mod replicas;
mod revocation;
mod row_level_security;
mod services;
mod serving;
mod store;
mod streams;
mod systems;
mod token_membership;
mod tokens;
mod trouble;
mod upgrades;
mod webhook_effects;
mod webhooks;
