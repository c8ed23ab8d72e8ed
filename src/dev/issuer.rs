//! An HTTP server that imitates Clerk, or another provider. It publishes keys and metadata, issues tokens, sends webhooks, and
//! describes, lists and deletes users.
//!
//! Every client gets a token for any user, so the server belongs on loopback. Tests make it misbehave through
//! [`DevIssuer::set_keys`], [`DevIssuer::set_behaviour`] and [`DevIssuer::set_metadata`].

mod events;
mod lists;
mod routes;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use http::Response;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;

use super::key::SigningKey;
use super::webhook::WebhookSigner;
pub use lists::ListBehaviour;
use lists::Lists;
use users::UserApi;
pub use users::UserBehaviour;

/// The default instance id of events.
pub const INSTANCE_ID: &str = "ins_bailiff_dev";

/// A user who can get a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevUser {
    /// The short name in the paths: `alice`.
    pub name: String,
    /// `user_…`
    pub user_id: String,
    /// The primary e-mail address.
    pub email: Option<String>,
    /// First and last name.
    pub full_name: String,
    /// The Clerk organizations this person is in.
    pub orgs: Vec<Org>,
}

/// A membership in a Clerk organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Org {
    /// `org_…`
    pub id: String,
    /// The readable name in URLs.
    pub slug: String,
    /// The role of the person, without `org:`.
    pub role: String,
    /// What the role allows, as `org:<feature>:<name>`.
    pub permissions: Vec<String>,
}

/// How a request for the key set is answered, or one for the metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// With the keys.
    #[default]
    Normal,
    /// With this status and a short text. An invalid status becomes 500.
    Status(u16),
    /// With 200 and a web page, as a captive portal or a broken CDN does.
    Html,
    /// With a well-formed set that has no keys.
    EmptyKeys,
    /// With the right keys, inside more than 1 MiB of JSON.
    Huge,
    /// Only after 35 seconds, with 503.
    Hang,
    /// With 302 to this address.
    Redirect(String),
    /// With 200, `application/json` and these bytes, of which at most 2 MiB are sent.
    Raw(Vec<u8>),
}

/// The content of the metadata (OpenID Connect Discovery, 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Metadata {
    /// The issuer and the address of its keys.
    #[default]
    Normal,
    /// Another issuer: this text.
    Issuer(String),
    /// Another address of the keys.
    JwksUri(String),
    /// Another answer instead. [`Behaviour::EmptyKeys`] then gives metadata without `jwks_uri`.
    Instead(Behaviour),
}

/// The server. Clones share everything, so a test keeps one clone and serves another: `listen::spawn("issuer", issuer.clone(),
/// listener, shutdown)`.
#[derive(Clone)]
pub struct DevIssuer(Arc<State>);

struct State {
    url: String,
    keys: ArcSwap<Vec<SigningKey>>,
    behaviour: ArcSwap<Behaviour>,
    metadata: ArcSwap<Metadata>,
    people: ArcSwap<Vec<DevUser>>,
    azp: ArcSwapOption<String>,
    webhook: ArcSwapOption<Target>,
    instance_id: ArcSwap<String>,
    jwks_hits: AtomicU64,
    metadata_hits: AtomicU64,
    users: UserApi,
    lists: Lists,
}

/// The receiver of events.
struct Target {
    url: String,
    signer: WebhookSigner,
}

impl DevIssuer {
    /// An issuer with `url` as the `iss` of its tokens. It must be served at that address, so bind the listener first. The first
    /// key signs; all keys are published.
    #[must_use]
    pub fn new(url: String, keys: Vec<SigningKey>) -> Self {
        Self(Arc::new(State {
            url,
            keys: ArcSwap::from_pointee(keys),
            behaviour: ArcSwap::default(),
            metadata: ArcSwap::default(),
            people: ArcSwap::default(),
            azp: ArcSwapOption::empty(),
            webhook: ArcSwapOption::empty(),
            instance_id: ArcSwap::from_pointee(INSTANCE_ID.to_owned()),
            jwks_hits: AtomicU64::new(0),
            metadata_hits: AtomicU64::new(0),
            users: UserApi::default(),
            lists: Lists::default(),
        }))
    }

