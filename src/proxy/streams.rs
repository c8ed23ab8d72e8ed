//! Answers that go on for long: ended when their user's access ends.
//!
//! A token judged at the handshake of a WebSocket is not the end of it: hours later its session may be over. So each long answer to
//! a user is judged again with every change of the world, by the floor's [`still`], and closed when it would not be given any more.
//!
//! It is closed by closing both its connections. A close frame (RFC 6455, 7.4.1: 1008) would have to go between two frames of the
//! upstream, and Pingora passes bytes on without knowing where one ends.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use pingora::http::ResponseHeader;

use super::ctx::Ctx;
use super::log;
use super::service::Gate;
use crate::clock;
use crate::domain::judge::{Caller, still};
use crate::domain::routes::Streams;
use crate::domain::{Grant, Rejection};
use crate::listen::patience;
use crate::metrics::Metrics;
use crate::state::World;
use crate::state::lookups::LookupSource;

/// Between two looks at the clock, for answers that end with their token.
const CLOCK: Duration = Duration::from_secs(1);

/// Whether this answer may go on for long: another protocol from now on, events, or a stream of messages.
fn is_long(response: &ResponseHeader) -> bool {
    let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    response.status == 101 || ["text/event-stream", "application/grpc"].iter().any(|long| kind.starts_with(long))
}

impl Gate {
    /// Sets the end of an answer that may go on for long.
    pub(super) fn watch_stream(&self, response: &ResponseHeader, ctx: &Ctx) {
        let Some(grant) = ctx.grant().filter(|grant| is_long(response) && grant.route().streams != Streams::Never)
        else {
            return;
        };
        if !matches!(grant.caller(), Caller::User(_)) {
            return;
        }
        let watched = Watched {
            grant: grant.clone(),
            id: ctx.request_id.as_ref().map(ToString::to_string),
            started: ctx.started,
            world: self.world.clone(),
            lookups: self.lookups.clone(),
            metrics: self.metrics.clone(),
        };
        patience::ends_with(watched.end());
    }
}

/// A long answer.
struct Watched {
    grant: Grant,
    id: Option<String>,
    started: std::time::Instant,
    world: Arc<World>,
    lookups: Arc<LookupSource>,
    metrics: Arc<Metrics>,
}

impl Watched {
    async fn end(self) {
        let mut changes = self.world.changes();
        let expires = matches!(self.grant.route().streams, Streams::AtExpiry { .. });
        loop {
            changes.mark_unchanged();
            if let Err(reason) = self.still().await {
                log::cut_off(&self.grant, self.id.as_deref(), self.started, reason, &self.metrics);
                return;
            }
            // Rows that are asked for user by user change without telling anybody.
            let look = if expires { Some(CLOCK) } else { self.lookups.ttl() };
            if let Some(look) = look {
                let _ = tokio::time::timeout(look, changes.changed()).await;
            } else if changes.changed().await.is_err() {
                // The world has ended, and so will the process.
                return;
            }
        }
    }

    /// Whether access goes on by what is known now. A source that does not answer ends nobody's: it does when it has been silent
    /// for too long.
    async fn still(&self) -> Result<(), Rejection> {
        let Caller::User(person) = self.grant.caller() else { return Ok(()) };
        let snapshot = self.lookups.view(self.world.load(), person.user()).await;
        let snapshot = snapshot.map_err(|_| Rejection::MembersUnavailable)?;
        still(&snapshot, &self.grant, clock::now())
    }
}
