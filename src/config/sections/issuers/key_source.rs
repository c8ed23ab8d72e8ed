//! Where an issuer's keys come from, as both kinds of issuer write it.

use std::sync::Arc;

use crate::domain::keys::KeySet;

use crate::config::reader::{Code, Fault, Field, Fields, Reading};

/// What the address of a key set looks like, for messages.
pub(crate) const JWKS: &str = "a URL such as https://clerk.example.com/.well-known/jwks.json";

/// The address of the keys, under either of its names.
pub(crate) fn jwks_field<'a>(fields: &mut Fields<'a>) -> Field<'a> {
    let (url, uri) = (fields.opt("jwks_url"), fields.opt("jwks_uri"));
    if url.is_present() && uri.is_present() {
        let fault = Fault::error(
            Code::Contradiction,
            "`jwks_url` and `jwks_uri` are both given",
        );
        uri.reject(fault.fix("remove one: they are two names of one key"));
    }
    if uri.is_present() && !url.is_present() {
        uri
    } else {
        url
    }
}

/// A public key in the config.
pub(crate) fn pem(field: Field<'_>) -> Reading<Arc<KeySet>> {
    let parse = |text: &str| {
        KeySet::from_pem(text)
            .map(Arc::new)
            .map_err(|error| format!("does not serve: {error}"))
    };
    field.parse(
        Code::Secret,
        "an RSA public key in PEM (Clerk dashboard, API keys, JWKS public key)",
        parse,
    )
}
