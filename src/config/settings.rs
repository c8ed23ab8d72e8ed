//! The settings after every check: nothing past this line sees a raw text with a meaning left in it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::keys::KeySet;
use crate::domain::membership::Policy;
use crate::domain::service_token::TokenHash;
use crate::domain::snapshot::Rules;

use super::postgres::{PostgresMode, PostgresSource};
use super::secret::Secret;

pub use super::clerk_source::ClerkSource;
pub use super::http_source::{HttpMode, HttpSource};

/// All settings of one gate.
#[derive(Clone, Debug)]
pub struct Settings {
    pub boot: Boot,
    pub live: Live,
}

/// What is fixed while the process runs. A reload that changes it is refused by name, not half applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Where requests come in; at least one.
    pub listen: Vec<Address>,
    /// Where metrics and health are served.
    pub admin: Address,
    /// Names under which the admin listener may be addressed, beside IP addresses and `localhost` (attack A-127).
    pub admin_hosts: Vec<String>,
    /// Who shows one of these there may change things; empty: nobody may.
    pub admin_tokens: Vec<AdminToken>,
    pub upstream: Upstream,
    /// Worker threads; `None` for as many as the container's CPU limit allows.
    pub threads: Option<usize>,
    /// Connections of clients at a time, on all listeners together.
    pub max_connections: usize,
    pub timeouts: Timeouts,
    pub shutdown: Shutdown,
    /// The file in which what webhooks change outlives the process; `None` keeps it in memory alone.
    pub store: Option<PathBuf>,
    /// Where replicas tell each other what they learn; `None` for a gate that is the only one.
    pub shared: Option<SharedSettings>,
}

/// A Redis or Valkey that replicas share.
#[derive(Clone, Debug)]
pub struct SharedSettings {
    /// A name, or an IP address.
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub database: u16,
    pub username: Option<String>,
    pub password: Option<Arc<Secret>>,
    /// A PEM file with the certificates that are trusted in the place of the system's.
    pub ca: Option<PathBuf>,
    /// What the names of all keys begin with, in braces: they are in one slot of a cluster.
    pub namespace: String,
    /// Entries that the log keeps, about: how far behind a replica can be without reading everything.
    pub log: u64,
    /// Replicas that find the same gap read everything at different moments, within this time.
    pub spread: Duration,
    /// Whether this replica tells the others what it learns; one without the right to write only listens.
    pub write: bool,
}

impl SharedSettings {
    /// [`SharedSettings::namespace`] where nothing is said.
    pub const NAMESPACE: &str = "bailiff";
    /// [`SharedSettings::log`] where nothing is said: about 25 MB.
    pub const LOG: u64 = 100_000;
    /// [`SharedSettings::spread`] where nothing is said.
    pub const SPREAD: Duration = Duration::from_secs(2);

    /// What tells this store from others: another server with the same namespace knows other things.
    #[must_use]
    pub fn place(&self) -> String {
        let Self {
            host,
            port,
            database,
            namespace,
            ..
        } = self;
        format!("{host}:{port}/{database} {namespace}")
    }
}

/// By value, so that a reload can tell whether anything has changed.
impl PartialEq for SharedSettings {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.password, &other.password) {
            (None, None) => true,
            (Some(a), Some(b)) => a.matches(b),
            _ => false,
        };
        let rest = |s: &Self| {
            let Self {
                host,
                port,
                tls,
                database,
                username,
                password: _,
                ca,
                namespace,
                log,
                spread,
                write,
            } = s.clone();
            (
                host,
                port,
                tls,
                database,
                username,
                ca,
                namespace,
                (log, spread, write),
            )
        };
        same && rest(self) == rest(other)
    }
}

impl Eq for SharedSettings {}

impl Boot {
    /// [`Boot::max_connections`] where nothing is said: about 300 MiB of connections that do nothing.
    pub const MAX_CONNECTIONS: usize = 10_000;
}

/// A token that opens the admin listener. The gate compares its hash; the command line shows the token itself to a running gate.
#[derive(Clone, Debug)]
pub struct AdminToken {
    pub hash: TokenHash,
    pub shown: Arc<Secret>,
}

/// As [`TokenHash::same`].
impl PartialEq for AdminToken {
    fn eq(&self, other: &Self) -> bool {
        self.hash.same(&other.hash)
    }
}

impl Eq for AdminToken {}

/// A local address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The app behind the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub address: UpstreamAddress,
    /// HTTP/2 without TLS.
    pub h2c: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// A name or an IP address.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.address {
            UpstreamAddress::Tcp { host, port } => {
                let scheme = if self.h2c { "h2c" } else { "http" };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]:{port}")
                } else {
                    write!(f, "{scheme}://{host}:{port}")
                }
            }
            UpstreamAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How long the gate waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the upstream to accept a connection.
    pub connect: Duration,
    /// For the next bytes of the upstream's answer. Does not cut WebSockets and event streams.
    pub read: Duration,
    /// For the upstream to take the next bytes of a request.
    pub write: Duration,
    /// How long an unused connection to the upstream is kept: less than the app keeps it (uvicorn and Node: 5 s).
    pub upstream_idle: Duration,
    /// How long a client's connection is kept between two requests, and how long a request may dawdle.
    pub client: Duration,
    /// For the whole body of a webhook.
    pub webhook_body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(60),
            write: Duration::from_secs(60),
            upstream_idle: Duration::from_secs(4),
            client: Duration::from_secs(60),
            webhook_body: Duration::from_secs(10),
        }
    }
}

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// After SIGTERM: how long requests are still accepted, while `/readyz` says no, so that load balancers notice.
    pub delay: Duration,
    /// Then: how long running requests may take to end.
    pub drain: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            drain: Duration::from_secs(10),
        }
    }
}

