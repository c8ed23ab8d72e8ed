//! `timeouts:` and `shutdown:`: how long the gate waits.

use std::time::Duration;

use crate::config::reader::Field;
use crate::config::settings::{Shutdown, Timeouts};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn timeouts(field: Field<'_>) -> Option<Timeouts> {
    let default = Timeouts::default();
    if !field.is_present() {
        return Some(default);
    }
    let mut fields = field.fields("the timeouts")?;
    let (tenth, second, minute) = (
        Duration::from_millis(100),
        Duration::from_secs(1),
        Duration::from_secs(60),
    );
    let connect = fields
        .opt("connect")
        .duration_or(default.connect, tenth..=minute);
    let read = fields.opt("read").duration_or(default.read, second..=DAY);
    let write = fields.opt("write").duration_or(default.write, second..=DAY);
    let upstream_idle = fields
        .opt("upstream_idle")
        .duration_or(default.upstream_idle, Duration::ZERO..=60 * minute);
    let client = fields
        .opt("client")
        .duration_or(default.client, second..=60 * minute);
    let webhook_body = fields
        .opt("webhook_body")
        .duration_or(default.webhook_body, second..=minute);
    fields.finish();
    Some(Timeouts {
        connect: connect?,
        read: read?,
        write: write?,
        upstream_idle: upstream_idle?,
        client: client?,
        webhook_body: webhook_body?,
    })
}

pub(crate) fn shutdown(field: Field<'_>) -> Option<Shutdown> {
    let default = Shutdown::default();
    if !field.is_present() {
        return Some(default);
    }
    let mut fields = field.fields("the shutdown")?;
    let longest = Duration::from_secs(600);
    let delay = fields
        .opt("delay")
        .duration_or(default.delay, Duration::ZERO..=longest);
    let drain = fields
        .opt("drain")
        .duration_or(default.drain, Duration::ZERO..=longest);
    fields.finish();
    Some(Shutdown {
        delay: delay?,
        drain: drain?,
    })
}
