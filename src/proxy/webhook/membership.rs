//! Applies a verified webhook to the membership.

use crate::domain::event::{Meaning, MembershipEvent, meaning};
use crate::domain::snapshot::CannotChange;
use crate::domain::{Rejection, Snapshot};
use crate::metrics::{ChangeResult, Metrics};
use crate::records::{NotKept, Records};
use crate::snapshot_store::SnapshotStore;

/// Applies the event to the membership and stores the change, before the upstream gets the webhook.
///
/// # Errors
/// [`Rejection::WebhookNotKept`] when the change could not be stored.
pub(super) async fn apply(
    snapshots: &SnapshotStore,
    records: &Records,
    metrics: &Metrics,
    body: &[u8],
) -> Result<(), Rejection> {
    // Reloads run one after another and take longer than this. A third attempt that fails is a fault of the gate.
    for _ in 0..3 {
        let snapshot = snapshots.load();
        let Some(event) = event(&snapshot, metrics, body) else {
            return Ok(());
        };
        match records.apply(&event, &snapshot.rules).await {
            Ok(generation) => {
                tracing::info!(generation, change = %event.change, "a webhook changed the membership");
                metrics.change(ChangeResult::Applied);
                return Ok(());
            }
            Err(NotKept::OtherRules) => continue,
            // Without a configured membership there is nothing to change. While it is loading, the sender must send the webhook
            // again.
            Err(NotKept::Change(CannotChange::Nowhere)) => {
                metrics.change(ChangeResult::Nothing);
                return Ok(());
            }
            Err(why) => {
                tracing::error!(%why, "a webhook could not be kept; its sender is asked to send it again");
                break;
            }
        }
    }
    metrics.change(ChangeResult::NotKept);
    Err(Rejection::WebhookNotKept)
}

/// The membership event of the webhook, if there is one.
fn event(snapshot: &Snapshot, metrics: &Metrics, body: &[u8]) -> Option<MembershipEvent> {
    let rules = &snapshot.rules;
    match meaning(body, rules.instance(), rules.roles.as_ref()) {
        Meaning::Change(event) => return Some(event),
        Meaning::Nothing => metrics.change(ChangeResult::Nothing),
        Meaning::OtherInstance => {
            tracing::warn!(
                "a webhook of another Clerk instance changes nothing here (see clerk.instance_id)"
            );
            metrics.change(ChangeResult::OtherInstance);
        }
        Meaning::Unreadable(why) => {
            tracing::warn!(
                why,
                "a signed webhook is not understood and changes nothing here; it is passed on"
            );
            metrics.change(ChangeResult::Unreadable);
        }
    }
    None
}
