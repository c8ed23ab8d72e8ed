//! Static tokens for callers that are no people.

use std::fmt;

use aws_lc_rs::{constant_time, digest};

use super::ids::ServiceName;

/// A service and the SHA-256 of its token. With the hash alone nobody can call, and comparing hashes takes the same time
/// wherever two tokens differ (attack A-62).
#[derive(Clone)]
pub struct ServiceToken {
    name: ServiceName,
    sha256: [u8; 32],
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
        (token.len() >= MIN_TOKEN).then(|| Self { name, sha256: sha256(token) })
    }

    /// A service by the SHA-256 of its token.
    #[must_use]
    pub fn from_hash(name: ServiceName, sha256: [u8; 32]) -> Self {
        Self { name, sha256 }
    }

    #[must_use]
    pub fn name(&self) -> &ServiceName {
        &self.name
    }
}

/// The service that shows `token`. Every entry is compared, whichever fits.
#[must_use]
pub fn find<'t>(services: &'t [ServiceToken], token: &str) -> Option<&'t ServiceToken> {
    let shown = sha256(token.as_bytes());
    services.iter().fold(None, |found, service| {
        let same = constant_time::verify_slices_are_equal(&shown, &service.sha256).is_ok();
        if same { Some(service) } else { found }
    })
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
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
