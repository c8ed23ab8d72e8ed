//! A webhook on its way: read whole, judged, applied, then passed on exactly as it came.
//!
//! The upstream must not see a byte before the signature is verified, which covers the whole body. Pingora forwards a body that
//! was read beforehand only up to 64 KiB, so the verified webhook goes on as a subrequest with its body preset: a subrequest is
//! made from the bytes of the original head, so headers arrive as they were signed for.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora::ErrorType;
use pingora::proxy::Session;
use pingora::proxy::subrequest::pipe::{InputBody, InputBodyType, pipe_subrequest};
use pingora::proxy::subrequest::{BodyMode, Ctx as SubrequestCtx};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ctx::{Outcome, WebhookOutcome};
use crate::deliveries::Delivery;
use crate::domain::event::{Meaning, MembershipEvent, meaning};
use crate::domain::snapshot::CannotChange;
use crate::domain::{Grant, Rejection, Snapshot};
use crate::metrics::{ChangeResult, Metrics};
use crate::records::{NotKept, Records};
use crate::snapshot_store::SnapshotStore;

/// Above this many bytes the hashing is done on a thread of its own: at 1 ms per MiB it would hold up other requests.
pub const LARGE: usize = 256 * 1024;

/// What a subrequest finds in its context: the verdict of the outer request, which is not judged again.
pub struct Forwarded {
    pub snapshot: Arc<Snapshot>,
    pub grant: Grant,
    pub outcome: Arc<WebhookOutcome>,
}

/// Bound on the memory of all webhooks that are being read or forwarded, in KiB. Whoever sends well-formed headers may make us
/// read a body before its signature can be checked; a thousand of them at once must not take the memory of everybody else.
const MEMORY_KIB: usize = 64 * 1024;

/// The memory that is left for webhooks.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Semaphore>);

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY_KIB)))
    }
}

/// A whole body, and the memory that it takes for as long as it lives.
pub struct Body {
    pub bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Reads the whole body, within `max` bytes and `within` this time.
pub async fn read_body(
    session: &mut Session,
    memory: &Memory,
    max: usize,
    within: Duration,
) -> Result<Body, Rejection> {
    if session
        .req_header()
        .headers
        .get("expect")
        .is_some_and(|e| e.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        // Pingora does not say it by itself while a filter reads; the client would wait for a second.
        session
            .write_continue_response()
            .await
            .map_err(|_| Rejection::ClientGone)?;
    }
    let broken = |error: Box<pingora::Error>| match error.etype() {
        ErrorType::ReadTimedout => Rejection::BodyTimeout,
        ErrorType::ReadError | ErrorType::ConnectionClosed => Rejection::ClientGone,
        // No chunk, or an end before the end (RFC 9112, 6.3 and 7.1).
        _ => Rejection::BadRequest,
    };
    let read = async {
        let mut body = BytesMut::new();
        let mut taken: Option<OwnedSemaphorePermit> = None;
        while let Some(chunk) = session.read_request_body().await.map_err(broken)? {
            // Checked while reading: a chunked body does not say its length beforehand (attack A-116).
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
    };
    tokio::time::timeout(within, read)
        .await
        .unwrap_or(Err(Rejection::BodyTimeout))
}

/// Applies what the event says to the membership, and keeps it, before the upstream hears of it. `Err` when it could not be kept.
pub async fn apply(
    snapshots: &SnapshotStore,
    records: &Records,
    metrics: &Metrics,
    body: &[u8],
) -> Result<(), Rejection> {
    // Reloads come one after another and take longer than this; a third turn would be a fault.
    for _ in 0..3 {
        let snapshot = snapshots.load();
        let Some(event) = event(&snapshot, metrics, body) else {
            return Ok(());
        };
        match records.apply(&event, &snapshot.rules).await {
            Ok(generation) => {
                tracing::info!(generation, change = %event.change, "a webhook changed the membership");
                metrics.change(ChangeResult::Applied);
                return Ok(());
            }
            Err(NotKept::OtherRules) => continue,
            // Without a configured membership there is nothing to change; while it is loading, the sender must come again.
            Err(NotKept::Change(CannotChange::Nowhere)) => {
                metrics.change(ChangeResult::Nothing);
                return Ok(());
            }
            Err(why) => {
                tracing::error!(%why, "a webhook could not be kept; its sender is asked to send it again");
                break;
            }
        }
    }
    metrics.change(ChangeResult::NotKept);
    Err(Rejection::WebhookNotKept)
}

/// The event of membership that the webhook is about, if it is about one.
fn event(snapshot: &Snapshot, metrics: &Metrics, body: &[u8]) -> Option<MembershipEvent> {
    let rules = &snapshot.rules;
    match meaning(body, rules.instance(), rules.roles.as_ref()) {
        Meaning::Change(event) => return Some(event),
        Meaning::Nothing => metrics.change(ChangeResult::Nothing),
        Meaning::OtherInstance => {
            tracing::warn!(
                "a webhook of another Clerk instance changes nothing here (see clerk.instance_id)"
            );
            metrics.change(ChangeResult::OtherInstance);
        }
        Meaning::Unreadable(why) => {
            tracing::warn!(
                why,
                "a signed webhook is not understood and changes nothing here; it is passed on"
            );
            metrics.change(ChangeResult::Unreadable);
        }
    }
    None
}

/// Sends the verified webhook on and the upstream's answer back.
pub async fn forward(
    session: &mut Session,
    snapshot: Arc<Snapshot>,
    grant: Grant,
    body: Bytes,
    delivery: Delivery,
) -> Outcome {
    let outcome = Arc::new(WebhookOutcome::new(delivery));
    let forwarded = Forwarded {
        snapshot,
        grant,
        outcome: outcome.clone(),
    };
    let context = SubrequestCtx::builder()
        .body_mode(BodyMode::ExpectBody)
        .user_ctx(Box::new(forwarded))
        .build();
    let Some(spawner) = session.subrequest_spawner.take() else {
        outcome.failed(Rejection::Internal);
        return outcome.ask();
    };
    let (prepared, handle) = spawner.create_subrequest(session.as_downstream(), context);
    let body = if body.is_empty() {
        InputBody::NoBody
    } else {
        InputBody::Bytes(vec![body])
    };
    let piped = pipe_subrequest(
        session,
        prepared,
        handle,
        |task| Ok(Some(task)),
        InputBodyType::Preset(body),
    )
    .await;
    let (state, failed) = match piped {
        Ok(state) => (state, false),
        Err(error) => (error.state, true),
    };
    // The receiver must live until the subrequest has ended, or its last writes would fail.
    let receiver = state.pipe_rx;
    if let Some(task) = state.join_handle {
        let _ = task.await;
    }
    drop(receiver);
    if failed {
        outcome.failed(Rejection::ClientGone);
    }
    outcome.ask()
}
