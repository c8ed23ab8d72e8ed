//! Sources of the membership that are asked while the gate runs: a database, an endpoint of the app, Clerk's Backend API.
//!
//! Each has a task that asks again and again and hands whole tables to a [`Sink`]. A load with one bad row is not taken, and the last
//! good table stays in force until it is too old: half a table would take access from some and leave it to others.

mod faults;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

pub use faults::RowFaults;

use super::fetch::Fetcher;
use super::lookups::{LookupSource, Lookups};
use super::records::Records;
use crate::config::settings::{From, Live, MembershipSource};
use crate::domain::UnixTime;
use crate::domain::membership::{Flags, Roles, Said, Table};
use crate::metrics::{Metrics, Part};

/// Where a source tells what it has found.
#[derive(Clone)]
pub struct Sink {
    records: Arc<Records>,
    metrics: Arc<Metrics>,
    source: MembershipSource,
    /// The words that rows may use.
    pub roles: Roles,
    /// The flags that users may have.
    pub flags: Flags,
}

impl Sink {
    /// Puts a whole table in force, which was asked for at `asked`.
    pub fn loaded(&self, table: Table, said: Said, asked: UnixTime) {
        let (users, workspaces, members) = table.size();
        let generation = self.records.reload_at(table, &self.source, said, asked);
        self.metrics.reloaded(Part::Membership, true);
        tracing::info!(part = "membership", generation, users, workspaces, members, "the new membership is in force");
    }

    /// The source was asked at `asked` and has nothing new.
    pub fn unchanged(&self, asked: UnixTime) {
        self.records.confirm(asked);
    }

    /// Nothing was loaded; the last good table stays.
    pub fn failed(&self, why: &dyn std::fmt::Display) {
        self.metrics.reloaded(Part::Membership, false);
        tracing::error!(part = "membership", %why, "the membership was not loaded; the last good one stays");
    }
}

/// The task of the source that the config names.
#[derive(Default)]
struct Running {
    source: Option<(MembershipSource, Roles, Flags)>,
    task: Option<JoinHandle<()>>,
}

/// Follows the config: one source at a time is asked.
pub struct Sources {
    records: Arc<Records>,
    metrics: Arc<Metrics>,
    fetcher: Fetcher,
    lookups: Arc<LookupSource>,
    running: Mutex<Running>,
}

impl Sources {
    #[must_use]
    pub fn new(records: Arc<Records>, metrics: Arc<Metrics>, fetcher: Fetcher, lookups: Arc<LookupSource>) -> Self {
        Self { records, metrics, fetcher, lookups, running: Mutex::default() }
    }

    /// Asks the source of `live` from now on, if it is another one than before.
    pub fn follow(&self, live: &Live) {
        let wanted = live.membership.as_ref().zip(live.rules.roles.as_ref());
        let wanted = wanted.map(|(source, roles)| (source.clone(), roles.clone(), live.rules.flags.clone()));
        let wanted = wanted.filter(|(source, ..)| source.from.is_remote());
        let mut running = self.running.lock();
        if running.source == wanted {
            return;
        }
        if let Some(task) = running.task.take() {
            task.abort();
        }
        running.source = wanted.clone();
        let Some((source, roles, flags)) = wanted else {
            self.lookups.set(None);
            return;
        };
        let sink = Sink { records: self.records.clone(), metrics: self.metrics.clone(), source, roles, flags };
        let (task, lookups) = self.start(sink, live);
        running.task = task;
        self.lookups.set(lookups);
    }

    /// The task that loads tables, or whoever answers for one user at a time.
    fn start(&self, sink: Sink, _: &Live) -> (Option<JoinHandle<()>>, Option<Lookups>) {
        let source = sink.source.clone();
        match &source.from {
            // Never here: these are no matter of asking.
            From::Nobody | From::Token | From::File(_) => (None, None),
        }
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        if let Some(task) = self.running.lock().task.take() {
            task.abort();
        }
    }
}
