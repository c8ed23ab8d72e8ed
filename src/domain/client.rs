//! Where a request really comes from, as far as somebody whose word counts has said.
//!
//! Only tokens of services depend on it. Nothing else is decided by an address, because most addresses are a proxy's.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::{IpNet, Ipv4Net};

use super::authority::{Authority, Host};
use super::identity;

/// Folded names by which proxies, load balancers and CDNs tell that they forwarded a request, beside those that
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

/// Who sent a request, as far as an address can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// An address, IPv4 in its own form and never mapped into IPv6.
    At(IpAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
    /// A trusted proxy forwarded the request and did not say for whom, or not as an address.
    Untold,
    /// A proxy that is not trusted forwarded the request.
    Undeclared,
}

impl Client {
    /// The client of a request from `peer`, which has no address where it is a Unix socket. `proxies` are the trusted ones.
    ///
    /// Fail closed: public requests that come through an ingress have the ingress's private address. So a request that was
    /// forwarded has an address only when every proxy on its way is declared: then it is the one entry of `X-Forwarded-For`
    /// that is no trusted proxy. An entry before that one was sent by the address that it names, which therefore is a proxy too.
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

/// What a trusted proxy says.
fn forwarded_for(headers: &HeaderMap, trusted: impl Fn(&IpAddr) -> bool) -> Client {
    let lines = headers.get_all(identity::name::FORWARDED_FOR).iter();
    // A line that is no text stays in its place as an entry that is no address: what stands before it must not count.
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

/// An entry of `X-Forwarded-For`: an address, with a port or not. Many proxies write an IPv6 address without brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let host = Authority::parse(entry).map(|authority| authority.host);
    match host.or_else(|_| Host::parse(entry)) {
        Ok(Host::Address(address)) => Some(address),
        Ok(Host::Name(_)) | Err(_) => None,
    }
}

/// A field by which a proxy tells that it forwarded the request, in any spelling that an app server reads alike.
#[must_use]
pub fn forwarding_header(headers: &HeaderMap) -> Option<&HeaderName> {
    headers.keys().find(|name| {
        let name = name.as_str();
        identity::forwards(name) || PROXIES.iter().any(|proxy| identity::folds_to(name, proxy))
    })
}

/// A set of places to call from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    nets: Vec<IpNet>,
    unix: bool,
}

/// Where nobody on the internet can be: loopback, link-local, RFC 1918, RFC 6598 (addresses of a provider's own network),
/// RFC 4193.
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
    /// These networks, and with `unix` the Unix sockets too.
    #[must_use]
    pub fn new(nets: Vec<IpNet>, unix: bool) -> Self {
        Self {
            nets: nets.into_iter().map(canonical).collect(),
            unix,
        }
    }

    /// Loopback, link-local and private networks. No Unix socket: what stands at its other end may be a proxy that says nothing.
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

    /// Whether a request of this client comes from here. A client of whom nothing is known is nowhere.
    #[must_use]
    pub fn hold(&self, client: Client) -> bool {
        match client {
            Client::At(address) => self.nets.iter().any(|net| net.contains(&address)),
            Client::Unix => self.unix,
            Client::Untold | Client::Undeclared => false,
        }
    }
}

/// A network of IPv4 addresses that is written as one of IPv6 (RFC 4291, 2.5.5.2) in its own form, else no client was in it.
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
