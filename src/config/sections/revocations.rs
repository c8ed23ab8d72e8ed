//! `revocations:`: how long revocations are remembered.

use std::time::Duration;

use crate::config::reader::{Fields, Reading};

const HOUR: Duration = Duration::from_secs(3600);

/// Long enough for the access tokens of most providers; Clerk's session tokens live a minute.
const KEEP_REVOCATIONS: Duration = Duration::from_secs(24 * 3600);

/// Reads how long a revocation is remembered.
pub(crate) fn keep_revocations(root: &mut Fields<'_>) -> Reading<Duration> {
    let Some(mut fields) = root.section("revocations", "the revocations")? else {
        return Ok(KEEP_REVOCATIONS);
    };
    let keep = fields.duration_or(
        "keep",
        KEEP_REVOCATIONS,
        Duration::from_secs(60)..=30 * 24 * HOUR,
    );
    fields.finish();
    keep
}
