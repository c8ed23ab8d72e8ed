//! Clerk's Backend API.

use std::sync::Arc;
use std::time::Duration;

use crate::config::values::secret::Secret;

/// Clerk's Backend API, and the secret key of the instance that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    /// `scheme://host[:port]` in lower case, without a slash or `/v1` at its end. https, or http on loopback.
    pub api_url: String,
    /// `sk_…`. It goes to `api_url` and nowhere else (CVE-2026-34076).
    pub secret: Arc<Secret>,
    /// Whether the instance is a production instance, which Clerk grants ten times the requests.
    pub live: bool,
}

impl BackendSettings {
    /// [`BackendSettings::api_url`] where nothing is said.
    pub const API_URL: &str = "https://api.clerk.com";
}

/// Clerk's Backend API, and how often all of it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClerkSource {
    /// Between two loads. Webhooks tell what changes in between.
    pub reconcile: Duration,
    /// The instance that is asked. A part of this, so that another secret key is another source.
    pub backend: BackendSettings,
}
