//! The thin layer between Pingora's phases and the floor. It decides nothing: it passes requests to [`crate::domain`] and returns
//! the decisions. Start reading at `gate`.

mod ctx;
mod enrich;
mod failure;
mod gate;
mod head;
mod headers;
mod log;
mod respond;
mod streams;
mod timings;
mod upstream;
mod webhook;

pub use gate::Gate;
pub use upstream::UpstreamPeer;
pub use webhook::WebhookMemory;
