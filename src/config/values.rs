//! What a text means by itself, wherever it stands.

pub(crate) mod clerk_keys;
pub(crate) mod endpoint_url;
pub mod secret;
pub(crate) mod suggest;
pub(crate) mod units;
pub(crate) mod url;
