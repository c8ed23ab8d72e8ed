//! Makes all parts of a gate, each from the ones before it. Nothing runs yet: see [`Parts::run`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::config_followers::ConfigFollowers;
use super::startup_state::{StartupState, StoredState, warn_of_forgetting};
use super::{Bound, Server};
use crate::admin::{Admin, Api};
use crate::clerk_api::Backends;
use crate::clerk_api::profiles::ProfileSource;
use crate::clock;
use crate::config::faults::Faults;
use crate::config::settings::{ReloadableSettings, Settings, StaticSettings};
use crate::deliveries::Deliveries;
use crate::domain::Snapshot;
use crate::domain::membership::{Table, TableTime};
use crate::domain::revocation::Revocations;
use crate::fetch::Fetcher;
use crate::hints::Hints;
use crate::keys::KeyKeeper;
use crate::keys::proofs::ProofCache;
use crate::membership_sources::Sources;
use crate::membership_sources::lookups::LookupSource;
use crate::metrics::Metrics;
use crate::providers::Providers;
use crate::proxy::{Gate, UpstreamPeer, WebhookMemory};
use crate::records::{Records, shared_past};
use crate::reload::{Reloader, tell};
use crate::replication::{Past, Replication, ReplicationHandle};
use crate::snapshot_store::SnapshotStore;
use crate::storage::{Store, StoredRow};

/// A gate may start with its stored copy of the shared store if that is not older. The time of the copy is noted every ten minutes.
const PAST_LASTS: Duration = Duration::from_secs(3600);

/// The parts of a gate that does not run yet.
pub(super) struct Parts {
    pub boot: StaticSettings,
    pub live: ReloadableSettings,
    pub metrics: Arc<Metrics>,
    pub store: Option<Arc<Store>>,
    pub records: Arc<Records>,
    pub providers: Arc<Providers>,
    pub config_followers: ConfigFollowers,
    pub replication: Option<Replication<Records>>,
    pub reloader: Reloader,
    pub gate: Gate,
    pub gate_listeners: Vec<Bound>,
    pub admin: Admin,
    pub admin_listener: Bound,
    /// Set when the process is ending.
    pub draining: Arc<AtomicBool>,
}

/// Connects the parts. Everything that can fail was done before: see [`Server::prepare`].
pub(super) fn build(prepared: Server) -> Parts {
    let Settings {
        fixed: boot,
        reloadable: live,
    } = prepared.loaded.settings.clone();
    tell(&prepared.loaded.warnings);
    let metrics = prepared.metrics;
    metrics.prepare_routes(&live.rules);
    let knowledge = Knowledge::new(
        &boot,
        &live,
        metrics.clone(),
        prepared.kept,
        prepared.members,
    );
    let clients = Clients::new(&live, &knowledge, &prepared.fetcher);
    let (shared, replication) = knowledge.replication(&boot).unzip();
    let draining = Arc::new(AtomicBool::new(false));
    let gate = gate(&boot, &knowledge, &clients, shared.as_ref(), &draining);
    let admin = admin(&boot, &knowledge, &clients, shared, &draining);
    let config_followers = clients.config_followers(&knowledge);
    let reloader = Reloader::new(
        knowledge.records.clone(),
        clients.providers.clone(),
        metrics.clone(),
        prepared.path,
        prepared.overrides,
        (prepared.loaded, prepared.seen),
    );
    let followers = config_followers.clone();
    Parts {
        boot,
        live,
        metrics,
        store: knowledge.store,
        records: knowledge.records,
        providers: clients.providers,
        config_followers,
        replication,
        reloader: reloader.telling(move |live| followers.follow(live)),
        gate,
        gate_listeners: prepared.gate,
        admin,
        admin_listener: prepared.admin,
        draining,
    }
}

/// The state of this gate, and its stores.
struct Knowledge {
    metrics: Arc<Metrics>,
    store: Option<Arc<Store>>,
    snapshots: Arc<SnapshotStore>,
    records: Arc<Records>,
    deliveries: Deliveries,
    /// Rows of the providers that were added before the restart.
    added_providers: Vec<StoredRow>,
    /// What this replica knew of the shared store before the restart.
    past: Past,
}

impl Knowledge {
    fn new(
        boot: &StaticSettings,
        live: &ReloadableSettings,
        metrics: Arc<Metrics>,
        kept: Option<StoredState>,
        members: Option<(Table, Faults)>,
    ) -> Self {
        let StartupState {
            store,
            rows,
            revocations,
            deliveries,
            shared,
            added,
        } = StartupState::of(kept);
        warn_of_forgetting(store.as_ref(), live);
        let place = boot.shared.as_ref().map(|settings| settings.place());
        let past = place
            .as_ref()
            .map(|place| shared_past(&shared, place))
            .unwrap_or_default();
        let first = first_snapshot(live, revocations, place.as_ref().map(|_| past));
        let snapshots = Arc::new(SnapshotStore::new(first));
        let records = Records::new(snapshots.clone(), metrics.clone(), store.clone(), rows);
        if let Some(place) = place {
            records.shares(place, past);
        }
        begin_membership(&records, live, members);
        Self {
            metrics,
            store,
            snapshots,
            records: Arc::new(records),
            deliveries,
            added_providers: added,
            past,
        }
    }

