//! An upstream that answers every request with the request itself, as JSON.

use async_trait::async_trait;
use http::{Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde_json::{Map, Value, json};

use super::answer::{BodyPrefix, bound, json, read_body};

/// The headers in which the gate describes the caller, and `x-request-id`, which follows a request through logs.
const IDENTITY: [&str; 15] = [
    "x-access-status",
    "x-actor-id",
    "x-auth-kind",
    "x-clerk-user-id",
    "x-org-id",
    "x-org-permissions",
    "x-org-role",
    "x-request-id",
    "x-service-name",
    "x-session-id",
    "x-user-email",
    "x-user-id",
    "x-user-name",
    "x-workspace-id",
    "x-workspace-role",
];
/// Bound: how much of a JSON body is shown.
const SHOWN_BYTES_MAX: usize = 2048;

/// The sample upstream. It has no state and always answers 200.
#[derive(Clone, Copy, Debug, Default)]
pub struct SampleApp;

#[async_trait]
impl ServeHttp for SampleApp {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        bound(session);
        let headers = received_headers(session);
        let method = session.req_header().method.to_string();
        let target = String::from_utf8_lossy(session.req_header().raw_path()).into_owned();
        let body = read_body(session).await;
        let shown = json!({
            "app": "sample",
            "method": method,
            "target": target,
            "identity": identity(&headers),
            "body_bytes": body.bytes.len(),
            "body_complete": body.complete,
            "body": shown_body(&headers, &body),
            "headers": headers,
        });
        json(StatusCode::OK, &shown)
    }
}

type Headers = Vec<(String, String)>;

/// All headers as (name in lower case, value), in the order of their arrival.
fn received_headers(session: &ServerSession) -> Headers {
    // A header map groups equal names; only the raw head of HTTP/1 still knows the order.
    let headers = match session.as_http1() {
        Some(http1) => raw_headers(&http1.get_headers_raw_bytes()),
        None => mapped_headers(session),
    };
    headers
        .into_iter()
        .map(|(name, value)| {
            let value = match name.as_str() {
                "authorization" => shortened(&value),
                _ => value,
            };
            (name, value)
        })
        .collect()
}

/// `head` is the request line and the header lines, as a parser has already accepted them.
fn raw_headers(head: &[u8]) -> Headers {
    head.split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(|line| {
            let line = String::from_utf8_lossy(line);
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect()
}

fn mapped_headers(session: &ServerSession) -> Headers {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    };
    session.req_header().headers.iter().map(pair).collect()
}

/// A credential is shown as little more than its length: the answer may land in a terminal's history.
fn shortened(value: &str) -> String {
    let (scheme, credential) = value.split_once(' ').unwrap_or(("", value));
    let start = if credential.starts_with("eyJ") {
        "eyJ"
    } else {
        ""
    };
    format!("{scheme} {start}…({} bytes)", credential.len())
        .trim_start()
        .to_owned()
}

/// The headers that a correct app would read. A name that came twice shows both values, although there should be one.
fn identity(headers: &Headers) -> Map<String, Value> {
    let mut identity = Map::new();
    for (name, value) in headers {
        if !IDENTITY.contains(&name.as_str()) {
            continue;
        }
        let all = match identity.get(name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        identity.insert(name.clone(), Value::String(all));
    }
    identity
}

/// The beginning of a body that is declared as JSON. Anything else might be secret or unreadable.
fn shown_body(headers: &Headers, body: &BodyPrefix) -> Value {
    let is_json = headers
        .iter()
        .any(|(name, value)| name == "content-type" && value.contains("json"));
    if !is_json {
        return Value::Null;
    }
    let end = body.bytes.len().min(SHOWN_BYTES_MAX);
    let start = body.bytes.get(..end).unwrap_or_default();
    Value::String(String::from_utf8_lossy(start).into_owned())
}

#[cfg(test)]
mod tests;
