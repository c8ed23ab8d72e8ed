//! What sections must have in common with each other.

pub(crate) mod addresses;
mod path_variants;
mod routes;
mod service_routes;
mod shared_token;

use crate::domain::routes::RouteTable;
use crate::domain::service_token::ServiceToken;

use super::reader::{Faulty, ReadContext, Reading};
use super::sections::Sections;

/// What is known only after the sections were compared.
pub(crate) struct Checked {
    pub(crate) routes: RouteTable,
    pub(crate) services: Vec<ServiceToken>,
}

/// Compares the sections, and reports every disagreement.
pub(crate) fn check(sections: &Sections<'_>, cx: ReadContext<'_>) -> Reading<Checked> {
    let proxies = sections.trusted_proxies.as_deref().unwrap_or_default();
    let services = match (&sections.services, &sections.routes) {
        (Ok(services), Ok(lines)) => service_routes::bind(services, lines, proxies),
        _ => Err(Faulty),
    };
    let bound = services.as_deref().ok();
    let distinct = shared_token::is_of_no_service(sections, bound.unwrap_or_default());
    let routes = match &sections.routes {
        Ok(lines) => routes::table(lines, sections, bound, cx),
        Err(faulty) => Err(*faulty),
    };
    if let (Ok(headers), Ok(_)) = (&sections.headers, &sections.trusted_proxies) {
        headers.check_proxies(proxies);
    }
    distinct?;
    let (routes, services) = (routes?, services?);
    Ok(Checked {
        routes,
        services: services.into_iter().map(|(_, service)| service).collect(),
    })
}