    fn replication(
        &self,
        boot: &StaticSettings,
    ) -> Option<(Arc<ReplicationHandle>, Replication<Records>)> {
        let settings = boot.shared.as_ref()?;
        let (shared, replication) =
            ReplicationHandle::new(settings, &self.records, &self.metrics, self.past);
        Some((Arc::new(shared), replication))
    }
}

/// A snapshot with only rules and revocations. `past` is set where replicas share a store.
fn first_snapshot(
    live: &ReloadableSettings,
    revocations: Revocations,
    past: Option<Past>,
) -> Snapshot {
    // Fail closed: users are refused until this gate has read the shared store. The exception is a restart shortly after the last
    // read, whose rows are in force again. After a longer time these rows lack too many removals.
    let awaits_shared = past.is_some_and(|past| {
        past.heard_at
            .is_none_or(|heard| clock::now().since(heard) > PAST_LASTS.as_secs())
    });
    Snapshot {
        generation: 0,
        rules: live.rules.clone(),
        keys: HashMap::new(),
        members: None,
        revocations,
        awaits_shared,
    }
}

/// Puts the membership in force that needs no request to a source: that of the file, or that of tokens and the local store.
fn begin_membership(
    records: &Records,
    live: &ReloadableSettings,
    members: Option<(Table, Faults)>,
) {
    records.begin_with(live.membership.clone());
    let Some(source) = &live.membership else {
        return;
    };
    if let Some((table, warnings)) = members {
        tell(&warnings);
        records.reload(table, source, TableTime::WhenChanged);
    }
    if source.from.is_lookup() {
        records.ask_for_each(source);
    }
}

/// The parts that send requests themselves.
struct Clients {
    backends: Arc<Backends>,
    profiles: Arc<ProfileSource>,
    lookups: Arc<LookupSource>,
    sources: Arc<Sources>,
    hints: Arc<Hints>,
    keeper: Arc<KeyKeeper>,
    providers: Arc<Providers>,
}

impl Clients {
    fn new(live: &ReloadableSettings, knowledge: &Knowledge, fetcher: &Fetcher) -> Self {
        let Knowledge {
            metrics,
            store,
            snapshots,
            records,
            added_providers,
            ..
        } = knowledge;
        let backends = Arc::new(Backends::new(fetcher.clone()));
        let lookups = Arc::new(LookupSource::default());
        let sources = Sources::new(
            records.clone(),
            metrics.clone(),
            fetcher.clone(),
            lookups.clone(),
            backends.clone(),
        );
        let hints = Arc::new(Hints::default());
        let keeper = KeyKeeper::new(
            snapshots.clone(),
            fetcher.clone(),
            metrics.clone(),
            hints.clone(),
        );
        let providers = Providers::new(
            keeper.clone(),
            fetcher.clone(),
            store.clone(),
            live,
            added_providers.clone(),
        );
        Self {
            backends,
            profiles: Arc::new(ProfileSource::default()),
            lookups,
            sources: Arc::new(sources),
            hints,
            keeper,
            providers,
        }
    }

    fn config_followers(&self, knowledge: &Knowledge) -> ConfigFollowers {
        ConfigFollowers {
            sources: self.sources.clone(),
            profiles: self.profiles.clone(),
            backends: self.backends.clone(),
            records: knowledge.records.clone(),
            metrics: knowledge.metrics.clone(),
        }
    }
}

fn gate(
    boot: &StaticSettings,
    knowledge: &Knowledge,
    clients: &Clients,
    shared: Option<&Arc<ReplicationHandle>>,
    draining: &Arc<AtomicBool>,
) -> Gate {
    let metrics = &knowledge.metrics;
    let claims = shared.and_then(|shared| shared.claims.clone());
    Gate {
        snapshots: knowledge.snapshots.clone(),
        keeper: clients.keeper.clone(),
        proofs: ProofCache::new(metrics.cache_hits.clone(), metrics.cache_misses.clone()),
        records: knowledge.records.clone(),
        profiles: clients.profiles.clone(),
        lookups: clients.lookups.clone(),
        hints: clients.hints.clone(),
        deliveries: knowledge.deliveries.clone().shared_by(claims),
        webhook_memory: WebhookMemory::default(),
        upstream: UpstreamPeer::new(boot.upstream.clone(), boot.timeouts),
        metrics: metrics.clone(),
        timeouts: boot.timeouts,
        draining: draining.clone(),
    }
}

fn admin(
    boot: &StaticSettings,
    knowledge: &Knowledge,
    clients: &Clients,
    shared: Option<Arc<ReplicationHandle>>,
    draining: &Arc<AtomicBool>,
) -> Admin {
    let tokens = boot.admin_tokens.iter().map(|token| token.hash.clone());
    let api = Api {
        tokens: tokens.collect(),
        providers: clients.providers.clone(),
        records: knowledge.records.clone(),
        sources: clients.sources.clone(),
    };
    Admin {
        snapshots: knowledge.snapshots.clone(),
        metrics: knowledge.metrics.clone(),
        keeper: clients.keeper.clone(),
        shared,
        hosts: boot.admin_hosts.clone(),
        draining: draining.clone(),
        api,
    }
}
