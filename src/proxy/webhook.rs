//! Handles webhooks: reads the whole body, verifies it, applies it to the membership, then forwards it unchanged.
//!
//! The upstream must not see a byte before the signature is verified, and the signature covers the whole body. Pingora forwards a
//! body that was read beforehand only up to 64 KiB, so a verified webhook goes on as a subrequest with its body preset
//! ([`subrequest`]).

mod body;
mod membership;
mod subrequest;

use pingora::proxy::Session;

pub use body::WebhookMemory;
pub use subrequest::{WebhookForward, forwarded};

use super::ctx::{Ctx, State};
use super::gate::Gate;
use super::respond;
use crate::clock;
use crate::deliveries::{Delivery, Start};
use crate::domain::Rejection;
use crate::domain::ids::SvixId;
use crate::domain::judge::{UnverifiedWebhook, VerifiedWebhook};
use body::Body;

/// In bytes. A larger body is hashed on a thread of its own: at 1 ms per MiB the hashing would delay other requests.
const LARGE: usize = 256 * 1024;

/// How a webhook ended.
#[derive(Debug)]
pub enum WebhookEnd {
    Refused(Rejection),
    /// The upstream accepted the delivery before. The gate acknowledges it and does not forward it again.
    Duplicate,
    Forwarded {
        id: SvixId,
        /// Whether the upstream answered with 2xx, and the answer was complete.
        taken: bool,
    },
}

impl From<Rejection> for WebhookEnd {
    fn from(reason: Rejection) -> Self {
        Self::Refused(reason)
    }
}

/// A webhook that will be forwarded.
struct Accepted {
    webhook: VerifiedWebhook,
    body: Body,
    delivery: Delivery,
}

impl Gate {
    /// Accepts and forwards a webhook, and answers its sender.
    pub(super) async fn handle_webhook(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        webhook: UnverifiedWebhook,
    ) -> pingora::Result<()> {
        let route = webhook.route().clone();
        let accepted = self.accept(session, ctx, webhook).await;
        self.observe_decision(ctx);
        let end = match accepted {
            Ok(accepted) => forward(session, ctx, accepted).await,
            Err(end) => end,
        };
        let answered = match &end {
            WebhookEnd::Refused(reason) => respond::refuse(session, ctx, *reason).await.map(drop),
            WebhookEnd::Duplicate => respond::acknowledge(session, ctx).await,
            // The upstream's answer is being sent, unless there was none.
            WebhookEnd::Forwarded { .. } if session.response_written().is_some() => Ok(()),
            WebhookEnd::Forwarded { .. } => {
                let reason = *ctx.failure.get_or_insert(Rejection::UpstreamProtocol);
                respond::refuse(session, ctx, reason).await.map(drop)
            }
        };
        ctx.state = State::Webhook { route, end };
        answered
    }

    /// Reads and verifies the webhook, and applies its event, before the upstream gets it.
    async fn accept(
        &self,
        session: &mut Session,
        ctx: &Ctx,
        webhook: UnverifiedWebhook,
    ) -> Result<Accepted, WebhookEnd> {
        let (max, within) = (webhook.max_body(), self.timeouts.webhook_body);
        let body = match body::read(session, &self.webhook_memory, max, within).await {
            Ok(body) => body,
            Err(reason) => {
                // It is no longer known where the next request begins (attack A-87).
                session.set_keepalive(None);
                return Err(reason.into());
            }
        };
        let webhook = verify(webhook, ctx, &body.bytes)?;
        // This is checked only after the signature, so that a client cannot probe which ids are known.
        if self.deliveries.taken(webhook.id()) {
            return Err(WebhookEnd::Duplicate);
        }
        let delivery = match self.deliveries.start(webhook.id()).await {
            Start::Begun(delivery) => delivery,
            Start::UnderWay => return Err(Rejection::WebhookInFlight.into()),
            Start::Taken => return Err(WebhookEnd::Duplicate),
        };
        membership::apply(&self.snapshots, &self.records, &self.metrics, &body.bytes).await?;
        Ok(Accepted {
            webhook,
            body,
            delivery,
        })
    }
}

fn verify(
    webhook: UnverifiedWebhook,
    ctx: &Ctx,
    body: &[u8],
) -> Result<VerifiedWebhook, Rejection> {
    let verify = || webhook.verify(&ctx.snapshot, body, clock::now());
    if body.len() > LARGE {
        tokio::task::block_in_place(verify)
    } else {
        verify()
    }
}

/// Sends the webhook to the upstream, and the upstream's answer to the sender.
async fn forward(session: &mut Session, ctx: &mut Ctx, accepted: Accepted) -> WebhookEnd {
    let Accepted {
        webhook,
        body,
        delivery,
    } = accepted;
    let id = webhook.id().clone();
    let sent = subrequest::send(
        session,
        ctx.snapshot.clone(),
        webhook,
        body.bytes.clone(),
        delivery,
    )
    .await;
    // The body counts against the memory limit until here.
    drop(body);
    ctx.failure = sent.failure;
    ctx.timings.answered_in(sent.upstream_took);
    let success = sent
        .status
        .is_some_and(|status| (200..300).contains(&status));
    WebhookEnd::Forwarded {
        id,
        taken: success && sent.failure.is_none(),
    }
}
