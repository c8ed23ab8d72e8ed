//! The thin glue between Pingora's phases and the floor. Nothing here decides; it carries requests to [`crate::domain`] and
//! decisions back. Start reading at [`gate`].

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
