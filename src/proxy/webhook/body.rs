//! Reads the whole body of a webhook, in bounded memory and time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::ErrorType;
use pingora::proxy::Session;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Rejection;

/// The most memory of all webhooks that are being read or forwarded, in KiB. The body must be read before its signature is
/// checked, so well-formed headers are enough to make the gate read it. A thousand such requests at once must not exhaust the
/// memory.
const MEMORY_KIB: usize = 64 * 1024;

/// The memory that is free for webhooks.
#[derive(Clone, Debug)]
pub struct WebhookMemory(Arc<Semaphore>);

impl Default for WebhookMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY_KIB)))
    }
}

/// A whole body, and its share of the memory for as long as it lives.
pub(super) struct Body {
    pub bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Reads the whole body, of at most `max` bytes and within the time `within`.
pub(super) async fn read(
    session: &mut Session,
    memory: &WebhookMemory,
    max: usize,
    within: Duration,
) -> Result<Body, Rejection> {
    if session
        .req_header()
        .headers
        .get("expect")
        .is_some_and(|e| e.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        // Pingora does not send `100 Continue` by itself while a filter reads, and the client would wait for a second.
        session
            .write_continue_response()
            .await
            .map_err(|_| Rejection::ClientGone)?;
    }
    tokio::time::timeout(within, read_chunks(session, memory, max))
        .await
        .unwrap_or(Err(Rejection::BodyTimeout))
}

async fn read_chunks(
    session: &mut Session,
    memory: &WebhookMemory,
    max: usize,
) -> Result<Body, Rejection> {
    let mut body = BytesMut::new();
    let mut taken: Option<OwnedSemaphorePermit> = None;
    while let Some(chunk) = session.read_request_body().await.map_err(|e| broken(&e))? {
        // Checked while reading: a chunked body does not state its length beforehand (attack A-116).
        if body.len() + chunk.len() > max {
            return Err(Rejection::WebhookTooLarge);
        }
        body.extend_from_slice(&chunk);
        let kib = body
            .len()
            .div_ceil(1024)
            .saturating_sub(taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        let more = u32::try_from(kib)
            .ok()
            .and_then(|kib| memory.0.clone().try_acquire_many_owned(kib).ok());
        let more = more.ok_or(Rejection::WebhooksBusy)?;
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
    }
    Ok(Body {
        bytes: body.freeze(),
        _memory: taken,
    })
}

fn broken(error: &pingora::Error) -> Rejection {
    match error.etype() {
        ErrorType::ReadTimedout => Rejection::BodyTimeout,
        ErrorType::ReadError | ErrorType::ConnectionClosed => Rejection::ClientGone,
        // There is no chunk, or the body ended too early (RFC 9112, 6.3 and 7.1).
        _ => Rejection::BadRequest,
    }
}
