//! The permit to send a request to the upstream.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::domain::head::RequestHead;
use crate::domain::identity::{TrustedHeaders, name};
use crate::domain::routes::Route;

/// The permit to send a request to the upstream, with the trusted headers and within the limits of the routes. It is part of
/// every [`super::Grant`] and of every [`super::VerifiedWebhook`]. Only the judge makes one, and without one the proxy can send
/// nothing to the upstream.
#[derive(Clone, Debug)]
pub struct Permit {
    route: Arc<Route>,
    /// Further routes by which some app server may serve this request. They admit the caller too.
    further_routes: Vec<Arc<Route>>,
    headers: TrustedHeaders,
    /// See [`Permit::rewritten_target`].
    rewritten_target: Option<Box<str>>,
}

impl Permit {
    pub(super) fn new(route: &Arc<Route>, head: &RequestHead, headers: TrustedHeaders) -> Self {
        Self {
            route: route.clone(),
            further_routes: Vec::new(),
            headers,
            rewritten_target: head.absolute_form.then(|| head.origin_form.into()),
        }
    }

    /// Narrows this permit to what `other` permits as well. The headers stay: they must include those of `other`.
    pub(super) fn join(&mut self, other: Self) {
        if other.headers.drops_authorization() {
            self.headers.drop_authorization();
        }
        self.further_routes.push(other.route);
        self.further_routes.extend(other.further_routes);
    }

    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Every route that admits the caller.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        std::iter::once(&self.route).chain(&self.further_routes)
    }

    /// The headers that the upstream can trust.
    #[must_use]
    pub fn headers(&self) -> &TrustedHeaders {
        &self.headers
    }

    /// The target to send in place of the client's, if that was in absolute form. The gate judges such a request by its path, so
    /// the upstream gets only the path (RFC 9112, 3.2.1).
    #[must_use]
    pub fn rewritten_target(&self) -> Option<&str> {
        self.rewritten_target.as_deref()
    }

    /// The request id that the upstream gets.
    #[must_use]
    pub fn request_id(&self) -> Option<&HeaderValue> {
        let mut values = self.headers.values();
        values.find_map(|(header, value)| (header == name::REQUEST_ID).then_some(value))
    }

    /// The largest body of this request in bytes. `None`: the gate sets no limit.
    #[must_use]
    pub fn max_body(&self) -> Option<u64> {
        self.routes().filter_map(|route| route.max_body).min()
    }

    /// The longest wait for the upstream's next bytes. `default` counts for a route that sets none. `None`: no limit.
    #[must_use]
    pub fn timeout(&self, default: Option<Duration>) -> Option<Duration> {
        self.routes()
            .filter_map(|route| route.timeout.or(default))
            .min()
    }
}
