//! Where the keys of issuers come from, and when they are fetched.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::keys::KeySet;

/// Where the keys of an issuer come from.
#[derive(Clone, Debug)]
pub struct IssuerKeys {
    /// The same as [`crate::domain::issuer::Issuer::name`].
    pub name: Arc<str>,
    pub source: KeySource,
}

#[derive(Clone, Debug)]
pub enum KeySource {
    /// A JWKS document.
    Url(String),
    /// The JWKS document that the metadata of an OIDC issuer names (OpenID Connect Discovery, 4).
    Discovery {
        /// What the metadata must say in `issuer`, byte for byte.
        issuer: Box<str>,
        /// Where the metadata is.
        url: String,
    },
    /// A PEM in the config: needs no network, changes only with the config.
    Pem(Arc<KeySet>),
}

/// When keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// Between two fetches.
    pub refresh: Duration,
    /// How long keys are used when no fetch succeeds any more.
    pub max_age: Duration,
    /// Between two fetches for the sake of an unknown `kid`, whatever is sent.
    pub cooldown: Duration,
    /// How long a request waits for such a fetch.
    pub wait: Duration,
}

impl Default for KeyTimes {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(3600),
            max_age: Duration::from_secs(24 * 3600),
            cooldown: Duration::from_secs(30),
            wait: Duration::from_millis(500),
        }
    }
}
