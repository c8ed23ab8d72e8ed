//! Code of both development servers: it reads requests within bounds, and builds answers.

use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::percent_decode_str;
use pingora::protocols::http::ServerSession;
use serde_json::Value;

/// Bound: how much of a request body is kept.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bound: how long a request body may take altogether.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// Bound: one read, one write.
const IO_TIME_MAX: Duration = Duration::from_secs(10);
/// Bound: how long the rest of a body is read after the answer. Without reading it, the connection would be reset, and the answer
/// could be lost.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// Sets the bounds that Pingora leaves open.
pub(super) fn bound(session: &mut ServerSession) {
    session.set_read_timeout(Some(IO_TIME_MAX));
    session.set_write_timeout(Some(IO_TIME_MAX));
    session.set_total_drain_timeout(Some(DRAIN_TIME_MAX));
}

/// The first part of a request body.
pub(super) struct BodyPrefix {
    pub bytes: Vec<u8>,
    /// Whether this is the whole body.
    pub complete: bool,
}

/// Reads up to [`BODY_BYTES_MAX`]; a client that stops early or is too slow gets an incomplete body.
pub(super) async fn read_body(session: &mut ServerSession) -> BodyPrefix {
    let mut body = BodyPrefix {
        bytes: Vec::new(),
        complete: false,
    };
    // A client such as curl waits for a `100 Continue` before it sends a long body.
    let waits = session
        .get_header_bytes("expect")
        .eq_ignore_ascii_case(b"100-continue");
    if waits && session.write_continue_response().await.is_err() {
        return body;
    }
    // What was read before the time limit stays in `body`.
    let _ = tokio::time::timeout(BODY_TIME_MAX, fill(session, &mut body)).await;
    body
}

async fn fill(session: &mut ServerSession, body: &mut BodyPrefix) {
    loop {
        match session.read_request_body().await {
            Ok(Some(chunk)) => {
                let room = BODY_BYTES_MAX - body.bytes.len();
                if chunk.len() > room {
                    body.bytes.extend(chunk.iter().take(room));
                    return;
                }
                body.bytes.extend_from_slice(&chunk);
            }
            Ok(None) => {
                body.complete = true;
                return;
            }
            Err(_) => return,
        }
    }
}

/// The parameters of a query, decoded.
pub(super) struct QueryParams(Vec<(String, String)>);

impl QueryParams {
    pub(super) fn of(session: &ServerSession) -> Self {
        let query = session.req_header().uri.query().unwrap_or_default();
        let pairs = query.split('&').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        });
        Self(pairs.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a switch is on: `?name=1`.
    pub(super) fn is_on(&self, name: &str) -> bool {
        matches!(self.get(name), Some("1" | "true"))
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// An answer. It always declares its length; otherwise Pingora would end the body by closing the connection.
pub(super) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: Vec<u8>,
) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    response
}

pub(super) fn text(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    answer(
        status,
        "text/plain; charset=utf-8",
        format!("{text}\n").into_bytes(),
    )
}

pub(super) fn json(status: StatusCode, value: &Value) -> Response<Vec<u8>> {
    answer(
        status,
        "application/json",
        format!("{value:#}\n").into_bytes(),
    )
}
