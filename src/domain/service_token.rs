//! Static tokens for callers that are no people.

use std::fmt;

use aws_lc_rs::{constant_time, digest};

use super::ids::ServiceName;

/// The SHA-256 of a token. With it alone nobody can call, and comparing hashes takes the same time wherever two tokens differ
/// (attack A-62).
#[derive(Clone)]
pub struct TokenHash([u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl TokenHash {
    /// The hash of a token. `None` when the token has fewer than [`MIN_TOKEN`] bytes.
    #[must_use]
    pub fn of(token: &[u8]) -> Option<Self> {
        (token.len() >= MIN_TOKEN).then(|| Self::shown(token))
    }

    /// A hash that somebody else has made.
    #[must_use]
    pub fn from_bytes(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The hash of what a request shows, however short.
    #[must_use]
    pub fn shown(token: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
        Self(out)
    }

    /// Whether both are of one token. Takes the same time for any two.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// A service and its token.
#[derive(Clone)]
pub struct ServiceToken {
    name: ServiceName,
    hash: TokenHash,
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceToken({}, ..)", self.name)
    }
}

/// Fewest bytes of a service token.
pub const MIN_TOKEN: usize = 16;

impl ServiceToken {
    /// A service by its token. `None` when the token has fewer than [`MIN_TOKEN`] bytes.
    #[must_use]
    pub fn from_token(name: ServiceName, token: &[u8]) -> Option<Self> {
        TokenHash::of(token).map(|hash| Self { name, hash })
    }

    /// A service by the SHA-256 of its token.
    #[must_use]
    pub fn from_hash(name: ServiceName, sha256: [u8; 32]) -> Self {
        Self { name, hash: TokenHash::from_bytes(sha256) }
    }

    #[must_use]
    pub fn name(&self) -> &ServiceName {
        &self.name
    }
}

/// The service that shows `token`. Every entry is compared, whichever fits.
#[must_use]
pub fn find<'t>(services: &'t [ServiceToken], token: &str) -> Option<&'t ServiceToken> {
    find_hash(services, &TokenHash::shown(token.as_bytes()))
}

/// The service with the token of this hash. Every entry is compared, whichever fits.
#[must_use]
pub fn find_hash<'t>(services: &'t [ServiceToken], shown: &TokenHash) -> Option<&'t ServiceToken> {
    services.iter().fold(None, |found, service| if service.hash.same(shown) { Some(service) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_fits_and_a_short_one_is_none() {
        let name = || ServiceName::parse("engine").unwrap();
        let services = [ServiceToken::from_token(name(), b"0123456789abcdef").unwrap()];
        assert!(find(&services, "0123456789abcdef").is_some());
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF"] {
            assert!(find(&services, wrong).is_none(), "{wrong}");
        }
        assert!(find(&[], "").is_none());
        assert!(ServiceToken::from_token(name(), b"").is_none());
        assert!(ServiceToken::from_token(name(), b"short").is_none());
    }
}
