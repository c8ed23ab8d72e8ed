//! Whole configurations in, settings or messages out.

mod any_change;
mod auth_disabled;
mod backend;
mod local_answer;
mod membership;
mod messages;
mod postgres;
mod precedence;
mod providers;
mod refusals;
mod secrecy;
mod services;
mod sources;
mod static_users;
mod values;

use std::path::Path;

use super::super::faults::Faults;
use super::super::interpolate::FakeEnv;
use super::super::load::{Loaded, Overrides, load};

/// A key of `https://amused-cat-7.clerk.accounts.dev`.
const KEY: &str = "pk_test_YW11c2VkLWNhdC03LmNsZXJrLmFjY291bnRzLmRldiQ";
const APP: &str = "http://127.0.0.1:3000";

/// Loads `text` as `/etc/bailiff/bailiff.yaml`.
fn file(text: &str, env: FakeEnv) -> Result<Loaded, Faults> {
    let env = env.with_file("/etc/bailiff/bailiff.yaml", text.as_bytes(), 0o600);
    load(
        Some(Path::new("/etc/bailiff/bailiff.yaml")),
        &Overrides::default(),
        &env,
    )
}

/// Loads the environment alone.
fn alone(env: &FakeEnv) -> Result<Loaded, Faults> {
    load(None, &Overrides::default(), env)
}

fn env() -> FakeEnv {
    FakeEnv::new()
        .with_var("CLERK_PUBLISHABLE_KEY", KEY)
        .with_var("BAILIFF_UPSTREAM", APP)
}

/// Everything that is printed.
fn printed(loaded: Result<Loaded, Faults>) -> String {
    match loaded {
        Ok(loaded) => loaded.warnings.to_string(),
        Err(faults) => faults.to_string(),
    }
}

/// What is wrong with a config that is right but for `text`, which may override the right parts.
fn complaint(text: &str) -> String {
    let right = [
        ("upstream:", "upstream: http://127.0.0.1:3000\n"),
        (
            "clerk:",
            "clerk: {publishable_key: pk_live_Y2xlcmsuZXhhbXBsZS5jb20k, authorized_parties: [https://a.example]}\n",
        ),
        ("membership:", "membership: {file: m.yaml}\n"),
        ("routes:", "routes: [{path: /**, access: user}]\n"),
    ];
    let mut all = text.to_owned();
    for (_, line) in right
        .iter()
        .filter(|(key, _)| !text.lines().any(|line| line.starts_with(key)))
    {
        all.push_str(line);
    }
    let env = FakeEnv::new().with_file("b.yaml", all.as_bytes(), 0o600);
    printed(load(Some(Path::new("b.yaml")), &Overrides::default(), &env))
}

/// `routes:` with one line.
fn route(line: &str) -> String {
    complaint(&format!("routes:\n  - {line}\n"))
}
