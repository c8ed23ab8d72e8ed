//! Addresses of other machines, read strictly: one spelling, and no place where secrets of a cloud are handed out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// `scheme://host[:port][/path][?query]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: String,
    pub(super) host: Host,
    pub(super) port: Option<u16>,
    /// From the first slash, else empty.
    pub(super) path: String,
    /// With its question mark, else empty.
    pub(super) query: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// In lower case.
    Name(String),
    Address(IpAddr),
}

/// Why a text is no URL. Completes "`jwks_url` …" and never repeats the text, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum UrlError {
    #[error("has no scheme")]
    NoScheme,
    #[error("has a character that a URL cannot have")]
    Character,
    #[error("has a user name or password in it")]
    Userinfo,
    #[error("has a fragment (`#…`)")]
    Fragment,
    #[error("has no valid host")]
    Host,
    #[error("has no valid port")]
    Port,
    #[error("points to an address at which clouds hand out credentials")]
    Metadata,
    #[error("points to `0.0.0.0` or `[::]`, which is where to listen and not where to connect")]
    Unspecified,
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if !text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b))
        {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
        if scheme.is_empty()
            || !scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        {
            return Err(UrlError::NoScheme);
        }
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::Userinfo);
        }
        let (path, query) = tail.split_at(tail.find('?').unwrap_or(tail.len()));
        let (host, port) = split_port(authority)?;
        let port = port.map(parse_port).transpose()?;
        let (path, query) = (path.to_owned(), query.to_owned());
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: parse_host(host)?,
            port,
            path,
            query,
        })
    }
}

impl Url {
    /// A URL that bailiff would connect to.
    pub(super) fn outbound(text: &str) -> Result<Self, UrlError> {
        let url: Self = text.parse()?;
        match &url.host {
            host if host.is_metadata() => Err(UrlError::Metadata),
            Host::Address(address) if address.is_unspecified() => Err(UrlError::Unspecified),
            _ => Ok(url),
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, tail) = rest.split_once(']').ok_or(UrlError::Host)?;
        address.parse::<Ipv6Addr>().map_err(|_| UrlError::Host)?;
        return match tail.strip_prefix(':') {
            Some(port) => Ok((address, Some(port))),
            None if tail.is_empty() => Ok((address, None)),
            None => Err(UrlError::Host),
        };
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(UrlError::Host),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

/// A port in its one spelling.
pub(super) fn parse_port(text: &str) -> Result<u16, UrlError> {
    let plain = !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| plain).ok_or(UrlError::Port)
}

pub(super) fn parse_host(text: &str) -> Result<Host, UrlError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Host::Address(address.to_canonical()));
    }
    let name = text.to_ascii_lowercase();
    if is_name(&name) {
        Ok(Host::Name(name))
    } else {
        Err(UrlError::Host)
    }
}

/// A DNS name in lower case. One that ends in a number is none: browsers and HTTP libraries read `2130706433` and
/// `0x7f.1` as IPv4 addresses, which would walk around every check of addresses.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let label =
        |l: &str| (1..=63).contains(&l.len()) && !l.starts_with('-') && l.bytes().all(plain);
    let numeric = |l: &str| l.starts_with("0x") || l.bytes().all(|b| b.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_none_or(numeric)
}

