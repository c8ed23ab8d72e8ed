//! A value that must not be seen: it does not print, and its memory is wiped.

use std::fmt;

use aws_lc_rs::constant_time;
use zeroize::Zeroize;

/// A secret from the config. `Debug` prints `Secret(..)`; there is no `Display` or `Serialize`. `==` takes the same time
/// wherever two secrets differ; the lengths may show.
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

    /// Length in bytes, which is no secret: messages about weak secrets need it.
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

/// By value and in constant time, so that a reload can tell whether anything has changed.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Secret {}

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
        assert_eq!(secret("sk_test_a"), secret("sk_test_a"));
        for other in ["", "sk_test_", "sk_test_b", "sk_test_aa"] {
            assert_ne!(secret("sk_test_a"), secret(other), "given: {other}");
        }
    }
}
