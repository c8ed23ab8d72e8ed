//! All metrics, on a registry of their own. Names and labels are a contract with dashboards: docs/operating.md.
//!
//! Label values come from the config and from closed lists, never from a request. Every series exists from the start.

mod drift;
mod lookups;
mod outcome;
mod profiles;
mod shared;
mod streams;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

pub use drift::DriftCounts;
pub use lookups::{LookupMetrics, LookupResult};
pub use profiles::{ProfileFetches, ProfileResult};
pub use shared::{CommitResult, EntryResult, ReplicationMetrics};
pub use streams::{Open, StreamMetrics};

use crate::domain::routes::Route;
use crate::domain::{Rejection, Rules, Snapshot, UnixTime};

pub use outcome::{NO_REASON, VerdictLabel};

/// The label `route` of a request that no route covers.
pub const NO_ROUTE: &str = "none";
/// Results of `bailiff_webhooks_total`.
#[derive(Clone, Copy, Debug)]
pub enum WebhookResult {
    Delivered,
    NotTaken,
    Duplicate,
    Refused,
}

/// Results of `bailiff_webhook_changes_total`.
#[derive(Clone, Copy, Debug)]
pub enum ChangeResult {
    Applied,
    Nothing,
    OtherInstance,
    Unreadable,
    NotKept,
}

/// The parts that a reload can replace.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    Config,
    Membership,
}

/// `bailiff_store_writes_total` for one writer.
#[derive(Clone, Debug)]
pub struct StoreWrites {
    pub ok: IntCounter,
    pub failed: IntCounter,
}

type Series = HashMap<(VerdictLabel, &'static str), IntCounter>;

/// All metrics. The handles are kept, so a request looks up no label; it only hashes the name of its route once.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    by_route: ArcSwap<HashMap<Arc<str>, Arc<Series>>>,
    pub request_duration: Histogram,
    pub decision_duration: Histogram,
    pub upstream_duration: Histogram,
    pub in_flight: IntGauge,
    pub connections_refused: IntCounter,
    pub cache_hits: IntCounter,
    pub cache_misses: IntCounter,
    pub store_writes: StoreWrites,
    key_fetches: IntCounterVec,
    keys_fetched: GaugeVec,
    membership_applied: Gauge,
    membership_confirmed: Gauge,
    reloads: IntCounterVec,
    members: IntGauge,
    webhooks: IntCounterVec,
    changes: IntCounterVec,
    pub profile_fetches: ProfileFetches,
    pub lookups: LookupMetrics,
    pub streams: StreamMetrics,
    pub shared: ReplicationMetrics,
    pub drift: DriftCounts,
    generation: IntGauge,
    auth_disabled: IntGauge,
    log_lines_lost: IntCounter,
    lost_lines: OnceLock<Box<dyn Fn() -> usize + Send + Sync>>,
}

/// In seconds, 2.5 µs to 1 s. A decision takes a few microseconds, and the usual buckets would count every decision in the first.
const DECISION: &[f64] = &[
    2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2,
    0.1, 0.25, 0.5, 1.0,
];
/// In seconds: OpenTelemetry's buckets for HTTP.
const HTTP: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Names and help texts are constants, so that building them cannot fail.
const VALID: &str = "a constant name, label and help text are valid and registered once";

