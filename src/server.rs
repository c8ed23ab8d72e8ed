//! Assembles the parts of the gate, runs them, and ends them in order.

mod bound;
mod build;
mod config_followers;
mod ending;
mod run;
mod startup_state;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::faults::{Code, Fault, Faults};
use crate::config::load::{Loaded, Overrides};
use crate::config::settings::Address;
use crate::domain::membership::Table;
use crate::fetch::Fetcher;
use crate::listen;
use crate::metrics::Metrics;
use crate::reload::{StartupFiles, read_membership};
use bound::Bound;
use build::build;
use ending::Signals;
use startup_state::StoredState;

/// Between two checks whether the first keys are there, or the last request has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A gate that is ready to run. Every file was read and every address is bound, so none of that can fail any more.
pub struct Server {
    loaded: Loaded,
    seen: StartupFiles,
    path: Option<PathBuf>,
    overrides: Overrides,
    members: Option<(Table, Faults)>,
    kept: Option<StoredState>,
    gate: Vec<Bound>,
    admin: Bound,
    fetcher: Fetcher,
    metrics: Arc<Metrics>,
}

impl Server {
    /// Reads the membership, binds the addresses, and returns all their faults together.
    pub fn prepare(
        loaded: Loaded,
        path: Option<PathBuf>,
        overrides: Overrides,
    ) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        let seen = StartupFiles::now(&loaded);
        let members = read_membership(&loaded.settings.reloadable).unwrap_or_else(|more| {
            faults.merge(more);
            None
        });
        let boot = &loaded.settings.fixed;
        let mut bind =
            |address: &Address| Bound::at(address).map_err(|more| faults.merge(more)).ok();
        let gate: Vec<_> = boot.listen.iter().filter_map(&mut bind).collect();
        let admin = bind(&boot.admin);
        let fetcher = Fetcher::new().map_err(|why| faults.push(no_http_client(why)));
        let metrics = Metrics::new();
        let open = |path: &PathBuf| {
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
        let threads = self.loaded.settings.fixed.threads;
        // This respects the container's CPU quota; the number of the machine's processors does not.
        let threads =
            threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("bailiff")
            .enable_all()
            .build()
            .map_err(ServeError::Runtime)?;
        let served = runtime.block_on(self.serve());
        // The time of what still runs is over.
        runtime.shutdown_timeout(Duration::from_millis(100));
        served
    }

    /// Serves until a signal ends the process.
    pub async fn serve(self) -> Result<(), ServeError> {
        // Before anything else: a signal without a handler ends the process at once.
        let signals = Signals::new()?;
        build(self).run(signals).await
    }
}

fn no_http_client(why: String) -> Fault {
    Fault::error(
        Code::Unreadable,
        "no HTTP client: the system's certificates cannot be read",
    )
    .saw(why)
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
