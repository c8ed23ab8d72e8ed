//! The issuer of the scene: bailiff's own development issuer, served in this process.

use std::net::TcpListener;
use std::sync::OnceLock;

use bailiff::dev::issuer::{Behaviour, DevIssuer, DevUser, ListBehaviour, Metadata, UserBehaviour};
use bailiff::dev::key::SigningKey;
use bailiff::listen;
use pingora::apps::http_app::HttpServer;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// One runtime for the issuers of all tests.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let built = builder.worker_threads(2).enable_all().build();
        built.expect("a runtime can be built")
    })
}

/// A key under this name. Making one takes a noticeable time, so all tests share two.
fn shared_key(which: usize) -> SigningKey {
    static KEYS: OnceLock<[SigningKey; 2]> = OnceLock::new();
    let make = || SigningKey::generate("ins_standard").expect("a key can be made");
    let [first, second] = KEYS.get_or_init(|| [make(), make()]);
    match which {
        0 => first.clone(),
        _ => second.clone(),
    }
}

/// A running issuer. Dropping it closes its port.
pub struct Clerk {
    issuer: DevIssuer,
    key: SigningKey,
    shutdown: watch::Sender<bool>,
}

impl Clerk {
    /// An issuer whose one key is named `ins_standard`.
    pub fn start() -> Self {
        Self::with_key(shared_key(0))
    }

    pub fn with_key(key: SigningKey) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let issuer = DevIssuer::new(format!("http://{address}"), vec![key.clone()]);
        let (shutdown, stopped) = watch::channel(false);
        let _inside = runtime().enter();
        let app = HttpServer::new_app(issuer.clone());
        let _serving = listen::spawn("issuer", app, listener, stopped);
        Self {
            issuer,
            key,
            shutdown,
        }
    }

    pub fn url(&self) -> String {
        self.issuer.url().to_owned()
    }

    pub fn jwks_url(&self) -> String {
        self.issuer.jwks_url()
    }

    /// The key that signs.
    pub fn key(&self) -> SigningKey {
        self.key.clone()
    }

    /// A second key, for rotations. The issuer does not publish it by itself.
    pub fn next_key(&self) -> SigningKey {
        shared_key(1).renamed("ins_next")
    }

    /// How often the keys were asked for.
    pub fn hits(&self) -> u64 {
        self.issuer.jwks_hits()
    }

    /// How often the metadata was asked for.
    pub fn metadata_hits(&self) -> u64 {
        self.issuer.metadata_hits()
    }

    pub fn say_in_metadata(&self, metadata: Metadata) {
        self.issuer.set_metadata(metadata);
    }

    /// Opens the Backend API to this secret key, with exactly these users.
    pub fn knows(&self, secret_key: &str, people: Vec<DevUser>) {
        self.issuer.set_secret_key(Some(secret_key.to_owned()));
        self.issuer.set_people(people);
    }

    /// Whether the Backend API still has this user.
    pub fn has(&self, user: &str) -> bool {
        self.issuer
            .people()
            .iter()
            .any(|person| person.user_id == user)
    }

    pub fn tell_of_users(&self, behaviour: UserBehaviour) {
        self.issuer.set_user_behaviour(behaviour);
    }

    /// How often the Backend API was asked for a user, and how often to delete them.
    pub fn user_hits(&self, user: &str) -> (u64, u64) {
        self.issuer.user_hits(user)
    }

    /// Publishes exactly these keys.
    pub fn publish(&self, keys: &[SigningKey]) {
        self.issuer.set_keys(keys.to_vec());
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.issuer.set_behaviour(behaviour);
    }

    /// Publishes exactly these JWKs, whatever they are.
    pub fn publish_raw(&self, keys: &[Value]) {
        let set = json!({ "keys": keys });
        self.behave(Behaviour::Raw(set.to_string().into_bytes()));
    }

    /// Opens the Backend API to whoever shows `secret`; it knows these people.
    pub fn open_users(&self, secret: &str, people: Vec<DevUser>) {
        self.issuer.set_secret_key(Some(secret.to_owned()));
        self.issuer.set_people(people);
    }

    /// How the Backend API answers from now on.
    pub fn users_behave(&self, behaviour: UserBehaviour) {
        self.issuer.set_user_behaviour(behaviour);
    }

    /// How the lists of the Backend API answer from now on.
    pub fn lists_behave(&self, behaviour: ListBehaviour) {
        self.issuer.set_list_behaviour(behaviour);
    }

    /// Exactly these users are banned in the list of users.
    pub fn lists_as_banned(&self, users: &[&str]) {
        self.issuer
            .set_banned(users.iter().map(|user| (*user).to_owned()));
    }

    /// How many pages were asked for.
    pub fn list_hits(&self) -> u64 {
        self.issuer.list_hits()
    }

    /// How often this user was asked for.
    pub fn asked_for(&self, user: &str) -> u64 {
        self.issuer.user_hits(user).0
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        let _nobody_listens = self.shutdown.send(true);
    }
}
