//! Which fields of a client reach the app: the rules by which the gate strips fields by name.

use http::HeaderName;

use super::name;
use super::name_trie::NameTrie;
use super::overrides::{self, Override};

/// Folded beginnings of names under which Clerk's or bailiff's own headers appear.
const RESERVED: &[&str] = &["x_clerk_*", "x_bailiff_*"];

/// Folded names that a listed proxy may set. The proxy must overwrite or remove each of them; no proxy does so with all of them
/// by default. A field with any other name may come from the client: nginx, Traefik, HAProxy and load balancers leave
/// `X-Forwarded-User` and `Forwarded` as they are.
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

/// Folded names of fields that frame the message or address it. A claim written under such a name would break the request, or
/// would let it appear as another caller's.
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

/// What the gate does with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Bailiff writes this field itself. A client's field of this name is stripped.
    Ours,
    /// One of [`overrides::OVERRIDES`].
    Override(Override),
    /// One of [`PROXIED`]. A client can send `x_forwarded_for` past a proxy that writes `x-forwarded-for` (CVE-2026-52845).
    Proxied,
    /// One of [`MESSAGE`]. The gate does not frame by `Content_Length`, but an app that reads it as CONTENT_LENGTH does
    /// (CVE-2024-45614).
    Message,
    /// The config passes this field or a route reads it. Only the spelling at this index passes.
    Passed(u16),
}

/// From whom a field of a name passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassedFrom {
    /// From every client.
    AnyClient,
    /// From the proxies in `trusted_proxies`.
    TrustedProxies,
}

/// The rules of all fields that are stripped from a request.
#[derive(Clone, Debug)]
pub struct TrustedNames {
    rules: NameTrie<Rule>,
    passed: Vec<(HeaderName, PassedFrom)>,
}

impl TrustedNames {
    /// The names of docs/headers.md ("What the app gets"), and the `further` ones of the config.
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

    /// Also strips every other spelling of the headers that routes read. Otherwise an app that takes `X_Tenant` for `X-Tenant`
    /// would work in another workspace than the judged one.
    #[must_use]
    pub fn with_route_headers(self, read: impl IntoIterator<Item = HeaderName>) -> Self {
        read.into_iter()
            .fold(self, |names, name| match names.rules.find(name.as_str()) {
                // The gate writes its own headers anew, and those that a trusted proxy may set.
                Some(Rule::Ours | Rule::Message | Rule::Proxied | Rule::Override(_)) => names,
                Some(Rule::Passed(_)) | None => names.with(name, PassedFrom::AnyClient),
            })
    }

    /// Also passes a header that could override what the gate judged. Names that [`TrustedNames::overridden`] does not know stay
    /// as they are.
    #[must_use]
    pub fn with_passed(self, name: HeaderName, from: PassedFrom) -> Self {
        if Self::overridden(name.as_str()).is_some() {
            self.with(name, from)
        } else {
            self
        }
    }

    fn with(mut self, name: HeaderName, from: PassedFrom) -> Self {
        // The config has a much lower limit. Without an index the name stays stripped.
        if let Ok(index) = u16::try_from(self.passed.len()) {
            self.rules.insert(name.as_str(), Rule::Passed(index));
            self.passed.push((name, from));
        }
        self
    }

    /// What apps take from a header of this name, in any spelling, if the header overrides what the gate judged.
    #[must_use]
    pub fn overridden(name: &str) -> Option<Override> {
        match standard(name) {
            Some(Rule::Override(what)) => Some(what),
            _ => None,
        }
    }

    /// Whether bailiff reserves `name`, so that no header from a claim may use it.
    #[must_use]
    pub fn reserves(name: &str) -> bool {
        standard(name).is_some()
    }

    /// Whether a field of this name is stripped. `trusted_peer`: the request comes from a proxy whose forwarding headers count.
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

/// Whether a name has the spelling that honest clients and proxies use.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The rule for a name that the config does not mention.
fn standard(name: &str) -> Option<Rule> {
    TrustedNames::new([]).rules.find(name)
}

/// Whether an app server reads a header of this name as `folded`.
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

/// Whether proxies use a header of this name, in any spelling, to report where a request came from.
pub(in crate::domain) fn forwards(name: &str) -> bool {
    let beginning = name.get(.."x_forwarded_".len()).unwrap_or_default();
    let known = PROXIED.iter().chain(&["forwarded"]);
    folds_to(beginning, "x_forwarded_") || known.into_iter().any(|known| folds_to(name, known))
}
