//! Where others are asked for something: issuers, key sets, Clerk's Backend API. Each reader takes a text and gives back what
//! is safe to connect to.

use thiserror::Error;

use super::near::nearest;
use super::url::{Host, Url, UrlError};

/// Why a text is no place to ask. Completes "`issuer` …" and never repeats the text.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum PlaceError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("is not https; plain http is for loopback and private addresses only")]
    Plain,
    #[error("is not https; plain http is for loopback only, as the secret key goes there")]
    PlainSecret,
    #[error("ends with a slash, which no `iss` of Clerk does: they are compared byte for byte")]
    Slash,
    #[error("has a query")]
    Query,
    #[error("has no path")]
    NoPath,
    #[error("has a path other than /v1; bailiff adds the rest itself")]
    ApiPath,
    #[error("is spelt almost like {0}, and whoever owns it would get the secret key")]
    AlmostClerk(&'static str),
    #[error("has a host with upper-case letters, which no `iss` has")]
    Case,
}

/// Which hosts may be spoken to without TLS.
#[derive(Clone, Copy)]
enum Near {
    Loopback,
    Private,
}

fn fetchable(text: &str, near: Near) -> Result<Url, PlaceError> {
    let url = Url::outbound(text)?;
    let (plain, refusal) = match near {
        Near::Loopback => (url.host.is_loopback(), PlaceError::PlainSecret),
        Near::Private => (url.host.is_near(), PlaceError::Plain),
    };
    match url.scheme.as_str() {
        "https" => Ok(url),
        "http" if plain => Ok(url),
        _ => Err(refusal),
    }
}

/// The `iss` of tokens: compared byte for byte, so it must be written as tokens say it.
pub(super) fn iss(text: &str) -> Result<String, PlaceError> {
    let url = fetchable(text, Near::Private)?;
    match url {
        _ if text.ends_with('/') => Err(PlaceError::Slash),
        Url { query, .. } if !query.is_empty() => Err(PlaceError::Query),
        Url { path, .. } if text.trim_end_matches(path.as_str()).bytes().any(|b| b.is_ascii_uppercase()) => {
            Err(PlaceError::Case)
        }
        _ => Ok(text.to_owned()),
    }
}

/// The address of a key set.
pub(super) fn jwks(text: &str) -> Result<(Url, String), PlaceError> {
    let url = fetchable(text, Near::Private)?;
    if url.path.len() < 2 { Err(PlaceError::NoPath) } else { Ok((url, text.to_owned())) }
}

/// Hosts of Clerk's Backend API. Others may stand in front of it, but none with nearly the same name.
const CLERKS: [&str; 3] = ["api.clerk.com", "api.clerk.dev", "api.clerk.eu"];

/// The address of Clerk's Backend API, as `scheme://host[:port]` in lower case: people paste it with and without `/v1`.
pub(super) fn api(text: &str) -> Result<String, PlaceError> {
    let url = fetchable(text, Near::Loopback)?;
    if !url.query.is_empty() {
        return Err(PlaceError::Query);
    }
    if !matches!(url.path.as_str(), "" | "/" | "/v1" | "/v1/") {
        return Err(PlaceError::ApiPath);
    }
    // A slip of the finger would hand the secret key to whoever has bought that name.
    if let Host::Name(name) = &url.host
        && !CLERKS.contains(&name.as_str())
        && let Some(meant) = nearest(name, CLERKS)
    {
        return Err(PlaceError::AlmostClerk(meant));
    }
    let base = text.strip_suffix(url.path.as_str()).unwrap_or(text);
    Ok(base.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_api_has_one_spelling_however_it_was_pasted() {
        for (given, expected) in [
            ("https://api.clerk.com", "https://api.clerk.com"),
            ("https://api.clerk.com/", "https://api.clerk.com"),
            ("https://api.clerk.com/v1", "https://api.clerk.com"),
            ("https://api.clerk.com/v1/", "https://api.clerk.com"),
            ("HTTPS://API.Clerk.com/v1", "https://api.clerk.com"),
            ("https://api.clerk.eu", "https://api.clerk.eu"),
            ("https://clerk-egress.internal.example:8443/v1", "https://clerk-egress.internal.example:8443"),
            ("http://127.0.0.1:8486/", "http://127.0.0.1:8486"),
            ("http://[::1]:8486/v1", "http://[::1]:8486"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(api(given).ok().as_deref(), Some(expected), "given: {given}");
        }
    }

    #[test]
    fn the_secret_key_goes_nowhere_by_a_slip_of_the_finger() {
        for (given, expected) in [
            ("api.clerk.com", "has no scheme"),
            ("https:/api.clerk.com", "has no scheme"),
            ("http://api.clerk.com", "is not https"),
            ("http://10.0.0.1", "plain http is for loopback only"),
            ("ftp://api.clerk.com", "is not https"),
            ("https://api.clerk.com/v2", "a path other than /v1"),
            ("https://api.clerk.com/v1/users", "a path other than /v1"),
            ("https://api.clerk.com//evil.example", "a path other than /v1"),
            ("https://api.clerk.com/v1?x=y", "has a query"),
            ("https://api.clerk.com#x", "has a fragment"),
            ("https://sk_test_x@api.clerk.com", "has a user name"),
            ("https://api.clerk.co", "almost like api.clerk.com"),
            ("https://api.clerk.con", "almost like api.clerk.com"),
            ("https://apiclerk.com", "almost like api.clerk.com"),
            ("https://api.cler.eu", "almost like api.clerk.eu"),
            ("https://169.254.169.254", "hand out credentials"),
        ] {
            let error = api(given).expect_err(given).to_string();
            assert!(error.contains(expected), "given: {given}: {error}");
        }
    }
}
