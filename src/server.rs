//! Puts the parts together, runs them, and ends them in order.

mod ending;
mod startup_state;

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pingora::apps::http_app::HttpServer;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::sync::{Notify, watch};

use crate::admin::{Admin, Api, unready};
use crate::clerk_api::Backends;
use crate::clerk_api::profiles::ProfileSource;
use crate::clock;
use crate::config::faults::{Code, Fault, Faults};
use crate::config::load::{Loaded, Overrides};
use crate::config::settings::{Address, Live, Settings};
use crate::domain::Snapshot;
use crate::domain::membership::{Said, Table};
use crate::fetch::Fetcher;
use crate::hints::Hints;
use crate::keys::KeyKeeper;
use crate::keys::proofs::ProofCache;
use crate::listen;
use crate::listen::limits::{ConnectionLimit, HeadTimeout};
use crate::listen::websocket::WebSocketCloser;
use crate::membership_sources::Sources;
use crate::membership_sources::lookups::LookupSource;
use crate::metrics::Metrics;
use crate::providers::Providers;
use crate::proxy::{Gate, UpstreamPeer, WebhookMemory};
use crate::records::{Records, shared_past};
use crate::reload::{Reloader, Seen, read_membership, tell};
use crate::replication::Shared;
use crate::snapshot_store::SnapshotStore;
use ending::{Signals, drain};
use startup_state::{StartupState, StoredState, asking, close, warn_of_forgetting};

/// Between two looks for revocations of which no token can be alive any more.
const FORGETTING: Duration = Duration::from_secs(60);
/// How old what a gate remembers of the shared store may be for it to start by that alone. It is noted every ten minutes.
const KNOWN_LASTS: Duration = Duration::from_secs(3600);
/// Idle connections to the upstream that are kept.
const UPSTREAM_POOL: usize = 512;
/// Connections to the admin listener at a time.
const ADMIN_CONNECTIONS: usize = 64;
/// Open files that are no connections of clients or to the upstream: the admin's, listeners, logs, watches, idle ones.
const FILES_OF_OURS: usize = 128;
/// How long the first requests may wait for the first keys.
const FIRST_KEYS: Duration = Duration::from_secs(3);
/// Between two looks whether the first keys are there, or the last request has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A gate that is ready to run: every file was read and every address is bound, so nothing of that can fail any more.
pub struct Server {
    loaded: Loaded,
    seen: Seen,
    path: Option<std::path::PathBuf>,
    overrides: Overrides,
    members: Option<(Table, Faults)>,
    kept: Option<StoredState>,
    gate: Vec<Bound>,
    admin: Bound,
    fetcher: Fetcher,
    metrics: Arc<Metrics>,
}

/// A listener that is bound, or a path that will be: a Unix socket is bound where it is served.
enum Bound {
    Tcp(TcpListener),
    Unix(std::path::PathBuf),
}

impl Bound {
    fn at(address: &Address) -> Result<Self, Faults> {
        match address {
            Address::Unix(path) => Ok(Self::Unix(path.clone())),
            Address::Tcp(socket) => TcpListener::bind(socket)
                .map(Self::Tcp)
                .map_err(|error| cannot_listen(address, &error).into()),
        }
    }

    fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map(|a| a.to_string())
                .unwrap_or_default(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    fn serve<A>(
        self,
        name: &str,
        app: A,
        shutdown: watch::Receiver<bool>,
    ) -> Result<(), listen::ListenError>
    where
        A: pingora::apps::ServerApp + Send + Sync + 'static,
    {
        let address = self.address();
        match self {
            Self::Tcp(listener) => {
                listen::spawn(name, app, listener, shutdown);
            }
            Self::Unix(path) => {
                listen::spawn_unix(name, app, &path, shutdown)?;
            }
        }
        tracing::info!(listener = name, address, "listening");
        Ok(())
    }
}

/// The fault of an address that cannot be had, and what to do about it.
pub fn cannot_listen(address: &Address, error: &std::io::Error) -> Fault {
    let fault = match error.kind() {
        std::io::ErrorKind::AddrInUse => Fault::error(
            Code::AddressTaken,
            format!("the address {address} is taken"),
        )
        .fix(format!(
            "stop what listens on {address} (`ss -ltnp` names it), or choose another address"
        )),
        std::io::ErrorKind::PermissionDenied => Fault::error(
            Code::AddressTaken,
            format!("listening on {address} is not permitted"),
        )
        .fix("choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"),
        _ => Fault::error(
            Code::AddressTaken,
            format!("the address {address} cannot be listened on"),
        )
        .fix("choose an address of this machine"),
    };
    fault.saw(error.to_string())
}

impl Server {
    /// Reads the membership, binds the addresses, and says every fault of these at once.
    pub fn prepare(
        loaded: Loaded,
        path: Option<std::path::PathBuf>,
        overrides: Overrides,
    ) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        let seen = Seen::now(&loaded);
        let members = read_membership(&loaded.settings.live).unwrap_or_else(|more| {
            faults.merge(more);
            None
        });
        let boot = &loaded.settings.boot;
        let mut bind =
            |address: &Address| Bound::at(address).map_err(|more| faults.merge(more)).ok();
        let gate: Vec<_> = boot.listen.iter().filter_map(&mut bind).collect();
        let admin = bind(&boot.admin);
        let fetcher = Fetcher::new().map_err(|why| {
            faults.push(
                Fault::error(
                    Code::Unreadable,
                    "no HTTP client: the system's certificates cannot be read",
                )
                .saw(why),
            );
        });
        let metrics = Metrics::new();
        let open = |path: &std::path::PathBuf| {
            StoredState::open(path, &metrics)
                .map_err(|more| faults.merge(more))
                .ok()
        };
        let kept = boot.store.as_ref().and_then(open);
        match (admin, fetcher) {
            (Some(admin), Ok(fetcher)) if !faults.has_errors() => Ok(Self {
                loaded,
                seen,
                path,
                overrides,
                members,
                kept,
                gate,
                admin,
                fetcher,
                metrics,
            }),
            _ => Err(faults),
        }
    }

