//! The address that a request really comes from, as far as trusted proxies report it.
//!
//! Only service tokens depend on it. The gate decides nothing else by address, because most addresses belong to a proxy.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

use super::authority::{Authority, Host};
use super::identity;

/// Folded names of header fields that proxies, load balancers and CDNs add when they forward a request, besides those that
/// [`identity::forwards`] knows.
const PROXIES: &[&str] = &[
    "via",
    "x_forwarded",
    "forwarded_for",
    "x_original_forwarded_for",
    "x_originating_ip",
    "x_remote_ip",
    "x_remote_addr",
    "x_envoy_external_address",
    "proxy_client_ip",
    "wl_proxy_client_ip",
    "cdn_loop",
    "cf_connecting_ip",
    "cf_connecting_ipv6",
    "cf_pseudo_ipv4",
    "cloudfront_viewer_address",
    "x_amz_cf_id",
    "fastly_client_ip",
    "fly_client_ip",
    "do_connecting_ip",
    "incap_client_ip",
    "x_sucuri_clientip",
    "x_azure_clientip",
    "x_azure_socketip",
    "x_appengine_user_ip",
    "x_nf_client_connection_ip",
    "x_vercel_forwarded_for",
];

/// The sender of a request, as far as its address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// An address. An IPv4 address is never mapped into IPv6.
    At(IpAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
    /// A trusted proxy forwarded the request, and it gave no client address or one that cannot be read.
    Untold,
    /// A proxy that is not trusted forwarded the request.
    Undeclared,
}

impl Client {
    /// The client of a request from `peer`, which is `None` for a Unix socket. `proxies` are the trusted proxies.
    ///
    /// Fail closed: public requests that come through an ingress have the ingress's private address. So a forwarded request has
    /// an address only when every proxy on its way is trusted. The address is then the one entry of `X-Forwarded-For` that is not
    /// a trusted proxy. If there is an entry before it, that address sent the entry and is therefore a proxy too.
    #[must_use]
    pub fn of(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &[IpNet]) -> Self {
        let trusted = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
        match peer.map(|peer| peer.to_canonical()) {
            Some(peer) if trusted(&peer) => forwarded_for(headers, trusted),
            _ if forwarding_header(headers).is_some() => Self::Undeclared,
            Some(peer) => Self::At(peer),
            None => Self::Unix,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Unix => f.write_str("a Unix socket"),
            Self::Untold => f.write_str("a trusted proxy that does not say for whom"),
            Self::Undeclared => f.write_str("a proxy that is not trusted"),
        }
    }
}

/// The client that a trusted proxy reports.
fn forwarded_for(headers: &HeaderMap, trusted: impl Fn(&IpAddr) -> bool) -> Client {
    let lines = headers.get_all(identity::name::FORWARDED_FOR).iter();
    // A line that is not text stays in its place as an entry that is not an address. So the entries before it do not count.
    let mut entries = lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .rev();
    let client = loop {
        match entries.next().map(address) {
            Some(Some(address)) if trusted(&address) => {}
            Some(Some(address)) => break address,
            Some(None) | None => return Client::Untold,
        }
    };
    if entries.next().is_some() {
        Client::Undeclared
    } else {
        Client::At(client)
    }
}

/// Reads an entry of `X-Forwarded-For`: an address, with or without a port. Many proxies write an IPv6 address without brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let host = Authority::parse(entry).map(|authority| authority.host);
    match host.or_else(|_| Host::parse(entry)) {
        Ok(Host::Address(address)) => Some(address),
        Ok(Host::Name(_)) | Err(_) => None,
    }
}

/// A field that a proxy adds when it forwards a request, in any spelling that some app server reads as this field.
#[must_use]
pub fn forwarding_header(headers: &HeaderMap) -> Option<&HeaderName> {
    headers.keys().find(|name| {
        let name = name.as_str();
        identity::forwards(name) || PROXIES.iter().any(|proxy| identity::folds_to(name, proxy))
    })
}

/// A set of networks that a service may call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    nets: Vec<IpNet>,
    unix: bool,
}

/// Addresses that no client on the internet has: loopback, link-local, RFC 1918, RFC 6598 (addresses of a provider's own
/// network), RFC 4193.
const PRIVATE: [([u8; 4], u8); 6] = [
    ([127, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([100, 64, 0, 0], 10),
    ([169, 254, 0, 0], 16),
];
const PRIVATE_V6: [([u16; 8], u8); 3] = [
    ([0, 0, 0, 0, 0, 0, 0, 1], 128),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
];

impl Networks {
    /// These networks, and the Unix sockets too if `unix` is set.
    #[must_use]
    pub fn new(nets: Vec<IpNet>, unix: bool) -> Self {
        Self {
            nets: nets.into_iter().map(canonical).collect(),
            unix,
        }
    }

    /// Loopback, link-local and private networks. Unix sockets are left out: a proxy at the other end may forward requests
    /// without saying so.
    #[must_use]
    pub fn private() -> Self {
        let v4 = PRIVATE
            .iter()
            .filter_map(|(address, length)| IpNet::new(IpAddr::from(*address), *length).ok());
        let v6 = PRIVATE_V6
            .iter()
            .filter_map(|(address, length)| IpNet::new(IpAddr::from(*address), *length).ok());
        Self {
            nets: v4.chain(v6).collect(),
            unix: false,
        }
    }

    /// Whether this client is in the set. A client without a known address is in no set.
    #[must_use]
    pub fn hold(&self, client: Client) -> bool {
        match client {
            Client::At(address) => self.nets.iter().any(|net| net.contains(&address)),
            Client::Unix => self.unix,
            Client::Untold | Client::Undeclared => false,
        }
    }
}

/// Converts an IPv4 network that is written as IPv6 (RFC 4291, 2.5.5.2) to IPv4. Otherwise no client would match it.
#[must_use]
pub fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let mapped = v6
        .network()
        .to_ipv4_mapped()
        .zip(v6.prefix_len().checked_sub(96));
    mapped
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(net, IpNet::V4)
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::private() {
            return f.write_str("loopback, link-local and private networks");
        }
        let nets = self.nets.iter().map(ToString::to_string);
        let all: Vec<_> = nets.chain(self.unix.then(|| "unix".to_owned())).collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests;
