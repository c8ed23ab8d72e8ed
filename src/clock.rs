//! The only place that asks what time it is. Everything else is told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::UnixTime;

/// Seconds since 1970. A clock before that is taken for 1970: every token is then from the future, which refuses.
#[must_use]
pub fn now() -> UnixTime {
    UnixTime(since_1970().as_secs())
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the one caller")]
fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
}

/// A point in time for measuring durations.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one caller")]
pub fn monotonic() -> Instant {
    Instant::now()
}
