//! The settings after every check: nothing past this line sees a raw text with a meaning left in it.

mod clerk;
mod http_source;
mod issuers;
mod membership;
pub mod postgres;
mod shared;

pub use clerk::{BackendSettings, ClerkSource};
pub use http_source::{HttpMode, HttpSource};
pub use issuers::{IssuerKeys, KeySource, KeyTimes};
pub use membership::{From, MembershipSource};
pub use shared::SharedSettings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::authority;
use crate::domain::service_token::TokenHash;
use crate::domain::snapshot::Rules;

use super::values::secret::Secret;

/// All settings of one gate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What cannot change while the process runs.
    pub fixed: StaticSettings,
    pub reloadable: ReloadableSettings,
}

/// What is fixed while the process runs. A reload that changes it is refused by name, not half applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticSettings {
    /// Where requests come in; at least one.
    pub listen: Vec<Address>,
    /// Where metrics and health are served.
    pub admin: Address,
    /// Names under which the admin listener may be addressed, beside IP addresses and `localhost` (attack A-127).
    pub admin_hosts: Vec<String>,
    /// A client that shows one of these there may change things. Empty: none may.
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

impl StaticSettings {
    /// [`StaticSettings::max_connections`] where nothing is said: about 300 MiB of connections that do nothing.
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

/// Where the app listens.
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
                write!(f, "{scheme}://{}", authority::join(host, *port))
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
pub struct ReloadableSettings {
    pub rules: Arc<Rules>,
    pub issuers: Vec<IssuerKeys>,
    pub keys: KeyTimes,
    pub membership: Option<MembershipSource>,
    /// Clerk's Backend API, where a secret key for it is given.
    pub backend: Option<BackendSettings>,
}
