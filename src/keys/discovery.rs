//! The address of an issuer's keys: the config names it, or the issuer's own metadata does.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::faults::quoted;
use crate::config::settings::KeySource;
use crate::config::values::endpoint_url::{EndpointError, found_jwks};
use crate::domain::keys::MAX_JWKS_BYTES;
use crate::domain::token::json;
use crate::fetch::{FetchError, Fetched, Fetcher};

/// Bound on the metadata of an issuer. The metadata of large providers has 2 to 4 KB.
const MAX_METADATA_BYTES: usize = 64 * 1024;

/// Why an issuer's keys were not found. The message names the answer and the cure, for the log and for `bailiff check --online`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error(
        "{0}; is `issuer` right (a typo in the domain)? `jwks_uri` names the keys without a lookup"
    )]
    Metadata(FetchError),
    #[error("{0}")]
    Keys(#[from] FetchError),
    #[error(
        "{url} answers with {what} and not with the metadata of an issuer (a JSON object): is `issuer` right? `jwks_uri` names the \
         keys without a lookup"
    )]
    NotMetadata { url: String, what: &'static str },
    /// OpenID Connect Discovery, 4.3: metadata of another issuer must not name the keys of this one.
    #[error(
        "{url} answers with the metadata of another issuer: saw {saw}, expected {}: write `issuer` as the provider does, to the \
         letter and with its slash, if it has one", quoted(.expected)
    )]
    OtherIssuer {
        url: String,
        saw: String,
        expected: Box<str>,
    },
    #[error("{url} names no `jwks_uri`: write it into the config, if the provider has one")]
    NoKeys { url: String },
    #[error(
        "{url} names keys at {uri}, which {why}: write `jwks_uri` into the config, if you trust that address"
    )]
    Unsafe {
        url: String,
        uri: String,
        why: EndpointError,
    },
}

/// A source of keys that is asked over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyEndpoint {
    Jwks(String),
    Metadata { issuer: Box<str>, url: String },
}

impl KeyEndpoint {
    /// The endpoint of this source. `None` when the keys are in the config.
    pub(crate) fn of(source: &KeySource) -> Option<Self> {
        match source {
            KeySource::Url(url) => Some(Self::Jwks(url.clone())),
            KeySource::Discovery { issuer, url } => Some(Self::Metadata {
                issuer: issuer.clone(),
                url: url.clone(),
            }),
            KeySource::Pem(_) => None,
        }
    }

    /// The address of the first request.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Jwks(url) | Self::Metadata { url, .. } => url,
        }
    }
}

/// Whether the address of the keys is looked up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointLookup {
    /// At the start and with each refresh: a provider that moves its keys announces it in its metadata.
    Again,
    /// For an unknown key: the known address is used, so that such a token costs one fetch and not two.
    IfUnknown,
}

/// Finds the keys of one issuer, and remembers where they were.
#[derive(Debug)]
pub(crate) struct Finder {
    place: KeyEndpoint,
    found: Mutex<Option<Arc<str>>>,
}

/// A key set as it came, and where it came from.
pub(crate) struct FetchedKeySet {
    pub url: Arc<str>,
    pub document: Fetched,
}

impl Finder {
    pub(crate) fn new(place: KeyEndpoint) -> Self {
        Self {
            place,
            found: Mutex::default(),
        }
    }

    pub(crate) fn place(&self) -> &KeyEndpoint {
        &self.place
    }

    /// Fetches the keys.
    ///
    /// # Errors
    /// When the answer is no valid metadata or key set. An address that was found before is not used then. The last good keys stay
    /// in force, and a wrong answer is no reason to trust an older one.
    pub(crate) async fn find(
        &self,
        fetcher: &Fetcher,
        lookup: EndpointLookup,
    ) -> Result<FetchedKeySet, DiscoveryError> {
        let (issuer, metadata) = match &self.place {
            KeyEndpoint::Jwks(url) => return keys(fetcher, url.as_str().into()).await,
            KeyEndpoint::Metadata { issuer, url } => (issuer, url),
        };
        let known = self
            .found
            .lock()
            .clone()
            .filter(|_| lookup == EndpointLookup::IfUnknown);
        if let Some(url) = known {
            match keys(fetcher, url).await {
                // The keys have moved; the metadata names the new address.
                Err(DiscoveryError::Keys(FetchError::Status {
                    status: 404 | 410, ..
                })) => {}
                other => return other,
            }
        }
        let url: Arc<str> = look_up(fetcher, issuer, metadata).await?.into();
        *self.found.lock() = Some(url.clone());
        keys(fetcher, url).await
    }
}

