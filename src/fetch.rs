//! The one HTTP client for all requests that bailiff makes itself.

mod download;

use std::time::{Duration, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use reqwest::{Client, RequestBuilder, Response, redirect};

pub(crate) use download::DownloadRequest;

use crate::clock;
use crate::config::secret::Secret;
use crate::domain::UnixTime;

/// Everything in an id that is not unreserved (RFC 3986, 2.3), so that the id stays one segment of a path. The issuer chooses a
/// `sub`, which may contain `/`, `?`, `#` and `%`. Dots stay, because no id is a dot segment: each begins with `user_`, or with the
/// name of an issuer and a colon.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Bound on a whole exchange, also with a server that answers slowly.
const TOTAL: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("no connection to {url}: {why}; {}", connect_cure(why))]
    Connect { url: String, why: String },
    #[error("{url} did not answer within {} s; is there a firewall in between that drops what it does not like?", TOTAL.as_secs())]
    Timeout { url: String },
    #[error("{url} answered {status}{}", status_cure(*status))]
    Status { url: String, status: u16 },
    #[error("{url} answered with more than {max} bytes")]
    TooLarge { url: String, max: usize },
    #[error("asking {url} failed: {why}")]
    Broken { url: String, why: String },
}

impl FetchError {
    /// The status of an answer that is not a success.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// The cure for a failed connection, derived from the error text of the libraries.
fn connect_cure(why: &str) -> &'static str {
    let says = |parts: &[&str]| parts.iter().any(|part| why.contains(part));
    if says(&["proxy", "tunnel"]) {
        "look at HTTPS_PROXY and NO_PROXY in the environment of bailiff"
    } else if says(&["dns error", "lookup address"]) {
        "the name is not known here: look for a typo in the domain, and at the DNS of this machine"
    } else if says(&["certificate", "handshake", "tls"]) {
        "the TLS of the other side is not trusted: is the domain right, and does a proxy in between have a CA of its own?"
    } else if says(&["refused"]) {
        "nobody listens there: is host and port right?"
    } else {
        "let this machine out to that address (firewall, egress rules), or name the proxy in HTTPS_PROXY"
    }
}

/// The cure for an answer with this status.
fn status_cure(status: u16) -> &'static str {
    match status {
        300..=399 => {
            ": a redirect, which is not followed; write the address where it leads to into the config"
        }
        401 | 403 | 407 => {
            "; public keys are for everybody, so it is a proxy or a firewall in between that refuses"
        }
        404 | 410 => "; is it the right address? A typo in the domain leads to somebody else",
        429 => "; wait: something at this address asks too much",
        500.. => "; wait, and look at status.clerk.com",
        _ => "; is it the right address?",
    }
}

/// A defensive client. It has time limits, reads no more than the caller allows, and follows no redirect, because a redirect could
/// lead to an address of the internal network (attack A-74).
#[derive(Clone, Debug)]
pub struct Fetcher {
    outward: Client,
    /// A client without the proxy of the environment, which cannot reach this machine's own addresses.
    direct: Client,
}

/// An answer, and its time by the clock of the sender.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub body: Bytes,
    /// The `Date` field, to compare the gate's clock with. With an answer from a cache, `Age` is added (RFC 9111, 4.2.3).
    pub date: Option<UnixTime>,
    /// By how many seconds at least the gate's clock is ahead of the sender's. It is 0 while `Date` lies between request and
    /// answer.
    pub clock_ahead: Option<i64>,
}

/// A request with a bearer secret.
#[derive(Debug)]
pub struct AuthorizedRequest<'a> {
    pub method: Method,
    /// Built by the caller from an address of the config, never from a request's text (CVE-2026-34076).
    pub url: &'a str,
    pub bearer: &'a Secret,
    /// Further fields of the head.
    pub headers: &'a [(&'static str, &'static str)],
    /// Bound on the body of the answer, in bytes.
    pub max: usize,
}

/// An answer to [`AuthorizedRequest`], whatever its status is.
#[derive(Clone, Debug)]
pub struct FetchedResponse {
    pub status: u16,
    /// `Retry-After`, where it is a number of seconds. The sender may choose any number, so the caller must limit it.
    pub retry_after: Option<Duration>,
    pub body: Bytes,
}

impl Fetcher {
    /// # Errors
    /// When the system's certificates cannot be loaded.
    pub fn new() -> Result<Self, String> {
        Self::within(TOTAL)
    }

    /// A client with the time limit `total`.
    pub(crate) fn within(total: Duration) -> Result<Self, String> {
        let builder = || {
            Client::builder()
                .timeout(total)
                .connect_timeout(CONNECT)
                .redirect(redirect::Policy::none())
                .pool_max_idle_per_host(1)
                .user_agent(concat!("bailiff/", env!("CARGO_PKG_VERSION")))
        };
        let outward = builder().build().map_err(|e| causes(&e))?;
        let direct = builder().no_proxy().build().map_err(|e| causes(&e))?;
        Ok(Self { outward, direct })
    }

