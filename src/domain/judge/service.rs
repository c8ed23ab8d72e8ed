//! Whether the token is a service's, and whether it counts here.

use super::access::Judgement;
use super::{Proofs, Trace};
use crate::domain::client::Client;
use crate::domain::ids::ServiceName;
use crate::domain::routes::Access;
use crate::domain::{Rejection, service_token};

impl<P: Proofs, T: Trace> Judgement<'_, P, T> {
    /// The service that shows this token. `None`: no service has it, so it may be a user's.
    ///
    /// Every route compares with the tokens of all services, listed for it or not: a token that is known and does not count
    /// here is refused on the spot, whatever the route would make of it otherwise, and the log can say so.
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
        // Fail closed: never usable from the public side, nor from who knows where.
        if !service.networks().hold(client) {
            return Err(Rejection::ServiceNetwork);
        }
        self.trace
            .step(|| format!("{client} is where the service may call from"));
        Ok(Some(service.name().clone()))
    }
}
