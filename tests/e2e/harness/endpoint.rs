//! An endpoint of the app that says who the members are.

use std::sync::Arc;

use serde_json::{Value, json};

use super::script::{Said, SaidFraming, Script};
use super::upstream::{Recorded, Upstream};

/// A real HTTP server that answers every question alike. Dropping it closes its port.
pub struct Endpoint {
    server: Upstream,
}

impl Endpoint {
    /// What the endpoint wants to see in `Authorization: Bearer …`. Only the gate and the test know it.
    pub const TOKEN: &str = "endpoint-token-hunter2-0123456789";

    /// An endpoint that answers 503.
    pub fn start() -> Self {
        let server = Upstream::start();
        server.play(Script::Status(503));
        Self { server }
    }

    /// An endpoint that says this.
    pub fn saying(document: &Value) -> Self {
        let endpoint = Self::start();
        endpoint.says(document);
        endpoint
    }

    pub fn url(&self) -> String {
        format!("{}/membership", self.server.url())
    }

    /// The config of a gate that asks it each second.
    pub fn source(&self) -> Value {
        json!({"url": self.url(), "token": Self::TOKEN, "interval": "1s"})
    }

    /// The config of a gate that asks it for one user at a time.
    pub fn lookup(&self) -> Value {
        let url = format!("{}/users/{{user}}", self.server.url());
        json!({"url": url, "token": Self::TOKEN, "mode": "lookup", "ttl": "1s", "negative_ttl": "1s"})
    }

    /// From now on: 200 with this document.
    pub fn says(&self, document: &Value) {
        self.answers(200, &[], document.to_string(), SaidFraming::Length);
    }

    /// From now on exactly this.
    pub fn answers(
        &self,
        status: u16,
        lines: &[&str],
        body: impl Into<Vec<u8>>,
        framing: SaidFraming,
    ) {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        self.server.play(Script::Says(Arc::new(Said {
            status,
            lines,
            body: body.into(),
            framing,
        })));
    }

    /// From now on plays this.
    pub fn plays(&self, script: Script) {
        self.server.play(script);
    }

    /// Lets a question that plays [`Script::Hold`] be answered.
    pub fn release(&self) {
        self.server.release();
    }

    /// Every question so far.
    pub fn asked(&self) -> Vec<Recorded> {
        self.server.recorded()
    }

    /// Forgets the questions so far.
    pub fn forget(&self) {
        self.server.forget();
    }
}