    /// The `iss` of the tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The address of the keys.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.0.url)
    }

    /// The number of requests for the keys, whatever the answer was.
    #[must_use]
    pub fn jwks_hits(&self) -> u64 {
        self.0.jwks_hits.load(Ordering::SeqCst)
    }

    /// The number of requests for the metadata, whatever the answer was.
    #[must_use]
    pub fn metadata_hits(&self) -> u64 {
        self.0.metadata_hits.load(Ordering::SeqCst)
    }

    /// Sets the users who can get tokens and whom the Backend API knows, as changed at this moment. There are none at first.
    pub fn set_people(&self, people: Vec<DevUser>) {
        self.0.users.changed_now();
        self.0.people.store(Arc::new(people));
    }

    /// The current users, without those that were deleted through the Backend API.
    #[must_use]
    pub fn people(&self) -> Arc<Vec<DevUser>> {
        self.0.people.load_full()
    }

    /// Sets the secret that the Backend API expects in `Authorization: Bearer …`. At first it accepts none.
    pub fn set_secret_key(&self, secret: Option<String>) {
        self.0.users.set_secret_key(secret);
    }

    /// Changes how the Backend API answers clients with the secret key.
    pub fn set_user_behaviour(&self, behaviour: UserBehaviour) {
        self.0.users.set_behaviour(behaviour);
    }

    /// The numbers of requests for `user_id` with `GET` and with `DELETE`, whatever the answer was.
    #[must_use]
    pub fn user_hits(&self, user_id: &str) -> (u64, u64) {
        self.0.users.hits(user_id)
    }

    /// Changes how the lists of the Backend API answer clients with the secret key.
    pub fn set_list_behaviour(&self, behaviour: ListBehaviour) {
        self.0.lists.set(behaviour);
    }

    /// Sets the answers to the next requests for a page, one for each.
    pub fn next_lists(&self, behaviours: Vec<ListBehaviour>) {
        self.0.lists.next(behaviours);
    }

    /// Makes exactly these users banned in the list of users.
    pub fn set_banned(&self, users: impl IntoIterator<Item = String>) {
        self.0.lists.set_banned(users.into_iter().collect());
    }

    /// The number of requests for a page with the secret key.
    #[must_use]
    pub fn list_hits(&self) -> u64 {
        self.0.lists.hits()
    }

    /// Sets the `azp` of tokens for requests that name none. There is no `azp` at first.
    pub fn set_azp(&self, origin: Option<String>) {
        self.0.azp.store(origin.map(Arc::new));
    }

    /// Sets the receiver of events, and their signer. Without them, `/send` and `/sign` answer 503.
    pub fn set_webhook(&self, url: String, signer: WebhookSigner) {
        self.0.webhook.store(Some(Arc::new(Target { url, signer })));
    }

    /// Sets the instance id of events. [`INSTANCE_ID`] at first.
    pub fn set_instance_id(&self, instance_id: String) {
        self.0.instance_id.store(Arc::new(instance_id));
    }

    /// Replaces all keys, as a rotation does. The first one signs from now on.
    pub fn set_keys(&self, keys: Vec<SigningKey>) {
        self.0.keys.store(Arc::new(keys));
    }

    /// Changes the answer to requests for the key set. Other paths are not affected.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.0.behaviour.store(Arc::new(behaviour));
    }

    /// Changes the content of the metadata.
    pub fn set_metadata(&self, metadata: Metadata) {
        self.0.metadata.store(Arc::new(metadata));
    }
}

#[async_trait]
impl ServeHttp for DevIssuer {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        self.0.answer(session).await
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod user_tests;
