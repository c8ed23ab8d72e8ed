//! The headers that an upstream may believe, and the one place that writes them.

use std::collections::HashSet;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

/// Names under which bailiff speaks to the upstream. Whatever folds to one of them never comes from outside.
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

/// Folded names that make an app read another method or path than the one that was judged. Never passed on.
const REWRITERS: &[&str] = &[
    "x_original_url",
    "x_original_uri",
    "x_original_method",
    "x_rewrite_url",
    "x_http_method_override",
    "x_http_method",
    "x_method_override",
    // CGI gives it to the app as HTTP_PROXY, through which the app then asks others (CVE-2016-5385).
    "proxy",
];
/// Folded beginnings of names that speak for Clerk or for us.
const RESERVED: &[&[u8]] = &[b"x_clerk_", b"x_bailiff_"];
/// Folded names by which a proxy in front tells where a request came from. Passed on from trusted proxies only.
const FORWARDING: &[&str] = &["forwarded", "x_real_ip", "x_client_ip", "x_cluster_client_ip", "true_client_ip"];
const FORWARDING_PREFIX: &[u8] = b"x_forwarded_";
/// Folded names that say what the message is and to whom it goes. A claim under one of them would break the request, or
/// speak as another caller.
const MESSAGE: &[&str] = &[
    "host",
    "connection",
    "content_length",
    "transfer_encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep_alive",
    "proxy_connection",
    "authorization",
    "proxy_authorization",
    "cookie",
];

/// A name as an app server may hand it to the app: letters in one case, everything else the same. WSGI, CGI, PHP and Rack
/// give `X-User-Id`, `x_user_id` and `x.user.id` to the app as one variable (CVE-2025-64484, CVE-2026-54763).
fn fold(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|b| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'_' })
}

/// Whether a header of this name is `folded` to an app server.
pub(super) fn folds_to(name: &str, folded: &str) -> bool {
    fold(name).eq(folded.bytes())
}

/// Whether a proxy in front uses a header of this name, in any spelling, to tell where a request came from.
pub(super) fn forwards(name: &str) -> bool {
    let prefixed = || fold(name).take(FORWARDING_PREFIX.len()).eq(FORWARDING_PREFIX.iter().copied());
    FORWARDING.iter().any(|known| folds_to(name, known)) || prefixed()
}

/// Everything that is stripped from a request.
#[derive(Clone, Debug)]
pub struct TrustedNames {
    folded: HashSet<Box<[u8]>>,
    longest: usize,
    /// First bytes, folded, of everything that is stripped in any spelling: most names of a request are told apart by theirs.
    starts: [bool; 256],
    /// Headers of the client that a route reads: they are passed on in this spelling, and in no other.
    read: Vec<HeaderName>,
}

impl TrustedNames {
    /// The names of design 2.5, and `further` ones from the config.
    pub fn new<'n>(further: impl IntoIterator<Item = &'n str>) -> Self {
        let all = name::IDENTITY.iter().chain(REWRITERS).chain(&[name::REQUEST_ID]).copied().chain(further);
        let folded: HashSet<Box<[u8]>> = all.map(|name| fold(name).collect()).collect();
        let longest = folded.iter().map(|name| name.len()).max().unwrap_or(0);
        let others = FORWARDING.iter().map(|name| name.as_bytes()).chain(RESERVED.iter().copied());
        let all = folded.iter().map(AsRef::as_ref).chain(others).chain([FORWARDING_PREFIX]);
        let starts = starts_of(all.filter_map(|name: &[u8]| name.first().copied()), [false; 256]);
        Self { folded, longest, starts, read: vec![] }
    }

    /// As these, and strips every other spelling of the headers that routes read: an app that takes `X_Tenant` for `X-Tenant`
    /// would work in another workspace than the one that was judged.
    #[must_use]
    pub fn reading(self, read: Vec<HeaderName>) -> Self {
        let starts = starts_of(read.iter().filter_map(|name| fold(name.as_str()).next()), self.starts);
        Self { read, starts, ..self }
    }

    /// Whether `name` is taken by bailiff, so that no header from a claim may use it.
    #[must_use]
    pub fn reserves(name: &str) -> bool {
        let folded: Vec<u8> = fold(name).collect();
        let fixed = name::IDENTITY.iter().chain(REWRITERS).chain(FORWARDING).chain(MESSAGE).chain(&[name::REQUEST_ID]);
        let ours = fixed.copied().any(|fixed| fold(fixed).eq(folded.iter().copied()));
        ours || RESERVED.iter().any(|start| folded.starts_with(start)) || folded.starts_with(FORWARDING_PREFIX)
    }

    /// Whether a field of this name is stripped. `trusted_peer`: a proxy in front whose forwarding headers count.
    fn strips(&self, name: &HeaderName, trusted_peer: bool) -> bool {
        const MAX: usize = 64;
        let name = name.as_str();
        // A name that a client may well have written in good faith, and of which we have none with this first letter.
        let odd = !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let first = fold(name).next().map_or(0, usize::from);
        if !odd && !self.starts.get(first).copied().unwrap_or(true) {
            return false;
        }
        let mut buffer = [0; MAX];
        let length = buffer.iter_mut().zip(fold(name)).map(|(to, b)| *to = b).count();
        let folded = buffer.get(..length).unwrap_or_default();
        let ours = match name.len() {
            longer if longer > self.longest => false,
            1..=MAX => self.folded.contains(folded),
            // A name from the config may be longer than any of ours.
            _ => self.folded.contains(fold(name).collect::<Vec<_>>().as_slice()),
        };
        let forwarding = || {
            let exact = name.len() == length && FORWARDING.iter().any(|f| f.as_bytes() == folded);
            exact || folded.starts_with(FORWARDING_PREFIX)
        };
        // `Content_Length` frames nothing for us, and everything for an app that reads it as CONTENT_LENGTH (CVE-2024-45614).
        let message = || MESSAGE.iter().any(|m| m.as_bytes() == folded) && odd;
        let reserved = || RESERVED.iter().any(|start| folded.starts_with(start));
        let alias = || self.read.iter().any(|read| read.as_str() != name && fold(read.as_str()).eq(fold(name)));
        // A proxy in front writes `x-forwarded-for`. `x_forwarded_for` is what a client got past it (CVE-2026-52845).
        ours || reserved() || (forwarding() && (!trusted_peer || odd)) || message() || alias()
    }
}

