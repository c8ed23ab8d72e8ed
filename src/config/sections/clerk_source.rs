//! `membership.clerk`: Clerk's Backend API as the source of the membership.

use std::time::Duration;

use crate::config::document::faults::{Code, Fault};
use crate::config::reader::Field;
use crate::config::settings::{BackendSettings, ClerkSource};

/// [`ClerkSource::reconcile`] where nothing is said.
const RECONCILE: Duration = Duration::from_secs(15 * 60);

/// Reads the section. `backend` is what `clerk:` says; the outer `None` when that has faults of its own.
pub(crate) fn clerk_source(
    field: Field<'_>,
    backend: Option<Option<&BackendSettings>>,
) -> Option<ClerkSource> {
    let mut fields = field.fields("the Clerk source")?;
    let range = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
    let reconcile = fields.opt("reconcile").duration_or(RECONCILE, range);
    fields.finish();
    if backend == Some(None) {
        let what = "`membership.clerk` needs the secret key of the instance, which opens Clerk's Backend API";
        field.reject(
            Fault::error(Code::Contradiction, what)
                .fix("`secret_key: ${CLERK_SECRET_KEY}` under `clerk:`, or set CLERK_SECRET_KEY"),
        );
    }
    Some(ClerkSource {
        reconcile: reconcile?,
        backend: backend??.clone(),
    })
}
