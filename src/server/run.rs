//! Starts the tasks and the listeners of a gate, and ends them in order.

use std::sync::Arc;
use std::time::Duration;

use pingora::apps::http_app::HttpServer;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::sync::{Notify, watch};

use super::build::Parts;
use super::ending::{Signals, drain};
use super::startup_state::close;
use super::{Bound, LOOK, ServeError};
use crate::admin::{Admin, unready};
use crate::clock;
use crate::config::settings::StaticSettings;
use crate::keys::KeyKeeper;
use crate::listen::ListenError;
use crate::listen::limits::{ConnectionLimit, HeadTimeout};
use crate::listen::websocket::WebSocketCloser;
use crate::proxy::Gate;
use crate::records::Records;
use crate::snapshot_store::SnapshotStore;

/// Between two searches for revocations whose tokens have all expired.
const FORGETTING: Duration = Duration::from_secs(60);
/// Idle connections to the upstream that are kept.
const UPSTREAM_POOL: usize = 512;
/// Connections to the admin listener at a time.
const ADMIN_CONNECTIONS: usize = 64;
/// Open files other than connections of clients and to the upstream: the admin's, listeners, logs, watches, idle ones.
const FILES_OF_OURS: usize = 128;
/// How long the first requests may wait for the first keys.
const FIRST_KEYS: Duration = Duration::from_secs(3);

impl Parts {
    /// Serves until one of `signals` ends the process, then drains.
    pub(super) async fn run(self, signals: Signals) -> Result<(), ServeError> {
        let (boot, gate) = (&self.boot, &self.gate);
        self.config_followers.follow(&self.live);
        self.providers
            .apply(&self.live, |snapshot| snapshot.members.clone());
        let replicating = self.replication.map(|tasks| tokio::spawn(tasks.run()));
        // The admin listener lives until the very end, so that operators can watch the drain.
        let (stop_admin, admin_stopped) = watch::channel(false);
        serve_admin(self.admin, self.admin_listener, boot, admin_stopped)?;

        // The sockets are bound, so clients that connect now wait in the queue until the keys are there.
        wait_until_ready(&gate.snapshots, &gate.keeper).await;
        tokio::spawn(gate.upstream.clone().keep_resolved());
        let (stop, stopped) = watch::channel(false);
        serve_gate(gate, self.gate_listeners, boot, &stopped)?;

        let forgetting = tokio::spawn(forget(self.records));
        let look_now = Arc::new(Notify::new());
        let reloading = tokio::spawn(self.reloader.run(look_now.clone()));
        signals.end(&look_now).await;
        reloading.abort();
        forgetting.abort();
        drain(&boot.shutdown, &self.draining, &stop, &self.metrics).await;
        let _ = stop_admin.send(true);
        // Replication ends only now: a removal that another replica publishes also ends streams here while they drain.
        if let Some(replicating) = replicating {
            replicating.abort();
        }
        close(self.store).await;
        Ok(())
    }
}

fn serve_admin(
    admin: Admin,
    listener: Bound,
    boot: &StaticSettings,
    stopped: watch::Receiver<bool>,
) -> Result<(), ListenError> {
    let room = ConnectionLimit::new(ADMIN_CONNECTIONS, || {});
    let app = HeadTimeout::new(HttpServer::new_app(admin), boot.timeouts.client, room);
    listener.serve("admin", app, stopped)
}

fn serve_gate(
    gate: &Gate,
    listeners: Vec<Bound>,
    boot: &StaticSettings,
    stopped: &watch::Receiver<bool>,
) -> Result<(), ListenError> {
    let conf = Arc::new(ServerConf {
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        ..ServerConf::default()
    });
    let refused = gate.metrics.connections_refused.clone();
    let room = ConnectionLimit::new(affordable(boot.max_connections), move || refused.inc());
    for listener in listeners {
        let proxy = http_proxy(&conf, gate.clone());
        let app = HeadTimeout::new(proxy, boot.timeouts.client, room.clone());
        listener.serve("gate", WebSocketCloser::new(app), stopped.clone())?;
    }
    Ok(())
}

/// As many of the wanted connections as the limit on open files permits: each may need one more file, towards the upstream.
/// Otherwise the last connections would leave no file for the upstream, and accepting would stall for a second at a time.
fn affordable(wanted: usize) -> usize {
    // Best effort: where the system does not report a limit, the config counts.
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

/// Forgets old revocations periodically.
async fn forget(records: Arc<Records>) {
    loop {
        records.forget(clock::now());
        records.forget_marks(clock::now());
        tokio::time::sleep(FORGETTING).await;
    }
}

/// Waits for the first keys, within bounds: without keys, every token would be answered with 503. Each further issuer gets the
/// chance to answer once, so that a start refuses no user; the start does not wait for an issuer that fails.
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
