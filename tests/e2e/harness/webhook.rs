//! Webhooks as Clerk's sender delivers them, and as forgers try to.

use std::sync::atomic::{AtomicUsize, Ordering};

use bailiff::dev::webhook::WebhookSigner;
use serde_json::{Value, json};

use super::client::Request;
use super::layout::WEBHOOK_SECRET;
use super::world::{World, now};

/// A delivery in the making: correctly signed, unless the test bends it.
#[derive(Clone)]
#[must_use]
pub struct Delivery {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: Vec<u8>,
}

impl Delivery {
    /// A delivery of these bytes, signed now with the secret of the standard scene.
    pub fn of(body: impl AsRef<[u8]>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let id = format!("msg_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self {
            id,
            timestamp: now().to_string(),
            signature: String::new(),
            body: body.as_ref().to_vec(),
        }
        .signed(WEBHOOK_SECRET)
    }

    pub fn event(event: &Value) -> Self {
        Self::of(event.to_string())
    }

    /// The same content under this id, signed again.
    pub fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self.signed(WEBHOOK_SECRET)
    }

    /// The same content at this second, signed again.
    pub fn at(mut self, timestamp: u64) -> Self {
        self.timestamp = timestamp.to_string();
        self.signed(WEBHOOK_SECRET)
    }

    /// Signed with this secret in place of the usual one.
    pub fn signed(mut self, secret: &str) -> Self {
        let signer = WebhookSigner::new(secret).expect("the secret of a test is good");
        let timestamp = self
            .timestamp
            .parse()
            .expect("a signed timestamp is a number");
        self.signature = signer.sign(&self.id, timestamp, &self.body);
        self
    }

    /// With this text as signature.
    pub fn signature(mut self, signature: &str) -> Self {
        signature.clone_into(&mut self.signature);
        self
    }

    /// With this text as timestamp, the signature left as it is.
    pub fn timestamp(mut self, timestamp: &str) -> Self {
        timestamp.clone_into(&mut self.timestamp);
        self
    }

    /// With other bytes, the signature left as it is.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// The request to the webhook route of the standard scene.
    pub fn to(&self, world: &World) -> Request {
        self.sent_to(world, "POST", "/webhooks/clerk")
    }

    pub fn sent_to(&self, world: &World, method: &str, path: &str) -> Request {
        self.sent_as(world.request(method, path))
    }

    /// This request with the headers and the body of the delivery.
    pub fn sent_as(&self, request: Request) -> Request {
        request
            .header("Content-Type", "application/json")
            .header("svix-id", &self.id)
            .header("svix-timestamp", &self.timestamp)
            .header("svix-signature", &self.signature)
            .body(&self.body)
    }
}

/// An event in Clerk's envelope, that happened at this unix time in milliseconds.
pub fn event(kind: &str, data: Value, at_ms: u64) -> Value {
    json!({
        "data": data,
        "object": "event",
        "type": kind,
        "timestamp": at_ms,
        "instance_id": "ins_standard",
    })
}
