//! Where others are asked for something: issuers, key sets, Clerk's Backend API. Those that the config names, and those that a
//! provider names itself. Each reader takes a text and gives back what is safe to connect to, and no error repeats the text.

use thiserror::Error;

use crate::domain::authority::Host;
use crate::domain::issuer::IssuerKind;

use super::suggest::nearest;
use super::url::{Url, UrlError};

/// Why a text is no issuer or key set. Completes "`issuer` …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum EndpointError {
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
    #[error("is an address of an inner network, and the issuer is none")]
    Inward,
    #[error("is longer than {MAX_FOUND} bytes")]
    TooLong,
}

/// Longest address of keys that a provider may name, in bytes.
const MAX_FOUND: usize = 2048;

/// Which hosts may be spoken to without TLS.
#[derive(Clone, Copy)]
enum Plaintext {
    Loopback,
    Private,
}

fn fetchable(text: &str, plaintext: Plaintext) -> Result<Url, EndpointError> {
    let url = Url::outbound(text)?;
    let (plain, refusal) = match plaintext {
        Plaintext::Loopback => (url.host.is_loopback(), EndpointError::PlainSecret),
        Plaintext::Private => (url.host.is_internal(), EndpointError::Plain),
    };
    match url.scheme.as_str() {
        "https" => Ok(url),
        "http" if plain => Ok(url),
        _ => Err(refusal),
    }
}

/// The `iss` of an issuer, as it is: nothing is normalised, since tokens are compared with it byte for byte. The one of an OIDC
/// issuer may end with a slash, as Auth0's does.
pub(crate) fn iss(text: &str, kind: IssuerKind) -> Result<String, EndpointError> {
    let url = fetchable(text, Plaintext::Private)?;
    let host = text.len().saturating_sub(url.path.len() + url.query.len());
    match url {
        _ if kind == IssuerKind::Clerk && text.ends_with('/') => Err(EndpointError::Slash),
        Url { query, .. } if !query.is_empty() => Err(EndpointError::Query),
        _ if text.bytes().take(host).any(|b| b.is_ascii_uppercase()) => Err(EndpointError::Case),
        _ => Ok(text.to_owned()),
    }
}

/// The address of a key set, parsed and as it is written.
pub(crate) fn jwks(text: &str) -> Result<(Url, String), EndpointError> {
    let url = fetchable(text, Plaintext::Private)?;
    if url.path.len() < 2 {
        Err(EndpointError::NoPath)
    } else {
        Ok((url, text.to_owned()))
    }
}

/// An endpoint of the app. It gets a secret, but one of its own, so a private network is near enough.
pub(crate) fn endpoint(text: &str) -> Result<(), EndpointError> {
    let url = fetchable(text, Plaintext::Private)?;
    if url.path.is_empty() {
        Err(EndpointError::NoPath)
    } else {
        Ok(())
    }
}

/// Where the metadata of an OIDC issuer is (OpenID Connect Discovery, 4.1).
pub(crate) fn metadata(iss: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        iss.strip_suffix('/').unwrap_or(iss)
    )
}

/// Checks an address of keys that the metadata of `issuer` names.
///
/// Attack A-74: the provider chooses where we ask. What is outside must not send us inside; that the config itself may name an
/// inner address is another matter.
///
/// # Errors
/// Whatever would make the same address wrong in the config, and one that leads inward.
pub(crate) fn found_jwks(issuer: &str, uri: &str) -> Result<(), EndpointError> {
    if uri.len() > MAX_FOUND {
        return Err(EndpointError::TooLong);
    }
    let (issuer, (found, _)) = (fetchable(issuer, Plaintext::Private)?, jwks(uri)?);
    match (issuer.host.is_internal(), found.host.is_internal()) {
        (false, true) => Err(EndpointError::Inward),
        _ if issuer.scheme == "https" && found.scheme != "https" => Err(EndpointError::Plain),
        _ => Ok(()),
    }
}

/// Hosts of Clerk's Backend API. Others may stand in front of it, but none with nearly the same name.
const CLERKS: [&str; 3] = ["api.clerk.com", "api.clerk.dev", "api.clerk.eu"];

