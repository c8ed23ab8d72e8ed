//! Sends one signed event, once.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;

use super::WebhookSigner;
use crate::dev::DevError;

/// Svix gives an endpoint 15 seconds.
const TIME_MAX: Duration = Duration::from_secs(15);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Bound: how much of the answer is kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How the receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryResponse {
    /// The HTTP status; Svix counts 2xx as delivered.
    pub status: u16,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
}

/// Signs `body` and posts it to `url`: one attempt, no redirects, no proxy. `timestamp` is in seconds.
///
/// # Errors
///
/// When there is no answer: the address is wrong, no server listens there, or it took more than 15 seconds.
pub async fn deliver(
    url: &str,
    signer: &WebhookSigner,
    id: &str,
    timestamp: u64,
    body: Vec<u8>,
) -> Result<DeliveryResponse, DevError> {
    attempt(url, signer, id, timestamp, body)
        .await
        .map_err(|source| DevError::Send {
            url: url.to_owned(),
            // The message contains the address already.
            source: source.without_url(),
        })
}

async fn attempt(
    url: &str,
    signer: &WebhookSigner,
    id: &str,
    timestamp: u64,
    body: Vec<u8>,
) -> Result<DeliveryResponse, reqwest::Error> {
    // A proxy of the environment cannot reach loopback addresses of this machine.
    let client = reqwest::Client::builder()
        .timeout(TIME_MAX)
        .connect_timeout(CONNECT_TIME_MAX)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent("Svix-Webhooks/1.0 (bailiff)")
        .build()?;
    let mut request = client.post(url).header(CONTENT_TYPE, "application/json");
    for (name, value) in signer.headers(id, timestamp, &body) {
        request = request.header(name, value);
    }
    let mut response = request.body(body).send().await?;
    let mut kept = Vec::new();
    while kept.len() < ANSWER_BYTES_MAX {
        let Some(chunk) = response.chunk().await? else {
            break;
        };
        let room = ANSWER_BYTES_MAX - kept.len();
        kept.extend(chunk.iter().take(room));
    }
    Ok(DeliveryResponse {
        status: response.status().as_u16(),
        body: kept,
    })
}