impl Metrics {
    #[must_use]
    pub fn new() -> Arc<Self> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            keep(
                &registry,
                IntCounterVec::new(Opts::new(name, help), labels).expect(VALID),
            )
        };
        let gauge =
            |name: &str, help: &str| keep(&registry, IntGauge::new(name, help).expect(VALID));
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            keep(&registry, Histogram::with_opts(opts).expect(VALID))
        };
        let cache = counters(
            "bailiff_token_cache_total",
            "Look-ups of checked signatures.",
            &["result"],
        );
        let store = counters(
            "bailiff_store_writes_total",
            "Writes to the store: acknowledged, or not kept.",
            &["result"],
        );
        let build = Opts::new(
            "bailiff_build_info",
            "Always 1; the labels tell what is running.",
        )
        .const_label("version", env!("CARGO_PKG_VERSION"));
        keep(&registry, IntGauge::with_opts(build).expect(VALID)).set(1);
        let metrics = Self {
            requests: counters(
                "bailiff_requests_total",
                "Requests by route, verdict and reason.",
                &["route", "verdict", "reason"],
            ),
            by_route: ArcSwap::default(),
            request_duration: histogram(
                "bailiff_request_duration_seconds",
                "From the request's head to the end of its answer.",
                HTTP,
            ),
            decision_duration: histogram(
                "bailiff_decision_duration_seconds",
                "What judging took, with fetches it waited for.",
                DECISION,
            ),
            upstream_duration: histogram(
                "bailiff_upstream_duration_seconds",
                "From the verdict to the head of the upstream's answer.",
                HTTP,
            ),
            in_flight: gauge("bailiff_requests_in_flight", "Requests that are being handled."),
            connections_refused: keep(
                &registry,
                IntCounter::new(
                    "bailiff_connections_refused_total",
                    "Connections, or requests on kept ones, closed because max_connections were open.",
                )
                .expect(VALID),
            ),
            cache_hits: cache.with_label_values(&["hit"]),
            cache_misses: cache.with_label_values(&["miss"]),
            store_writes: StoreWrites {
                ok: store.with_label_values(&["ok"]),
                failed: store.with_label_values(&["failed"]),
            },
            key_fetches: counters("bailiff_key_fetches_total", "Fetches of an issuer's keys.", &["issuer", "result"]),
            keys_fetched: keep(
                &registry,
                GaugeVec::new(
                    Opts::new("bailiff_keys_fetched_timestamp_seconds", "When an issuer's keys were last fetched."),
                    &["issuer"],
                )
                .expect(VALID),
            ),
            membership_applied: keep(
                &registry,
                Gauge::new(
                    "bailiff_membership_applied_timestamp_seconds",
                    "When the membership was last loaded or changed.",
                )
                .expect(VALID),
            ),
            membership_confirmed: keep(
                &registry,
                Gauge::new(
                    "bailiff_membership_confirmed_timestamp_seconds",
                    "When the source of the membership last said what it is, or that it has not changed.",
                )
                .expect(VALID),
            ),
            reloads: counters("bailiff_reloads_total", "Reloads of a changed part.", &["part", "result"]),
            members: gauge("bailiff_members", "Memberships of users in workspaces, as the source gave them."),
            webhooks: counters("bailiff_webhooks_total", "Webhooks by what became of them.", &["result"]),
            changes: counters(
                "bailiff_webhook_changes_total",
                "Verified webhooks by what they did to the membership.",
                &["result"],
            ),
            profile_fetches: ProfileFetches::new(&registry),
            lookups: LookupMetrics::new(&registry),
            streams: StreamMetrics::new(&registry),
            shared: ReplicationMetrics::new(&registry),
            drift: DriftCounts::new(&registry),
            generation: gauge(
                "bailiff_snapshot_generation",
                "Grows by one with each change of rules, keys or membership.",
            ),
            auth_disabled: gauge("bailiff_auth_disabled", "1 while authentication is switched off, else 0."),
            log_lines_lost: keep(
                &registry,
                IntCounter::new("bailiff_log_lines_lost_total", "Log lines dropped because their reader was too slow.")
                    .expect(VALID),
            ),
            lost_lines: OnceLock::new(),
            registry,
        };
        metrics.start_at_zero();
        Arc::new(metrics)
    }

    fn start_at_zero(&self) {
        for result in ["delivered", "not_taken", "duplicate", "refused"] {
            self.webhooks.with_label_values(&[result]);
        }
        for result in [
            "applied",
            "nothing",
            "other_instance",
            "unreadable",
            "not_kept",
        ] {
            self.changes.with_label_values(&[result]);
        }
        for part in ["config", "membership"] {
            self.reloads.with_label_values(&[part, "ok"]);
            self.reloads.with_label_values(&[part, "failed"]);
        }
    }

    /// Creates the series of all routes, so that a scrape shows zeros instead of gaps.
    pub fn prepare_routes(&self, rules: &Rules) {
        let mut by_route = HashMap::new();
        by_route.insert(Arc::from(NO_ROUTE), Arc::new(self.series(NO_ROUTE, None)));
        for route in rules.routes.iter() {
            let text = route.pattern.text().clone();
            let series = self.series(&text, Some(route));
            // Two routes with the same pattern and different methods share their series.
            let entry: &mut Arc<Series> = by_route.entry(text).or_default();
            let mut merged = Series::clone(entry);
            merged.extend(series);
            *entry = Arc::new(merged);
        }
        self.by_route.store(Arc::new(by_route));
    }

    fn series(&self, label: &str, route: Option<&Route>) -> Series {
        let series = |(outcome, reason): (VerdictLabel, &'static str)| {
            (
                (outcome, reason),
                self.requests
                    .with_label_values(&[label, outcome.label(), reason]),
            )
        };
        outcome::ends(route).into_iter().map(series).collect()
    }

    /// Counts one request. It is called once per request, from one place.
    pub fn request(
        &self,
        route: Option<&str>,
        outcome: VerdictLabel,
        reason: Option<Rejection>,
        took: Duration,
    ) {
        let (route, reason) = (
            route.unwrap_or(NO_ROUTE),
            reason.map_or(NO_REASON, Rejection::label),
        );
        match self
            .by_route
            .load()
            .get(route)
            .and_then(|series| series.get(&(outcome, reason)))
        {
            Some(counter) => counter.inc(),
            // A route that a reload just removed, or a pair that was not prepared. The request is counted all the same.
            None => self
                .requests
                .with_label_values(&[route, outcome.label(), reason])
                .inc(),
        }
        self.request_duration.observe(took.as_secs_f64());
    }

    pub fn prepare_issuer(&self, issuer: &str) {
        self.key_fetches.with_label_values(&[issuer, "ok"]);
        self.key_fetches.with_label_values(&[issuer, "failed"]);
        self.keys_fetched.with_label_values(&[issuer]);
    }

    pub fn keys_fetched(&self, issuer: &str, at: UnixTime) {
        self.key_fetches.with_label_values(&[issuer, "ok"]).inc();
        self.keys_fetched
            .with_label_values(&[issuer])
            .set(seconds(at));
    }

    pub fn keys_not_fetched(&self, issuer: &str) {
        self.key_fetches
            .with_label_values(&[issuer, "failed"])
            .inc();
    }

    pub fn reloaded(&self, part: Part, good: bool) {
        let part = match part {
            Part::Config => "config",
            Part::Membership => "membership",
        };
        self.reloads
            .with_label_values(&[part, if good { "ok" } else { "failed" }])
            .inc();
    }

    pub fn membership_applied(&self, at: UnixTime) {
        self.membership_applied.set(seconds(at));
    }

    pub fn membership_confirmed(&self, at: UnixTime) {
        self.membership_confirmed.set(seconds(at));
    }

    pub fn webhook(&self, result: WebhookResult) {
        let result = match result {
            WebhookResult::Delivered => "delivered",
            WebhookResult::NotTaken => "not_taken",
            WebhookResult::Duplicate => "duplicate",
            WebhookResult::Refused => "refused",
        };
        self.webhooks.with_label_values(&[result]).inc();
    }

    pub fn change(&self, result: ChangeResult) {
        let result = match result {
            ChangeResult::Applied => "applied",
            ChangeResult::Nothing => "nothing",
            ChangeResult::OtherInstance => "other_instance",
            ChangeResult::Unreadable => "unreadable",
            ChangeResult::NotKept => "not_kept",
        };
        self.changes.with_label_values(&[result]).inc();
    }

    /// `lost` returns how many log lines were dropped so far.
    pub fn watch_log(&self, lost: impl Fn() -> usize + Send + Sync + 'static) {
        let _ = self.lost_lines.set(Box::new(lost));
    }

    /// The Prometheus text format, with the figures of `snapshot`.
    #[must_use]
    pub fn render(&self, snapshot: &Snapshot) -> Vec<u8> {
        self.generation
            .set(i64::try_from(snapshot.generation).unwrap_or(i64::MAX));
        self.auth_disabled
            .set(i64::from(snapshot.rules.auth_disabled()));
        let members = snapshot
            .members
            .as_ref()
            .map_or(0, |members| members.size().2);
        self.members.set(i64::try_from(members).unwrap_or(i64::MAX));
        if let Some(lost) = self.lost_lines.get() {
            let lost = u64::try_from(lost()).unwrap_or(u64::MAX);
            self.log_lines_lost
                .inc_by(lost.saturating_sub(self.log_lines_lost.get()));
        }
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => text,
            Err(error) => format!("# the metrics could not be written: {error}\n").into_bytes(),
        }
    }
}

fn keep<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect(VALID);
    collector
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since 1970 fit into the 52 bits of an f64 for 140 million years"
)]
fn seconds(at: UnixTime) -> f64 {
    at.0 as f64
}
