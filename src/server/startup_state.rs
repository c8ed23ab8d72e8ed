//! What the gate learns while it runs: where it is persisted, and what a restart forgets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::config::faults::{Code, Fault, Faults};
use crate::config::settings::ReloadableSettings;
use crate::deliveries::Deliveries;
use crate::domain::revocation::Revocations;
use crate::metrics::Metrics;
use crate::records::{Rows, UnreadableRow, revocations};
use crate::storage::{Contents, Store, StoreTable, StoredRow};

/// How long the end of the process waits for rows that are still being written.
const STORE_CLOSES: Duration = Duration::from_secs(5);

/// An open local store, and its content.
pub(super) struct StoredState {
    store: Arc<Store>,
    rows: Rows,
    revocations: Revocations,
    contents: Contents,
}

impl StoredState {
    pub(super) fn open(path: &Path, metrics: &Metrics) -> Result<Self, Faults> {
        let unusable = |why: &dyn std::fmt::Display| {
            Fault::error(
                Code::Unreadable,
                format!("the store {} cannot be used", path.display()),
            )
            .saw(why.to_string())
        };
        let opened = Store::open(path, metrics.store_writes.clone());
        let (store, mut contents) = opened.map_err(|why| Faults::from(unusable(&why)))?;
        let strange = |why: UnreadableRow| {
            Faults::from(
                unusable(&why)
                    .fix("use the version of bailiff that wrote it, or restore a copy of the file"),
            )
        };
        let rows = Rows::of(&mut contents).map_err(strange)?;
        let revocations = revocations(&mut contents).map_err(strange)?;
        Ok(Self {
            store: Arc::new(store),
            rows,
            revocations,
            contents,
        })
    }
}

/// The state with which a gate starts. Without a local store it is empty.
#[derive(Default)]
pub(super) struct StartupState {
    pub store: Option<Arc<Store>>,
    pub rows: Rows,
    pub revocations: Revocations,
    pub deliveries: Deliveries,
    /// With a shared store: what this replica knew of it before the restart.
    pub shared: Vec<StoredRow>,
    /// Providers that were added while running.
    pub added: Vec<StoredRow>,
}

impl StartupState {
    pub(super) fn of(kept: Option<StoredState>) -> Self {
        let Some(StoredState {
            store,
            rows,
            revocations,
            mut contents,
        }) = kept
        else {
            return Self::default();
        };
        let deliveries = Deliveries::kept_in(
            store.clone(),
            contents.take(StoreTable::Deliveries),
            clock::now(),
        );
        let shared = contents.take(StoreTable::Shared);
        Self {
            store: Some(store),
            rows,
            revocations,
            deliveries,
            shared,
            added: contents.take(StoreTable::Providers),
        }
    }
}

/// Warns when a restart would forget what the gate learns. A membership that comes only from its file loses nothing.
pub(super) fn warn_of_forgetting(store: Option<&Arc<Store>>, live: &ReloadableSettings) {
    let Some(source) = &live.membership else {
        return;
    };
    let learns =
        source.policy.first_sight || live.rules.webhooks.is_some() || live.backend.is_some();
    if store.is_none() && learns {
        tracing::warn!(
            "no `store` is configured: what webhooks, tokens and Clerk say of users is forgotten when bailiff ends, bans and \
             deletions too; `store: bailiff.store` keeps it"
        );
    }
}

/// Writes the rows that still wait. No acknowledged row is among them.
pub(super) async fn close(store: Option<Arc<Store>>) {
    let Some(store) = store else { return };
    let closed = tokio::task::spawn_blocking(move || store.close(STORE_CLOSES)).await;
    if let Ok(Err(why)) = closed {
        tracing::warn!(%why, "the store was not closed in time");
    }
}
