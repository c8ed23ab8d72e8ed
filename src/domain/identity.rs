//! The headers that an upstream can trust, and the one place that writes them.

mod name_trie;
mod names;
mod overrides;

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

pub use names::{PassedFrom, TrustedNames};
pub(in crate::domain) use names::{folds_to, forwards};
pub use overrides::Override;

/// Names of the headers that bailiff sends to the upstream. A client's field that folds to one of them is stripped.
pub mod name {
    pub const USER_ID: &str = "x-user-id";
    pub const CLERK_USER_ID: &str = "x-clerk-user-id";
    pub const SESSION_ID: &str = "x-session-id";
    pub const USER_EMAIL: &str = "x-user-email";
    pub const USER_NAME: &str = "x-user-name";
    pub const USER_FLAGS: &str = "x-user-flags";
    pub const ACCESS_STATUS: &str = "x-access-status";
    pub const WORKSPACE_ID: &str = "x-workspace-id";
    pub const WORKSPACE_ROLE: &str = "x-workspace-role";
    pub const ORG_ID: &str = "x-org-id";
    pub const ORG_ROLE: &str = "x-org-role";
    pub const ORG_PERMISSIONS: &str = "x-org-permissions";
    pub const ACTOR_ID: &str = "x-actor-id";
    pub const AUTH_KIND: &str = "x-auth-kind";
    pub const AUTH_ISSUER: &str = "x-auth-issuer";
    pub const SERVICE_NAME: &str = "x-service-name";
    pub const REQUEST_ID: &str = "x-request-id";
    pub const FORWARDED_FOR: &str = "x-forwarded-for";
    pub const FORWARDED_PROTO: &str = "x-forwarded-proto";
    pub const FORWARDED_HOST: &str = "x-forwarded-host";

    /// The value of [`AUTH_KIND`] for a request that needed no caller.
    pub const NOBODY: &str = "none";

    /// The identity headers.
    pub const IDENTITY: &[&str] = &[
        USER_ID,
        CLERK_USER_ID,
        SESSION_ID,
        USER_EMAIL,
        USER_NAME,
        USER_FLAGS,
        ACCESS_STATUS,
        WORKSPACE_ID,
        WORKSPACE_ROLE,
        ORG_ID,
        ORG_ROLE,
        ORG_PERMISSIONS,
        ACTOR_ID,
        AUTH_KIND,
        AUTH_ISSUER,
        SERVICE_NAME,
    ];
}

/// The name of a trusted header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedName {
    /// One of [`name`]: lower case, and a constant.
    Fixed(&'static str),
    /// A name from the config.
    Configured(HeaderName),
}

impl TrustedName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Fixed(name) => name,
            Self::Configured(name) => name.as_str(),
        }
    }
}

/// The complete set of headers that an upstream can trust.
///
/// Invariant: the only way out of this type is [`TrustedHeaders::apply`], which strips everything that folds to a trusted name
/// before it writes the gate's values. So a value that the client sent under a trusted name never survives, also on routes where
/// the gate has no values of its own.
#[derive(Clone, Debug)]
pub struct TrustedHeaders {
    names: Arc<TrustedNames>,
    trusted_peer: bool,
    drop_authorization: bool,
    values: Vec<(TrustedName, HeaderValue)>,
}

/// A header block that can be edited: `http::HeaderMap` in tests and fuzzing, Pingora's own type in the gate.
pub trait Headers {
    fn names(&self) -> impl Iterator<Item = &HeaderName>;
    /// Removes all fields of this name.
    fn remove(&mut self, name: &HeaderName);
    /// Writes one field in place of all fields of this name.
    fn set(&mut self, name: &TrustedName, value: &HeaderValue);
}

impl TrustedHeaders {
    pub(super) fn new(names: Arc<TrustedNames>, trusted_peer: bool) -> Self {
        Self {
            names,
            trusted_peer,
            drop_authorization: false,
            values: Vec::with_capacity(16),
        }
    }

    pub(super) fn drop_authorization(&mut self) {
        self.drop_authorization = true;
    }

    pub(super) fn drops_authorization(&self) -> bool {
        self.drop_authorization
    }

    pub(super) fn say(&mut self, name: &'static str, value: HeaderValue) {
        self.values.push((TrustedName::Fixed(name), value));
    }

    pub(super) fn say_if(&mut self, name: &'static str, value: Option<HeaderValue>) {
        if let Some(value) = value {
            self.say(name, value);
        }
    }

    pub(super) fn say_configured(&mut self, name: HeaderName, value: HeaderValue) {
        self.values.push((TrustedName::Configured(name), value));
    }

    /// Whether every header of `other` is also here, with the same value. `x-auth-kind: none` counts as absent.
    pub(super) fn includes(&self, other: &Self) -> bool {
        let nobody = (
            &TrustedName::Fixed(name::AUTH_KIND),
            &HeaderValue::from_static(name::NOBODY),
        );
        other
            .values
            .iter()
            .all(|pair| (&pair.0, &pair.1) == nobody || self.values.contains(pair))
    }

    /// The headers that the upstream gets.
    pub fn values(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.values
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// Strips, then writes. A second call changes nothing more; Pingora's retries rely on that.
    pub fn apply(&self, headers: &mut impl Headers) {
        let forged: Vec<_> = headers
            .names()
            .filter(|n| self.names.strips(n, self.trusted_peer))
            .cloned()
            .collect();
        forged.iter().for_each(|name| headers.remove(name));
        if self.drop_authorization {
            headers.remove(&header::AUTHORIZATION);
        }
        self.values
            .iter()
            .for_each(|(name, value)| headers.set(name, value));
    }
}

impl Headers for http::HeaderMap {
    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.keys()
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove(name);
    }

    fn set(&mut self, name: &TrustedName, value: &HeaderValue) {
        let name = match name {
            TrustedName::Fixed(name) => HeaderName::from_static(name),
            TrustedName::Configured(name) => name.clone(),
        };
        self.insert(name, value.clone());
    }
}

#[cfg(test)]
mod tests;
