//! Keys of the issuers. They are fetched before the first request, refreshed in the background, and kept through outages up to a
//! bound.

pub(crate) mod discovery;
pub mod proofs;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;

use crate::clock;
use crate::config::settings::{KeySource, KeyTimes, ReloadableSettings};
use crate::domain::Snapshot;
use crate::domain::keys::KeySet;
use crate::domain::membership::Members;
use crate::domain::retry::Backoff;
use crate::fetch::Fetcher;
use crate::hints::Hints;
use crate::log_once::LogOnce;
use crate::metrics::Metrics;
use crate::random::chance;
use crate::snapshot_store::SnapshotStore;
use discovery::{EndpointLookup, Finder, KeyEndpoint};

/// First and longest pause after a failed fetch.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Keeps the keys of all issuers fresh.
pub struct KeyKeeper {
    snapshots: Arc<SnapshotStore>,
    fetcher: Fetcher,
    metrics: Arc<Metrics>,
    hints: Arc<Hints>,
    issuers: Mutex<Vec<Arc<Followed>>>,
}

/// One issuer whose keys are fetched.
struct Followed {
    name: Arc<str>,
    finder: Finder,
    times: KeyTimes,
    /// Whether it was asked at least once, successfully or not.
    tried: AtomicBool,
    /// Whether its last fetch failed. An issuer that is down for a day is logged once and not three thousand times.
    failing: LogOnce<Fault>,
    /// Single flight: the task that holds this lock is fetching.
    fetching: AsyncMutex<()>,
    /// When a fetch for an unknown key was last begun.
    asked: Mutex<Option<Instant>>,
    refreshing: Mutex<Option<JoinHandle<()>>>,
}

/// Why there are no fresh keys, and whether older keys are still in use.
#[derive(Clone, PartialEq, Eq)]
struct Fault {
    why: String,
    usable: bool,
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(task) = self.refreshing.lock().take() {
            task.abort();
        }
    }
}

impl KeyKeeper {
    #[must_use]
    pub fn new(
        snapshots: Arc<SnapshotStore>,
        fetcher: Fetcher,
        metrics: Arc<Metrics>,
        hints: Arc<Hints>,
    ) -> Arc<Self> {
        Arc::new(Self {
            snapshots,
            fetcher,
            metrics,
            hints,
            issuers: Mutex::default(),
        })
    }

