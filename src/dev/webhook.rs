//! Clerk's webhooks from the sender's side: events, and the Svix signatures over them.
//!
//! ```
//! use bailiff::dev::webhook::{WebhookSigner, data, event, generate_secret};
//!
//! let gone = event("user.deleted", data::deleted("user", "user_1"), 1_700_000_000_000, "ins_1");
//! let body = gone.to_string();
//! let signer = WebhookSigner::new(&generate_secret())?;
//! let headers = signer.headers("msg_1", 1_700_000_000, body.as_bytes());
//! # Ok::<(), bailiff::dev::DevError>(())
//! ```

pub mod data;
mod deliver;

use std::fmt;

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::DevError;

pub use deliver::{DeliveryResponse, deliver};

/// The prefix of a signing secret. It is not part of the key.
const PREFIX: &str = "whsec_";
/// Bound: a Svix key has 24 to 64 bytes; this is the base64 of more than 64.
const SECRET_CHARS_MAX: usize = 128;
/// Fewer bytes could be guessed, and with an empty key anyone could sign.
const KEY_BYTES_MIN: usize = 16;

/// A new signing secret: `whsec_` and 24 random bytes, the form in Clerk's dashboard.
///
/// Fail closed: without a working random source the secret is empty, and [`WebhookSigner::new`] and
/// every sane receiver refuse it.
#[must_use]
pub fn generate_secret() -> String {
    let mut bytes = [0_u8; 24];
    match rand::fill(&mut bytes) {
        Ok(()) => format!("{PREFIX}{}", STANDARD.encode(bytes)),
        Err(_) => PREFIX.to_owned(),
    }
}

/// Signs webhooks the way Svix does for Clerk.
#[derive(Clone)]
pub struct WebhookSigner(hmac::Key);

/// Never shows the key.
impl fmt::Debug for WebhookSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSigner(..)")
    }
}

impl WebhookSigner {
    /// The signer for a secret with or without `whsec_`.
    ///
    /// # Errors
    ///
    /// When the secret is not base64 of at least 16 bytes. The message never quotes the secret.
    pub fn new(secret: &str) -> Result<Self, DevError> {
        if secret.len() > SECRET_CHARS_MAX {
            return Err(DevError::Secret("it is longer than 128 characters"));
        }
        let key = STANDARD
            .decode(secret.strip_prefix(PREFIX).unwrap_or(secret))
            .map_err(|_| DevError::Secret("it is not base64 after whsec_"))?;
        if key.len() < KEY_BYTES_MIN {
            return Err(DevError::Secret("it holds fewer than 16 bytes"));
        }
        Ok(Self::with_raw_key(&key))
    }

    /// A signer for any key, even an empty one, to prove that a receiver refuses its signatures.
    #[must_use]
    pub fn with_raw_key(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// One entry of `svix-signature`: `v1,` and the base64 of the HMAC over `id.timestamp.body`.
    /// `timestamp` is in seconds.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }

    /// The three headers of a delivery.
    #[must_use]
    pub fn headers(&self, id: &str, timestamp: u64, body: &[u8]) -> [(&'static str, String); 3] {
        [
            ("svix-id", id.to_owned()),
            ("svix-timestamp", timestamp.to_string()),
            ("svix-signature", self.sign(id, timestamp, body)),
        ]
    }
}

/// The envelope of an event, with the members that Clerk's have. `now_ms` is in milliseconds.
#[must_use]
pub fn event(kind: &str, data: Value, now_ms: u64, instance_id: &str) -> Value {
    let mut event = json!({
        "event_attributes": {"http_request": {"client_ip": "127.0.0.1", "user_agent": "bailiff"}},
        "instance_id": instance_id,
        "object": "event",
        "timestamp": now_ms,
        "type": kind,
    });
    if let Some(members) = event.as_object_mut() {
        members.insert("data".to_owned(), data);
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_come_out() {
        for (secret, id, timestamp, body, expected) in [
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            let signer = WebhookSigner::new(secret).unwrap();
            assert_eq!(
                signer.sign(id, timestamp, body.as_bytes()),
                expected,
                "given: {id}"
            );
        }
    }

    #[test]
    fn a_secret_is_the_same_with_and_without_its_prefix() {
        let secret = generate_secret();
        let bare = secret.strip_prefix(PREFIX).unwrap();

        assert_eq!(
            WebhookSigner::new(&secret).unwrap().sign("msg_1", 1, b"x"),
            WebhookSigner::new(bare).unwrap().sign("msg_1", 1, b"x"),
        );
    }

    #[test]
    fn a_new_secret_holds_24_bytes_and_differs_each_time() {
        let secret = generate_secret();

        assert_eq!(STANDARD.decode(&secret[PREFIX.len()..]).unwrap().len(), 24);
        assert_ne!(secret, generate_secret());
    }

    #[test]
    fn a_secret_that_would_let_anybody_sign_is_refused() {
        for given in ["", "whsec_", "whsec_AAAA", "whsec_%%%", "whpk_abc"] {
            assert!(WebhookSigner::new(given).is_err(), "given: {given}");
        }
        assert!(WebhookSigner::new(&"A".repeat(132)).is_err());
    }

    #[test]
    fn the_headers_carry_what_was_signed() {
        let signer = WebhookSigner::with_raw_key(b"");

        let [id, timestamp, signature] = signer.headers("msg_1", 7, b"x");
        assert_eq!(id, ("svix-id", "msg_1".to_owned()));
        assert_eq!(timestamp, ("svix-timestamp", "7".to_owned()));
        assert_eq!(signature, ("svix-signature", signer.sign("msg_1", 7, b"x")));
    }

    #[test]
    fn a_signer_does_not_print_its_key() {
        assert_eq!(
            format!("{:?}", WebhookSigner::with_raw_key(b"k")),
            "WebhookSigner(..)"
        );
    }
}
