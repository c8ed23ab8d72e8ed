//! Whether the token is a service's, and whether the service may use this route.

use super::access::Judgement;
use super::{Proofs, Trace};
use crate::domain::client::Client;
use crate::domain::ids::ServiceName;
use crate::domain::routes::Access;
use crate::domain::{Rejection, service_token};

impl<P: Proofs, T: Trace> Judgement<'_, P, T> {
    /// The service with this token. `None`: the token belongs to no service, so it may be a user's.
    ///
    /// Every route compares the token with the tokens of all services, also of services that may not use the route. A service
    /// token that does not count here is refused at once, whatever the route asks for, and the log has the precise reason.
    pub(super) fn service(&mut self, token: &str) -> Result<Option<ServiceName>, Rejection> {
        let (rules, route, head) = (&self.snapshot.rules, self.route, self.head);
        let Some(service) = service_token::find(&rules.services, token) else {
            if route.access != Access::Service
                && rules.services.iter().any(|service| service.reaches(route))
            {
                self.trace
                    .step(|| "no service has this token: it is judged as a user's".into());
            }
            return Ok(None);
        };
        self.who.service = Some(service.name().clone());
        self.trace
            .step(|| format!("the token is that of the service `{}`", service.name()));
        if !service.may_use(route, head.method) {
            return Err(Rejection::ServiceRoute);
        }
        let client = Client::of(head.peer, head.headers, &rules.trusted_proxies);
        if client == Client::Undeclared {
            return Err(Rejection::UndeclaredProxy);
        }
        // Fail closed: a service token never counts from a public network, or from an unknown address.
        if !service.networks().hold(client) {
            return Err(Rejection::ServiceNetwork);
        }
        self.trace
            .step(|| format!("{client} is where the service may call from"));
        Ok(Some(service.name().clone()))
    }
}
