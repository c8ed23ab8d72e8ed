//! Which fields of a client reach the app: the rules by which names are stripped.

use http::HeaderName;

use super::name;
use super::name_trie::NameTrie;
use super::overrides::{self, Override};

/// Folded beginnings of names that speak for Clerk or for us.
const RESERVED: &[&str] = &["x_clerk_*", "x_bailiff_*"];

/// Folded names about which a listed proxy is believed. It must overwrite or remove each of them: no proxy does so with all by default.
/// Every other name comes from a client as far as anybody knows: nginx, Traefik, HAProxy and load balancers leave `X-Forwarded-WebhookUser` and
/// `Forwarded` as they are.
const PROXIED: &[&str] = &[
    "x_forwarded_for",
    "x_forwarded_proto",
    "x_forwarded_host",
    "x_forwarded_port",
    "x_real_ip",
    "x_client_ip",
    "x_cluster_client_ip",
    "true_client_ip",
    "client_ip",
];

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

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Ours: whatever a client says under it is stripped.
    Ours,
    /// One of [`overrides::OVERRIDES`].
    Override(Override),
    /// One of [`PROXIED`]. `x_forwarded_for` is what a client got past a proxy that writes `x-forwarded-for` (CVE-2026-52845).
    Proxied,
    /// One of [`MESSAGE`]. `Content_Length` frames nothing for us, and everything for an app that reads it as CONTENT_LENGTH
    /// (CVE-2024-45614).
    Message,
    /// Let through by the config or read by a route: only the spelling at this index passes.
    Passed(u16),
}

/// Whose field of a name passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedFrom {
    /// Everybody's.
    AnyClient,
    /// That of the proxies in `trusted_proxies`.
    TrustedProxies,
}

/// Everything that is stripped from a request.
#[derive(Clone, Debug)]
pub struct TrustedNames {
    rules: NameTrie<Rule>,
    passed: Vec<(HeaderName, PassedFrom)>,
}

impl TrustedNames {
    /// The names of docs/headers.md ("What the app gets"), and `further` ones from the config.
    pub fn new<'n>(further: impl IntoIterator<Item = &'n str>) -> Self {
        let mut rules = NameTrie::new();
        MESSAGE
            .iter()
            .for_each(|name| rules.insert(name, Rule::Message));
        overrides::all().for_each(|(name, what)| rules.insert(name, Rule::Override(what)));
        PROXIED
            .iter()
            .for_each(|name| rules.insert(name, Rule::Proxied));
        let ours = name::IDENTITY
            .iter()
            .chain(RESERVED)
            .chain(&[name::REQUEST_ID])
            .copied()
            .chain(further);
        ours.for_each(|name| rules.insert(name, Rule::Ours));
        Self {
            rules,
            passed: vec![],
        }
    }

    /// As these, and strips every other spelling of the headers that routes read: an app that takes `X_Tenant` for `X-Tenant`
    /// would work in another workspace than the one that was judged.
    #[must_use]
    pub fn with_route_headers(self, read: impl IntoIterator<Item = HeaderName>) -> Self {
        read.into_iter()
            .fold(self, |names, name| match names.rules.find(name.as_str()) {
                // Ours are written anew, and so are those that a proxy in front may say.
                Some(Rule::Ours | Rule::Message | Rule::Proxied | Rule::Override(_)) => names,
                Some(Rule::Passed(_)) | None => names.with(name, PassedFrom::AnyClient),
            })
    }

    /// As these, but lets a header through that an app could take something else from than what was judged. Names that
    /// [`TrustedNames::overridden`] does not know are left as they are.
    #[must_use]
    pub fn with_passed(self, name: HeaderName, from: PassedFrom) -> Self {
        if Self::overridden(name.as_str()).is_some() {
            self.with(name, from)
        } else {
            self
        }
    }

    fn with(mut self, name: HeaderName, from: PassedFrom) -> Self {
        // The bound of the config is far below; without an index the name stays stripped.
        if let Ok(index) = u16::try_from(self.passed.len()) {
            self.rules.insert(name.as_str(), Rule::Passed(index));
            self.passed.push((name, from));
        }
        self
    }

    /// What apps take from a header of this name, in any spelling, if it is one that overrides what was judged.
    #[must_use]
    pub fn overridden(name: &str) -> Option<Override> {
        match standard(name) {
            Some(Rule::Override(what)) => Some(what),
            _ => None,
        }
    }

    /// Whether `name` is taken by bailiff, so that no header from a claim may use it.
    #[must_use]
    pub fn reserves(name: &str) -> bool {
        standard(name).is_some()
    }

    /// Whether a field of this name is stripped. `trusted_peer`: a proxy in front whose forwarding headers count.
    pub(crate) fn strips(&self, name: &HeaderName, trusted_peer: bool) -> bool {
        let name = name.as_str();
        match self.rules.find(name) {
            None => false,
            Some(Rule::Ours | Rule::Override(_)) => true,
            Some(Rule::Proxied) => !trusted_peer || !is_plain(name),
            Some(Rule::Message) => !is_plain(name),
            Some(Rule::Passed(index)) => {
                self.passed
                    .get(usize::from(index))
                    .is_none_or(|(passed, from)| {
                        let allowed = *from == PassedFrom::AnyClient || trusted_peer;
                        passed.as_str() != name || !allowed
                    })
            }
        }
    }
}

/// Whether a name is spelt as honest clients and proxies do.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The rule of a name where the config says nothing.
fn standard(name: &str) -> Option<Rule> {
    TrustedNames::new([]).rules.find(name)
}

/// Whether a header of this name is `folded` to an app server.
pub(in crate::domain) fn folds_to(name: &str, folded: &str) -> bool {
    let fold = |b: u8| {
        if b.is_ascii_alphanumeric() {
            b.to_ascii_lowercase()
        } else {
            b'_'
        }
    };
    name.bytes().map(fold).eq(folded.bytes())
}

/// Whether a proxy in front uses a header of this name, in any spelling, to tell where a request came from.
pub(in crate::domain) fn forwards(name: &str) -> bool {
    let beginning = name.get(.."x_forwarded_".len()).unwrap_or_default();
    let known = PROXIED.iter().chain(&["forwarded"]);
    folds_to(beginning, "x_forwarded_") || known.into_iter().any(|known| folds_to(name, known))
}
