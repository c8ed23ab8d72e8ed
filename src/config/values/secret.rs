//! A value that must not be seen: it does not print, and its memory is wiped.

use std::fmt;
use zeroize::Zeroize;

use aws_lc_rs::constant_time;

/// A secret from the config. `Debug` prints `Secret(..)`; there is no `Display`, `Serialize` or
/// `PartialEq`: whoever compares must do it in constant time, by [`Secret::matches`] or over [`Secret::expose`].
///
/// The bytes are overwritten when it is dropped. Copies made before (the text of the config file,
/// the process environment) are not ours to wipe.
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the bytes and wipes the buffer they came in.
    #[must_use]
    pub fn new(mut bytes: Vec<u8>) -> Self {
        // `into_boxed_slice` could move the bytes and leave the old place unwiped.
        let secret = Self(Box::from(bytes.as_slice()));
        bytes.zeroize();
        secret
    }

    /// The bytes. The name is long to type on purpose: each use should be easy to find.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether both are the same bytes. Takes the same time wherever they differ; the lengths may show.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// Length in bytes, which may be told: messages about weak secrets need it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::from("whsec_abc".to_owned());
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(..) Secret(..)");
        assert_eq!(secret.expose(), b"whsec_abc");
        assert_eq!(secret.len(), 9);
        assert!(!secret.is_empty());
    }

    #[test]
    fn two_secrets_match_when_every_byte_does() {
        let secret = |text: &str| Secret::from(text.to_owned());
        assert!(secret("sk_test_a").matches(&secret("sk_test_a")));
        for other in ["", "sk_test_", "sk_test_b", "sk_test_aa"] {
            assert!(
                !secret("sk_test_a").matches(&secret(other)),
                "given: {other}"
            );
        }
    }
}
