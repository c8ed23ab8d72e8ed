//! Clerk's Backend API: one user by their id, and lists of all users, organizations and memberships.
//!
//! The gate asks it for data that neither the token nor the membership contains, for the membership itself, and to delete a user.
//! No decision on a token waits for it.

mod backends;
mod error;
mod limit;
mod list;
pub mod profiles;

use http::Method;
use parking_lot::Mutex;
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

pub use backends::Backends;
pub use error::BackendError;
pub use limit::Limit;
pub use list::{List, PAGE, Page};

use crate::clock;
use crate::config::settings::BackendSettings;
use crate::domain::event::{self, MembershipEvent};
use crate::domain::ids::ClerkUserId;
use crate::domain::keys::{JwksError, KeySet, MAX_JWKS_BYTES};
use crate::domain::token::json;
use crate::fetch::{AuthorizedRequest, FetchedResponse, Fetcher, SEGMENT};

/// Bound on an answer. A user with every field that Clerk knows is some tens of KiB.
const MAX_BYTES: usize = 1 << 20;
/// Clerk's API versions are dates. This code is written for this version.
const VERSION: (&str, &str) = ("clerk-api-version", "2026-05-12");

/// The result of deleting a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    Deleted,
    /// No user has this id in the instance of the secret key, which may be another instance than the operator expects.
    AlreadyGone,
}

/// The Backend API of one instance, within the gate's share of its rate limit.
#[derive(Debug)]
pub struct Backend {
    settings: BackendSettings,
    fetcher: Fetcher,
    limit: Mutex<Limit>,
}

impl Backend {
    #[must_use]
    pub fn new(settings: BackendSettings, fetcher: Fetcher) -> Self {
        let limit = Mutex::new(Limit::new(settings.live));
        Self {
            settings,
            fetcher,
            limit,
        }
    }

    /// Clerk's description of `user`: `GET /v1/users/{id}`.
    ///
    /// # Errors
    /// See [`BackendError`]; [`BackendError::Limited`] without asking.
    pub async fn user(&self, user: &ClerkUserId) -> Result<MembershipEvent, BackendError> {
        let answer = self.ask(Method::GET, user).await?;
        let found = self.about(user, &answer)?;
        event::described(&found).map_err(|why| self.unreadable(why))
    }

    /// Deletes `user` at Clerk permanently: `DELETE /v1/users/{id}`.
    ///
    /// # Errors
    /// See [`BackendError`]. After [`BackendError::Fetch`] it is unknown whether the user still exists.
    pub async fn delete_user(&self, user: &ClerkUserId) -> Result<Deletion, BackendError> {
        let answer = match self.ask(Method::DELETE, user).await {
            Err(BackendError::NotFound { .. }) => return Ok(Deletion::AlreadyGone),
            answered => answered?,
        };
        let deleted = self.about(user, &answer)?;
        match deleted.get("deleted") {
            Some(Value::Bool(true)) => Ok(Deletion::Deleted),
            _ => Err(self.unreadable("it does not say that the user is deleted")),
        }
    }

    /// The keys of the instance of the secret key: `GET /v1/jwks`, which Clerk does not count against the rate limit.
    ///
    /// # Errors
    /// See [`BackendError`].
    pub async fn keys(&self) -> Result<KeySet, BackendError> {
        let base = &self.settings.api_url;
        let url = format!("{base}/v1/jwks");
        let (bearer, headers) = (&*self.settings.secret, &[VERSION][..]);
        let ask = AuthorizedRequest {
            method: Method::GET,
            url: &url,
            bearer,
            headers,
            max: MAX_JWKS_BYTES,
        };
        let answer = self.fetcher.ask(ask).await?;
        if answer.status != 200 {
            return Err(self.refused(&answer, None));
        }
        match KeySet::from_jwks(&answer.body, None) {
            Ok((keys, _)) => Ok(keys),
            Err(JwksError::Page) => Err(BackendError::NotClerk {
                base: base.clone(),
                page: true,
            }),
            Err(_) => Err(self.unreadable("it is no set of keys")),
        }
    }

    /// One request about `user`, and its answer if that is a 200.
    async fn ask(
        &self,
        method: Method,
        user: &ClerkUserId,
    ) -> Result<FetchedResponse, BackendError> {
        let path = format!("users/{}", utf8_percent_encode(user.as_str(), SEGMENT));
        self.request(method, &path, MAX_BYTES, Some(user)).await
    }

    /// One request within the gate's share of the rate limit, and its answer if that is a 200. `path` is below `/v1/`, the body has
    /// at most `max` bytes, and `user` is the user in question.
    async fn request(
        &self,
        method: Method,
        path: &str,
        max: usize,
        user: Option<&ClerkUserId>,
    ) -> Result<FetchedResponse, BackendError> {
        let base = &self.settings.api_url;
        if let Err(wait) = self.limit.lock().take(clock::monotonic()) {
            return Err(BackendError::Limited {
                base: base.clone(),
                wait,
            });
        }
        let answer = self
            .fetcher
            .ask(AuthorizedRequest {
                method,
                url: &format!("{base}/v1/{path}"),
                bearer: &self.settings.secret,
                headers: &[VERSION],
                max,
            })
            .await?;
        if answer.status == 200 {
            Ok(answer)
        } else {
            Err(self.refused(&answer, user))
        }
    }

    /// The object of an answer, which must be `user`: a proxy that reads paths in its own way could have returned another user.
    fn about(
        &self,
        user: &ClerkUserId,
        answer: &FetchedResponse,
    ) -> Result<Map<String, Value>, BackendError> {
        let base = &self.settings.api_url;
        let object = json::object(&answer.body).ok_or_else(|| {
            let page = answer.body.trim_ascii_start().starts_with(b"<");
            BackendError::NotClerk {
                base: base.clone(),
                page,
            }
        })?;
        match object.get("id").and_then(Value::as_str) {
            Some(id) if id == user.as_str() => Ok(object),
            Some(_) => Err(BackendError::OtherUser {
                base: base.clone(),
                user: user.clone(),
            }),
            None => Err(self.unreadable("it has no `id`")),
        }
    }

    fn refused(&self, answer: &FetchedResponse, user: Option<&ClerkUserId>) -> BackendError {
        let base = self.settings.api_url.clone();
        match (answer.status, code(&answer.body), user.cloned()) {
            (401, Some(code), _) if code == "clerk_key_invalid" => BackendError::Key { base },
            // Fail closed: any web server can answer 404. Only Clerk's own code means that the user does not exist.
            (404, Some(code), Some(user)) if code == "resource_not_found" => {
                BackendError::NotFound { base, user }
            }
            (429, ..) => {
                let wait = self
                    .limit
                    .lock()
                    .close(clock::monotonic(), answer.retry_after);
                BackendError::TooMany { base, wait }
            }
            (status @ 500.., ..) => BackendError::Down { base, status },
            (status, code, _) => BackendError::Refused { base, status, code },
        }
    }

    fn unreadable(&self, why: &'static str) -> BackendError {
        BackendError::Unreadable {
            base: self.settings.api_url.clone(),
            why,
        }
    }
}

/// Clerk's code for an error: `errors[0].code`. It is printed, so it is used only if it looks like a code.
fn code(body: &[u8]) -> Option<String> {
    let object = json::object(body)?;
    let code = object.get("errors")?.get(0)?.get("code")?.as_str()?;
    let plain =
        (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    plain.then(|| code.to_owned())
}

#[cfg(test)]
mod tests;
