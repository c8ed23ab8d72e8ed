//! The differences that a reconciliation with Clerk found, beyond what the webhooks had reported.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::{VALID, keep};
use crate::domain::membership::Drift;

/// `bailiff_membership_drift_total`.
pub struct DriftCounts {
    users: IntCounter,
    members: IntCounter,
}

impl DriftCounts {
    pub(super) fn new(registry: &Registry) -> Self {
        let help = "Access of users, and roles of members, that Clerk had to correct because no webhook told of them.";
        let opts = Opts::new("bailiff_membership_drift_total", help);
        let all = keep(registry, IntCounterVec::new(opts, &["kind"]).expect(VALID));
        Self {
            users: all.with_label_values(&["user"]),
            members: all.with_label_values(&["member"]),
        }
    }

    pub fn count(&self, drift: &Drift) {
        self.users.inc_by(drift.users as u64);
        self.members.inc_by(drift.members as u64);
    }
}
