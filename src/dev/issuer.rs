//! An HTTP server that plays Clerk, or another provider: it publishes keys and metadata, hands out tokens, sends webhooks,
//! describes, lists and deletes users.
//!
//! Whoever can reach it gets a token for anybody, so it belongs on loopback. Tests misuse it on
//! purpose through [`DevIssuer::set_keys`], [`DevIssuer::set_behaviour`] and [`DevIssuer::set_metadata`].

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

/// The instance in whose name the events are sent, unless another is set.
pub const INSTANCE_ID: &str = "ins_bailiff_dev";

/// Somebody who can get a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevUser {
    /// The short name in the addresses: `alice`.
    pub name: String,
    /// `user_…`
    pub user_id: String,
    /// The primary address.
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
    /// The readable name in addresses.
    pub slug: String,
    /// The role of the person, without `org:`.
    pub role: String,
    /// What the role allows, as `org:<feature>:<name>`.
    pub permissions: Vec<String>,
}

/// How the key set is answered; or the metadata, of which everything here can be said as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// With the keys.
    #[default]
    Normal,
    /// With this status and a short text. What is no status at all becomes 500.
    Status(u16),
    /// With 200 and a web page, as a captive portal or a broken CDN does.
    Html,
    /// With a well-formed set without keys.
    EmptyKeys,
    /// With the right keys inside of more than 1 MiB of JSON.
    Huge,
    /// Not within 30 seconds; after 35 with 503.
    Hang,
    /// With 302 to this address.
    Redirect(String),
    /// With 200, `application/json` and these bytes, of which at most 2 MiB are sent.
    Raw(Vec<u8>),
}

/// What the metadata say (OpenID Connect Discovery, 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Metadata {
    /// The issuer and where its keys are.
    #[default]
    Normal,
    /// This text as the issuer.
    DevIssuer(String),
    /// This address as that of the keys.
    JwksUri(String),
    /// Something else instead: no keys then means no `jwks_uri`.
    Instead(Behaviour),
}

/// The server. Clones share everything, so a test keeps one and serves another:
/// `listen::spawn("issuer", issuer.clone(), listener, shutdown)`.
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

/// Where events go.
struct Target {
    url: String,
    signer: WebhookSigner,
}

impl DevIssuer {
    /// An issuer whose tokens say `url` in `iss`, which is also where it must be served: bind the
    /// listener first. The first key signs; all are published.
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

    /// What tokens say in `iss`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Where the keys are.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.0.url)
    }

    /// How often the keys were asked for, whatever the answer was.
    #[must_use]
    pub fn jwks_hits(&self) -> u64 {
        self.0.jwks_hits.load(Ordering::SeqCst)
    }

    /// How often the metadata was asked for, whatever the answer was.
    #[must_use]
    pub fn metadata_hits(&self) -> u64 {
        self.0.metadata_hits.load(Ordering::SeqCst)
    }

    /// Who can get tokens, and whom the Backend API knows, as changed at this moment. Nobody at first.
    pub fn set_people(&self, people: Vec<DevUser>) {
        self.0.users.changed_now();
        self.0.people.store(Arc::new(people));
    }

    /// Who there is by now: a user who is deleted through the Backend API is gone.
    #[must_use]
    pub fn people(&self) -> Arc<Vec<DevUser>> {
        self.0.people.load_full()
    }

    /// What the Backend API wants to see in `Authorization: Bearer …`. Nothing is good enough at first.
    pub fn set_secret_key(&self, secret: Option<String>) {
        self.0.users.set_secret_key(secret);
    }

    /// Changes how the Backend API answers whoever has the secret key.
    pub fn set_user_behaviour(&self, behaviour: UserBehaviour) {
        self.0.users.set_behaviour(behaviour);
    }

    /// How often `user_id` was asked for (`GET`) and deleted (`DELETE`), whatever the answer was.
    #[must_use]
    pub fn user_hits(&self, user_id: &str) -> (u64, u64) {
        self.0.users.hits(user_id)
    }

    /// Changes how the lists of the Backend API answer whoever has the secret key.
    pub fn set_list_behaviour(&self, behaviour: ListBehaviour) {
        self.0.lists.set(behaviour);
    }

    /// How the next requests for a page are answered, each by one of these.
    pub fn next_lists(&self, behaviours: Vec<ListBehaviour>) {
        self.0.lists.next(behaviours);
    }

    /// Exactly these users are banned in the list of users.
    pub fn set_banned(&self, users: impl IntoIterator<Item = String>) {
        self.0.lists.set_banned(users.into_iter().collect());
    }

    /// How many pages were asked for with the secret key.
    #[must_use]
    pub fn list_hits(&self) -> u64 {
        self.0.lists.hits()
    }

    /// What tokens say in `azp` when the request asks for nothing else. Nothing at first.
    pub fn set_azp(&self, origin: Option<String>) {
        self.0.azp.store(origin.map(Arc::new));
    }

    /// Where events go and with what they are signed. Without it, `/send` and `/sign` answer 503.
    pub fn set_webhook(&self, url: String, signer: WebhookSigner) {
        self.0.webhook.store(Some(Arc::new(Target { url, signer })));
    }

    /// In whose name events are sent. [`INSTANCE_ID`] at first.
    pub fn set_instance_id(&self, instance_id: String) {
        self.0.instance_id.store(Arc::new(instance_id));
    }

    /// Replaces all keys, as a rotation does. The first one signs from now on.
    pub fn set_keys(&self, keys: Vec<SigningKey>) {
        self.0.keys.store(Arc::new(keys));
    }

    /// Changes how the key set is answered. The other addresses go on as before.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.0.behaviour.store(Arc::new(behaviour));
    }

    /// Changes what the metadata say.
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
