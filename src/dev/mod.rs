//! An imitation of Clerk for the demo, the command line and the tests.
//!
//! Nothing in here protects anything. The issuer signs a token for every caller, the sample app shows all it receives, the builders
//! make broken tokens on purpose. `bailiff serve` uses none of it. Its users are `bailiff demo`, `bailiff token mint`, `bailiff
//! webhook sign|send` and the end-to-end tests, which run the same code in process.
//!
//! - [`key`]: an RSA key that signs, and its JWK and PEM forms
//! - [`mint`]: session tokens as Clerk makes them, and every way to change one
//! - [`webhook`]: Svix signatures and Clerk's events
//! - [`issuer`]: the HTTP server that plays Clerk
//! - [`sample_app`]: an upstream that shows what reached it

pub mod issuer;
pub mod key;
pub mod mint;
pub mod sample_app;
pub mod webhook;

mod answer;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What can go wrong while playing Clerk.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The crypto library makes keys of certain sizes only.
    #[error("RSA keys of {0} bits cannot be made; 2048, 3072, 4096 and 8192 can")]
    KeySize(usize),
    /// Making or encoding a key failed inside the crypto library.
    #[error("the crypto library failed to {0}")]
    Crypto(&'static str),
    /// The text is not an RSA private key in PEM.
    #[error("not an RSA private key in PEM: {0}")]
    Pem(&'static str),
    /// The webhook secret cannot be used; the secret itself is never shown.
    #[error("not a webhook signing secret: {0}")]
    Secret(&'static str),
    /// A webhook could not be delivered.
    #[error("sending the webhook to {url}")]
    Send {
        /// Where it was to go.
        url: String,
        /// What the HTTP client says.
        #[source]
        source: reqwest::Error,
    },
}

/// Unix time in milliseconds. The servers in here ask for it once per request; everything else takes
/// the time as an argument.
fn now_ms() -> u64 {
    crate::clock::now_ms()
}

/// An error with what caused it, for an answer in plain text.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    // Bound: a chain that is longer than this explains nothing any more.
    const CAUSES_MAX: usize = 8;
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    for cause in causes.take(CAUSES_MAX) {
        text.push_str(": ");
        text.push_str(&cause.to_string());
    }
    text
}

/// A random id such as `msg_3q2-7wAAbc…`. Without a working random source the id is not unique, which
/// a development id survives.
pub(crate) fn random_id(prefix: &str) -> String {
    let mut bytes = [0_u8; 15];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}
