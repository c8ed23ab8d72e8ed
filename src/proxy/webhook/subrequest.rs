//! Sends a verified webhook to the upstream, as a subrequest with its body preset.
//!
//! A subrequest is built from the bytes of the original head, so the headers arrive as the sender signed them. It passes through
//! the phases of [`Gate`](super::Gate) from `upstream_peer` on, with a context of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use pingora::proxy::Session;
use pingora::proxy::subrequest::pipe::{InputBody, InputBodyType, pipe_subrequest};
use pingora::proxy::subrequest::{BodyMode, Ctx as SubrequestCtx};

use crate::deliveries::{Delivery, Taken};
use crate::domain::judge::VerifiedWebhook;
use crate::domain::{Rejection, Snapshot};

/// The content of a subrequest: the webhook, which is not judged again, and the place where the subrequest reports its result to
/// the outer request.
#[derive(Clone, Debug)]
pub struct WebhookForward {
    pub snapshot: Arc<Snapshot>,
    pub webhook: VerifiedWebhook,
    pub report: Arc<ForwardReport>,
}

/// The result of a forwarded webhook. The subrequest reports it to the request that waits for it.
#[derive(Debug)]
pub struct ForwardReport {
    result: Mutex<ForwardResult>,
    delivery: Mutex<Option<Delivery>>,
    /// Set once the upstream has accepted the delivery.
    taken: Mutex<Option<Taken>>,
}

/// How a forwarded webhook ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForwardResult {
    pub status: Option<u16>,
    pub failure: Option<Rejection>,
    pub upstream_took: Option<Duration>,
}

impl ForwardReport {
    fn new(delivery: Delivery) -> Self {
        Self {
            result: Mutex::default(),
            delivery: Mutex::new(Some(delivery)),
            taken: Mutex::default(),
        }
    }

    /// The upstream has answered. The delivery is settled before the sender can see the answer: an immediate retry must find the
    /// delivery either taken or free again.
    pub fn answered(&self, status: u16, took: Option<Duration>) {
        if let Some(mut delivery) = self.delivery.lock().take()
            && (200..300).contains(&status)
        {
            *self.taken.lock() = Some(delivery.taken());
        }
        let mut result = self.result.lock();
        (result.status, result.upstream_took) = (Some(status), took);
    }

    /// The way to the upstream or back has failed. A delivery that the upstream accepted stays taken, unless the upstream's
    /// answer broke off. In that case the sender sees a failure and sends the webhook again, and the gate must not answer that
    /// retry with success (attack A-118).
    pub fn failed(&self, reason: Rejection) {
        drop(self.delivery.lock().take());
        if let Some(taken) = self.taken.lock().take()
            && matches!(
                reason,
                Rejection::UpstreamProtocol | Rejection::UpstreamTimeout
            )
        {
            taken.take_back();
        }
        let mut result = self.result.lock();
        result.failure = result.failure.or(Some(reason));
    }

    fn result(&self) -> ForwardResult {
        *self.result.lock()
    }
}

/// The webhook that this session carries, if it is a subrequest.
pub fn forwarded(session: &mut Session) -> Option<WebhookForward> {
    let context = session.subrequest_ctx.as_mut()?.user_ctx_mut()?;
    context.downcast_mut::<WebhookForward>().cloned()
}

/// Sends the webhook to the upstream, and the upstream's answer to the sender.
pub(super) async fn send(
    session: &mut Session,
    snapshot: Arc<Snapshot>,
    webhook: VerifiedWebhook,
    body: Bytes,
    delivery: Delivery,
) -> ForwardResult {
    let report = Arc::new(ForwardReport::new(delivery));
    let forward = WebhookForward {
        snapshot,
        webhook,
        report: report.clone(),
    };
    let context = SubrequestCtx::builder()
        .body_mode(BodyMode::ExpectBody)
        .user_ctx(Box::new(forward))
        .build();
    let Some(spawner) = session.subrequest_spawner.take() else {
        report.failed(Rejection::Internal);
        return report.result();
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
        report.failed(Rejection::ClientGone);
    }
    report.result()
}
