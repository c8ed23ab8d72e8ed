//! URLs of other machines, read strictly: one spelling, and no place where secrets of a cloud are handed out.

use thiserror::Error;

use crate::domain::authority::{Authority, AuthorityError, Host};

/// `scheme://host[:port][/path][?query]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) host: Host<'static>,
    pub(crate) port: Option<u16>,
    /// From the first slash, else empty.
    pub(crate) path: String,
    /// With its question mark, else empty.
    pub(crate) query: String,
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

impl From<AuthorityError> for UrlError {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Host => Self::Host,
            AuthorityError::Port => Self::Port,
        }
    }
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
        let Authority { host, port } = Authority::parse(authority)?;
        if !host.is_unambiguous() {
            return Err(UrlError::Host);
        }
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.into_owned(),
            port,
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }
}

impl Url {
    /// A URL that bailiff would connect to.
    pub(crate) fn outbound(text: &str) -> Result<Self, UrlError> {
        let url: Self = text.parse()?;
        match &url.host {
            host if host.is_metadata() => Err(UrlError::Metadata),
            Host::Address(address) if address.is_unspecified() => Err(UrlError::Unspecified),
            _ => Ok(url),
        }
    }
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum OriginError {
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
pub(crate) const ORIGIN: &str = "scheme://host[:port] exactly, such as https://app.example.com";

/// The `Origin` that a browser sends (RFC 6454, 7): `scheme://host[:port]`. Schemes of apps such as `capacitor://localhost`
/// and `chrome-extension://…` are origins too.
pub(crate) fn origin(text: &str) -> Result<Box<str>, OriginError> {
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
                given.parse::<Url>().map(|url| url.host.is_internal()),
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
