//! The store that replicas share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::values::secret::Secret;

/// A Redis or Valkey that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedSettings {
    /// A name, or an IP address.
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub database: u16,
    pub username: Option<String>,
    pub password: Option<Arc<Secret>>,
    /// A PEM file with the certificates that are trusted in the place of the system's.
    pub ca: Option<PathBuf>,
    /// What the names of all keys begin with, in braces: they are in one slot of a cluster.
    pub namespace: String,
    /// Entries that the log keeps, about: how far behind a replica can be without reading everything.
    pub log: u64,
    /// Replicas that find the same gap read everything at different moments, within this time.
    pub spread: Duration,
    /// Whether this replica tells the others what it learns; one without the right to write only listens.
    pub write: bool,
}

impl SharedSettings {
    /// [`SharedSettings::namespace`] where nothing is said.
    pub const NAMESPACE: &str = "bailiff";
    /// [`SharedSettings::log`] where nothing is said: about 25 MB.
    pub const LOG: u64 = 100_000;
    /// [`SharedSettings::spread`] where nothing is said.
    pub const SPREAD: Duration = Duration::from_secs(2);

    /// What tells this store from others: another server with the same namespace knows other things.
    #[must_use]
    pub fn place(&self) -> String {
        let Self {
            host,
            port,
            database,
            namespace,
            ..
        } = self;
        format!("{host}:{port}/{database} {namespace}")
    }
}
