//! The log on stderr, written by a thread of its own, so that a slow reader never slows a request: JSON lines for machines,
//! and for the demo on a terminal one short line per request.

mod lines;

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Bound: lines that wait for the writer; more are dropped and counted.
const WAITING_LINES: usize = 64 * 1024;

/// Writes out what waits when it is dropped.
pub struct LogGuard {
    _writer: WorkerGuard,
    lost: ErrorCounter,
}

impl LogGuard {
    fn on_stderr() -> (NonBlocking, Self) {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES)
            .lossy(true)
            .finish(std::io::stderr());
        let lost = writer.error_counter();
        (
            writer,
            Self {
                _writer: guard,
                lost,
            },
        )
    }

    /// Tells how many lines were dropped so far.
    pub fn lost_lines(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let lost = self.lost.clone();
        move || lost.dropped_lines()
    }
}

/// Starts the log as JSON lines. `BAILIFF_LOG` (error, warn, info, debug, trace) sets how much bailiff says.
pub fn json() -> LogGuard {
    let (writer, log) = LogGuard::on_stderr();
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_writer(writer)
        .with_filter(filter());
    tracing_subscriber::registry().with(lines).init();
    count_panics();
    log
}

/// Starts the log as lines for somebody who watches.
pub fn lines() -> LogGuard {
    let (writer, log) = LogGuard::on_stderr();
    let colours = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .event_format(lines::LineFormat { colours })
        .with_writer(writer)
        .with_filter(lines::filter());
    tracing_subscriber::registry().with(lines).init();
    count_panics();
    log
}

/// How much is said. The libraries below us print whole requests at their lower levels, tokens among them (attack A-125), so
/// whatever `BAILIFF_LOG` says, of them only errors are let through.
fn filter() -> Targets {
    let level = std::env::var("BAILIFF_LOG")
        .ok()
        .and_then(|level| level.parse::<LevelFilter>().ok());
    let ours = level.unwrap_or(LevelFilter::INFO);
    Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_target("bailiff", ours)
        .with_target("access", ours)
}

/// A panic ends one request, and is a fault of ours that somebody should hear of. What it says is not printed as it is: it may
/// hold what came from outside.
fn count_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(target: "bailiff", place, "a panic: please report it");
    }));
}
