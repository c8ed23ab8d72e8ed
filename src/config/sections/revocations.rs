//! `revocations:`: how long revocations are remembered.

use std::time::Duration;

use crate::config::reader::Fields;

const HOUR: Duration = Duration::from_secs(3600);

/// Long enough for the access tokens of most providers; Clerk's session tokens live a minute.
const KEEP_REVOCATIONS: Duration = Duration::from_secs(24 * 3600);

/// Reads how long a revocation is remembered.
pub(crate) fn keep_revocations(root: &mut Fields<'_>) -> Option<Duration> {
    let field = root.opt("revocations");
    if !field.is_present() {
        return Some(KEEP_REVOCATIONS);
    }
    let mut fields = field.fields("the revocations")?;
    let keep = fields
        .opt("keep")
        .duration_or(KEEP_REVOCATIONS, Duration::from_secs(60)..=30 * 24 * HOUR);
    fields.finish();
    keep
}
