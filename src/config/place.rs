//! Addresses of issuers and of their keys: those that the config names, and those that a provider names itself.

use thiserror::Error;

use crate::domain::issuer::Kind;

use super::url::{Url, UrlError};

/// Why a text is no issuer or key set. Completes "`issuer` …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum PlaceError {
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("is not https; plain http is for loopback and private addresses only")]
    Plain,
    #[error("ends with a slash, which no `iss` of Clerk does: they are compared byte for byte")]
    Slash,
    #[error("has a query")]
    Query,
    #[error("has no path")]
    NoPath,
    #[error("has a host with upper-case letters, which no `iss` has")]
    Case,
    #[error("is an address of an inner network, and the issuer is none")]
    Inward,
    #[error("is longer than {MAX_FOUND} bytes")]
    TooLong,
}

/// Longest address of keys that a provider may name, in bytes.
const MAX_FOUND: usize = 2048;

/// Which hosts may be spoken to without TLS.
#[derive(Clone, Copy)]
pub(super) enum Near {
    Loopback,
    Private,
}

pub(super) fn fetchable(text: &str, near: Near) -> Result<Url, PlaceError> {
    let url = Url::outbound(text)?;
    let plain = match near {
        Near::Loopback => url.host.is_loopback(),
        Near::Private => url.host.is_near(),
    };
    match url.scheme.as_str() {
        "https" => Ok(url),
        "http" if plain => Ok(url),
        _ => Err(PlaceError::Plain),
    }
}

/// The `iss` of an issuer, as it is: nothing is normalised, since tokens are compared with it byte for byte. The one of an OIDC
/// issuer may end with a slash, as Auth0's does.
pub(super) fn iss(text: &str, kind: Kind) -> Result<String, PlaceError> {
    let url = fetchable(text, Near::Private)?;
    let host = text.len().saturating_sub(url.path.len() + url.query.len());
    match url {
        _ if kind == Kind::Clerk && text.ends_with('/') => Err(PlaceError::Slash),
        Url { query, .. } if !query.is_empty() => Err(PlaceError::Query),
        _ if text.bytes().take(host).any(|b| b.is_ascii_uppercase()) => Err(PlaceError::Case),
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn jwks(text: &str) -> Result<(Url, String), PlaceError> {
    let url = fetchable(text, Near::Private)?;
    if url.path.len() < 2 { Err(PlaceError::NoPath) } else { Ok((url, text.to_owned())) }
}

/// Where the metadata of an OIDC issuer is (OpenID Connect Discovery, 4.1).
pub(super) fn metadata(iss: &str) -> String {
    format!("{}/.well-known/openid-configuration", iss.strip_suffix('/').unwrap_or(iss))
}

/// Checks an address of keys that the metadata of `issuer` names.
///
/// Attack A-74: the provider chooses where we ask. What is outside must not send us inside; that the config itself may name an
/// inner address is another matter.
///
/// # Errors
/// Whatever would make the same address wrong in the config, and one that leads inward.
pub(crate) fn found_jwks(issuer: &str, uri: &str) -> Result<(), PlaceError> {
    if uri.len() > MAX_FOUND {
        return Err(PlaceError::TooLong);
    }
    let (issuer, (found, _)) = (fetchable(issuer, Near::Private)?, jwks(uri)?);
    match (issuer.host.is_near(), found.host.is_near()) {
        (false, true) => Err(PlaceError::Inward),
        _ if issuer.scheme == "https" && found.scheme != "https" => Err(PlaceError::Plain),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_74_metadata_leads_to_no_address_that_its_issuer_could_not_have() {
        let (public, near, tls) = ("https://id.example/", "http://127.0.0.1:80/realm", "https://10.0.0.1");
        for (issuer, uri, expected) in [
            (public, "https://keys.example/jwks", Ok(())),
            (public, "https://id.example/a?b=c", Ok(())),
            (near, "http://127.0.0.1:81/jwks", Ok(())),
            (near, "http://192.168.0.7/jwks", Ok(())),
            (near, "https://keys.example/jwks", Ok(())),
            (tls, "https://10.0.0.2/jwks", Ok(())),
            (public, "http://id.example/jwks", Err(PlaceError::Plain)),
            (near, "http://id.example/jwks", Err(PlaceError::Plain)),
            (tls, "http://10.0.0.1/jwks", Err(PlaceError::Plain)),
            (public, "http://127.0.0.1/jwks", Err(PlaceError::Inward)),
            (public, "https://10.0.0.1/jwks", Err(PlaceError::Inward)),
            (public, "https://localhost/jwks", Err(PlaceError::Inward)),
            (near, "http://169.254.169.254/jwks", Err(PlaceError::Url(UrlError::Metadata))),
            (public, "file:///etc/passwd", Err(PlaceError::Url(UrlError::Host))),
            (public, "https://u:p@id.example/jwks", Err(PlaceError::Url(UrlError::Userinfo))),
            (public, "/jwks", Err(PlaceError::Url(UrlError::NoScheme))),
            (public, "https://id.example", Err(PlaceError::NoPath)),
        ] {
            assert_eq!(found_jwks(issuer, uri), expected, "{issuer} {uri}");
        }
        let long = format!("https://id.example/{}", "x".repeat(MAX_FOUND));
        assert_eq!(found_jwks(public, &long), Err(PlaceError::TooLong));
    }

    #[test]
    fn an_issuer_is_taken_as_it_is_written() {
        for good in ["https://t.eu.auth0.com/", "https://kc.example/realms/Main", "https://login.example/9F/v2.0"] {
            assert_eq!(iss(good, Kind::Oidc).as_deref(), Ok(good));
        }
        for (bad, expected) in [
            ("https://Login.example/", PlaceError::Case),
            ("https://login.example/?a", PlaceError::Query),
            ("http://login.example/", PlaceError::Plain),
        ] {
            assert_eq!(iss(bad, Kind::Oidc), Err(expected), "{bad}");
        }
        assert_eq!(iss("https://clerk.example/", Kind::Clerk), Err(PlaceError::Slash));
        for iss in ["https://a.example/x/", "https://a.example/x"] {
            assert_eq!(metadata(iss), "https://a.example/x/.well-known/openid-configuration");
        }
    }
}