/// What can change while the process runs.
#[derive(Clone, Debug)]
pub struct Live {
    pub rules: Arc<Rules>,
    pub issuers: Vec<IssuerKeys>,
    pub keys: KeyTimes,
    pub membership: Option<MembershipSource>,
    /// Clerk's Backend API, where a secret key for it is given.
    pub backend: Option<BackendSettings>,
}

/// Clerk's Backend API, and the secret key of the instance that is asked.
#[derive(Clone, Debug)]
pub struct BackendSettings {
    /// `scheme://host[:port]` in lower case, without a slash or `/v1` at its end. https, or http on loopback.
    pub api_url: String,
    /// `sk_…`. It goes to `api_url` and nowhere else (CVE-2026-34076).
    pub secret: Arc<Secret>,
    /// Whether the instance is a production instance, which Clerk grants ten times the requests.
    pub live: bool,
}

impl BackendSettings {
    /// [`BackendSettings::api_url`] where nothing is said.
    pub const API_URL: &str = "https://api.clerk.com";
}

/// By value, so that a reload can tell whether anything has changed.
impl PartialEq for BackendSettings {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            api_url,
            secret,
            live,
        } = self;
        *api_url == other.api_url && *live == other.live && secret.matches(&other.secret)
    }
}

impl Eq for BackendSettings {}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug)]
pub struct IssuerKeys {
    /// The same as [`crate::domain::issuer::Issuer::name`].
    pub name: Arc<str>,
    pub source: KeySource,
}

#[derive(Clone, Debug)]
pub enum KeySource {
    /// A JWKS document.
    Url(String),
    /// The JWKS document that the metadata of an OIDC issuer names (OpenID Connect Discovery, 4).
    Discovery {
        /// What the metadata must say in `issuer`, byte for byte.
        issuer: Box<str>,
        /// Where the metadata is.
        url: String,
    },
    /// A PEM in the config: needs no network, changes only with the config.
    Pem(Arc<KeySet>),
}

/// When keys are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    /// Between two fetches.
    pub refresh: Duration,
    /// How long keys are used when no fetch succeeds any more.
    pub max_age: Duration,
    /// Between two fetches for the sake of an unknown `kid`, whatever is sent.
    pub cooldown: Duration,
    /// How long a request waits for such a fetch.
    pub wait: Duration,
}

impl Default for KeyTimes {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(3600),
            max_age: Duration::from_secs(24 * 3600),
            cooldown: Duration::from_secs(30),
            wait: Duration::from_millis(500),
        }
    }
}

/// Where the membership comes from, and what happens with those of whom it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipSource {
    pub from: From,
    /// What happens with users who are in no table.
    pub policy: Policy,
}

/// Who says who belongs to which workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Nobody: everybody who signs in is known by that alone.
    Nobody,
    /// The organization of the token.
    Token,
    /// A table in a file.
    File(PathBuf),
    /// An endpoint of the app.
    Http(HttpSource),
    /// Clerk's Backend API.
    Clerk(ClerkSource),
    /// Tables in a database.
    Postgres(Arc<PostgresSource>),
}

impl From {
    /// The file with the table.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Nobody | Self::Token | Self::Http(_) | Self::Clerk(_) | Self::Postgres(_) => None,
        }
    }

    /// Whether somebody else is asked for it while the gate runs: see [`crate::membership_sources`].
    #[must_use]
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Nobody | Self::Token | Self::File(_) => false,
            Self::Http(_) | Self::Clerk(_) | Self::Postgres(_) => true,
        }
    }

    /// Whether that somebody is asked for one user at a time.
    #[must_use]
    pub fn is_lookup(&self) -> bool {
        match self {
            Self::Nobody | Self::Token | Self::File(_) | Self::Clerk(_) => false,
            Self::Http(source) => matches!(source.mode, HttpMode::Lookup { .. }),
            Self::Postgres(source) => source.is_lookup(),
        }
    }

    /// How long it is, at the most, until that somebody is asked again.
    pub(super) fn asked_every(&self) -> Option<Duration> {
        match self {
            Self::Nobody | Self::Token | Self::File(_) => None,
            Self::Http(source) => Some(source.asked_every()),
            Self::Clerk(source) => Some(source.reconcile),
            Self::Postgres(source) => match source.mode {
                PostgresMode::Snapshot { interval, .. } => Some(interval),
                PostgresMode::Lookup { ttl, .. } => Some(ttl),
            },
        }
    }
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("whoever signs in"),
            Self::Token => f.write_str("the organization of the token"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Http(source) => f.write_str(source.shown()),
            Self::Clerk(source) => write!(f, "Clerk's Backend API at {}", source.backend.api_url),
            Self::Postgres(source) => write!(f, "{source}"),
        }
    }
}
