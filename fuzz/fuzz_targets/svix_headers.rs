//! Any webhook headers and body: nothing verifies that nobody has signed.
#![no_main]

use std::time::Duration;

use bailiff::domain::UnixTime;
use bailiff::domain::webhook::{Envelope, WebhookSecret};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&[u8], &[u8], &[u8], &[u8])| {
    let (id, timestamp, signature, body) = data;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("svix-id", id),
        ("svix-timestamp", timestamp),
        ("svix-signature", signature),
    ] {
        headers.extend(
            HeaderValue::from_bytes(value)
                .ok()
                .map(|value| (http::HeaderName::from_static(name), value)),
        );
    }
    let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    if let Ok(envelope) = Envelope::read(&headers) {
        assert!(
            envelope
                .verify(body, &[secret], Duration::MAX, UnixTime(1_800_000_000))
                .is_err()
        );
    }
});
