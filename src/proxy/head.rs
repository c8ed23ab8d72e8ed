//! Builds the floor's request head from Pingora's session.

use std::net::IpAddr;

use pingora::proxy::Session;
use uuid::Uuid;

use crate::domain::head::Incoming;
use crate::domain::ids::RequestId;
use crate::domain::{Rejection, RequestHead};

/// A new request id. Ids are ordered by time, so they sort in the order of the requests.
pub fn fresh_id() -> RequestId {
    RequestId::parse(
        Uuid::now_v7()
            .simple()
            .encode_lower(&mut Uuid::encode_buffer()),
    )
    .expect("hex digits are an id")
}

/// The address of the peer. Only a Unix socket has none. Pingora stores the address of a TCP connection when it accepts it, so
/// the address is there even after the peer has reset the connection.
pub fn peer(session: &Session) -> Option<IpAddr> {
    session
        .client_addr()
        .and_then(|address| address.as_inet())
        .map(|address| address.ip())
}

/// Reads the head of the request. It is called once per request, because it copies the raw bytes to compare them.
///
/// # Errors
/// Why the head is refused.
pub fn read(session: &Session, fresh_id: RequestId) -> Result<RequestHead<'_>, Rejection> {
    let request = session.req_header();
    let raw = session.to_h1_raw();
    check_raw(&raw, request.raw_path())?;
    RequestHead::parse(Incoming {
        method: &request.method,
        target: request.raw_path(),
        version: request.version,
        headers: &request.headers,
        peer: peer(session),
        fresh_id,
    })
}

/// Compares the raw bytes with Pingora's parsed request.
/// Attack A-35: Pingora percent-encodes spaces and 8-bit bytes in a target, and cuts fragments.
/// Attack A-86: Pingora accepts a bare LF as a line end, and a proxy in front may not.
fn check_raw(raw: &[u8], target: &[u8]) -> Result<(), Rejection> {
    let start = raw
        .iter()
        .position(|b| !matches!(b, b'\r' | b'\n'))
        .unwrap_or(0);
    let line = raw.get(start..).unwrap_or_default();
    let end = line
        .windows(2)
        .position(|w| w == b"\r\n")
        .ok_or(Rejection::BadRequest)?;
    let line = line.get(..end).unwrap_or_default();
    let first = line
        .iter()
        .position(|b| *b == b' ')
        .ok_or(Rejection::BadRequest)?;
    let last = line
        .iter()
        .rposition(|b| *b == b' ')
        .ok_or(Rejection::BadRequest)?;
    let sent = line.get(first + 1..last).unwrap_or_default();
    if sent != target {
        return Err(Rejection::AmbiguousPath);
    }
    let bare_lf = raw
        .windows(2)
        .skip(start)
        .any(|w| w.first() != Some(&b'\r') && w.last() == Some(&b'\n'));
    // Attack A-80: Pingora drops Content-Length when Transfer-Encoding is there too, so only the wire shows both.
    let both = has_field(raw, b"content-length") && has_field(raw, b"transfer-encoding");
    if bare_lf || both {
        Err(Rejection::BadRequest)
    } else {
        Ok(())
    }
}

/// Whether a line of the raw head has this name, given in lower case.
fn has_field(raw: &[u8], name: &[u8]) -> bool {
    raw.split(|b| *b == b'\n').any(|line| {
        line.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
            && line.get(name.len()) == Some(&b':')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_that_the_parser_repaired_is_refused() {
        let check = |raw: &str, target: &str| check_raw(raw.as_bytes(), target.as_bytes());
        assert_eq!(check("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "/a"), Ok(()));
        assert_eq!(
            check("\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", "/a"),
            Ok(())
        );
        assert_eq!(
            check("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "/a%20b"),
            Err(Rejection::AmbiguousPath)
        );
        assert_eq!(
            check("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "/a"),
            Err(Rejection::AmbiguousPath)
        );
        assert_eq!(
            check("GET /a HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "/a"),
            Err(Rejection::BadRequest)
        );
        assert_eq!(
            check("GET /a HTTP/1.1\nHost: a\n\n", "/a"),
            Err(Rejection::BadRequest)
        );
        assert_eq!(check("", "/a"), Err(Rejection::BadRequest));
        let both = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 3\r\n\r\n";
        assert_eq!(check(both, "/a"), Err(Rejection::BadRequest));
    }
}
