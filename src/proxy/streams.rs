//! Ends answers that last long when their user's access ends.
//!
//! The token is judged at the handshake of a WebSocket. Hours later its session may be over. So each long answer to a user is
//! judged again with every new snapshot, by the floor's [`reauthorize`]. If the user would no longer get it, the gate closes it.
//!
//! The gate closes both connections of the answer. The client of a WebSocket gets a close frame first ([`websocket`]).

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, UPGRADE};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::ctx::Ctx;
use super::gate::Gate;
use super::log::{self, Begun};
use crate::clock;
use crate::domain::judge::{Caller, reauthorize};
use crate::domain::{Grant, Rejection};
use crate::listen::{limits, websocket};
use crate::membership_sources::lookups::LookupSource;
use crate::metrics::{self, Metrics};
use crate::snapshot_store::SnapshotStore;

/// The time between two checks of answers that end with their token.
const CLOCK: Duration = Duration::from_secs(1);
/// The time between two checks of all other answers, where nothing changes.
const LOOK: Duration = Duration::from_secs(10);
/// The beginnings of the content types of long answers.
const LONG: [&str; 4] = [
    "text/event-stream",
    "application/grpc",
    "application/x-ndjson",
    "multipart/x-mixed-replace",
];

/// Whether this answer may last long: a switch to another protocol, events, or a stream of messages.
fn is_long(response: &ResponseHeader) -> bool {
    let kind = response
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    response.status == 101 || LONG.iter().any(|long| kind.starts_with(long))
}

/// Whether client and upstream have agreed on a WebSocket and nothing else. The gate cannot find frames in other protocols.
fn is_web_socket(request: &HeaderMap, response: &ResponseHeader) -> bool {
    let says = |headers: &HeaderMap| {
        let mut protocols = headers.get_all(UPGRADE).iter();
        let first = protocols
            .next()
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
        first && protocols.next().is_none()
    };
    response.status == 101 && says(request) && says(&response.headers)
}

impl Gate {
    /// Sets the end of an answer that may last long.
    pub(super) fn watch_stream(&self, session: &Session, response: &ResponseHeader, ctx: &mut Ctx) {
        if !is_long(response) {
            return;
        }
        ctx.snapshot = Arc::new(ctx.snapshot.judged());
        let Some(grant) = ctx.grant().filter(|grant| !grant.streams_never_end()) else {
            return;
        };
        if !matches!(grant.caller(), Caller::User(_)) {
            return;
        }
        let watched = Watched {
            grant: grant.clone(),
            begun: Begun::new(session, ctx, response.status.as_u16()),
            snapshots: self.snapshots.clone(),
            lookups: self.lookups.clone(),
            metrics: self.metrics.clone(),
            _open: self.metrics.streams.open(),
        };
        if is_web_socket(&session.req_header().headers, response) {
            websocket::begins();
        }
        limits::ends_with(watched.end());
    }
}

/// A long answer.
struct Watched {
    grant: Grant,
    begun: Begun,
    snapshots: Arc<SnapshotStore>,
    lookups: Arc<LookupSource>,
    metrics: Arc<Metrics>,
    _open: metrics::Open,
}

impl Watched {
    async fn end(self) {
        let mut changes = self.snapshots.changes();
        let expires = self.grant.ends_at_expiry();
        loop {
            changes.mark_unchanged();
            if let Err(reason) = self.reauthorize().await {
                log::cut_off(&self.begun, reason, &self.metrics);
                return;
            }
            // Rows that are asked for user by user change without a new snapshot, and a silent source becomes too old.
            let look = if expires {
                CLOCK
            } else {
                self.lookups.ttl().unwrap_or(LOOK).min(LOOK)
            };
            if let Ok(Err(_)) = tokio::time::timeout(look, changes.changed()).await {
                // The snapshot store has ended, and the process will end too.
                return;
            }
        }
    }

    /// Whether access goes on, by what is known now. A source that does not answer does not end access at once; it does when it
    /// has been silent for too long.
    async fn reauthorize(&self) -> Result<(), Rejection> {
        let Caller::User(person) = self.grant.caller() else {
            return Ok(());
        };
        let snapshot = self
            .lookups
            .view(&self.snapshots, self.snapshots.load(), person.user())
            .await;
        let snapshot = snapshot.map_err(|_| Rejection::MembersUnavailable)?;
        reauthorize(&snapshot, &self.grant, clock::now())
    }
}
