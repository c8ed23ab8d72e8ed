//! `timeouts:` and `shutdown:`: how long the gate waits.

use std::time::Duration;

use crate::config::reader::{Field, Reading};
use crate::config::settings::{Shutdown, Timeouts};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads `timeouts:`.
pub(crate) fn timeouts(field: Field<'_>) -> Reading<Timeouts> {
    let default = Timeouts::default();
    if !field.is_present() {
        return Ok(default);
    }
    let mut fields = field.fields("the timeouts")?;
    let (tenth, second, minute) = (
        Duration::from_millis(100),
        Duration::from_secs(1),
        Duration::from_secs(60),
    );
    let connect = fields.duration_or("connect", default.connect, tenth..=minute);
    let read = fields.duration_or("read", default.read, second..=DAY);
    let write = fields.duration_or("write", default.write, second..=DAY);
    let upstream_idle = fields.duration_or(
        "upstream_idle",
        default.upstream_idle,
        Duration::ZERO..=60 * minute,
    );
    let client = fields.duration_or("client", default.client, second..=60 * minute);
    let webhook_body = fields.duration_or("webhook_body", default.webhook_body, second..=minute);
    fields.finish();
    Ok(Timeouts {
        connect: connect?,
        read: read?,
        write: write?,
        upstream_idle: upstream_idle?,
        client: client?,
        webhook_body: webhook_body?,
    })
}

/// Reads `shutdown:`.
pub(crate) fn shutdown(field: Field<'_>) -> Reading<Shutdown> {
    let default = Shutdown::default();
    if !field.is_present() {
        return Ok(default);
    }
    let mut fields = field.fields("the shutdown")?;
    let longest = Duration::from_secs(600);
    let delay = fields.duration_or("delay", default.delay, Duration::ZERO..=longest);
    let drain = fields.duration_or("drain", default.drain, Duration::ZERO..=longest);
    fields.finish();
    Ok(Shutdown {
        delay: delay?,
        drain: drain?,
    })
}
