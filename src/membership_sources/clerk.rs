//! Clerk's Backend API as the source of the membership. It is read at the start and then periodically, to repair what webhooks
//! missed.
//!
//! A workspace is an organization, and has its id.

mod load;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use super::{Sink, TableInForce};
use crate::background::background;
use crate::clerk_api::Backend;
use crate::clock;
use crate::config::settings::ClerkSource;
use crate::domain::UnixTime;
use crate::domain::event::EventTime;
use crate::domain::membership::{TableTime, drift};
use crate::domain::retry::Polling;
use crate::metrics::Metrics;
use crate::random::chance;
pub(crate) use load::{LoadedTable, load};

/// Loads until the task is dropped.
pub(super) async fn follow(source: ClerkSource, backend: Arc<Backend>, sink: Sink) {
    let mut polling = Polling::every(source.reconcile);
    let mut loaded_before = false;
    loop {
        let wait = match load(&backend, &sink.roles).await {
            Ok(loaded) => {
                loaded_before |= take(loaded, &sink, source.reconcile, loaded_before).await;
                polling.succeeded(chance())
            }
            Err(why) => {
                sink.failed(&why);
                polling.failed(chance())
            }
        };
        sink.wait(wait).await;
    }
}

/// Puts a load in force, and logs what it repaired. The first load repairs nothing: before it there was no table, or one of another
/// source.
async fn take(loaded: LoadedTable, sink: &Sink, every: Duration, repairs: bool) -> bool {
    let LoadedTable {
        table,
        began_ms,
        roleless,
    } = loaded;
    if table.size().0 == 0 && sink.has_users() {
        sink.failed(
            &"Clerk has no users, and had some: is `clerk.secret_key` that of this instance?",
        );
        return false;
    }
    warn_of_slowness(sink, clock::now().since(UnixTime(began_ms / 1000)), every);
    if !roleless.is_empty() {
        tracing::warn!(%roleless, "members at Clerk with a role that the config does not name are members of nothing here");
    }
    let sink = sink.clone();
    // The comparison goes through all users.
    let taken = background(move || {
        let taken = sink.loaded(
            table,
            TableTime::At(EventTime(began_ms)),
            UnixTime(began_ms / 1000),
        )?;
        if repairs {
            say_drift(&taken, &sink.metrics);
        }
        Some(taken)
    });
    matches!(taken.await, Ok(Some(_)))
}

/// Warns of a slow load. The content of a load holds from its beginning, and the next load must end before that is too long ago.
fn warn_of_slowness(sink: &Sink, took: u64, every: Duration) {
    if let Some(max_age) = sink.max_age()
        && 2 * took + every.as_secs() > max_age.as_secs()
    {
        let max_age = max_age.as_secs();
        tracing::warn!(
            took,
            max_age,
            "reading Clerk's lists takes so long, in seconds, that users would be refused before the next load has ended: raise \
             `membership.max_age`"
        );
    }
}

/// Logs how much access the load has changed, which is what webhooks have missed.
fn say_drift(taken: &TableInForce, metrics: &Metrics) {
    let (Some(before), Some(after)) = (&taken.before, &taken.after) else {
        return;
    };
    let drift = drift(before, after);
    metrics.drift.count(&drift);
    if drift.users + drift.members > 0 {
        let (users, members, first) = (drift.users, drift.members, drift.first.join("; "));
        tracing::warn!(users, members, %first, "Clerk says otherwise than what webhooks have told: repaired");
    }
}
