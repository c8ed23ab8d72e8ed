//! Sources of the membership that are asked while the gate runs: a database, an endpoint of the app, Clerk's Backend API.
//!
//! Each has a task that asks again and again and hands whole tables to a [`Sink`]. A load with one bad row is refused, and the last
//! good table stays in force until it is too old. Half a table would take access from some users and leave it to others.

pub(crate) mod clerk;
mod faults;
pub(crate) mod http;
pub mod lookups;
pub mod postgres;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use faults::RowFaults;

use crate::clerk_api::Backends;
use crate::config::postgres::PostgresMode;
use crate::config::settings::{From, HttpMode, MembershipSource, ReloadableSettings};
use crate::domain::UnixTime;
use crate::domain::membership::{Flags, Roles, Table, TableTime};
use crate::fetch::Fetcher;
use crate::metrics::{Metrics, Part};
use crate::records::{Asked, Records, TableInForce};
use lookups::{LookupSource, LookupTimes, Lookups};
use postgres::{PostgresDirectory, Words};

/// Takes the results of a source.
#[derive(Clone)]
pub struct Sink {
    records: Arc<Records>,
    metrics: Arc<Metrics>,
    source: MembershipSource,
    /// The roles that rows may use.
    pub roles: Roles,
    /// The flags that users may have.
    pub flags: Flags,
    /// Signals that the source shall be asked now.
    look: Arc<Notify>,
}

impl Sink {
    /// Puts a whole table in force, for which the source was asked at `asked`. `None` if the config has changed meanwhile; the
    /// table is not in force then. Goes through all learned events, so for many users it belongs on a thread that serves no
    /// requests.
    pub fn loaded(&self, table: Table, said: TableTime, asked: UnixTime) -> Option<TableInForce> {
        let (users, workspaces, members) = table.size();
        let (source, roles, flags) = (&self.source, &self.roles, &self.flags);
        let taken = self.records.take(Asked {
            table,
            said,
            at: asked,
            source,
            roles,
            flags,
        })?;
        let generation = taken.generation;
        self.metrics.reloaded(Part::Membership, true);
        tracing::info!(
            part = "membership",
            generation,
            users,
            workspaces,
            members,
            "the new membership is in force"
        );
        Some(taken)
    }

    /// How long a table of this source counts.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.source.policy.max_age
    }

    /// Whether the table in force has any user, be it of this source or of the one before it.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.records.has_users()
    }

    /// Waits for `pause`, or until the source shall be asked now.
    pub async fn wait(&self, pause: Duration) {
        // Both outcomes end the wait.
        let _ = tokio::time::timeout(pause, self.look.notified()).await;
    }

    /// Reports that the source was asked at `asked` and has nothing new.
    pub fn unchanged(&self, asked: UnixTime) {
        self.records.confirm(asked);
    }

    /// Reports that a load failed; the last good table stays.
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

/// Follows the config. Only one source is asked at a time.
pub struct Sources {
    records: Arc<Records>,
    metrics: Arc<Metrics>,
    fetcher: Fetcher,
    lookups: Arc<LookupSource>,
    backends: Arc<Backends>,
    look: Arc<Notify>,
    running: Mutex<Running>,
}

impl Sources {
    #[must_use]
    pub fn new(
        records: Arc<Records>,
        metrics: Arc<Metrics>,
        fetcher: Fetcher,
        lookups: Arc<LookupSource>,
        backends: Arc<Backends>,
    ) -> Self {
        Self {
            records,
            metrics,
            fetcher,
            lookups,
            backends,
            look: Arc::default(),
            running: Mutex::default(),
        }
    }

    /// Asks the source at once, before its next regular time. Returns whether there is a source to ask. A source that is being
    /// asked at this moment is asked once more, because its answer may be older.
    pub fn look_now(&self) -> bool {
        let following = self.running.lock().task.is_some();
        if following {
            self.look.notify_one();
        }
        self.lookups.forget_all() || following
    }

    /// Asks the source of the config from now on, if it differs from the current one.
    pub fn follow(&self, live: &ReloadableSettings) {
        let wanted = live.membership.as_ref().zip(live.rules.roles.as_ref());
        let wanted =
            wanted.map(|(source, roles)| (source.clone(), roles.clone(), live.rules.flags.clone()));
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
        let (records, metrics, look) = (
            self.records.clone(),
            self.metrics.clone(),
            self.look.clone(),
        );
        let sink = Sink {
            records,
            metrics,
            source,
            roles: roles.clone(),
            flags,
            look,
        };
        let (task, lookups) = self.start(sink, live);
        running.task = task;
        self.lookups.set(lookups.map(|lookups| (lookups, roles)));
    }

    /// The task that loads tables, or the directory that answers for one user at a time.
    fn start(
        &self,
        sink: Sink,
        _: &ReloadableSettings,
    ) -> (Option<JoinHandle<()>>, Option<Lookups>) {
        let source = sink.source.clone();
        match &source.from {
            // Never here: these sources are not asked.
            From::Nobody | From::Token | From::File(_) => (None, None),
            From::Clerk(clerk) => {
                let backend = self.backends.of(&clerk.backend);
                (
                    Some(tokio::spawn(clerk::follow(clerk.clone(), backend, sink))),
                    None,
                )
            }
            From::Http(endpoint) => match endpoint.mode {
                HttpMode::Snapshot { .. } => (
                    Some(tokio::spawn(http::follow(
                        endpoint.clone(),
                        self.fetcher.clone(),
                        sink,
                    ))),
                    None,
                ),
                HttpMode::Lookup { ttl, negative_ttl } => {
                    let max_age = source.policy.max_age.unwrap_or(ttl);
                    let Sink {
                        metrics,
                        roles,
                        flags,
                        ..
                    } = sink;
                    let (source, fetcher) = (endpoint.clone(), self.fetcher.clone());
                    let asking = http::Asking {
                        source,
                        fetcher,
                        roles,
                        flags,
                    };
                    (
                        None,
                        Some(Lookups::new(
                            asking,
                            LookupTimes {
                                ttl,
                                negative_ttl,
                                max_age,
                            },
                            metrics,
                        )),
                    )
                }
            },
            From::Postgres(database) => match database.mode {
                PostgresMode::Snapshot { .. } => (
                    Some(tokio::spawn(postgres::follow(database.clone(), sink))),
                    None,
                ),
                PostgresMode::Lookup { ttl, negative_ttl } => {
                    let words = Words {
                        roles: sink.roles,
                        flags: sink.flags,
                    };
                    let directory = PostgresDirectory::new(database.clone(), words);
                    let times = LookupTimes {
                        ttl,
                        negative_ttl,
                        max_age: source.policy.max_age.unwrap_or(ttl),
                    };
                    (
                        None,
                        Some(Lookups::new(directory, times, self.metrics.clone())),
                    )
                }
            },
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
