//! The log on stderr. A thread of its own writes it, so that a slow reader never slows a request. It has JSON lines for machines.
//! The demo on a terminal prints one short line per request instead.

mod lines;

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Bound: lines that wait for the writer; more are dropped and counted.
const WAITING_LINES: usize = 64 * 1024;

/// Writes the waiting lines when it is dropped.
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

    /// Returns a function that counts the lines dropped so far.
    pub fn lost_lines(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let lost = self.lost.clone();
        move || lost.dropped_lines()
    }
}

/// Starts the log as JSON lines. `BAILIFF_LOG` (error, warn, info, debug, trace) sets its level.
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

/// Starts the log as lines for people.
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

/// The level of the log. At low levels, the libraries print whole requests with their tokens (attack A-125). So only errors of
/// libraries are logged, whatever `BAILIFF_LOG` is.
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

/// Logs panics. A panic ends one request, and is a bug that must be visible. Its message is not printed as it is, because it may
/// contain text from outside.
fn count_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(target: "bailiff", place, "a panic: please report it");
    }));
}
