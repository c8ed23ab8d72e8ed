//! The request head, checked once. A request with an ambiguous method, target, Host or framing is refused here.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method, Version, header};

use super::Rejection;
use super::authority::Authority;
use super::ids::RequestId;
use super::path::{CleanPath, Target};

/// The largest header block in bytes, names and values.
pub const MAX_HEAD: usize = 64 * 1024;

/// The parts of the request that a decision may depend on. They are borrowed, and built once per request.
#[derive(Clone, Debug)]
pub struct RequestHead<'r> {
    pub method: &'r Method,
    pub path: CleanPath<'r>,
    /// Path and query as the client sent them.
    pub origin_form: &'r str,
    /// Whether the target is in absolute form, so that path and query are only a part of it.
    pub absolute_form: bool,
    pub headers: &'r HeaderMap,
    /// The address of the peer. Only a Unix socket has none.
    pub peer: Option<IpAddr>,
    pub request_id: RequestId,
}

/// The parts of a request before they are checked.
#[derive(Clone, Debug)]
pub struct Incoming<'r> {
    pub method: &'r Method,
    /// The target as it stood in the request line.
    pub target: &'r [u8],
    pub version: Version,
    pub headers: &'r HeaderMap,
    pub peer: Option<IpAddr>,
    /// A fresh id, for a request without a usable one.
    pub fresh_id: RequestId,
}

impl<'r> RequestHead<'r> {
    /// Checks everything that later steps rely on.
    pub fn parse(incoming: Incoming<'r>) -> Result<Self, Rejection> {
        let Incoming {
            method,
            target,
            version,
            headers,
            peer,
            fresh_id,
        } = incoming;
        let size: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        if size > MAX_HEAD {
            return Err(Rejection::HeadTooLarge);
        }
        check_framing(headers, version)?;
        let target = Target::parse(target)?;
        let host = host(headers, version)?;
        // RFC 9112, 3.2.2: the absolute form must name the host of the Host field. The gate judges its path (attack A-36).
        if target
            .authority
            .is_some_and(|a| host.is_none_or(|h| !a.eq_ignore_ascii_case(h)))
        {
            return Err(Rejection::AmbiguousPath);
        }
        let request_id = request_id(headers).unwrap_or(fresh_id);
        Ok(Self {
            method,
            path: target.path,
            origin_form: target.origin_form,
            absolute_form: target.authority.is_some(),
            headers,
            peer,
            request_id,
        })
    }

    /// The declared length of the body. `None` for a chunked body, which declares none.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.headers
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }

    /// The value of a field that a route reads. If the field is there twice, or is not visible ASCII, the request is refused: the
    /// app could read another value than the gate (attacks ).
    pub fn single(&self, name: &HeaderName) -> Result<Option<&'r str>, Rejection> {
        single(self.headers, name)
    }
}

/// The value of a field that may be absent. If it is there twice, or is not visible ASCII, the request is refused.
fn single<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r str>, Rejection> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Rejection::BadRequest),
        (Some(_), Some(_)) => Err(Rejection::BadRequest),
    }
}

/// Refuses message framing that two parsers could read differently (RFC 9112, 6.3; attacks ).
fn check_framing(headers: &HeaderMap, version: Version) -> Result<(), Rejection> {
    let length = single(headers, &header::CONTENT_LENGTH)?;
    let coding = single(headers, &header::TRANSFER_ENCODING)?;
    if length
        .is_some_and(|l| l.is_empty() || l.len() > 18 || !l.bytes().all(|b| b.is_ascii_digit()))
    {
        return Err(Rejection::BadRequest);
    }
    if coding.is_some_and(|c| !c.eq_ignore_ascii_case("chunked") || version < Version::HTTP_11) {
        return Err(Rejection::BadRequest);
    }
    if length.is_some() && coding.is_some() {
        Err(Rejection::BadRequest)
    } else {
        Ok(())
    }
}

/// The Host field: exactly one in HTTP/1.1, and plain `host[:port]` (attacks ).
fn host(headers: &HeaderMap, version: Version) -> Result<Option<&str>, Rejection> {
    match single(headers, &header::HOST)? {
        Some(host) if Authority::parse(host).is_ok() => Ok(Some(host)),
        None if version != Version::HTTP_11 => Ok(None),
        _ => Err(Rejection::BadRequest),
    }
}