    /// The body of a 200 answer of at most `max` bytes.
    pub async fn get(&self, url: &str, max: usize) -> Result<Bytes, FetchError> {
        self.get_dated(url, max).await.map(|fetched| fetched.body)
    }

    /// As [`Fetcher::get`], with the sender's clock.
    pub async fn get_dated(&self, url: &str, max: usize) -> Result<Fetched, FetchError> {
        let asked = clock::now();
        let answer = send(self.client(url).get(url), url).await?;
        let answered = clock::now();
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(FetchError::Status {
                url: url.to_owned(),
                status,
            });
        }
        let date = answer
            .headers()
            .get("date")
            .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let age = answer
            .headers()
            .get(header::AGE)
            .and_then(|age| age.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        let date = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        let date = date.map(|since| UnixTime(since.as_secs().saturating_add(age)));
        let clock_ahead = date.map(|date| ahead(date, asked, answered));
        Ok(Fetched {
            body: body(answer, url, max).await?,
            date,
            clock_ahead,
        })
    }

    /// The answer to a request with a bearer secret, whatever its status is.
    pub async fn ask(&self, ask: AuthorizedRequest<'_>) -> Result<FetchedResponse, FetchError> {
        let AuthorizedRequest {
            method,
            url,
            bearer,
            headers,
            max,
        } = ask;
        let shown = authorization(bearer, url)?;
        let mut request = self
            .client(url)
            .request(method, url)
            .header(header::AUTHORIZATION, shown);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = send(request, url).await?;
        let status = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|after| after.to_str().ok()?.parse().ok());
        let body = body(answer, url, max).await?;
        Ok(FetchedResponse {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            body,
        })
    }

    fn client(&self, url: &str) -> &Client {
        // The config takes plain http for loopback and private addresses only.
        if url.starts_with("http://") {
            &self.direct
        } else {
            &self.outward
        }
    }
}

/// The header field with the secret.
fn authorization(bearer: &Secret, url: &str) -> Result<HeaderValue, FetchError> {
    let shown = [b"Bearer ", bearer.expose()].concat();
    let mut shown = HeaderValue::from_bytes(&shown).map_err(|_| FetchError::Broken {
        url: url.to_owned(),
        why: "the secret has a byte that no header field can have".to_owned(),
    })?;
    // Code that prints headers omits this one, and HTTP/2 keeps it out of its compression table (RFC 7541, 7.1.3).
    shown.set_sensitive(true);
    Ok(shown)
}

/// By how many seconds the gate's clock is ahead of a clock that showed `date` between `asked` and `answered`.
fn ahead(date: UnixTime, asked: UnixTime, answered: UnixTime) -> i64 {
    let seconds = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
    if date < asked {
        seconds(asked.since(date))
    } else {
        seconds(date.since(answered)).saturating_neg()
    }
}

async fn send(request: RequestBuilder, url: &str) -> Result<Response, FetchError> {
    match request
        .header(header::ACCEPT, "application/json")
        .send()
        .await
    {
        Err(error) if error.is_connect() => Err(FetchError::Connect {
            url: url.to_owned(),
            why: causes(&error.without_url()),
        }),
        other => other.map_err(|error| failed(error, url)),
    }
}

async fn body(mut answer: Response, url: &str, max: usize) -> Result<Bytes, FetchError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failed(error, url))? {
        if body.len() + chunk.len() > max {
            return Err(FetchError::TooLarge {
                url: url.to_owned(),
                max,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn failed(error: reqwest::Error, url: &str) -> FetchError {
    let (url, why) = (url.to_owned(), causes(&error.without_url()));
    if why.contains("timed out") && !why.contains("connect") {
        FetchError::Timeout { url }
    } else {
        FetchError::Broken { url, why }
    }
}

/// An error with its causes, because the outermost message alone often explains nothing.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_is_not_taken_for_a_clock_that_is_off() {
        for (given, date, expected) in [
            ("at the question", 100, 0),
            ("in between", 105, 0),
            ("at the answer", 109, 0),
            ("their clock is behind", 40, 60),
            ("their clock is ahead", 129, -20),
        ] {
            assert_eq!(
                ahead(UnixTime(date), UnixTime(100), UnixTime(109)),
                expected,
                "{given}"
            );
        }
    }

    #[test]
    fn every_way_to_get_no_connection_has_its_own_cure() {
        for (why, part) in [
            (
                "client error (Connect): dns error: failed to lookup address information",
                "typo in the domain",
            ),
            (
                "client error (Connect): tcp connect error: Connection refused (os error 111)",
                "nobody listens",
            ),
            (
                "client error (Connect): invalid peer certificate: UnknownIssuer",
                "is not trusted",
            ),
            (
                "client error (Connect): tunnel error: proxy authorization required",
                "HTTPS_PROXY and NO_PROXY",
            ),
            (
                "client error (Connect): tcp connect error: Network is unreachable (os error 101)",
                "egress rules",
            ),
        ] {
            let told = FetchError::Connect {
                url: "https://clerk.test".to_owned(),
                why: why.to_owned(),
            }
            .to_string();
            assert!(
                told.contains(part) && told.contains("https://clerk.test"),
                "{told}"
            );
        }
    }
}
