//! A host with an optional port, as in `Host` fields, URLs, origins and forwarding headers. All parts of the gate read it here,
//! so that no two of them read different hosts from one text (RFC 3986, 3.2).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// The longest name in bytes. A DNS name has at most 253, and a dot may follow.
const MAX_NAME: usize = 255;

/// `host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    pub host: Host<'a>,
    /// The port, 1 or greater.
    pub port: Option<u16>,
}

/// A name or an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// In lower case: ASCII letters, digits, `-`, `.` and `_`.
    Name(Cow<'a, str>),
    /// An IP address. An IPv4 address within IPv6 (`::ffff:1.2.3.4`) becomes the IPv4 address.
    Address(IpAddr),
}

/// Why a text is not a host and port. The message never repeats the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AuthorityError {
    #[error("has no valid host")]
    Host,
    #[error("has no valid port")]
    Port,
}

impl<'a> Authority<'a> {
    /// Reads `name`, `name:port`, `1.2.3.4:port` or `[v6]:port`. It refuses user names and anything after the port. In
    /// `localhost@elsewhere.test` and `[::1].elsewhere.test` the host is not the one that a reader sees first (attack A-37).
    ///
    /// # Errors
    /// [`AuthorityError`] names the part that is wrong.
    pub fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']').ok_or(AuthorityError::Host)?;
                let address: Ipv6Addr = address.parse().map_err(|_| AuthorityError::Host)?;
                let port = match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return Err(AuthorityError::Host),
                    port => port,
                };
                (Host::Address(address.to_canonical()), port)
            }
            None => match text.split_once(':') {
                // Two colons mean an IPv6 address without brackets. The port cannot be separated from such an address.
                Some((_, port)) if port.contains(':') => return Err(AuthorityError::Host),
                Some((host, port)) => (Host::parse(host)?, Some(port)),
                None => (Host::parse(text)?, None),
            },
        };
        let port = port.map(parse_port).transpose()?;
        Ok(Self { host, port })
    }
}

impl<'a> Host<'a> {
    /// Reads a name or an address without a port. An IPv6 address has no brackets here.
    ///
    /// # Errors
    /// [`AuthorityError::Host`].
    pub fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(plain) {
            return Err(AuthorityError::Host);
        }
        Ok(Self::Name(
            if text.bytes().any(|b| b.is_ascii_uppercase()) {
                text.to_ascii_lowercase().into()
            } else {
                text.into()
            },
        ))
    }

    /// A copy of the host that does not borrow the text.
    #[must_use]
    pub fn into_owned(self) -> Host<'static> {
        match self {
            Self::Name(name) => Host::Name(name.into_owned().into()),
            Self::Address(address) => Host::Address(address),
        }
    }

    /// Whether every resolver reads this host the same way: it is an address, or a name that no resolver reads as an address.
    #[must_use]
    pub fn is_unambiguous(&self) -> bool {
        match self {
            Self::Name(name) => is_dns_name(name),
            Self::Address(_) => true,
        }
    }

    /// Whether the host is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.is_loopback(),
        }
    }

    /// Whether the host is an address of this machine or of a private network. A name does not count, because its DNS entry may
    /// change.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.is_loopback()
            || match self {
                Self::Name(_) => false,
                Self::Address(IpAddr::V4(address)) => address.is_private(),
                Self::Address(IpAddr::V6(address)) => address.is_unique_local(),
            }
    }

    /// Whether the host is a link-local address or the metadata service of a cloud (attack A-74).
    #[must_use]
    pub fn is_metadata(&self) -> bool {
        const AWS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
        const OTHERS: [Ipv4Addr; 2] = [
            Ipv4Addr::new(100, 100, 100, 200),
            Ipv4Addr::new(192, 0, 0, 192),
        ];
        match self {
            Self::Name(name) => name == "metadata" || name == "metadata.google.internal",
            Self::Address(IpAddr::V4(address)) => {
                address.is_link_local() || OTHERS.contains(address)
            }
            Self::Address(IpAddr::V6(address)) => {
                address.is_unicast_link_local() || *address == AWS_V6
            }
        }
    }

    /// Whether DNS cannot redirect the host to another machine: it is an IP address or `localhost`. In a DNS rebinding attack,
    /// the page of another site lets its own name point at the gate and sends that name (attack A-127).
    #[must_use]
    pub fn cannot_be_rebound(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost",
            Self::Address(_) => true,
        }
    }
}