async fn keys(fetcher: &Fetcher, url: Arc<str>) -> Result<FetchedKeySet, DiscoveryError> {
    let document = fetcher.get_dated(&url, MAX_JWKS_BYTES).await?;
    Ok(FetchedKeySet { url, document })
}

async fn look_up(fetcher: &Fetcher, issuer: &str, url: &str) -> Result<String, DiscoveryError> {
    let body = fetcher
        .get(url, MAX_METADATA_BYTES)
        .await
        .map_err(DiscoveryError::Metadata)?;
    read(&body, issuer, url)
}

/// The `jwks_uri` of the metadata that `url` answered with, if they are those of `issuer`.
fn read(body: &[u8], issuer: &str, url: &str) -> Result<String, DiscoveryError> {
    let url = || url.to_owned();
    // No member twice: with two issuers, it would be unclear which one counts.
    let Some(metadata) = json::object(body) else {
        let what = match body.trim_ascii_start() {
            [] => "nothing",
            [b'<', ..] => "a web page",
            _ => "something else",
        };
        return Err(DiscoveryError::NotMetadata { url: url(), what });
    };
    let text = |name: &str| metadata.get(name).and_then(serde_json::Value::as_str);
    // Mix-up (RFC 9207, 1): byte for byte, as the `iss` of tokens is.
    if text("issuer") != Some(issuer) {
        let saw = text("issuer").map_or_else(|| "no text".to_owned(), quoted);
        return Err(DiscoveryError::OtherIssuer {
            url: url(),
            saw,
            expected: issuer.into(),
        });
    }
    let Some(uri) = text("jwks_uri") else {
        return Err(DiscoveryError::NoKeys { url: url() });
    };
    match found_jwks(issuer, uri) {
        Ok(()) => Ok(uri.to_owned()),
        Err(why) => Err(DiscoveryError::Unsafe {
            url: url(),
            uri: quoted(uri),
            why,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example/";
    const URL: &str = "https://id.example/.well-known/openid-configuration";

    fn said(body: &str) -> String {
        match read(body.as_bytes(), ISSUER, URL) {
            Ok(uri) => uri,
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn metadata_of_the_issuer_name_its_keys() {
        let good = r#"{"issuer": "https://id.example/", "jwks_uri": "https://keys.example/jwks", "x": [1]}"#;
        assert_eq!(said(good), "https://keys.example/jwks");
    }

    #[test]
    fn whatever_else_comes_is_refused_with_what_it_was() {
        for (body, expected) in [
            ("", "answers with nothing"),
            ("  <!doctype html>", "answers with a web page"),
            ("[]", "answers with something else"),
            (
                r#"{"issuer": "https://id.example/", "issuer": "https://id.example/"}"#,
                "answers with something else",
            ),
            (
                r#"{"jwks_uri": "https://id.example/j"}"#,
                "of another issuer: saw no text, expected `https://id.example/`",
            ),
            (
                r#"{"issuer": "https://id.example", "jwks_uri": "https://id.example/j"}"#,
                "saw `https://id.example`",
            ),
            (
                r#"{"issuer": "https://ID.example/", "jwks_uri": "https://id.example/j"}"#,
                "saw `https://ID.example/`",
            ),
            (
                r#"{"issuer": ["https://id.example/"], "jwks_uri": "https://id.example/j"}"#,
                "saw no text",
            ),
            (
                r#"{"issuer": "https://id.example/"}"#,
                "names no `jwks_uri`",
            ),
            (
                r#"{"issuer": "https://id.example/", "jwks_uri": 1}"#,
                "names no `jwks_uri`",
            ),
            (
                r#"{"issuer": "https://id.example/", "jwks_uri": "http://id.example/j"}"#,
                "which is not https",
            ),
            (
                r#"{"issuer": "https://id.example/", "jwks_uri": "https://169.254.169.254/j"}"#,
                "which points to an address at which clouds hand out credentials",
            ),
            (
                r#"{"issuer": "https://id.example/", "jwks_uri": "https://10.0.0.1/j"}"#,
                "which is an address of an inner network",
            ),
        ] {
            let said = said(body);
            assert!(
                said.starts_with(URL) && said.contains(expected),
                "{body}\n{said}"
            );
        }
    }
}
