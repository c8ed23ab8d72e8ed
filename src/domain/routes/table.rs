//! All routes together: which of them a request is judged by.

use std::sync::Arc;

use http::Method;

use super::{Access, Methods, Pattern, Route};
use crate::domain::path::CleanPath;

/// All routes, most specific first.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
}

impl RouteTable {
    /// Sorts the routes. Two that cover the same method and path are a contradiction: their indices are the error.
    pub fn new(routes: Vec<Route>) -> Result<Self, (usize, usize)> {
        for (later, b) in routes.iter().enumerate() {
            let same = |a: &Route| a.pattern.same_paths(&b.pattern) && contradict(&a.methods, &b.methods);
            if let Some(earlier) = routes.iter().take(later).position(same) {
                return Err((earlier, later));
            }
        }
        let mut routes: Vec<_> = routes.into_iter().map(Arc::new).collect();
        // With equal patterns, the route that names its methods goes before the one that does not.
        routes.sort_by(|a, b| {
            let unnamed = |r: &Route| matches!(r.methods, Methods::Usual);
            a.pattern.specificity(&b.pattern).then(unnamed(a).cmp(&unnamed(b)))
        });
        Ok(Self { routes })
    }

    /// The most specific route that covers the request. `None` means refused: there is no default.
    ///
    /// A trailing slash is judged as the path without it, because many frameworks serve both alike and a rule for
    /// `/admin` must not be left by `/admin/` (attack A-32). Only routes that open a path to everybody do not stretch.
    ///
    /// The path of a webhook is nobody else's: what its route does not cover falls through to no broader one. Otherwise the token of
    /// any user would open it by `/webhooks/clerk/`, and an app that leaves signatures to us would take their word for Clerk's.
    #[must_use]
    pub fn find(&self, method: &Method, path: &CleanPath) -> Option<&Arc<Route>> {
        let mut webhook: Option<&Pattern> = None;
        for route in self.routes.iter().filter(|route| route.pattern.matches(path)) {
            if webhook.is_some_and(|webhook| !webhook.same_paths(&route.pattern)) {
                return None;
            }
            let stretched = path.trailing_slash() && !route.pattern.rest && route.access.opens();
            match (route.methods.cover(method), stretched, route.access) {
                (true, false, _) => return Some(route),
                (true, true, Access::Webhook) => return None,
                (_, _, Access::Webhook) => webhook = Some(&route.pattern),
                _ => {}
            }
        }
        None
    }

    /// All routes, most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }
}

/// Two method sets of one pattern contradict each other unless one of them names its methods and the other does not.
fn contradict(a: &Methods, b: &Methods) -> bool {
    match (a, b) {
        (Methods::Usual, Methods::These(_)) | (Methods::These(_), Methods::Usual) => false,
        _ => a.overlap(b),
    }
}
