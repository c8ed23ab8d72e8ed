//! A product's own config behind which its app stands: the file as users copy it, with nothing changed but where the keys of Clerk
//! are. Everything else that a test machine needs comes by environment, as it does for users.

use std::path::{Path, PathBuf};

use bailiff::dev::mint::Mint;
use serde_json::Value;
use tempfile::TempDir;

use super::clerk::Clerk;
use super::client::Request;
use super::gate::{Gate, Launch};
use super::process::Finished;
use super::webhook::Delivery;
use super::world::now;

/// The line that every config for Clerk has, and what it says to whoever has no account there.
const CLERK: &str = "publishable_key: ${CLERK_PUBLISHABLE_KEY}";

/// A product before its gate is started; the development issuer already runs.
#[must_use]
pub struct System {
    pub clerk: Clerk,
    name: String,
    text: String,
    membership: Option<String>,
    party: Option<String>,
    env: Vec<(String, String)>,
    /// What survives a restart.
    kept: TempDir,
}

impl System {
    /// `config/systems/{name}.yaml` with the app at this URL behind it.
    pub fn new(name: &str, upstream: &str) -> Self {
        let (clerk, text) = (
            Clerk::start(),
            read(name).expect("every system has a config"),
        );
        let keys = format!("issuer: {}\n  jwks_url: {}", clerk.url(), clerk.jwks_url());
        let parsed: Value = serde_saphyr::from_str(&text).expect("the config is YAML");
        let party = parsed["clerk"]["authorized_parties"][0]
            .as_str()
            .map(str::to_owned);
        assert_eq!(
            text.matches(CLERK).count(),
            usize::from(parsed["clerk"].is_object()),
            "the line `{CLERK}`"
        );
        let kept = tempfile::tempdir().expect("a temporary folder can be made");
        let store = kept.path().join("store").display().to_string();
        let system = Self {
            text: text.replace(CLERK, &keys),
            membership: read(&format!("{name}.membership")),
            name: name.to_owned(),
            env: Vec::new(),
            clerk,
            party,
            kept,
        };
        let place = system
            .env("BAILIFF_LISTEN", "127.0.0.1:0")
            .env("BAILIFF_ADMIN", "127.0.0.1:0");
        let place = place.env("BAILIFF_UPSTREAM", upstream);
        // Only for those that keep something: elsewhere it would be a file that nobody asked for.
        if parsed["store"].is_null() {
            place
        } else {
            place.env("BAILIFF_STORE", &store)
        }
    }

    /// A variable of the product. The last value of a name counts.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(other, _)| other != name);
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The config with one place changed, for what its comments tell users to change.
    pub fn edit(mut self, from: &str, to: &str) -> Self {
        assert_eq!(self.text.matches(from).count(), 1, "one place says: {from}");
        self.text = self.text.replace(from, to);
        self
    }

    /// `bailiff` with these arguments beside the config.
    pub fn command(&self, args: &[&str]) -> Launch {
        let launch = Launch::with_args(args).file(&self.config_name(), &self.text);
        let membership = format!("{}.membership.yaml", self.name);
        let launch = self
            .membership
            .iter()
            .fold(launch, |launch, text| launch.file(&membership, text));
        self.env
            .iter()
            .fold(launch, |launch, (name, value)| launch.env(name, value))
    }

    fn config_name(&self) -> String {
        format!("{}.yaml", self.name)
    }

    fn serve(&self) -> Launch {
        self.command(&["serve", "--config", &self.config_name()])
    }

    /// Runs a `serve` that should refuse to start.
    #[track_caller]
    pub fn run(self) -> Finished {
        self.serve().run()
    }

    #[track_caller]
    pub fn start(self) -> Product {
        let gate = self.serve().start();
        Product { gate, system: self }
    }

    /// Starts without waiting for the gate to be ready.
    #[track_caller]
    pub fn start_unready(self) -> Product {
        let gate = self.serve().start_unready();
        Product { gate, system: self }
    }
}

/// A text of `config/systems`; `None` if there is no such file.
fn read(name: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/systems");
    std::fs::read_to_string(folder.join(Path::new(&format!("{name}.yaml")))).ok()
}

/// A product whose gate runs. The gate goes first, so that nothing asks an app that is gone.
pub struct Product {
    pub gate: Gate,
    system: System,
}

impl Product {
    pub fn clerk(&self) -> &Clerk {
        &self.system.clerk
    }

    pub fn request(&self, method: &str, target: &str) -> Request {
        self.gate.request(method, target)
    }

    pub fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A request with a good token of this user.
    pub fn as_user(&self, user: &str, method: &str, target: &str) -> Request {
        self.request(method, target).bearer(&self.token(user))
    }

    /// A good token in the making, for a test to break.
    pub fn mint(&self, user: &str) -> Mint {
        let mint = Mint::new(&self.system.clerk.url(), user, now());
        self.system
            .party
            .iter()
            .fold(mint, |mint, party| mint.azp(party))
    }

    pub fn sign(&self, mint: &Mint) -> String {
        mint.sign(&self.system.clerk.key())
    }

    pub fn token(&self, user: &str) -> String {
        self.sign(&self.mint(user))
    }

    /// The delivery, sent to the route of this product.
    pub fn deliver(&self, delivery: &Delivery, path: &str) -> Request {
        delivery.sent_as(self.request("POST", path))
    }

    /// `bailiff` with these arguments and the variables of the product, beside a copy of its config.
    #[track_caller]
    pub fn command(&self, args: &[&str]) -> Finished {
        self.command_with(args, "")
    }

    /// The same with something on its standard input.
    #[track_caller]
    pub fn command_with(&self, args: &[&str], input: &str) -> Finished {
        self.system.command(args).run_with_input(input.as_bytes())
    }

    pub fn config_name(&self) -> String {
        self.system.config_name()
    }

    pub fn write_config(&self, change: impl FnOnce(&str) -> String) {
        self.gate
            .replace(&self.config_name(), &change(&self.system.text));
    }

    /// Writes the membership as the app does, the careful way.
    pub fn write_membership(&self, change: impl FnOnce(&str) -> String) {
        let text = self
            .system
            .membership
            .as_deref()
            .expect("the product has a membership");
        self.gate.replace(
            &format!("{}.membership.yaml", self.system.name),
            &change(text),
        );
    }

    /// The same gate after an orderly end and a new start: only the store is still there.
    #[track_caller]
    pub fn restarted(self) -> Self {
        self.gate.sigterm();
        self.gate.finish().exits(0);
        assert!(
            self.system.kept.path().join("store").is_file(),
            "the store is where the variable says"
        );
        self.system.start()
    }
}