/// The client's request id. It is kept when it is one plain word of at most 128 bytes, so that traces can be joined. It is no
/// identity and grants nothing.
fn request_id(headers: &HeaderMap) -> Option<RequestId> {
    let text = single(headers, &HeaderName::from_static("x-request-id")).ok()??;
    let word = text.len() <= 128
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    if word {
        RequestId::parse(text).ok()
    } else {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn parse(target: &str, fields: &[(&str, &str)]) -> Result<String, Rejection> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(HeaderName::try_from(*name).expect("a name"), value);
        }
        let incoming = Incoming {
            method: &Method::GET,
            target: target.as_bytes(),
            version: Version::HTTP_11,
            headers: &headers,
            peer: None,
            fresh_id: RequestId::parse("fresh").expect("an id"),
        };
        RequestHead::parse(incoming).map(|head| head.request_id.to_string())
    }

    #[test]
    fn framing_that_two_parsers_could_see_differently_is_refused() {
        let host = ("host", "app.test");
        for fields in [
            vec![
                host,
                ("content-length", "4"),
                ("transfer-encoding", "chunked"),
            ],
            vec![host, ("content-length", "4"), ("content-length", "4")],
            vec![host, ("content-length", "4, 4")],
            vec![host, ("content-length", "+4")],
            vec![host, ("content-length", "12345678901234567890")],
            vec![host, ("transfer-encoding", "gzip, chunked")],
            vec![
                host,
                ("transfer-encoding", "chunked"),
                ("transfer-encoding", "chunked"),
            ],
            vec![host, host],
            vec![],
        ] {
            assert_eq!(
                parse("/", &fields),
                Err(Rejection::BadRequest),
                "{fields:?}"
            );
        }
        assert!(parse("/", &[host, ("transfer-encoding", "Chunked")]).is_ok());
    }

    #[test]
    fn host_is_a_plain_name_with_an_optional_port() {
        for good in [
            "app.test",
            "APP.test",
            "app.test.",
            "app.test:80",
            "127.0.0.1:8484",
            "[::1]",
            "[::1]:8484",
            "a_b",
        ] {
            assert!(parse("/", &[("host", good)]).is_ok(), "refused: {good}");
        }
        for bad in [
            "",
            "a;proto=https;x=\"",
            "user@app.test",
            "app.test:",
            "app.test:x",
            "app.test:99999",
            "a b",
            "[::1",
            "[x]",
            "a/b",
            "[::1]x",
            "a:+1",
        ] {
            assert_eq!(
                parse("/", &[("host", bad)]),
                Err(Rejection::BadRequest),
                "accepted: {bad}"
            );
        }
    }

    #[test]
    fn an_absolute_target_must_name_the_same_host() {
        let host = [("host", "app.test")];
        assert!(parse("http://APP.test/x", &host).is_ok());
        assert_eq!(
            parse("http://other.host/x", &host),
            Err(Rejection::AmbiguousPath)
        );
        assert_eq!(
            parse("http://a@app.test/x", &host),
            Err(Rejection::AmbiguousPath)
        );
    }

    #[test]
    fn a_request_id_is_kept_only_when_it_is_one_plain_word() {
        let id = |values: &[&str]| {
            let fields = values
                .iter()
                .map(|v| ("x-request-id", *v))
                .chain([("host", "a")]);
            parse("/", &fields.collect::<Vec<_>>()).expect("a good head")
        };
        assert_eq!(id(&["01JD-a.b:c_9"]), "01JD-a.b:c_9");
        for bad in [&["a b"][..], &[""], &["a", "b"], &["a\"b"], &["ä"]] {
            assert_eq!(id(bad), "fresh", "{bad:?}");
        }
    }

    // Attack A-83: a server of HTTP/1.0 does not know the field and would read the body as the next request.
    #[test]
    fn a_transfer_coding_in_http_1_0_is_refused() {
        let coding = (
            header::TRANSFER_ENCODING,
            http::HeaderValue::from_static("chunked"),
        );
        let headers = HeaderMap::from_iter([coding]);
        assert!(check_framing(&headers, Version::HTTP_11).is_ok());
        assert_eq!(
            check_framing(&headers, Version::HTTP_10),
            Err(Rejection::BadRequest)
        );
    }
}