    /// The addresses on which the gate listens.
    #[must_use]
    pub fn gate_addresses(&self) -> Vec<String> {
        self.gate.iter().map(Bound::address).collect()
    }

    /// The address on which metrics and health are served.
    #[must_use]
    pub fn admin_address(&self) -> String {
        self.admin.address()
    }

    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Serves until SIGTERM or SIGINT, then drains. Runs on a runtime of its own.
    pub fn run(self) -> Result<(), ServeError> {
        let threads = self.loaded.settings.boot.threads;
        // Aware of the container's CPU quota, which the number of the machine's processors is not.
        let threads =
            threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("bailiff")
            .enable_all()
            .build()
            .map_err(ServeError::Runtime)?;
        let served = runtime.block_on(self.serve());
        // What still runs has had its time.
        runtime.shutdown_timeout(Duration::from_millis(100));
        served
    }

    /// Serves until the process is told to end.
    pub async fn serve(self) -> Result<(), ServeError> {
        let signals = Signals::new()?;
        let Self {
            loaded,
            seen,
            path,
            overrides,
            members,
            kept,
            gate: listeners,
            admin,
            fetcher,
            metrics,
        } = self;
        let Settings { boot, live } = loaded.settings.clone();
        tell(&loaded.warnings);
        metrics.prepare_routes(&live.rules);
        let StartupState {
            store,
            rows,
            revocations,
            deliveries,
            shared,
            added,
        } = StartupState::of(kept);
        let past = boot
            .shared
            .as_ref()
            .map(|settings| shared_past(&shared, &settings.place()))
            .unwrap_or_default();
        let first = Snapshot {
            generation: 0,
            rules: live.rules.clone(),
            keys: HashMap::new(),
            members: None,
            revocations,
            // Fail closed, unless an earlier life has read it: then what it left is in force as it was.
            // Fail closed: what was known long ago says too little of who has access now.
            awaits_shared: boot.shared.is_some()
                && past
                    .heard_at
                    .is_none_or(|heard| clock::now().since(heard) > KNOWN_LASTS.as_secs()),
        };
        let snapshots = Arc::new(SnapshotStore::new(first));
        warn_of_forgetting(store.as_ref(), &live);
        let records = Arc::new(Records::new(
            snapshots.clone(),
            metrics.clone(),
            store.clone(),
            rows,
        ));
        if let Some(settings) = &boot.shared {
            records.shares(settings.place(), past);
        }
        records.begin_with(live.membership.clone());
        if let (Some((table, warnings)), Some(source)) = (members, &live.membership) {
            tell(&warnings);
            records.reload(table, source, Said::WhenChanged);
        }
        let lookups = Arc::new(LookupSource::default());
        let backends = Arc::new(Backends::new(fetcher.clone()));
        let (asked_by, asked_of) = (records.clone(), backends.clone());
        let sources = Arc::new(Sources::new(
            asked_by,
            metrics.clone(),
            fetcher.clone(),
            lookups.clone(),
            asked_of,
        ));
        if let Some(source) = live
            .membership
            .as_ref()
            .filter(|source| source.from.is_lookup())
        {
            records.ask_for_each(source);
        }
        sources.follow(&live);
        let profiles = Arc::new(ProfileSource::default());
        let asking = asking(backends, records.clone(), metrics.clone());
        profiles.follow(live.backend.as_ref(), &asking);
        let hints = Arc::new(Hints::default());
        let keeper = KeyKeeper::new(
            snapshots.clone(),
            fetcher.clone(),
            metrics.clone(),
            hints.clone(),
        );
        let providers = Providers::new(keeper.clone(), fetcher, store.clone(), &live, added);
        providers.apply(&live, |snapshot| snapshot.members.clone());
        let shared = boot
            .shared
            .as_ref()
            .map(|settings| Arc::new(Shared::start(settings, &records, &metrics, past)));
        let deliveries =
            deliveries.shared_by(shared.as_ref().and_then(|shared| shared.claims.clone()));
        let draining = Arc::new(AtomicBool::new(false));

        // The admin listener lives until the very end, so that the drain can be watched.
        let (stop_admin, admin_stopped) = watch::channel(false);
        let (admin_snapshots, hosts) = (snapshots.clone(), boot.admin_hosts.clone());
        let (metrics_seen, keeper_seen) = (metrics.clone(), keeper.clone());
        let tokens = boot
            .admin_tokens
            .iter()
            .map(|token| token.hash.clone())
            .collect();
        let api = Api {
            tokens,
            providers: providers.clone(),
            records: records.clone(),
            sources: sources.clone(),
        };
        let draining_seen = draining.clone();
        let app = Admin {
            snapshots: admin_snapshots,
            metrics: metrics_seen,
            keeper: keeper_seen,
            shared: shared.clone(),
            hosts,
            draining: draining_seen,
            api,
        };
        let patient = boot.timeouts.client;
        let room = ConnectionLimit::new(ADMIN_CONNECTIONS, || {});
        admin.serve(
            "admin",
            HeadTimeout::new(HttpServer::new_app(app), patient, room),
            admin_stopped,
        )?;

        // The sockets are bound: whoever connects now waits in their queues until the keys are there.
        wait_until_ready(&snapshots, &keeper).await;
        let upstream = UpstreamPeer::new(boot.upstream.clone(), boot.timeouts);
        tokio::spawn(upstream.clone().keep_resolved());
        let gate = Gate {
            snapshots: snapshots.clone(),
            keeper,
            proofs: ProofCache::new(metrics.cache_hits.clone(), metrics.cache_misses.clone()),
            records: records.clone(),
            profiles: profiles.clone(),
            lookups,
            hints,
            deliveries,
            webhook_memory: WebhookMemory::default(),
            upstream,
            metrics: metrics.clone(),
            timeouts: boot.timeouts,
            draining: draining.clone(),
        };
        let (stop, stopped) = watch::channel(false);
        let conf = Arc::new(ServerConf {
            upstream_keepalive_pool_size: UPSTREAM_POOL,
            ..ServerConf::default()
        });
        let refused = metrics.connections_refused.clone();
        let room = ConnectionLimit::new(affordable(boot.max_connections), move || refused.inc());
        for listener in listeners {
            let app = HeadTimeout::new(http_proxy(&conf, gate.clone()), patient, room.clone());
            listener.serve("gate", WebSocketCloser::new(app), stopped.clone())?;
        }

        let forgetting = tokio::spawn(forget(records.clone()));
        let told = Arc::new(Notify::new());
        let follow = move |live: &Live| {
            profiles.follow(live.backend.as_ref(), &asking);
            sources.follow(live);
        };
        let reloader = Reloader::new(
            records,
            providers,
            metrics.clone(),
            path,
            overrides,
            (loaded, seen),
        )
        .telling(follow);
        let reloading = tokio::spawn(reloader.run(told.clone()));
        signals.end(&told).await;
        reloading.abort();
        forgetting.abort();
        drain(&boot.shutdown, &draining, &stop, &metrics).await;
        let _ = stop_admin.send(true);
        close(store).await;
        Ok(())
    }
}

