//! The shared token of local mode among those of services.

use crate::domain::service_token::{self, ServiceToken};
use crate::domain::static_user::StaticAuth;

use crate::config::document::faults::{Code, Fault};
use crate::config::reader::Field;
use crate::config::sections::Sections;

/// Whether no service has the shared token: it would be a person on one route and a service on another.
pub(crate) fn is_of_no_service(
    sections: &Sections<'_>,
    services: Option<&[(Field<'_>, ServiceToken)]>,
) -> bool {
    let Some(Some(StaticAuth::Local { tokens, .. })) = &sections.users.mode else {
        return true;
    };
    let services: Vec<_> = services
        .unwrap_or_default()
        .iter()
        .map(|(_, service)| service.clone())
        .collect();
    let found = tokens
        .iter()
        .find_map(|hash| service_token::find_hash(&services, hash));
    if let Some(service) = found {
        let what = format!(
            "the service `{}` has the shared token of local mode",
            service.name()
        );
        let fault = Fault::error(Code::Contradiction, what).fix("give each its own token");
        sections.local_token_at.reject(fault);
    }
    found.is_none()
}
