//! Static tokens of services: which service has a token, on which routes it counts, and from which networks.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use http::{HeaderMap, Method};

use super::client::Networks;
use super::ids::ServiceName;
use super::routes::{Access, Methods, Route};
use super::token::bearer;

/// The fewest bytes of a service token.
pub const MIN_TOKEN: usize = 16;
/// The most tokens of one service at a time. A service has several while its token is rotated.
pub const MAX_TOKENS: usize = 4;
/// The most services. The gate compares every bearer token with every token of each service.
pub const MAX_SERVICES: usize = 100;

/// The SHA-256 of a token. The hash alone does not let a client in. Comparing hashes takes the same time wherever two tokens
/// differ (attack A-62).
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

    /// A hash that was computed elsewhere.
    #[must_use]
    pub fn from_bytes(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The hash of the token that a request carries, of any length.
    #[must_use]
    pub fn shown(token: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
        Self(out)
    }

    /// Whether both are hashes of the same token. The comparison takes the same time for any two.
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

/// Whether `shown` is one of `tokens`. It is compared with all of them, also after a match.
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
    /// Exactly these routes, whatever `access:` they have.
    These(Vec<ServiceRoute>),
}

/// A route that services may use, with all its methods or with one. [`ServiceRoute::new`] checks the route.
#[derive(Clone, Debug)]
pub struct ServiceRoute {
    path: Arc<str>,
    /// Path and methods together identify the route.
    methods: Methods,
    only: Option<Method>,
}

/// Why services cannot use a route.
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
    /// A route for a service, with one method or with all that the route covers.
    ///
    /// # Errors
    /// When the route does not read tokens, has conditions, or does not cover the method.
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
        // Fail closed: a reload may have added conditions to the route.
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

/// A service: its name, its tokens, and where the tokens count.
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

    /// The number of its tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The networks from which it may call.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Whether the service may use the route with at least one method.
    #[must_use]
    pub fn reaches(&self, route: &Route) -> bool {
        match &self.reach {
            Reach::ServiceRoutes => route.access == Access::Service,
            Reach::These(routes) => routes.iter().any(|listed| listed.is(route)),
        }
    }

    /// Whether the service may use the route with this method.
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

/// The service with this `token`, on any route. The token is compared with every token of every service, also after a match. So
/// the response time does not reveal which token a guess comes close to, or how close (attack A-62).
#[must_use]
pub fn find<'t>(services: &'t [ServiceToken], token: &str) -> Option<&'t ServiceToken> {
    if services.is_empty() {
        return None;
    }
    let shown = TokenHash::shown(token.as_bytes());
    fitting(services, |hash| hash.same(&shown))
}

/// The service with the token of this hash. Every entry is compared, also after a match.
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

/// Whether the request carries the token of a service, on whatever route.
#[must_use]
pub fn is_carried(services: &[ServiceToken], headers: &HeaderMap) -> bool {
    !services.is_empty()
        && bearer(headers)
            .is_ok_and(|token| token.is_some_and(|token| find(services, token).is_some()))
}

#[cfg(test)]
mod tests;
