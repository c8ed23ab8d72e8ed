//! Static tokens for callers that are no people: whose they are, on which routes they count, and from where.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use http::{HeaderMap, Method};

use super::client::Networks;
use super::ids::ServiceName;
use super::routes::{Access, Methods, Route};
use super::token::bearer;

/// Fewest bytes of a service token.
pub const MIN_TOKEN: usize = 16;
/// Most tokens of one service at a time: several while rotating.
pub const MAX_TOKENS: usize = 4;
/// Most services. Every token of each is compared for every bearer token that comes in.
pub const MAX_SERVICES: usize = 100;

/// The SHA-256 of a token. With it alone nobody can call, and comparing hashes takes the same time wherever two tokens differ
/// (attack A-62).
#[derive(Clone)]
pub struct TokenHash([u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

impl TokenHash {
    /// The hash of a token. `None` when the token has fewer than [`MIN_TOKEN`] bytes.
    #[must_use]
    pub fn of(token: &[u8]) -> Option<Self> {
        (token.len() >= MIN_TOKEN).then(|| Self::shown(token))
    }

    /// A hash that somebody else has made.
    #[must_use]
    pub fn from_bytes(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The hash of what a request shows, however short.
    #[must_use]
    pub fn shown(token: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
        Self(out)
    }

    /// Whether both are of one token. Takes the same time for any two.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// As [`TokenHash::same`].
impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.same(other)
    }
}

impl Eq for TokenHash {}

/// Whether `shown` is one of `tokens`. All are compared, whichever it is.
#[must_use]
pub fn is_one_of(tokens: &[TokenHash], shown: &str) -> bool {
    let shown = TokenHash::shown(shown.as_bytes());
    tokens
        .iter()
        .fold(false, |found, token| token.same(&shown) | found)
}

/// The routes on which a token counts.
#[derive(Clone, Debug)]
pub enum Reach {
    /// Every route with `access: service`.
    ServiceRoutes,
    /// Exactly these, whatever else they ask for.
    These(Vec<ServiceRoute>),
}

/// A route that services may use, with all its methods or with one. Nothing else is one: see [`ServiceRoute::new`].
#[derive(Clone, Debug)]
pub struct ServiceRoute {
    path: Arc<str>,
    /// With the path, what tells the route from every other.
    methods: Methods,
    only: Option<Method>,
}

/// Why a route is not for services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotForServices {
    #[error("looks at no bearer token")]
    NoToken,
    /// Conditions are about users. Fail closed: a service meets none of them (attack A-63).
    #[error("has `require`: its conditions are about users, and no service can meet them")]
    Conditions,
    #[error("is answered by bailiff, which has nothing to say of a service")]
    Answered,
    #[error("does not cover the method")]
    Method,
}

impl ServiceRoute {
    /// The route for a service, with one method or with all that the route covers.
    ///
    /// # Errors
    /// When the route looks at no token, has conditions, or does not cover the method.
    pub fn new(route: &Route, only: Option<Method>) -> Result<Self, NotForServices> {
        match route.access {
            Access::Public | Access::Webhook | Access::Deny => return Err(NotForServices::NoToken),
            Access::Optional
            | Access::User
            | Access::Active
            | Access::Role(_)
            | Access::Service => {}
        }
        if !route.require.is_empty() {
            return Err(NotForServices::Conditions);
        }
        if route.answer.is_some() {
            return Err(NotForServices::Answered);
        }
        if only
            .as_ref()
            .is_some_and(|method| !route.methods.cover(method))
        {
            return Err(NotForServices::Method);
        }
        Ok(Self {
            path: route.pattern.text().clone(),
            methods: route.methods.clone(),
            only,
        })
    }

    fn is(&self, route: &Route) -> bool {
        // Fail closed: also if the route has got conditions since.
        route.require.is_empty()
            && self.path == *route.pattern.text()
            && self.methods == route.methods
    }

    /// As everywhere, GET covers HEAD.
    fn allows(&self, method: &Method) -> bool {
        let also_head = |only: &Method| *only == Method::GET && *method == Method::HEAD;
        self.only
            .as_ref()
            .is_none_or(|only| only == method || also_head(only))
    }
}

impl fmt::Display for ServiceRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.only {
            Some(method) => write!(f, "{method} {}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceRoutes => f.write_str("every route with `access: service`"),
            Self::These(routes) => f.write_str(
                &routes
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        }
    }
}

/// A service: its name, its tokens, and where they count.
#[derive(Clone)]
pub struct ServiceToken {
    name: ServiceName,
    tokens: Vec<TokenHash>,
    reach: Reach,
    networks: Networks,
}

impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ServiceToken({}, .., on {}, from {})",
            self.name, self.reach, self.networks
        )
    }
}

impl ServiceToken {
    /// A service. `None` without a token, or with more than [`MAX_TOKENS`].
    #[must_use]
    pub fn new(
        name: ServiceName,
        tokens: Vec<TokenHash>,
        reach: Reach,
        networks: Networks,
    ) -> Option<Self> {
        (1..=MAX_TOKENS).contains(&tokens.len()).then_some(Self {
            name,
            tokens,
            reach,
            networks,
        })
    }

    #[must_use]
    pub fn name(&self) -> &ServiceName {
        &self.name
    }

    /// How many tokens it has.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// From where it may call.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Whether it may use the route with at least one method.
    #[must_use]
    pub fn reaches(&self, route: &Route) -> bool {
        match &self.reach {
            Reach::ServiceRoutes => route.access == Access::Service,
            Reach::These(routes) => routes.iter().any(|listed| listed.is(route)),
        }
    }

    /// Whether it may use the route with this method.
    #[must_use]
    pub fn may_use(&self, route: &Route, method: &Method) -> bool {
        match &self.reach {
            Reach::ServiceRoutes => route.access == Access::Service,
            Reach::These(routes) => routes
                .iter()
                .any(|listed| listed.is(route) && listed.allows(method)),
        }
    }
}

/// The service that shows `token`, wherever it may use it. Every token of every service is compared, whichever fits: what an
/// answer costs tells neither whose token was guessed nor how well (attack A-62).
#[must_use]
pub fn find<'t>(services: &'t [ServiceToken], token: &str) -> Option<&'t ServiceToken> {
    if services.is_empty() {
        return None;
    }
    let shown = TokenHash::shown(token.as_bytes());
    fitting(services, |hash| hash.same(&shown))
}

/// The service with the token of this hash. Every entry is compared, whichever fits.
#[must_use]
pub fn find_hash<'t>(services: &'t [ServiceToken], shown: &TokenHash) -> Option<&'t ServiceToken> {
    fitting(services, |hash| hash.same(shown))
}

fn fitting(
    services: &[ServiceToken],
    mut fits: impl FnMut(&TokenHash) -> bool,
) -> Option<&ServiceToken> {
    services
        .iter()
        .flat_map(|service| service.tokens.iter().map(move |hash| (service, hash)))
        .fold(
            None,
            |found, (service, hash)| if fits(hash) { Some(service) } else { found },
        )
}

/// Whether the request carries the token of a service, be it of use here or not.
#[must_use]
pub fn is_carried(services: &[ServiceToken], headers: &HeaderMap) -> bool {
    !services.is_empty()
        && bearer(headers)
            .is_ok_and(|token| token.is_some_and(|token| find(services, token).is_some()))
}

#[cfg(test)]
mod tests;
