//! A database that knows the membership.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host as Place, SslMode};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::domain::authority;

/// A database that knows the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSource {
    /// Where, as whom and whether with TLS. It prints without the password.
    pub connect: Config,
    /// Who may have signed the server's certificate; `None` for whom the system trusts.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// The query that gives users, and the one that gives members of workspaces.
    pub users: String,
    pub members: Option<String>,
    pub mode: PostgresMode,
}

/// How the database is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresMode {
    /// For everything at once.
    Snapshot {
        /// A `NOTIFY` on it means that something has changed.
        channel: String,
        /// Between two loads without such a `NOTIFY`.
        interval: Duration,
        /// Whether it may say that there are no users any more.
        allow_empty: bool,
    },
    /// For one user at a time; the queries take their id as `$1`.
    Lookup {
        /// How long an answer counts.
        ttl: Duration,
        /// How long it counts that the database does not know a user. At most `ttl`.
        negative_ttl: Duration,
    },
}

impl PostgresSource {
    /// [`PostgresMode::Snapshot::channel`] where nothing is said.
    pub const CHANNEL: &str = "bailiff_membership";

    /// Whether the server has to prove who it is, and the connection is encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.connect.get_ssl_mode() != SslMode::Disable
    }

    #[must_use]
    pub fn is_lookup(&self) -> bool {
        matches!(self.mode, PostgresMode::Lookup { .. })
    }
}

/// Where it is, for people: host and database, without user and password.
impl fmt::Display for PostgresSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.connect, f)
    }
}

/// Host and database, without user and password.
fn show(config: &Config, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("PostgreSQL at ")?;
    let ports = config.get_ports();
    for (number, place) in config.get_hosts().iter().enumerate() {
        let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
        let comma = if number > 0 { "," } else { "" };
        match place {
            Place::Tcp(name) => write!(f, "{comma}{}", authority::join(name, port))?,
            Place::Unix(path) => write!(f, "{comma}{}", path.display())?,
        }
    }
    write!(
        f,
        "/{}",
        config.get_dbname().unwrap_or_default().escape_default()
    )
}
