//! The changes that a client with `admin.token` can make through the admin listener.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use pingora::protocols::http::ServerSession;
use serde_json::{Value, json};

use crate::clock;
use crate::config::provider::MAX_BYTES;
use crate::domain::event::{Change, EventTime, UserChange};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::revocation::Revoked;
use crate::domain::service_token::{TokenHash, is_one_of};
use crate::domain::token::bearer;
use crate::membership_sources::Sources;
use crate::providers::{Providers, Refused};
use crate::records::Records;

/// The part of the admin listener that makes changes.
pub struct Api {
    /// The accepted tokens. If empty, no client may make changes.
    pub tokens: Vec<TokenHash>,
    pub providers: Arc<Providers>,
    pub records: Arc<Records>,
    pub sources: Arc<Sources>,
}

/// Status and body.
pub(super) type Reply = (StatusCode, Value);

fn refuse(status: StatusCode, detail: impl std::fmt::Display) -> Reply {
    (status, json!({"detail": detail.to_string()}))
}

impl Api {
    /// Whether the API serves this path.
    pub(super) fn serves(path: &str) -> bool {
        let within = |own| {
            path.strip_prefix(own)
                .is_some_and(|rest: &str| rest.is_empty() || rest.starts_with('/'))
        };
        ["/membership", "/providers", "/sessions", "/users"]
            .into_iter()
            .any(within)
    }

    pub(super) async fn answer(&self, session: &mut ServerSession) -> Reply {
        let request = session.req_header();
        let (method, path) = (request.method.clone(), request.uri.path().to_owned());
        if let Err(reply) = self.permitted(&request.headers) {
            return reply;
        }
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (&method, parts.as_slice()) {
            (&Method::GET | &Method::HEAD, ["providers"]) => {
                (StatusCode::OK, json!({"providers": self.providers.list()}))
            }
            (&Method::POST, ["providers"]) => match read(session).await {
                Ok(body) => self.add(&body).await,
                Err(reply) => reply,
            },
            (&Method::POST, ["membership", "refresh"]) => self.refresh(),
            (&Method::DELETE, ["providers", name]) if !name.is_empty() => self.remove(name).await,
            (&Method::DELETE, ["users", user]) => self.drop_user(user).await,
            (&Method::DELETE, ["users", user, "tokens"]) => match UserId::parse(&decoded(user)) {
                Ok(user) => self.revoke(Revoked::User(user)).await,
                Err(why) => refuse(StatusCode::BAD_REQUEST, format!("the id of the user {why}")),
            },
            (&Method::DELETE, ["sessions", session]) => match SessionId::parse(&decoded(session)) {
                Ok(session) => self.revoke(Revoked::Session(session)).await,
                Err(why) => refuse(
                    StatusCode::BAD_REQUEST,
                    format!("the id of the session {why}"),
                ),
            },
            _ => refuse(
                StatusCode::NOT_FOUND,
                "here are GET and POST /providers, DELETE /providers/{name}, /users/{id}, /users/{id}/tokens and /sessions/{id}, and POST /membership/refresh",
            ),
        }
    }

    /// Fail closed: without a configured token no client can make changes. A page in a browser does not have the token, so it
    /// cannot use the API.
    fn permitted(&self, headers: &HeaderMap) -> Result<(), Reply> {
        if self.tokens.is_empty() {
            return Err(refuse(
                StatusCode::FORBIDDEN,
                "nobody may change things here: see admin.token in the config",
            ));
        }
        match bearer(headers) {
            Ok(Some(token)) if is_one_of(&self.tokens, token) => Ok(()),
            _ => Err(refuse(StatusCode::UNAUTHORIZED, "Not authenticated")),
        }
    }

    async fn add(&self, body: &[u8]) -> Reply {
        match self.providers.add(body).await {
            Ok((provider, warnings)) if warnings.is_empty() => (StatusCode::CREATED, provider),
            Ok((mut provider, warnings)) => {
                if let Some(provider) = provider.as_object_mut() {
                    provider.insert("warnings".to_owned(), warnings.to_json());
                }
                (StatusCode::CREATED, provider)
            }
            Err(why) => refused(&why),
        }
    }

    async fn remove(&self, name: &str) -> Reply {
        match self.providers.remove(name).await {
            Ok(()) => (StatusCode::OK, json!({"removed": name})),
            Err(why) => refused(&why),
        }
    }

    /// Refuses these tokens from now on, and ends the long answers to requests with them.
    async fn revoke(&self, revoked: Revoked) -> Reply {
        let at = EventTime(clock::now().0.saturating_mul(1000));
        let event = Change::Revoked(revoked.clone()).at(at);
        match self.records.apply_unconditionally(&event).await {
            Ok(_) => {
                tracing::warn!(%revoked, "tokens were revoked through the admin listener");
                (StatusCode::OK, json!({"revoked": revoked.to_string()}))
            }
            Err(why) => refuse(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }

    /// Asks the source of the membership at once, for an app that has just changed the membership.
    fn refresh(&self) -> Reply {
        if self.sources.look_now() {
            (StatusCode::ACCEPTED, json!({"asked": true}))
        } else {
            refuse(
                StatusCode::CONFLICT,
                "the membership has no source that is asked: a file is followed by itself",
            )
        }
    }

    /// Removes the user, as a `user.deleted` event of this moment does.
    async fn drop_user(&self, user: &str) -> Reply {
        let user = match UserId::parse(&decoded(user)) {
            Ok(user) => user,
            Err(why) => {
                return refuse(StatusCode::BAD_REQUEST, format!("the id of the user {why}"));
            }
        };
        let at = EventTime(clock::now().0.saturating_mul(1000));
        let event = Change::User(user.clone(), UserChange::Deleted).at(at);
        match self.records.apply_unconditionally(&event).await {
            Ok(_) => {
                tracing::warn!(%user, "a user was dropped through the admin listener");
                (StatusCode::OK, json!({"dropped": user.as_str()}))
            }
            Err(why) => refuse(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

/// The decoded segment of a path.
fn decoded(segment: &str) -> std::borrow::Cow<'_, str> {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy()
}

fn refused(why: &Refused) -> Reply {
    let status = match why {
        Refused::Faults(faults) => {
            return (
                StatusCode::BAD_REQUEST,
                json!({"detail": faults.to_string(), "faults": faults.to_json()}),
            );
        }
        Refused::SameName(_)
        | Refused::SameIssuer(_)
        | Refused::Configured(_)
        | Refused::NoStore => StatusCode::CONFLICT,
        Refused::TooMany => StatusCode::INSUFFICIENT_STORAGE,
        Refused::NoKeys(_) => StatusCode::BAD_GATEWAY,
        Refused::Unknown(_) => StatusCode::NOT_FOUND,
        Refused::TooLarge(_) => StatusCode::BAD_REQUEST,
        Refused::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    refuse(status, why)
}

/// Reads the whole body, of at most [`MAX_BYTES`].
async fn read(session: &mut ServerSession) -> Result<Vec<u8>, Reply> {
    let mut body = vec![];
    loop {
        match session.read_request_body().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_BYTES => {
                body.extend_from_slice(&chunk)
            }
            Ok(Some(_)) => {
                return Err(refuse(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "the body has more than 16 KiB",
                ));
            }
            Ok(None) => return Ok(body),
            Err(_) => {
                return Err(refuse(
                    StatusCode::BAD_REQUEST,
                    "the body could not be read",
                ));
            }
        }
    }
}
