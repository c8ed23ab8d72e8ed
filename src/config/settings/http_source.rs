//! An endpoint of the app that says who the members are.

use std::sync::Arc;
use std::time::Duration;

use crate::config::values::secret::Secret;

/// An endpoint, and how it is asked.
#[derive(Clone, Debug)]
pub struct HttpSource {
    /// https, or http on loopback or at a private address. With `{user}` in its path or query for [`HttpMode::Lookup`].
    pub url: String,
    /// Shown as `Authorization: Bearer …`, to nobody else.
    pub token: Option<Arc<Secret>>,
    /// Bound on an answer, in bytes.
    pub max_bytes: u64,
    pub mode: HttpMode,
}

/// What the endpoint is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMode {
    /// For everything, again and again.
    Snapshot {
        interval: Duration,
        /// Whether an answer without users is believed after one with users.
        allow_empty: bool,
    },
    /// For one user at a time: how long answers count, and how long it counts that the user is not there.
    Lookup {
        ttl: Duration,
        negative_ttl: Duration,
    },
}

/// By value, so that a reload can tell whether anything has changed.
impl PartialEq for HttpSource {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            url,
            token,
            max_bytes,
            mode,
        } = self;
        let same_token = match (token, &other.token) {
            (Some(token), Some(other)) => token.matches(other),
            (None, None) => true,
            _ => false,
        };
        same_token && *url == other.url && *max_bytes == other.max_bytes && *mode == other.mode
    }
}

impl Eq for HttpSource {}

impl HttpSource {
    /// [`HttpSource::max_bytes`] for everything, where nothing is said: about 500,000 users.
    pub(crate) const MAX_BYTES: u64 = 64 << 20;
    /// The same for one user.
    pub(crate) const MAX_BYTES_OF_ONE: u64 = 1 << 20;

    /// The address as messages show it. A query may hold what is nobody's business.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// How long it is, at the most, until the endpoint is asked again.
    pub(crate) fn asked_every(&self) -> Duration {
        match self.mode {
            HttpMode::Snapshot { interval, .. } => interval,
            HttpMode::Lookup { ttl, .. } => ttl,
        }
    }
}
