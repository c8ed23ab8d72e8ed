//! Lookups of single users, where the source of the membership is asked user by user.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::{VALID, keep};

/// Results of `bailiff_membership_lookups_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupResult {
    /// Answered from memory.
    Cached,
    Found,
    Absent,
    Failed,
    /// Answered from memory because the source failed.
    Stale,
}

/// `bailiff_membership_lookups_total`. The handles are kept, because each request of a user counts here.
pub struct LookupMetrics {
    cached: IntCounter,
    found: IntCounter,
    absent: IntCounter,
    failed: IntCounter,
    stale: IntCounter,
}

impl LookupMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let opts = Opts::new(
            "bailiff_membership_lookups_total",
            "Questions for the membership of one user.",
        );
        let all = keep(
            registry,
            IntCounterVec::new(opts, &["result"]).expect(VALID),
        );
        let one = |result: &str| all.with_label_values(&[result]);
        let (cached, found, absent) = (one("cached"), one("found"), one("absent"));
        Self {
            cached,
            found,
            absent,
            failed: one("failed"),
            stale: one("stale"),
        }
    }

    pub fn count(&self, result: LookupResult) {
        match result {
            LookupResult::Cached => &self.cached,
            LookupResult::Found => &self.found,
            LookupResult::Absent => &self.absent,
            LookupResult::Failed => &self.failed,
            LookupResult::Stale => &self.stale,
        }
        .inc();
    }
}
