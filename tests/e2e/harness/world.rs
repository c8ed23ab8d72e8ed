//! Issuer, app and gate together: the whole scene of a test.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use bailiff::dev::issuer::DevUser;
use bailiff::dev::key::SigningKey;
use bailiff::dev::mint::Mint;
use serde_json::{Value, json};

use super::app::App;
use super::clerk::Clerk;
use super::client::{Connection, RawResponse, Request, raw};
use super::gate::{Gate, Launch};
use super::layout::{self, APP};
use super::process::Finished;
use super::upstream::Upstream;

/// Unix time in seconds.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is after 1970").as_secs()
}

/// A key that no gate knows; made once, because making one takes a noticeable time.
pub fn foreign_key() -> SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    let make = || SigningKey::generate("ins_foreign").expect("a key can be made");
    KEY.get_or_init(make).clone()
}

/// A scene before the gate is started: issuer and app already run.
#[must_use]
pub struct Plan {
    pub upstream: Upstream,
    pub clerk: Clerk,
    pub config: Value,
    membership: String,
    env: Vec<(String, String)>,
}

impl Plan {
    /// Changes the standard config.
    pub fn config(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.config);
        self
    }

    /// With this app behind the gate in place of the one that writes everything down.
    pub fn in_front_of(self, app: &App) -> Self {
        self.config(|c| c["upstream"] = json!(app.url()))
    }

    /// Exactly these routes.
    pub fn routes(self, routes: Value) -> Self {
        self.config(|c| c["routes"] = routes)
    }

    /// Adds a route, or replaces the one with the same path.
    pub fn route(mut self, route: Value) -> Self {
        let routes = self.config["routes"].as_array_mut();
        let routes = routes.expect("the standard config has routes");
        routes.retain(|other| other["path"] != route["path"]);
        routes.push(route);
        self
    }

    /// With `other` as a second issuer, for which `/other/**` asks.
    pub fn beside(self, other: &Clerk) -> Self {
        let issuer = json!({
            "name": "other",
            "issuer": other.url(),
            "jwks_url": other.jwks_url(),
            "authorized_parties": [APP],
        });
        self.config(|c| c["issuers"] = json!([issuer]))
            .route(json!({"path": "/other/**", "access": "user", "require": {"issuer": "other"}}))
    }

    /// With a store, so that a restart forgets nothing.
    pub fn with_store(self) -> Self {
        self.config(|c| c["store"] = json!("bailiff.store"))
    }

    /// With a Backend API that knows these people and is opened by `secret`.
    pub fn with_people(self, secret: &str, people: Vec<DevUser>) -> Self {
        self.clerk.open_users(secret, people);
        let url = self.clerk.url();
        self.config(|c| {
            c["clerk"]["secret_key"] = json!(secret);
            c["clerk"]["api_url"] = json!(url);
        })
    }

    pub fn membership(mut self, membership: &str) -> Self {
        membership.clone_into(&mut self.membership);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The config as text.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.config)
    }

    /// A good token in the making, for a test to break.
    pub fn mint(&self, sub: &str) -> Mint {
        Mint::new(&self.clerk.url(), sub, now()).azp(APP)
    }

    pub fn sign(&self, mint: &Mint) -> String {
        mint.sign(&self.clerk.key())
    }

    /// A good token.
    pub fn token(&self, sub: &str) -> String {
        self.sign(&self.mint(sub))
    }

    /// What [`Plan::start`] would start, for tests that start it their own way.
    pub fn launch(&self) -> Launch {
        self.command(&["serve", "--config", "bailiff.yaml"])
    }

    /// `bailiff` with these arguments, beside the config and the membership of the scene.
    pub fn command(&self, args: &[&str]) -> Launch {
        let launch = Launch::with_args(args).file("bailiff.yaml", &self.text());
        let launch = launch.file("membership.yaml", &self.membership);
        let with = |launch: Launch, (name, value): &(String, String)| launch.env(name, value);
        self.env.iter().fold(launch, with)
    }

    /// The scene around a gate that was started from [`Plan::launch`].
    pub fn with(self, gate: Gate) -> World {
        World {
            gate,
            upstream: self.upstream,
            clerk: self.clerk,
            config: self.config,
        }
    }

    #[track_caller]
    pub fn start(self) -> World {
        let gate = self.launch().start();
        self.with(gate)
    }

    /// Runs a `serve` that should refuse to start.
    #[track_caller]
    pub fn run(self) -> Finished {
        self.launch().run()
    }

    /// Starts without waiting for the gate to be ready.
    #[track_caller]
    pub fn start_unready(self) -> World {
        let gate = self.launch().start_unready();
        self.with(gate)
    }
}

/// A running scene. The gate goes first, so that nothing asks an app that is gone.
pub struct World {
    pub gate: Gate,
    pub upstream: Upstream,
    pub clerk: Clerk,
    pub config: Value,
}

impl World {
    /// The standard scene.
    #[track_caller]
    pub fn start() -> Self {
        Self::plan().start()
    }

    pub fn plan() -> Plan {
        let (upstream, clerk) = (Upstream::start(), Clerk::start());
        let config = layout::config(&clerk.url(), &clerk.jwks_url(), &upstream.url());
        Plan {
            upstream,
            clerk,
            config,
            membership: layout::MEMBERSHIP.to_owned(),
            env: Vec::new(),
        }
    }

    pub fn request(&self, method: &str, target: &str) -> Request {
        self.gate.request(method, target)
    }

    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    pub fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Request {
        self.request("POST", target).body(body)
    }

    /// Sends exactly these bytes on a connection of its own.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> RawResponse {
        raw(self.gate.address(), bytes.as_ref())
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.gate.address())
    }

    /// A good token in the making, for a test to break.
    pub fn mint(&self, sub: &str) -> Mint {
        Mint::new(&self.clerk.url(), sub, now()).azp(APP)
    }

    /// A good token.
    pub fn token(&self, sub: &str) -> String {
        self.sign(&self.mint(sub))
    }

    pub fn sign(&self, mint: &Mint) -> String {
        mint.sign(&self.clerk.key())
    }

    /// The same scene with the gate ended and started again on the same folder.
    #[track_caller]
    pub fn restarted(self) -> Self {
        self.again(Gate::stopped, |_| ())
    }

    /// As [`World::restarted`], with a change of the config in between, which stays.
    #[track_caller]
    pub fn restarted_with(self, change: impl FnOnce(&mut Value)) -> Self {
        self.again(Gate::stopped, change)
    }

    /// The same scene with the gate killed and started again on the same folder.
    #[track_caller]
    pub fn killed(self) -> Self {
        self.again(Gate::killed, |_| ())
    }

    #[track_caller]
    fn again(self, end: impl FnOnce(Gate) -> Launch, change: impl FnOnce(&mut Value)) -> Self {
        let Self {
            gate,
            upstream,
            clerk,
            mut config,
        } = self;
        let launch = end(gate);
        change(&mut config);
        let gate = launch
            .file("bailiff.yaml", &format!("{config:#}\n"))
            .start();
        Self {
            gate,
            upstream,
            clerk,
            config,
        }
    }

    /// Writes the config with a change, the careful way.
    pub fn rewrite_config(&self, change: impl FnOnce(&mut Value)) {
        let mut config = self.config.clone();
        change(&mut config);
        self.gate.write_config(&format!("{config:#}\n"));
    }
}
