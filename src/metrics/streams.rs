//! Long answers to users: how many are open and can end with their users' access, and why some were closed.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::{VALID, keep};
use crate::domain::Rejection;
use crate::domain::judge::STREAM_END_REASONS;

/// `bailiff_streams_open` and `bailiff_streams_closed_total`.
pub struct StreamMetrics {
    open: IntGauge,
    closed: IntCounterVec,
}

/// Counts a stream as open, until it is dropped.
pub struct Open(IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl StreamMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let help = "WebSockets, event streams and gRPC streams of users that end with their users' access.";
        let open = keep(
            registry,
            IntGauge::new("bailiff_streams_open", help).expect(VALID),
        );
        let opts = Opts::new(
            "bailiff_streams_closed_total",
            "Streams closed because their users' access has ended.",
        );
        let closed = keep(
            registry,
            IntCounterVec::new(opts, &["reason"]).expect(VALID),
        );
        STREAM_END_REASONS
            .iter()
            .for_each(|reason| _ = closed.with_label_values(&[reason.label()]));
        Self { open, closed }
    }

    /// Counts a new stream.
    #[must_use]
    pub fn open(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }

    /// A stream was closed.
    pub fn closed(&self, why: Rejection) {
        self.closed.with_label_values(&[why.label()]).inc();
    }
}
