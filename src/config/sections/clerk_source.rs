//! `membership.clerk`: Clerk's Backend API as the source of the membership.

use std::time::Duration;

use crate::config::reader::{Code, Field, Reading};
use crate::config::settings::{BackendSettings, ClerkSource};

/// [`ClerkSource::reconcile`] where nothing is said.
const RECONCILE: Duration = Duration::from_secs(15 * 60);

/// Reads the section. `backend` is the Backend API as `clerk:` configures it.
pub(crate) fn clerk_source(
    field: Field<'_>,
    backend: Reading<Option<&BackendSettings>>,
) -> Reading<ClerkSource> {
    let mut fields = field.fields("the Clerk source")?;
    let range = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
    let reconcile = fields.duration_or("reconcile", RECONCILE, range);
    fields.finish();
    let backend = backend?.ok_or_else(|| {
        let what = "`membership.clerk` needs the secret key of the instance, which opens Clerk's Backend API";
        let fix = "`secret_key: ${CLERK_SECRET_KEY}` under `clerk:`, or set CLERK_SECRET_KEY";
        field.refuse(Code::Contradiction, what, fix)
    })?;
    Ok(ClerkSource {
        reconcile: reconcile?,
        backend: backend.clone(),
    })
}
