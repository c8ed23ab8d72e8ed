//! The table of all routes, and the choice of the routes that judge a request.

use std::sync::Arc;

use http::Method;

use super::matching::{Match, PathParts, PathRules};
use super::{Access, Methods, Pattern, Route, WorkspaceSource};
use crate::domain::path::{Alias, CleanPath};

/// All routes, most specific first.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    rules: PathRules,
}

/// A route by which some app server serves a request.
#[derive(Clone, Copy, Debug)]
pub struct RouteReading<'t> {
    pub route: &'t Arc<Route>,
    /// The path as this app server reads it: that of the request, or one of [`CleanPath::aliases`].
    pub path: &'t CleanPath<'t>,
}

/// The routes by which app servers may serve one request: at least one, the most specific first.
///
/// The gate does not know which of them the app uses. So it admits a request only if every one of them admits it.
#[derive(Clone, Debug)]
pub struct Readings<'t> {
    first: RouteReading<'t>,
    further: Vec<RouteReading<'t>>,
}

impl<'t> Readings<'t> {
    /// The most specific one.
    #[must_use]
    pub fn first(&self) -> RouteReading<'t> {
        self.first
    }

    /// All others. They are empty for nearly every request, because app servers agree on the paths that honest clients send.
    #[must_use]
    pub fn further(&self) -> &[RouteReading<'t>] {
        &self.further
    }

    pub fn iter(&self) -> impl Iterator<Item = RouteReading<'t>> {
        std::iter::once(self.first).chain(self.further.iter().copied())
    }

    /// Adds a reading, unless its route is already there and does not depend on the path.
    fn add(&mut self, reading: RouteReading<'t>) {
        let from_path = |source: &WorkspaceSource| matches!(source, WorkspaceSource::Segment(_));
        let known = self
            .iter()
            .any(|known| Arc::ptr_eq(known.route, reading.route));
        if !known || reading.route.workspace.iter().any(from_path) {
            self.further.push(reading);
        }
    }
}

impl RouteTable {
    /// Sorts the routes. Two routes that cover the same method and path contradict each other; the error holds their indices.
    pub fn new(routes: Vec<Route>, rules: PathRules) -> Result<Self, (usize, usize)> {
        for (later, b) in routes.iter().enumerate() {
            let same = |a: &Route| {
                a.pattern.same_paths(&b.pattern, rules) && contradict(&a.methods, &b.methods)
            };
            if let Some(earlier) = routes.iter().take(later).position(same) {
                return Err((earlier, later));
            }
        }
        let mut routes: Vec<_> = routes.into_iter().map(Arc::new).collect();
        // With equal patterns, a route that names its methods comes before one that does not.
        routes.sort_by(|a, b| {
            let unnamed = |r: &Route| matches!(r.methods, Methods::Usual);
            a.pattern
                .specificity(&b.pattern)
                .then(unnamed(a).cmp(&unnamed(b)))
        });
        Ok(Self { routes, rules })
    }

    /// The routes by which app servers may serve this request. `aliases` are the aliases of its path. `None`: the request is
    /// refused. There is no default route. If some app server may read the path as one that no route covers, no route covers the
    /// request.
    ///
    /// An alias that no route covers changes nothing, because most names of scripts are names of files. A path that a route
    /// spells out is read as the route has it, and its aliases are ignored.
    ///
    /// The path of a webhook has one spelling. Requests to it that its route does not cover fall through to no broader route.
    /// Otherwise any user's token would open `/webhooks/clerk/`, and an app that leaves the signature check to the gate would
    /// take the user's request for Clerk's.
    #[must_use]
    pub fn readings<'t>(
        &'t self,
        method: &Method,
        path: &'t CleanPath<'t>,
        aliases: &'t [Alias],
    ) -> Option<Readings<'t>> {
        let (found, covered) = self.matching_routes(method, path)?;
        let mut readings = found.filter(|_| covered)?;
        let first: &'t Arc<Route> = readings.first.route;
        let named = &first.pattern;
        for alias in aliases.iter().filter(|_| !named.is_literal()) {
            let (found, _) = self.matching_routes(method, &alias.path)?;
            // If a route spells out the script's name, the operator knows the script and does not want the route for everything
            // else.
            let known = named.is_literal_at(alias.named_at);
            let found = found.iter().flat_map(Readings::iter);
            found
                .filter(|reading| !known || reading.route.pattern.has_literals())
                .for_each(|reading| readings.add(reading));
        }
        let webhook = readings
            .iter()
            .any(|reading| reading.route.access == Access::Webhook);
        (!webhook || readings.further.is_empty()).then_some(readings)
    }

    /// The routes that cover the path for some app server, and whether every app server has one. `None` if a request would leave
    /// the path of a webhook.
    fn matching_routes<'t>(
        &'t self,
        method: &Method,
        path: &'t CleanPath<'t>,
    ) -> Option<(Option<Readings<'t>>, bool)> {
        let parts = PathParts::of(path, self.rules);
        let (mut found, mut covered): (Option<Readings<'t>>, bool) = (None, false);
        let mut webhook: Option<&Pattern> = None;
        for route in &self.routes {
            let Some(matched) = parts.match_route(route) else {
                continue;
            };
            if webhook.is_some_and(|webhook| !webhook.same_paths(&route.pattern, self.rules)) {
                return None;
            }
            let is_webhook = route.access == Access::Webhook;
            if !route.methods.cover(method) {
                webhook = if is_webhook {
                    Some(&route.pattern)
                } else {
                    webhook
                };
                continue;
            }
            let reading = RouteReading { route, path };
            match &mut found {
                None => {
                    found = Some(Readings {
                        first: reading,
                        further: Vec::new(),
                    })
                }
                Some(found) => found.further.push(reading),
            }
            covered |= matched == Match::Certain || (matched == Match::Declared && !is_webhook);
            if matched == Match::Certain {
                break;
            }
        }
        Some((found, covered))
    }

    /// All routes, most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    /// The rules by which the app reads paths.
    #[must_use]
    pub fn rules(&self) -> PathRules {
        self.rules
    }
}

/// Whether the method sets of two routes with one pattern contradict each other. They do not if exactly one of them names its
/// methods.
fn contradict(a: &Methods, b: &Methods) -> bool {
    match (a, b) {
        (Methods::Usual, Methods::These(_)) | (Methods::These(_), Methods::Usual) => false,
        _ => a.overlap(b),
    }
}
