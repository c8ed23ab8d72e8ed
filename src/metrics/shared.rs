//! The metrics about the shared store, from this replica's view.

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::{VALID, keep, seconds};
use crate::domain::UnixTime;
use crate::domain::shared::ResyncReason;

/// Results of `bailiff_shared_entries_total`, for facts and for elements of the log that are not valid entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryResult {
    Applied,
    /// The entry contains nothing new.
    Old,
    /// The element is not an entry of bailiff.
    InvalidEntry,
}

/// Results of `bailiff_shared_commits_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitResult {
    Ok,
    /// The commit failed. It is sent later, after everything was read again.
    Failed,
    /// The store has no room for the whole commit.
    Full,
}

/// The metrics `bailiff_shared_*`.
pub struct ReplicationMetrics {
    contact: Gauge,
    position: IntGauge,
    head: IntGauge,
    gaps: IntCounterVec,
    snapshots: IntCounter,
    entries: IntCounterVec,
    commits: IntCounterVec,
}

impl ReplicationMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            keep(
                registry,
                IntCounterVec::new(Opts::new(name, help), labels).expect(VALID),
            )
        };
        let gauge =
            |name: &str, help: &str| keep(registry, IntGauge::new(name, help).expect(VALID));
        let all = Self {
            contact: keep(
                registry,
                Gauge::new(
                    "bailiff_shared_contact_timestamp_seconds",
                    "When the shared store last answered its reader.",
                )
                .expect(VALID),
            ),
            position: gauge(
                "bailiff_shared_position",
                "The last entry of the shared log that was read.",
            ),
            head: gauge(
                "bailiff_shared_head",
                "The last entry that the shared log is known to have.",
            ),
            gaps: counters(
                "bailiff_shared_gaps_total",
                "Reasons to read all of the shared store again.",
                &["cause"],
            ),
            snapshots: keep(
                registry,
                IntCounter::new(
                    "bailiff_shared_snapshots_total",
                    "Times that all of the shared store was read.",
                )
                .expect(VALID),
            ),
            entries: counters(
                "bailiff_shared_entries_total",
                "Facts from the shared store, and what else was found there.",
                &["result"],
            ),
            commits: counters(
                "bailiff_shared_commits_total",
                "Writes to the shared store.",
                &["result"],
            ),
        };
        ResyncReason::ALL
            .iter()
            .for_each(|cause| _ = all.gaps.with_label_values(&[cause.name()]));
        ["applied", "old", "poisoned"]
            .iter()
            .for_each(|result| _ = all.entries.with_label_values(&[*result]));
        ["ok", "failed", "full"]
            .iter()
            .for_each(|result| _ = all.commits.with_label_values(&[*result]));
        all
    }

    pub fn contact(&self, at: UnixTime) {
        self.contact.set(seconds(at));
    }

    /// The reader's position. The head is at least there.
    pub fn read_until(&self, position: u64) {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        self.position.set(position);
        self.head.set(self.head.get().max(position));
    }

    /// The store's position.
    pub fn head(&self, seq: u64) {
        self.head.set(i64::try_from(seq).unwrap_or(i64::MAX));
    }

    pub fn gap(&self, cause: ResyncReason) {
        self.gaps.with_label_values(&[cause.name()]).inc();
    }

    pub fn snapshot(&self) {
        self.snapshots.inc();
    }

    pub fn entries(&self, result: EntryResult, count: usize) {
        let result = match result {
            EntryResult::Applied => "applied",
            EntryResult::Old => "old",
            EntryResult::InvalidEntry => "poisoned",
        };
        self.entries
            .with_label_values(&[result])
            .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub fn commit(&self, result: CommitResult) {
        let result = match result {
            CommitResult::Ok => "ok",
            CommitResult::Failed => "failed",
            CommitResult::Full => "full",
        };
        self.commits.with_label_values(&[result]).inc();
    }
}
