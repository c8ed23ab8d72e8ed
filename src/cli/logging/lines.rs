//! One line per log event, for people:
//!
//! ```text
//!   17:20:20  403  not_a_member       GET /workspaces/ws_globex/board           user_bob               7 µs
//!   17:20:31  200  user_alice         GET /me                                   app 0.4 ms           112 µs
//! ```

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;
use crate::domain::UnixTime;

/// The events that get a line: requests, changes of the membership, and errors.
pub(super) fn filter() -> Targets {
    let quiet = [("bailiff", LevelFilter::WARN)];
    let told = ["access", "bailiff::proxy::webhook", "bailiff::reload"]
        .map(|target| (target, LevelFilter::INFO));
    Targets::new()
        .with_default(LevelFilter::ERROR)
        .with_targets(quiet)
        .with_targets(told)
}

/// Writes events as lines.
pub(super) struct LineFormat {
    pub colours: bool,
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = if event.metadata().target() == "access" {
            request(&fields, self.colours)
        } else {
            other(&fields, *event.metadata().level())
        };
        writeln!(writer, "  {}  {line}", time_of_day(clock::now()))
    }
}

/// The fields of an event as text.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name(), format!("{value:.1}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // The place in a library that wrote the line is of no use here.
        if field.name().starts_with("log.") {
            return;
        }
        self.0
            .insert(field.name(), printable(&format!("{value:?}")));
    }
}

/// Text from outside must not control the terminal nor begin a second line (attack A-126). Line breaks of bailiff's own messages
/// stay.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n'
            || (!c.is_control() && (c.is_ascii() || c.is_alphanumeric() || matches!(c, '…' | '—')))
        {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

fn request(fields: &Fields, colours: bool) -> String {
    let get = |name| fields.get(name).unwrap_or_default();
    let status = fields.get("status").unwrap_or("---");
    let status = match (colours, status.as_bytes().first()) {
        (true, Some(b'2')) => format!("\x1b[32m{status}\x1b[0m"),
        (true, Some(b'5')) => format!("\x1b[31m{status}\x1b[0m"),
        (true, Some(b'4')) => format!("\x1b[33m{status}\x1b[0m"),
        _ => status.to_owned(),
    };
    // The id of a webhook is long, and of no use here.
    let webhook = fields.get("webhook").map(|_| "webhook");
    let who = ["subject", "service"]
        .iter()
        .find_map(|name| fields.get(name))
        .or(webhook);
    let (first, then) = match (fields.get("reason"), fields.get("upstream_ms")) {
        (Some(reason), _) => (reason, who.unwrap_or_default().to_owned()),
        (None, Some(took)) => (who.unwrap_or("nobody"), format!("app {took} ms")),
        (None, None) => (who.unwrap_or(get("verdict")), String::new()),
    };
    let asked = format!("{} {}", get("method"), get("path")).replace('\n', "\\n");
    let (first, then) = (first.replace('\n', "\\n"), then.replace('\n', "\\n"));
    format!(
        "{status}  {first:<18} {asked:<42} {then:<16} {:>7} µs",
        get("decision_us")
    )
}

fn other(fields: &Fields, level: Level) -> String {
    let mut line = match level {
        Level::ERROR => "error: ".to_owned(),
        Level::WARN => "warning: ".to_owned(),
        _ => "--   ".to_owned(),
    };
    line += fields.get("message").unwrap_or_default();
    for (name, value) in fields.0.iter().filter(|(name, _)| **name != "message") {
        let _ = write!(line, "  {name}={value}");
    }
    line
}

/// `17:20:31`, in UTC: the local time zone would need another library.
fn time_of_day(UnixTime(now): UnixTime) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        now / 3600 % 24,
        now / 60 % 60,
        now % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(given: &[(&'static str, &str)]) -> Fields {
        Fields(
            given
                .iter()
                .map(|(name, value)| (*name, printable(value)))
                .collect(),
        )
    }

    #[test]
    fn a_request_is_one_line_whatever_its_path_says() {
        let given = [
            ("status", "403"),
            ("reason", "not_a_member"),
            ("subject", "user_bob"),
            ("method", "GET"),
            ("path", "/a\u{1b}[2J\n200 x"),
            ("decision_us", "7"),
        ];
        let line = request(&fields(&given), false);
        assert!(line.starts_with("403  not_a_member"), "{line}");
        assert!(
            line.contains("user_bob") && line.ends_with("7 µs"),
            "{line}"
        );
        assert!(!line.contains(['\n', '\u{1b}']), "{line:?}");
    }

    #[test]
    fn a_request_that_passed_names_its_user_and_the_time_of_the_app() {
        let given = [
            ("status", "200"),
            ("subject", "user_alice"),
            ("upstream_ms", "0.4"),
            ("method", "GET"),
            ("path", "/me"),
        ];
        let line = request(&fields(&given), true);
        assert!(
            line.contains("\u{1b}[32m200")
                && line.contains("user_alice")
                && line.contains("app 0.4 ms"),
            "{line}"
        );
    }

    #[test]
    fn the_time_of_day_is_told_in_two_digits() {
        assert_eq!(time_of_day(UnixTime(1_700_000_005)), "22:13:25");
    }
}