/// `starts`, with these first bytes marked.
fn starts_of(firsts: impl Iterator<Item = u8>, mut starts: [bool; 256]) -> [bool; 256] {
    for first in firsts {
        if let Some(start) = starts.get_mut(usize::from(first)) {
            *start = true;
        }
    }
    starts
}

/// The name of one trusted header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// One of [`name`]: lower case, known to the compiler.
    Fixed(&'static str),
    /// From the config.
    Configured(HeaderName),
}

impl Name {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Fixed(name) => name,
            Self::Configured(name) => name.as_str(),
        }
    }
}

/// The complete set of headers that an upstream may believe.
///
/// Invariant: the only way out of this type is [`TrustedHeaders::apply`], which strips everything that folds to a trusted name
/// before it writes our values. A value that the client sent under a trusted name cannot survive, whoever calls this, also
/// on routes where we have nothing to say.
#[derive(Clone, Debug)]
pub struct TrustedHeaders {
    names: Arc<TrustedNames>,
    trusted_peer: bool,
    drop_authorization: bool,
    values: Vec<(Name, HeaderValue)>,
}

/// A header block that can be edited: `http::HeaderMap` in tests and fuzzing, Pingora's own type in the gate.
pub trait Headers {
    fn names(&self) -> impl Iterator<Item = &HeaderName>;
    /// Removes all fields of this name.
    fn remove(&mut self, name: &HeaderName);
    /// Writes one field in the place of all fields of this name.
    fn set(&mut self, name: &Name, value: &HeaderValue);
}

impl TrustedHeaders {
    pub(super) fn new(names: Arc<TrustedNames>, trusted_peer: bool) -> Self {
        Self { names, trusted_peer, drop_authorization: false, values: Vec::with_capacity(16) }
    }

    pub(super) fn drop_authorization(&mut self) {
        self.drop_authorization = true;
    }

    pub(super) fn say(&mut self, name: &'static str, value: HeaderValue) {
        self.values.push((Name::Fixed(name), value));
    }

    pub(super) fn say_if(&mut self, name: &'static str, value: Option<HeaderValue>) {
        if let Some(value) = value {
            self.say(name, value);
        }
    }

    pub(super) fn say_configured(&mut self, name: HeaderName, value: HeaderValue) {
        self.values.push((Name::Configured(name), value));
    }

    /// What the upstream will be told.
    pub fn values(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Strips, then writes. Applying twice is the same as once, which Pingora's retries rely on.
    pub fn apply(&self, headers: &mut impl Headers) {
        let forged: Vec<_> = headers.names().filter(|n| self.names.strips(n, self.trusted_peer)).cloned().collect();
        forged.iter().for_each(|name| headers.remove(name));
        if self.drop_authorization {
            headers.remove(&header::AUTHORIZATION);
        }
        self.values.iter().for_each(|(name, value)| headers.set(name, value));
    }
}

impl Headers for http::HeaderMap {
    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.keys()
    }

    fn remove(&mut self, name: &HeaderName) {
        self.remove(name);
    }

    fn set(&mut self, name: &Name, value: &HeaderValue) {
        let name = match name {
            Name::Fixed(name) => HeaderName::from_static(name),
            Name::Configured(name) => name.clone(),
        };
        self.insert(name, value.clone());
    }
}

#[cfg(test)]
mod tests;