/// The address of Clerk's Backend API, as `scheme://host[:port]` in lower case: people paste it with and without `/v1`.
pub(crate) fn api(text: &str) -> Result<String, EndpointError> {
    let url = fetchable(text, Plaintext::Loopback)?;
    if !url.query.is_empty() {
        return Err(EndpointError::Query);
    }
    if !matches!(url.path.as_str(), "" | "/" | "/v1" | "/v1/") {
        return Err(EndpointError::ApiPath);
    }
    // A typo would hand the secret key to the owner of that name (typosquatting).
    if let Host::Name(name) = &url.host
        && !CLERKS.contains(&&**name)
        && let Some(meant) = nearest(name, CLERKS)
    {
        return Err(EndpointError::AlmostClerk(meant));
    }
    let base = text.strip_suffix(url.path.as_str()).unwrap_or(text);
    Ok(base.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_74_metadata_leads_to_no_address_that_its_issuer_could_not_have() {
        let (public, near, tls) = (
            "https://id.example/",
            "http://127.0.0.1:80/realm",
            "https://10.0.0.1",
        );
        for (issuer, uri, expected) in [
            (public, "https://keys.example/jwks", Ok(())),
            (public, "https://id.example/a?b=c", Ok(())),
            (near, "http://127.0.0.1:81/jwks", Ok(())),
            (near, "http://192.168.0.7/jwks", Ok(())),
            (near, "https://keys.example/jwks", Ok(())),
            (tls, "https://10.0.0.2/jwks", Ok(())),
            (public, "http://id.example/jwks", Err(EndpointError::Plain)),
            (near, "http://id.example/jwks", Err(EndpointError::Plain)),
            (tls, "http://10.0.0.1/jwks", Err(EndpointError::Plain)),
            (public, "http://127.0.0.1/jwks", Err(EndpointError::Inward)),
            (public, "https://10.0.0.1/jwks", Err(EndpointError::Inward)),
            (public, "https://localhost/jwks", Err(EndpointError::Inward)),
            (
                near,
                "http://169.254.169.254/jwks",
                Err(EndpointError::Url(UrlError::Metadata)),
            ),
            (
                public,
                "file:///etc/passwd",
                Err(EndpointError::Url(UrlError::Host)),
            ),
            (
                public,
                "https://u:p@id.example/jwks",
                Err(EndpointError::Url(UrlError::Userinfo)),
            ),
            (public, "/jwks", Err(EndpointError::Url(UrlError::NoScheme))),
            (public, "https://id.example", Err(EndpointError::NoPath)),
        ] {
            assert_eq!(found_jwks(issuer, uri), expected, "{issuer} {uri}");
        }
        let long = format!("https://id.example/{}", "x".repeat(MAX_FOUND));
        assert_eq!(found_jwks(public, &long), Err(EndpointError::TooLong));
    }

    #[test]
    fn an_issuer_is_taken_as_it_is_written() {
        for good in [
            "https://t.eu.auth0.com/",
            "https://kc.example/realms/Main",
            "https://login.example/9F/v2.0",
        ] {
            assert_eq!(iss(good, IssuerKind::Oidc).as_deref(), Ok(good));
        }
        for (bad, expected) in [
            ("https://Login.example/", EndpointError::Case),
            ("https://login.example/?a", EndpointError::Query),
            ("http://login.example/", EndpointError::Plain),
        ] {
            assert_eq!(iss(bad, IssuerKind::Oidc), Err(expected), "{bad}");
        }
        assert_eq!(
            iss("https://clerk.example/", IssuerKind::Clerk),
            Err(EndpointError::Slash)
        );
        for iss in ["https://a.example/x/", "https://a.example/x"] {
            assert_eq!(
                metadata(iss),
                "https://a.example/x/.well-known/openid-configuration"
            );
        }
    }

    #[test]
    fn the_backend_api_has_one_spelling_however_it_was_pasted() {
        for (given, expected) in [
            ("https://api.clerk.com", "https://api.clerk.com"),
            ("https://api.clerk.com/", "https://api.clerk.com"),
            ("https://api.clerk.com/v1", "https://api.clerk.com"),
            ("https://api.clerk.com/v1/", "https://api.clerk.com"),
            ("HTTPS://API.Clerk.com/v1", "https://api.clerk.com"),
            ("https://api.clerk.eu", "https://api.clerk.eu"),
            (
                "https://clerk-egress.internal.example:8443/v1",
                "https://clerk-egress.internal.example:8443",
            ),
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
            (
                "https://api.clerk.com//evil.example",
                "a path other than /v1",
            ),
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
