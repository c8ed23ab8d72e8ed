//! An endpoint of the app that lists the members.

use std::sync::Arc;
use std::time::Duration;

use crate::config::values::secret::Secret;

/// An endpoint, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSource {
    /// https, or http on loopback or at a private address. With `{user}` in its path or query for [`HttpMode::Lookup`].
    pub url: String,
    /// Sent as `Authorization: Bearer …`, to this endpoint alone.
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

impl HttpSource {
    /// [`HttpSource::max_bytes`] for everything, where nothing is said: about 500,000 users.
    pub(crate) const MAX_BYTES: u64 = 64 << 20;
    /// The same for one user.
    pub(crate) const MAX_BYTES_OF_ONE: u64 = 1 << 20;

    /// The address as messages show it. A query may hold secrets.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_no_query_and_a_debug_print_no_token() {
        let token = Some(Arc::new(Secret::from("hunter2".to_owned())));
        let mode = HttpMode::Snapshot {
            interval: Duration::from_secs(1),
            allow_empty: false,
        };
        let source = HttpSource {
            url: "https://app.test/m?k=v".to_owned(),
            token,
            max_bytes: 1,
            mode,
        };
        assert_eq!(source.shown(), "https://app.test/m");
        assert!(!format!("{source:?}").contains("hunter2"));
        let other = HttpSource {
            token: Some(Arc::new(Secret::from("hunter3".to_owned()))),
            ..source.clone()
        };
        assert!(source != other && source == source.clone());
    }
}
