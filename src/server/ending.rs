//! How the process ends: the signals that request it, and the work that may still finish.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};

use super::{LOOK, ServeError};
use crate::clock;
use crate::config::settings::Shutdown;
use crate::metrics::Metrics;

/// The signals that the process handles. Made before anything else, because an unhandled signal ends the process at once.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, ServeError> {
        let on = |kind| signal(kind).map_err(ServeError::Signals);
        Ok(Self {
            term: on(SignalKind::terminate())?,
            int: on(SignalKind::interrupt())?,
            hup: on(SignalKind::hangup())?,
        })
    }

    /// Returns at SIGTERM or SIGINT. SIGHUP wakes the reloader.
    pub(super) async fn end(mut self, told: &Notify) {
        loop {
            tokio::select! {
                _ = self.term.recv() => break,
                _ = self.int.recv() => break,
                _ = self.hup.recv() => told.notify_one(),
            }
        }
        // A second signal ends the process at once.
        tokio::spawn(async move {
            self.int.recv().await;
            tracing::warn!("interrupted a second time: ending at once");
            std::process::exit(1);
        });
    }
}

/// Reports "not ready", waits for load balancers to notice, closes the listeners, and lets running requests end.
pub(super) async fn drain(
    shutdown: &Shutdown,
    draining: &AtomicBool,
    stop: &watch::Sender<bool>,
    metrics: &Metrics,
) {
    draining.store(true, Ordering::Relaxed);
    let running = metrics.in_flight.get();
    tracing::info!(
        running,
        delay_s = shutdown.delay.as_secs_f64(),
        drain_s = shutdown.drain.as_secs_f64(),
        "draining"
    );
    tokio::time::sleep(shutdown.delay).await;
    let _ = stop.send(true);
    let end = clock::monotonic() + shutdown.drain;
    while metrics.in_flight.get() > 0 && clock::monotonic() < end {
        tokio::time::sleep(LOOK).await;
    }
    let cut_off = metrics.in_flight.get();
    if cut_off > 0 {
        tracing::warn!(cut_off, "the time to drain is over");
    }
    tracing::info!("ended");
}
