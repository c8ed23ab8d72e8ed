//! Where the membership comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::membership::Policy;

use super::clerk::ClerkSource;
use super::http_source::{HttpMode, HttpSource};
use super::postgres::{PostgresMode, PostgresSource};

/// Where the membership comes from, and how users are treated who are not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipSource {
    pub from: From,
    /// What happens with users who are in no table.
    pub policy: Policy,
}

/// The source of who belongs to which workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// None: every user who signs in is known by that alone.
    Nobody,
    /// The organization of the token.
    Token,
    /// A table in a file.
    File(PathBuf),
    /// An endpoint of the app.
    Http(HttpSource),
    /// Clerk's Backend API.
    Clerk(ClerkSource),
    /// Tables in a database.
    Postgres(Arc<PostgresSource>),
}

impl From {
    /// The file with the table.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Nobody | Self::Token | Self::Http(_) | Self::Clerk(_) | Self::Postgres(_) => None,
        }
    }

    /// Whether another machine is asked for it while the gate runs.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Nobody | Self::Token | Self::File(_) => false,
            Self::Http(_) | Self::Clerk(_) | Self::Postgres(_) => true,
        }
    }

    /// Whether it is asked for one user at a time.
    #[must_use]
    pub fn is_lookup(&self) -> bool {
        match self {
            Self::Nobody | Self::Token | Self::File(_) | Self::Clerk(_) => false,
            Self::Http(source) => matches!(source.mode, HttpMode::Lookup { .. }),
            Self::Postgres(source) => source.is_lookup(),
        }
    }

    /// Longest time until it is asked again.
    pub(crate) fn asked_every(&self) -> Option<Duration> {
        match self {
            Self::Nobody | Self::Token | Self::File(_) => None,
            Self::Http(source) => Some(source.asked_every()),
            Self::Clerk(source) => Some(source.reconcile),
            Self::Postgres(source) => match source.mode {
                PostgresMode::Snapshot { interval, .. } => Some(interval),
                PostgresMode::Lookup { ttl, .. } => Some(ttl),
            },
        }
    }
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("whoever signs in"),
            Self::Token => f.write_str("the organization of the token"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Http(source) => f.write_str(source.shown()),
            Self::Clerk(source) => write!(f, "Clerk's Backend API at {}", source.backend.api_url),
            Self::Postgres(source) => write!(f, "{source}"),
        }
    }
}
