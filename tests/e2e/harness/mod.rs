//! What every test stands on: a real app that writes down what it gets, an issuer that plays Clerk,
//! the real binary on ports of its own, and a client that sends exactly what it is told.

pub mod app;
mod clerk;
mod client;
mod endpoint;
mod gate;
mod layout;
mod metrics;
mod postgres;
pub mod process;
mod redis;
mod script;
mod system;
mod upstream;
mod webhook;
mod wire;
mod world;

pub use app::App;
pub use clerk::Clerk;
pub use client::{Connection, Request, Response, raw};
pub use endpoint::Endpoint;
pub use gate::{Gate, Launch};
pub use layout::{A_ID, APP, MEMBERSHIP, NOBODY, SERVICE_TOKEN, USER_A, WEBHOOK_SECRET};
pub use metrics::{Sample, Scrape};
pub use postgres::Postgres;
pub use process::{Finished, eventually};
pub use redis::{Redis, Relay};
pub use script::{SaidFraming, Script};
pub use system::{Product, System};
pub use upstream::{Recorded, Upstream, fold, trusted_names};
pub use webhook::{Delivery, event};
pub use wire::PATIENCE;
pub use world::{Plan, World, foreign_key, now};
