//! The upstream. Its name is resolved in the background, and every connection option is set explicitly.

mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pingora::upstreams::peer::HttpPeer;

use crate::config::settings::{Timeouts, Upstream, UpstreamAddress};
use crate::domain::Rejection;

/// The time between two look-ups of the upstream's name.
const RESOLVE: Duration = Duration::from_secs(10);
/// The streams on one connection to an h2c upstream. Pingora's default of 1 would open a connection per request.
const H2_STREAMS: usize = 100;

/// The key of the pool of connections for upgrades. The pool of all others has 0.
const UPGRADES: u64 = 1;

/// Makes the peer of each request. Pingora's own constructor from a name would use the resolver during the request, and panics
/// when that fails.
pub struct UpstreamPeer {
    upstream: Upstream,
    timeouts: Timeouts,
    resolved: ArcSwapOption<SocketAddr>,
}

impl UpstreamPeer {
    /// An upstream. An address needs no look-up; a name has no address until [`UpstreamPeer::keep_resolved`] runs.
    #[must_use]
    pub fn new(upstream: Upstream, timeouts: Timeouts) -> Arc<Self> {
        let literal = match &upstream.address {
            UpstreamAddress::Tcp { host, port } => host
                .parse()
                .ok()
                .map(|ip| Arc::new(SocketAddr::new(ip, *port))),
            UpstreamAddress::Unix(_) => None,
        };
        Arc::new(Self {
            upstream,
            timeouts,
            resolved: ArcSwapOption::new(literal),
        })
    }

    /// Looks the name up every few seconds, until the task is dropped. If a look-up fails, the last good address stays.
    pub async fn keep_resolved(self: Arc<Self>) {
        let UpstreamAddress::Tcp { host, port } = &self.upstream.address else {
            return;
        };
        if host.parse::<std::net::IpAddr>().is_ok() {
            return;
        }
        loop {
            match tokio::net::lookup_host((host.as_str(), *port))
                .await
                .map(|mut found| found.next())
            {
                Ok(Some(address)) => self.resolved.store(Some(Arc::new(address))),
                Ok(None) => {
                    tracing::warn!(upstream = %self.upstream, "the upstream's name has no address")
                }
                Err(error) => {
                    tracing::warn!(upstream = %self.upstream, %error, "the upstream's name cannot be resolved")
                }
            }
            tokio::time::sleep(RESOLVE).await;
        }
    }

    /// The peer for one request. `read` is the longest wait for the next bytes of the answer; `None` for a stream that may be
    /// silent. `upgrades`: the request asks for another protocol.
    pub fn peer(&self, read: Option<Duration>, upgrades: bool) -> Result<HttpPeer, Rejection> {
        let mut peer = match &self.upstream.address {
            UpstreamAddress::Unix(path) => {
                let path = path.to_str().ok_or(Rejection::UpstreamConnect)?;
                HttpPeer::new_uds(path, false, String::new())
                    .map_err(|_| Rejection::UpstreamConnect)?
            }
            UpstreamAddress::Tcp { .. } => {
                let address = self
                    .resolved
                    .load_full()
                    .ok_or(Rejection::UpstreamConnect)?;
                HttpPeer::new(*address, false, String::new())
            }
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(self.timeouts.connect);
        options.total_connection_timeout = Some(self.timeouts.connect);
        options.read_timeout = read;
        options.write_timeout = Some(self.timeouts.write);
        options.idle_timeout = Some(self.timeouts.upstream_idle);
        if self.upstream.h2c {
            options.set_http_version(2, 2);
            options.max_h2_streams = H2_STREAMS;
        } else if upgrades {
            upgrade::connect_here(options);
            // The request must not get a kept connection: those do not delay their first reads.
            peer.group_key = UPGRADES;
        }
        Ok(peer)
    }

    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