impl fmt::Display for Host<'_> {
    /// Writes the host without brackets; see [`join`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Writes `host:port` as in a URL, with brackets around an IPv6 address.
#[must_use]
pub fn join(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Reads a port in its one valid spelling: 1 or greater, without a sign or leading zeros.
///
/// # Errors
/// [`AuthorityError::Port`].
pub fn parse_port(text: &str) -> Result<u16, AuthorityError> {
    let plain = !text.starts_with(['0', '+']);
    text.parse()
        .ok()
        .filter(|_| plain)
        .ok_or(AuthorityError::Port)
}

/// Reads a DNS name and returns it in lower case. A name whose last label is a number is refused: browsers and HTTP libraries
/// read `2130706433` and `0x7f.1` as IPv4 addresses, which would bypass every check of addresses.
#[must_use]
pub fn is_dns_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let label =
        |l: &str| (1..=63).contains(&l.len()) && !l.starts_with('-') && l.bytes().all(plain);
    let numeric = |l: &str| l.starts_with("0x") || l.bytes().all(|b| b.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_none_or(numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_reading_and_one_spelling() {
        for (given, host, port) in [
            ("app.test", "app.test", None),
            ("APP.Test:80", "app.test", Some(80)),
            ("app.test.", "app.test.", None),
            ("a_b", "a_b", None),
            ("127.0.0.1:8484", "127.0.0.1", Some(8484)),
            ("[::1]", "::1", None),
            ("[0:0::1]:65535", "::1", Some(65535)),
            ("[::FFFF:10.0.0.1]:1", "10.0.0.1", Some(1)),
        ] {
            let read = Authority::parse(given).map(|read| (read.host.to_string(), read.port));
            assert_eq!(read, Ok((host.to_owned(), port)), "given: {given}");
        }
        assert_eq!(join("app.test", 80), "app.test:80");
        assert_eq!(join("::1", 80), "[::1]:80");
    }

    #[test]
    fn a_hostile_spelling_of_a_host_is_refused() {
        let long = "a".repeat(256);
        for given in [
            "",
            ":80",
            "::1",
            "::1:80",
            "a:b:80",
            "[::1",
            "[::1]x",
            "[::1].evil.test",
            "[::1]:80:80",
            "[]",
            "[x]",
            "[127.0.0.1]",
            "[::1%eth0]",
            "[[::1]]",
            "localhost@evil.test",
            "a b",
            "a/b",
            "a\\b",
            "a%2eb",
            "a;b",
            "a,b",
            "a\0",
            "ä.test",
            "a\r\nb",
            &long,
        ] {
            let parsed = Authority::parse(given);
            assert!(parsed.is_err(), "given: {given:?}, read: {parsed:?}");
        }
        for given in [
            "a:", "a:x", "a:0", "a:080", "a:+1", "a:-1", "a:65536", "a: 1", "a:1 ", "a:1/", "a:１",
            "[::1]:", "a:80@b",
        ] {
            assert_eq!(
                Authority::parse(given),
                Err(AuthorityError::Port),
                "given: {given:?}"
            );
        }
    }

    #[test]
    fn a_name_that_is_an_address_in_disguise_is_ambiguous() {
        for given in [
            "2130706433",
            "0x7f.1",
            "127.1",
            "a.0x7f000001",
            "a..b",
            "-a.test",
            "a.test.",
        ] {
            let host = Host::parse(given).expect("a host");
            assert!(!host.is_unambiguous(), "given: {given}");
        }
        for given in ["app.test", "127.0.0.1", "::1", "a_b.c-d"] {
            let host = Host::parse(given).expect("a host");
            assert!(host.is_unambiguous(), "given: {given}");
        }
    }

    #[test]
    fn a_127_only_an_address_or_this_machine_cannot_be_rebound() {
        let safe =
            |text: &str| Authority::parse(text).is_ok_and(|found| found.host.cannot_be_rebound());
        for good in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "127.0.0.1:8485",
            "[::1]",
            "[::1]:8485",
            "10.0.0.7",
        ] {
            assert!(safe(good), "{good}");
        }
        for bad in [
            "",
            ":80",
            "[::1].evil.test",
            "[::1",
            "[]",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "evil.test",
        ] {
            assert!(!safe(bad), "{bad}");
        }
    }
}
