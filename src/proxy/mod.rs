//! The thin glue between Pingora's phases and the floor. Nothing here decides; it carries requests to [`crate::domain`] and
//! verdicts back.

mod ctx;
mod failure;
mod head;
mod headers;
mod log;
mod peer;
mod respond;
mod service;
mod streams;
mod webhook;

pub use peer::UpstreamPeer;
pub use service::Gate;
pub use webhook::Memory as WebhookMemory;
