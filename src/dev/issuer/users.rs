//! Clerk's Backend API: `GET` and `DELETE /v1/users/{id}`, and `GET /v1/jwks`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, Response, StatusCode};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use pingora::protocols::http::ServerSession;
use serde_json::json;
use tokio::sync::watch;

use super::{Behaviour, DevUser, State, events, routes};
use crate::dev::answer::{json, text};
use crate::dev::now_ms;
use crate::dev::webhook::data;

/// Bound: ids whose requests are counted.
const COUNTED_MAX: usize = 10_000;

/// How the Backend API answers clients with the secret key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UserBehaviour {
    /// With the user; a `DELETE` deletes.
    #[default]
    Normal,
    /// With this status and a short text. An invalid status becomes 500.
    Status(u16),
    /// With 429, and with `Retry-After` of so many seconds.
    RateLimited(Option<u64>),
    /// With 200 and a web page, as a captive portal does.
    Html,
    /// With 200 and another user than that in the path.
    WrongId,
    /// With the right user, inside more than 1 MiB of JSON.
    Huge,
    /// With the user, who is banned.
    Banned,
    /// Only after 35 seconds, with 503.
    Hang,
    /// Only after another behaviour is set, and then according to that. After 35 seconds with 503.
    Hold,
}

/// The state of the Backend API.
#[derive(Default)]
pub(super) struct UserApi {
    secret_key: ArcSwapOption<String>,
    behaviour: watch::Sender<UserBehaviour>,
    changed_at_ms: AtomicU64,
    hits: Mutex<HashMap<String, (u64, u64)>>,
}

impl UserApi {
    pub(super) fn set_secret_key(&self, secret: Option<String>) {
        self.secret_key.store(secret.map(Arc::new));
    }

    pub(super) fn set_behaviour(&self, behaviour: UserBehaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// The behaviour for a request that arrives now. `None` if the request was held for too long.
    async fn behaviour(&self) -> Option<UserBehaviour> {
        let mut told = self.behaviour.subscribe();
        let other = told.wait_for(|behaviour| *behaviour != UserBehaviour::Hold);
        let other = tokio::time::timeout(routes::HANG_TIME, other).await;
        other.ok()?.ok().map(|behaviour| behaviour.clone())
    }

    pub(super) fn changed_now(&self) {
        self.changed_at_ms.store(now_ms(), Ordering::SeqCst);
    }

    /// Milliseconds since 1970.
    pub(super) fn changed_at(&self) -> u64 {
        self.changed_at_ms.load(Ordering::SeqCst)
    }

    pub(super) fn hits(&self, user_id: &str) -> (u64, u64) {
        self.hits.lock().get(user_id).copied().unwrap_or_default()
    }

    fn count(&self, user_id: &str, method: &Method) {
        let mut hits = self.hits.lock();
        if hits.len() >= COUNTED_MAX && !hits.contains_key(user_id) {
            return;
        }
        let (gets, deletes) = hits.entry(user_id.to_owned()).or_default();
        *(if *method == Method::DELETE {
            deletes
        } else {
            gets
        }) += 1;
    }

    /// Whether the request has the secret key.
    pub(super) fn opens(&self, session: &ServerSession) -> bool {
        let shown = session.get_header_bytes("authorization");
        self.secret_key
            .load()
            .as_ref()
            .is_some_and(|secret| shown == format!("Bearer {secret}").as_bytes())
    }
}

impl State {
    /// The keys of the instance, for clients with its secret key.
    pub(super) async fn backend_keys(&self, session: &ServerSession) -> Response<Vec<u8>> {
        if !self.users.opens(session) {
            return no_key();
        }
        match self
            .users
            .behaviour()
            .await
            .unwrap_or(UserBehaviour::Status(503))
        {
            UserBehaviour::Status(code) => play(Behaviour::Status(code)).await,
            UserBehaviour::Html => play(Behaviour::Html).await,
            _ => json(StatusCode::OK, &json!({"keys": self.jwks_entries()})),
        }
    }

    /// `id` is a segment of the path, not decoded.
    pub(super) async fn users(
        &self,
        session: &ServerSession,
        method: &Method,
        id: &str,
    ) -> Response<Vec<u8>> {
        let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
        if ![Method::GET, Method::DELETE].contains(method) {
            return text(
                StatusCode::METHOD_NOT_ALLOWED,
                "users can be asked for and deleted here, and nothing else",
            );
        }
        self.users.count(&id, method);
        if !self.users.opens(session) {
            return no_key();
        }
        match self
            .users
            .behaviour()
            .await
            .unwrap_or(UserBehaviour::Status(503))
        {
            UserBehaviour::Normal => self.user(method, &id, &id, false),
            UserBehaviour::Banned => self.user(method, &id, &id, true),
            UserBehaviour::Status(code) => play(Behaviour::Status(code)).await,
            UserBehaviour::RateLimited(after) => rate_limited(after),
            UserBehaviour::Html => play(Behaviour::Html).await,
            UserBehaviour::WrongId => self.user(method, &id, "user_of_somebody_else", false),
            UserBehaviour::Huge => json(
                StatusCode::OK,
                &json!({"id": id, "padding": "x".repeat(routes::HUGE_BYTES)}),
            ),
            UserBehaviour::Hang | UserBehaviour::Hold => play(Behaviour::Hang).await,
        }
    }

    /// The user `id`; the answer contains the id `shown`.
    fn user(&self, method: &Method, id: &str, shown: &str, banned: bool) -> Response<Vec<u8>> {
        let people = self.people.load_full();
        let Some(person) = people.iter().find(|person| person.user_id == id) else {
            return error(
                StatusCode::NOT_FOUND,
                "resource_not_found",
                &format!("No user was found with id {id}"),
            );
        };
        if *method == Method::DELETE {
            let others = |people: &Arc<Vec<DevUser>>| -> Vec<DevUser> {
                people
                    .iter()
                    .filter(|person| person.user_id != id)
                    .cloned()
                    .collect()
            };
            self.people.rcu(others);
            return json(StatusCode::OK, &data::deleted("user", shown));
        }
        let person = DevUser {
            user_id: shown.to_owned(),
            ..person.clone()
        };
        let at = self.users.changed_at_ms.load(Ordering::SeqCst);
        json(
            StatusCode::OK,
            &events::described(&person, person.email.as_deref(), (banned, false), at),
        )
    }
}

pub(super) async fn play(behaviour: Behaviour) -> Response<Vec<u8>> {
    routes::play(&behaviour, json!({}), &json!({})).await
}

pub(super) fn no_key() -> Response<Vec<u8>> {
    error(
        StatusCode::UNAUTHORIZED,
        "clerk_key_invalid",
        "The provided Clerk Secret Key is invalid.",
    )
}

pub(super) fn rate_limited(after: Option<u64>) -> Response<Vec<u8>> {
    let mut response = error(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_requests",
        "Too many requests.",
    );
    if let Some(after) = after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(after));
    }
    response
}

/// An error in Clerk's format.
pub(super) fn error(status: StatusCode, code: &str, why: &str) -> Response<Vec<u8>> {
    let errors = json!([{"message": why, "long_message": why, "code": code}]);
    json(
        status,
        &json!({"errors": errors, "clerk_trace_id": "0123456789abcdef"}),
    )
}