impl Host {
    /// This machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Address(address) => address.is_loopback(),
        }
    }

    /// This machine or a private network, by address: a name could lead anywhere tomorrow.
    pub(super) fn is_near(&self) -> bool {
        self.is_loopback()
            || match self {
                Self::Name(_) => false,
                Self::Address(IpAddr::V4(address)) => address.is_private(),
                Self::Address(IpAddr::V6(address)) => address.is_unique_local(),
            }
    }

    /// Link-local addresses and the metadata services of clouds (attack A-74).
    pub(super) fn is_metadata(&self) -> bool {
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
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum OriginError {
    #[error("is not an origin")]
    Form,
    #[error("has a slash or more behind the host, which no browser sends")]
    Path,
    #[error("has upper-case letters, which no browser sends")]
    Case,
    #[error("names the default port, which no browser sends")]
    DefaultPort,
    #[error("is a pattern; origins are compared to the letter")]
    Pattern,
    #[error("is `null`, which every sandboxed page sends")]
    Null,
}

/// What an origin looks like, for messages.
pub(super) const ORIGIN: &str = "scheme://host[:port] exactly, such as https://app.example.com";

/// The `Origin` that a browser sends (RFC 6454, 7): `scheme://host[:port]`. Schemes of apps such as `capacitor://localhost`
/// and `chrome-extension://…` are origins too.
pub(super) fn origin(text: &str) -> Result<Box<str>, OriginError> {
    if text == "null" {
        return Err(OriginError::Null);
    }
    if text.contains('*') {
        return Err(OriginError::Pattern);
    }
    let url: Url = text.parse().map_err(|_| OriginError::Form)?;
    if !url.path.is_empty() || !url.query.is_empty() {
        return Err(OriginError::Path);
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(OriginError::Case);
    }
    if matches!(
        (url.scheme.as_str(), url.port),
        ("https", Some(443)) | ("http", Some(80))
    ) {
        return Err(OriginError::DefaultPort);
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_one_spelling_and_no_password() {
        for (given, expected) in [
            ("127.0.0.1:3000", UrlError::NoScheme),
            ("://x", UrlError::NoScheme),
            ("http://", UrlError::Host),
            ("http://u:p@x", UrlError::Userinfo),
            ("http://a@b/c", UrlError::Userinfo),
            ("http://a/#b", UrlError::Fragment),
            ("http://a b", UrlError::Character),
            ("http://a\\b", UrlError::Character),
            ("http://a:b", UrlError::Port),
            ("http://a:", UrlError::Port),
            ("http://a:0", UrlError::Port),
            ("http://a:+80", UrlError::Port),
            ("http://a:65536", UrlError::Port),
            ("http://::1/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://[::1]x/", UrlError::Host),
            ("http://2130706433/", UrlError::Host),
            ("http://0x7f.1/", UrlError::Host),
            ("http://127.1/", UrlError::Host),
            ("http://a..b/", UrlError::Host),
        ] {
            assert_eq!(given.parse::<Url>(), Err(expected), "given: {given}");
        }
        let url: Url = "HTTP://App.Internal:81/x?y".parse().expect("a URL");
        assert_eq!(
            (url.scheme.as_str(), url.host.to_string().as_str(), url.port),
            ("http", "app.internal", Some(81))
        );
        assert_eq!((url.path.as_str(), url.query.as_str()), ("/x", "?y"));
    }

    #[test]
    fn a_74_no_url_leads_to_where_clouds_hand_out_credentials() {
        for given in [
            "http://169.254.169.254/latest",
            "https://169.254.1.1/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://metadata.google.internal/",
            "http://100.100.100.200/",
        ] {
            assert_eq!(
                Url::outbound(given),
                Err(UrlError::Metadata),
                "given: {given}"
            );
        }
        assert_eq!(
            Url::outbound("http://0.0.0.0:1"),
            Err(UrlError::Unspecified)
        );
        assert!(Url::outbound("http://[::1]:8080/jwks").is_ok_and(|url| url.host.is_loopback()));
    }

    #[test]
    fn only_addresses_are_near() {
        for (given, near) in [
            ("http://127.9.9.9", true),
            ("http://localhost", true),
            ("http://a.localhost", true),
            ("http://10.1.2.3", true),
            ("http://192.168.0.1", true),
            ("http://[fd12::1]", true),
            ("http://172.32.0.1", false),
            ("http://issuer", false),
            ("http://8.8.8.8", false),
        ] {
            assert_eq!(
                given.parse::<Url>().map(|url| url.host.is_near()),
                Ok(near),
                "given: {given}"
            );
        }
    }

    #[test]
    fn an_origin_is_what_a_browser_sends_to_the_letter() {
        for good in [
            "https://app.example.com",
            "http://localhost:5173",
            "capacitor://localhost",
            "http://[::1]:3000",
        ] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        for (given, expected) in [
            ("null", OriginError::Null),
            ("*", OriginError::Pattern),
            ("https://*.example.com", OriginError::Pattern),
            ("app.example.com", OriginError::Form),
            ("https://app.example.com/", OriginError::Path),
            ("https://app.example.com?x", OriginError::Path),
            ("https://App.example.com", OriginError::Case),
            ("https://app.example.com:443", OriginError::DefaultPort),
        ] {
            assert_eq!(origin(given), Err(expected), "given: {given}");
        }
    }
}
