//! All routes together: by which of them a request is judged.

use std::sync::Arc;

use http::Method;

use super::fit::{Fit, PathRules, fit};
use super::{Access, MAX_SEGMENTS, Methods, Pattern, Route, WorkspaceSource};
use crate::domain::path::CleanPath;

/// Most places at which an app may begin to read a path, behind its first. Nobody has a second one in good
/// faith, nor one behind more than [`MAX_SEGMENTS`].
pub(super) const MAX_FRONTS: usize = 4;

/// All routes, most specific first.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    rules: PathRules,
}

/// A route at which some app server arrives with a request.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'t> {
    pub route: &'t Arc<Route>,
    /// Leading segments that are no part of the path to this reader: see [`CleanPath::fronts`].
    pub skipped: usize,
}

/// The routes at which app servers may arrive with one request: at least one, the most specific first.
///
/// A request is admitted only if it is under every one of them. Which reader the app has, the gate does not know.
#[derive(Clone, Debug)]
pub struct Readings<'t> {
    first: Reading<'t>,
    further: Vec<Reading<'t>>,
}

impl<'t> Readings<'t> {
    /// The most specific one.
    #[must_use]
    pub fn first(&self) -> Reading<'t> {
        self.first
    }

    /// All others. Empty for nearly every request: readers agree about what honest clients send.
    #[must_use]
    pub fn further(&self) -> &[Reading<'t>] {
        &self.further
    }

    pub fn iter(&self) -> impl Iterator<Item = Reading<'t>> {
        std::iter::once(self.first).chain(self.further.iter().copied())
    }
}

impl RouteTable {
    /// Sorts the routes. Two that cover the same method and path are a contradiction: their indices are the error.
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
        // With equal patterns, the route that names its methods goes before the one that does not.
        routes.sort_by(|a, b| {
            let unnamed = |r: &Route| matches!(r.methods, Methods::Usual);
            a.pattern
                .specificity(&b.pattern)
                .then(unnamed(a).cmp(&unnamed(b)))
        });
        Ok(Self { routes, rules })
    }

    /// The routes at which app servers may arrive with this request. `None` means refused: there is no default, and what some
    /// reader would take to a path that no route covers is covered by none.
    ///
    /// The path of a webhook is nobody else's: what its route does not cover falls through to no broader one, and it has one
    /// spelling. Otherwise the token of any user would open it by `/webhooks/clerk/`, and an app that leaves signatures to us would
    /// take their word for Clerk's.
    #[must_use]
    pub fn readings(&self, method: &Method, path: &CleanPath) -> Option<Readings<'_>> {
        let (found, settled) = self.walk(method, path, 0)?;
        let mut readings = found.filter(|_| settled)?;
        if path.as_str().contains(['.', '_']) {
            self.look_behind_fronts(method, path, &mut readings)?;
        }
        let webhook = readings
            .iter()
            .any(|reading| reading.route.access == Access::Webhook);
        if webhook && !readings.further.is_empty() {
            None
        } else {
            Some(readings)
        }
    }

    /// The routes that cover the path behind its first `skipped` segments to some reader, and whether every reader arrives at one.
    /// `None` where a request would leave the path of a webhook.
    fn walk(
        &self,
        method: &Method,
        path: &CleanPath,
        skipped: usize,
    ) -> Option<(Option<Readings<'_>>, bool)> {
        let (mut found, mut settled): (Option<Readings<'_>>, bool) = (None, false);
        let mut webhook: Option<&Pattern> = None;
        for route in &self.routes {
            let Some(fit) = fit(route, path, skipped, self.rules) else {
                continue;
            };
            if webhook.is_some_and(|webhook| !webhook.same_paths(&route.pattern, self.rules)) {
                return None;
            }
            if !route.methods.cover(method) {
                if route.access == Access::Webhook {
                    webhook = Some(&route.pattern);
                }
                continue;
            }
            let first = Reading { route, skipped };
            match &mut found {
                None => {
                    found = Some(Readings {
                        first,
                        further: Vec::new(),
                    })
                }
                Some(found) => found.further.push(first),
            }
            settled |= fit <= Fit::Declared;
            if fit == Fit::Certain {
                break;
            }
        }
        Some((found, settled))
    }

    /// Adds the routes that cover what stands behind the name of a script, or behind the prefix of Next.js. Where none does, nothing is
    /// added: most segments with such a name are files.
    fn look_behind_fronts<'t>(
        &'t self,
        method: &Method,
        path: &CleanPath,
        readings: &mut Readings<'t>,
    ) -> Option<()> {
        for (count, skipped) in path.fronts().enumerate() {
            if count >= MAX_FRONTS || skipped > MAX_SEGMENTS {
                return None;
            }
            // A script that a route names is itself the end of the path, and not the front of an app.
            let at_the_end = path.segments().nth(skipped).is_none();
            if at_the_end && readings.first.route.pattern.has_literal(skipped - 1) {
                continue;
            }
            let (behind, _) = self.walk(method, path, skipped)?;
            for reading in behind.iter().flat_map(Readings::iter) {
                let by_place = reading
                    .route
                    .workspace
                    .iter()
                    .any(|source| matches!(source, WorkspaceSource::Segment(_)));
                if by_place
                    || !readings
                        .iter()
                        .any(|known| Arc::ptr_eq(known.route, reading.route))
                {
                    readings.further.push(reading);
                }
            }
        }
        Some(())
    }

    /// All routes, most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter()
    }

    /// How the app reads paths.
    #[must_use]
    pub fn rules(&self) -> PathRules {
        self.rules
    }
}

/// Two method sets of one pattern contradict each other unless one of them names its methods and the other does not.
fn contradict(a: &Methods, b: &Methods) -> bool {
    match (a, b) {
        (Methods::Usual, Methods::These(_)) | (Methods::These(_), Methods::Usual) => false,
        _ => a.overlap(b),
    }
}
