//! Adapts Pingora's request header to the header block that the floor edits.

use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;

use crate::domain::Headers;
use crate::domain::identity::TrustedName;

/// Edits a header only through Pingora's own methods, because Pingora keeps a second map with the case of the names.
pub struct UpstreamHeaders<'r>(pub &'r mut RequestHeader);

impl Headers for UpstreamHeaders<'_> {
    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.headers.keys()
    }

    fn remove(&mut self, name: &HeaderName) {
        self.0.remove_header(name);
    }

    fn set(&mut self, name: &TrustedName, value: &HeaderValue) {
        let written = match name {
            TrustedName::Fixed(name) => self.0.insert_header(*name, value.clone()),
            TrustedName::Configured(name) => self.0.insert_header(name.clone(), value.clone()),
        };
        // Name and value are already checked. Fail closed all the same: a header that cannot be written must not leave the
        // client's value in its place. The client's value was stripped before.
        if let Err(error) = written {
            tracing::error!(header = name.as_str(), %error, "a trusted header could not be written");
        }
    }
}