    /// Why there are no fresh keys: one line with cause and cure for each issuer whose last fetch failed.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let told = |issuer: &Arc<Followed>| {
            let why = issuer.failing.current()?.why;
            Some(format!("keys of the issuer `{}`: {why}", issuer.name))
        };
        self.issuers.lock().iter().filter_map(told).collect()
    }

    /// Puts the config `live` in force. One snapshot gets its rules, exactly the keys of its issuers, and the membership that
    /// `members` makes. An issuer at the same address keeps its keys. The keys of an issuer that was removed or moved are dropped
    /// with it, so that they never verify a token again.
    pub fn apply(
        self: &Arc<Self>,
        live: &ReloadableSettings,
        members: impl FnOnce(&Snapshot) -> Option<Members>,
    ) -> u64 {
        let mut followed = self.issuers.lock();
        let (mut stay, mut begin, mut fixed, mut kept) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for issuer in &live.issuers {
            match &issuer.source {
                KeySource::Pem(keys) => fixed.push((issuer.name.clone(), keys.clone())),
                source => {
                    let Some(place) = KeyEndpoint::of(source) else {
                        continue;
                    };
                    let known = followed
                        .iter()
                        .find(|f| f.name == issuer.name && *f.finder.place() == place);
                    if known.is_some() {
                        kept.push(issuer.name.clone());
                    }
                    match known.filter(|f| f.times == live.keys).cloned() {
                        Some(known) => stay.push(known),
                        // A changed refresh interval alone drops no keys: the issuer may be down right now.
                        None => begin.push((issuer.name.clone(), place)),
                    }
                }
            }
        }
        let generation = self.snapshots.replace(|snapshot| {
            let mut keys = snapshot.keys.clone();
            keys.retain(|name, _| kept.contains(name));
            keys.extend(fixed);
            let (rules, members) = (live.rules.clone(), members(snapshot));
            Snapshot {
                keys,
                rules,
                members,
                ..snapshot.clone()
            }
        });
        stay.extend(
            begin
                .into_iter()
                .map(|(name, place)| self.start(name, place, live.keys)),
        );
        *followed = stay;
        generation
    }

    /// Puts keys in force that were fetched before their issuer was followed, so that no request gets 503 until the first fetch.
    /// Keys that the issuer has by now are newer, and stay.
    ///
    /// The caller holds a lock that keeps another config from being applied since: in another config the same name could be another
    /// issuer.
    pub fn seed(&self, name: &Arc<str>, keys: KeySet) {
        let followed = self.issuers.lock();
        if !followed.iter().any(|issuer| issuer.name == *name) {
            return;
        }
        self.snapshots.replace(|snapshot| {
            let mut all = snapshot.keys.clone();
            all.entry(name.clone()).or_insert_with(|| Arc::new(keys));
            Snapshot {
                keys: all,
                ..snapshot.clone()
            }
        });
        drop(followed);
    }

    /// Whether every issuer was asked at least once. The start waits no longer for an issuer that does not answer.
    #[must_use]
    pub fn all_tried(&self) -> bool {
        self.issuers
            .lock()
            .iter()
            .all(|issuer| issuer.tried.load(Ordering::Relaxed))
    }

    fn start(
        self: &Arc<Self>,
        name: Arc<str>,
        place: KeyEndpoint,
        times: KeyTimes,
    ) -> Arc<Followed> {
        self.metrics.prepare_issuer(&name);
        let followed = Arc::new(Followed {
            name,
            finder: Finder::new(place),
            times,
            tried: AtomicBool::new(false),
            failing: LogOnce::default(),
            fetching: AsyncMutex::default(),
            asked: Mutex::default(),
            refreshing: Mutex::default(),
        });
        let (keeper, weak) = (self.clone(), Arc::downgrade(&followed));
        let task = tokio::spawn(async move {
            let mut backoff = Backoff::new(RETRY.0, RETRY.1.min(times.refresh));
            while let Some(issuer) = weak.upgrade() {
                let good = keeper.fetch(&issuer, EndpointLookup::Again).await;
                drop(issuer);
                let pause = if good {
                    backoff.reset();
                    times.refresh
                } else {
                    backoff.delay(chance())
                };
                tokio::time::sleep(pause).await;
            }
        });
        *followed.refreshing.lock() = Some(task);
        followed
    }

    /// Fetches because of an unknown `kid`. It does so at most once per cool-down, whatever clients send (attack A-59). All waiting
    /// requests share one fetch, and none waits longer than `wait`. The fetch itself goes on.
    pub async fn fetch_for_unknown(self: &Arc<Self>, name: &str) {
        let Some(issuer) = self
            .issuers
            .lock()
            .iter()
            .find(|f| *f.name == *name)
            .cloned()
        else {
            return;
        };
        let wait = issuer.times.wait;
        let due = {
            let mut asked = issuer.asked.lock();
            let now = clock::monotonic();
            let due = asked.is_none_or(|then| now.duration_since(then) >= issuer.times.cooldown);
            if due {
                *asked = Some(now);
            }
            due
        };
        let keeper = self.clone();
        let fetched = async move {
            if due {
                keeper.fetch(&issuer, EndpointLookup::IfUnknown).await;
            } else {
                // Another task may be fetching right now. This request waits for its result.
                drop(issuer.fetching.lock().await);
            }
        };
        let _ = tokio::time::timeout(wait, tokio::spawn(fetched)).await;
    }

    /// Fetches once and puts the keys in force. On any fault the keys in force stay.
    async fn fetch(&self, issuer: &Followed, lookup: EndpointLookup) -> bool {
        let _single_flight = issuer.fetching.lock().await;
        let found = issuer.finder.find(&self.fetcher, lookup).await;
        let now = clock::now();
        let until = now.plus(issuer.times.max_age);
        let read = found.map_err(|e| e.to_string()).and_then(|found| {
            self.compare_clocks(&issuer.name, found.document.clock_ahead);
            let keys = KeySet::from_jwks(&found.document.body, Some(until));
            keys.map(|keys| (found.url.clone(), keys))
                .map_err(|e| format!("{}: {e}", found.url))
        });
        let good = match read {
            Ok((url, (keys, skipped))) => {
                for why in skipped {
                    tracing::warn!(issuer = %issuer.name, %why, "a key of the issuer is not used");
                }
                let kids = format!("{:?}", keys.kids());
                if self.install(issuer, keys) {
                    tracing::info!(issuer = %issuer.name, %url, kids, "keys fetched");
                    self.metrics.keys_fetched(&issuer.name, now);
                    issuer.failing.ends();
                    true
                } else {
                    tracing::info!(issuer = %issuer.name, %url, "keys came from where nobody asks any more");
                    false
                }
            }
            Err(why) => {
                let usable = self
                    .snapshots
                    .load()
                    .keys
                    .get(&issuer.name)
                    .is_some_and(|keys| keys.usable(now));
                issuer.failed(Fault { why, usable });
                self.metrics.keys_not_fetched(&issuer.name);
                false
            }
        };
        issuer.tried.store(true, Ordering::Relaxed);
        good
    }

    /// Compares the gate's clock with the issuer's, which dates the tokens.
    fn compare_clocks(&self, issuer: &str, ahead: Option<i64>) {
        let snapshot = self.snapshots.load();
        let issuer = snapshot
            .rules
            .issuers
            .iter()
            .find(|known| *known.name == *issuer);
        if let (Some(issuer), Some(ahead)) = (issuer, ahead) {
            self.hints.measured(issuer, ahead);
        }
    }

    /// Puts keys in force, unless the config has dropped or moved the issuer during the fetch. In that case another address or a
    /// PEM may provide its keys now. Returns whether the keys are in force.
    fn install(&self, issuer: &Followed, keys: KeySet) -> bool {
        // Held until the keys are published, as in `apply`, so that keys and a new config come in force one after the other.
        let followed = self.issuers.lock();
        if !followed.iter().any(|f| std::ptr::eq(&**f, issuer)) {
            return false;
        }
        self.snapshots.replace(|snapshot| {
            let mut all = snapshot.keys.clone();
            all.insert(issuer.name.clone(), Arc::new(keys));
            Snapshot {
                keys: all,
                ..snapshot.clone()
            }
        });
        true
    }
}

impl Followed {
    /// Logs a fault once, for as long as it stays the same.
    fn failed(&self, fault: Fault) {
        if !self.failing.changes(fault.clone()) {
            return;
        }
        let (issuer, url, why) = (&self.name, self.finder.place().url(), &fault.why);
        if fault.usable {
            tracing::warn!(%issuer, url, %why, "no keys fetched; those in force stay");
        } else {
            tracing::warn!(%issuer, url, %why, "no keys fetched and none in force: its tokens get 503 until there are some");
        }
    }
}
