//! The shared token of local mode among those of services.

use crate::domain::service_token::{self, ServiceToken};
use crate::domain::static_user::StaticAuth;

use crate::config::reader::{Code, Field, Reading};
use crate::config::sections::Sections;

/// Whether no service has the shared token: it would be a person on one route and a service on another.
pub(crate) fn is_of_no_service(
    sections: &Sections<'_>,
    services: &[(Field<'_>, ServiceToken)],
) -> Reading<()> {
    let Ok(Some(StaticAuth::Local { tokens, .. })) = &sections.users.mode else {
        return Ok(());
    };
    let services: Vec<_> = services
        .iter()
        .map(|(_, service)| service.clone())
        .collect();
    let mut found = tokens
        .iter()
        .filter_map(|hash| service_token::find_hash(&services, hash));
    let Some(service) = found.next() else {
        return Ok(());
    };
    let what = format!(
        "the service `{}` has the shared token of local mode",
        service.name()
    );
    let at = sections.local_token_at;
    Err(at.refuse(Code::Contradiction, what, "give each its own token"))
}
