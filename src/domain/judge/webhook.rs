//! Webhooks: admitted by their headers, verified by a signature over the whole body.

use std::sync::Arc;

use super::Permit;
use super::grant::webhook_headers;
use crate::domain::head::RequestHead;
use crate::domain::ids::SvixId;
use crate::domain::routes::Route;
use crate::domain::snapshot::Snapshot;
use crate::domain::webhook::{Envelope, SignedWebhook};
use crate::domain::{Rejection, UnixTime};

/// A request on a webhook route, of which only the head is read. Only the judge makes one. Its permit is available only through
/// [`UnverifiedWebhook::verify`].
#[derive(Debug)]
pub struct UnverifiedWebhook {
    envelope: Envelope,
    permit: Permit,
    max_body: usize,
}

/// A webhook with a valid signature of a configured secret. It may change the membership and go to the upstream.
#[derive(Clone, Debug)]
pub struct VerifiedWebhook {
    signed: SignedWebhook,
    permit: Permit,
}

impl UnverifiedWebhook {
    pub(super) fn new(
        snapshot: &Snapshot,
        head: &RequestHead,
        route: &Arc<Route>,
        envelope: Envelope,
        max_body: usize,
    ) -> Self {
        Self {
            envelope,
            permit: Permit::new(route, head, webhook_headers(snapshot, head, route)),
            max_body,
        }
    }

    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        self.permit.route()
    }

    /// The largest body in bytes that may be read.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// Checks time and signature of the whole body.
    ///
    /// # Errors
    /// Why the webhook is refused.
    pub fn verify(
        self,
        snapshot: &Snapshot,
        body: &[u8],
        now: UnixTime,
    ) -> Result<VerifiedWebhook, Rejection> {
        let policy = snapshot.rules.webhooks.as_ref();
        let policy = policy.ok_or(Rejection::Internal)?;
        let signed = self
            .envelope
            .verify(body, &policy.secrets, policy.tolerance, now)?;
        Ok(VerifiedWebhook {
            signed,
            permit: self.permit,
        })
    }
}

impl VerifiedWebhook {
    /// The id of the delivery. A retry has the same id. It is available only after the signature check, so that a client cannot
    /// probe which ids were delivered.
    #[must_use]
    pub fn id(&self) -> &SvixId {
        self.signed.id()
    }

    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }
}