/// As many of the wanted connections as the limit on open files allows: each may need one file more, towards the upstream. Without
/// this, the last ones would leave none for the upstream, and accepting would stall for a second at a time.
fn affordable(wanted: usize) -> usize {
    // Best effort: where the system does not say, the config counts.
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let files: Option<usize> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let most = files.map_or(wanted, |files| {
        (files.saturating_sub(FILES_OF_OURS) / 2).max(1)
    });
    if most < wanted {
        tracing::warn!(
            wanted,
            most,
            files,
            "the limit on open files allows fewer connections: raise it (ulimit -n)"
        );
    }
    wanted.min(most)
}

/// Forgets old revocations, now and then.
async fn forget(records: Arc<Records>) {
    loop {
        records.forget(clock::now());
        records.forget_marks(clock::now());
        tokio::time::sleep(FORGETTING).await;
    }
}

/// Why the gate could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the runtime could not be started")]
    Runtime(#[source] std::io::Error),
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Listen(#[from] listen::ListenError),
}

/// Waits for the first keys, within bounds: without them every token would be answered with 503. The other issuers are given the
/// chance to answer once, so that a start turns nobody away; one that fails is not waited for.
async fn wait_until_ready(snapshots: &SnapshotStore, keeper: &KeyKeeper) {
    let end = clock::monotonic() + FIRST_KEYS;
    loop {
        let why = unready(&snapshots.load(), clock::now());
        if why.is_none() && keeper.all_tried() {
            return;
        }
        if clock::monotonic() >= end {
            if let Some(why) = why {
                tracing::warn!(
                    why,
                    "serving all the same: requests that need it get 503 until it is there"
                );
            }
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
