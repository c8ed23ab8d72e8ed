//! The admin listener for operators. Every client that reaches it gets `/metrics`, `/livez` and `/readyz`. Changes need the
//! token. The listener must not be public.

mod api;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

pub use api::Api;

use crate::clock;
use crate::domain::authority::{Authority, Host};
use crate::domain::{Snapshot, UnixTime};
use crate::keys::KeyKeeper;
use crate::listen::limits;
use crate::metrics::Metrics;
use crate::replication::ReplicationHandle;
use crate::snapshot_store::SnapshotStore;

/// The longest time for one read, one write, and the rest of a body that the gate does not use.
const IO: Duration = Duration::from_secs(10);

/// What the admin listener serves.
pub struct Admin {
    pub snapshots: Arc<SnapshotStore>,
    pub metrics: Arc<Metrics>,
    /// Knows why keys are missing.
    pub keeper: Arc<KeyKeeper>,
    /// Knows why the shared store was not read.
    pub shared: Option<Arc<ReplicationHandle>>,
    /// Host names that a request may use, besides IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Set when the process is ending. It is then alive but not ready.
    pub draining: Arc<AtomicBool>,
    pub api: Api,
}

impl Admin {
    fn answer(
        &self,
        method: &Method,
        path: &str,
        host: Option<&str>,
    ) -> (StatusCode, &'static str, Vec<u8>) {
        const TEXT: &str = "text/plain; charset=utf-8";
        let say = |status, text: &str| (status, TEXT, format!("{text}\n").into_bytes());
        // Attack A-127: the page of another site lets its own name point here and sends that name as Host.
        if !host.is_some_and(|host| self.known(host)) {
            return say(
                StatusCode::FORBIDDEN,
                "this host name is not allowed here: see admin.hosts in the config",
            );
        }
        if *method != Method::GET && *method != Method::HEAD {
            return say(StatusCode::METHOD_NOT_ALLOWED, "only GET");
        }
        match path {
            "/livez" => say(StatusCode::OK, "ok"),
            "/readyz" | "/startupz" => match self.unready() {
                None => say(StatusCode::OK, "ready"),
                Some(why) => say(StatusCode::SERVICE_UNAVAILABLE, &why),
            },
            "/metrics" => (
                StatusCode::OK,
                "text/plain; version=0.0.4",
                self.metrics.render(&self.snapshots.load()),
            ),
            _ => say(
                StatusCode::NOT_FOUND,
                "here are /metrics, /livez, /readyz and, with a token, /providers and /users",
            ),
        }
    }

    fn known(&self, host: &str) -> bool {
        let Ok(Authority { host, .. }) = Authority::parse(host) else {
            return false;
        };
        let listed = |name: &str| self.hosts.iter().any(|known| known == name);
        host.cannot_be_rebound() || matches!(&host, Host::Name(name) if listed(name))
    }

    fn unready(&self) -> Option<String> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("not ready: the process is ending".into());
        }
        let why = unready(&self.snapshots.load(), clock::now())?;
        let mut more = self.keeper.failures();
        more.extend(
            self.shared
                .as_ref()
                .and_then(|shared| shared.trouble())
                .map(|why| format!("shared store: {why}")),
        );
        Some(
            [vec![format!("not ready: {why}")], more]
                .concat()
                .join("\n"),
        )
    }
}

/// Why requests cannot be judged yet; `None` when they can. It depends only on what is in memory: an issuer that is down now must
/// not take every replica out of service.
///
/// Of several issuers only the first one counts, which is the one under `clerk:`. If another issuer has no keys, its own users
/// get 503. That is no reason to refuse the users of all other issuers.
#[must_use]
pub fn unready(snapshot: &Snapshot, now: UnixTime) -> Option<String> {
    // An issuer that was added while the process runs never makes the gate unready.
    if let Some(issuer) = snapshot.rules.issuers.iter().find(|issuer| !issuer.added)
        && !snapshot
            .keys
            .get(&issuer.name)
            .is_some_and(|keys| keys.usable(now))
    {
        return Some(format!("no keys of the issuer `{}`", issuer.name));
    }
    if snapshot.rules.roles.is_some() && snapshot.members.is_none() {
        return Some("the membership is not loaded".into());
    }
    snapshot
        .awaits_shared
        .then(|| "what replicas share was not read yet".into())
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        limits::head_received();
        session.set_read_timeout(Some(IO));
        session.set_write_timeout(Some(IO));
        session.set_total_drain_timeout(Some(IO));
        let request = session.req_header();
        let host = request
            .headers
            .get(HOST)
            .and_then(|host| host.to_str().ok());
        let changes = Api::serves(request.uri.path()) && host.is_some_and(|host| self.known(host));
        let (status, kind, body) = if changes {
            let (status, body) = self.api.answer(session).await;
            (status, "application/json", format!("{body}\n").into_bytes())
        } else {
            self.answer(&request.method, request.uri.path(), host)
        };
        let length = body.len();
        let shown = if session.req_header().method == Method::HEAD {
            vec![]
        } else {
            body
        };
        let mut response = Response::new(shown);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
