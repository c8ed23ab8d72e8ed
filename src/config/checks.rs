//! What sections must have in common with each other.

pub(crate) mod addresses;
mod path_variants;
mod routes;
mod service_routes;
mod shared_token;

use crate::domain::routes::RouteTable;
use crate::domain::service_token::ServiceToken;

use super::reader::environment::ReadContext;
use super::sections::Sections;

/// What is known only after the sections were compared.
pub(crate) struct Checked {
    pub(crate) routes: RouteTable,
    pub(crate) services: Vec<ServiceToken>,
}

/// Compares the sections, and reports every disagreement.
pub(crate) fn check(sections: &Sections<'_>, cx: ReadContext<'_>) -> Option<Checked> {
    let services = sections.services.as_ref().and_then(|services| {
        let proxies = sections.trusted_proxies.as_deref();
        service_routes::bind(services, sections.routes.as_ref()?, proxies)
    });
    let distinct = shared_token::is_of_no_service(sections, services.as_deref());
    let routes = sections
        .routes
        .as_ref()
        .and_then(|lines| routes::table(lines, sections, services.as_deref(), cx));
    if let (Some(headers), Some(proxies)) = (&sections.headers, &sections.trusted_proxies) {
        headers.check_proxies(proxies);
    }
    let services = services?.into_iter().map(|(_, service)| service).collect();
    distinct.then_some(Checked {
        routes: routes?,
        services,
    })
}
