//! A connection to the database, and what can be wrong with it.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::RowFaults;
use super::rows::QueryName;
use crate::config::postgres::PostgresSource;

/// Time limit for connection, TLS and password together. The driver limits only the first.
const CONNECT: Duration = Duration::from_secs(10);
/// Bound on the part of a server's error that messages repeat.
const MOST_SAID: usize = 300;

/// Why the database gives no rows. Messages contain only host, database and the text of the server, never the password.
#[derive(Debug, thiserror::Error)]
pub(in crate::membership_sources) enum PostgresError {
    #[error("no connection to {place}: {why}")]
    Connect { place: String, why: String },
    #[error("the connection to {place} ended: {why}")]
    Ended { place: String, why: String },
    #[error("{place} was silent for {} s", .after.as_secs())]
    Silent { place: String, after: Duration },
    #[error("`{query}` cannot be asked: {why}")]
    QueryName { query: QueryName, why: String },
    #[error("the rows are not taken: {0}")]
    Rows(RowFaults),
    #[error("there are no users any more; set `allow_empty: true` if that is right")]
    Empty,
    #[error("building the table ended abnormally")]
    Abnormal,
}

impl PostgresError {
    /// Whether the connection is lost, or in the middle of an answer, so that the next query needs another one.
    pub(super) fn is_of_the_connection(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Ended { .. } | Self::Silent { .. }
        )
    }
}

/// An error of the driver as one line: the server's text and its SQLSTATE, or the fault of the connection.
pub(super) fn told(error: &Error) -> String {
    let text = match error.as_db_error() {
        Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        }
    };
    text.chars()
        .take(MOST_SAID)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A connection. Dropping it closes it.
pub(super) struct Session {
    pub(super) client: Client,
    /// Changes with each `NOTIFY`, and is closed when the connection ends.
    pub(super) notices: watch::Receiver<u64>,
    place: String,
}

impl Session {
    /// # Errors
    /// When there is no connection, or the server cannot prove its identity.
    pub(super) async fn open(source: &PostgresSource) -> Result<Self, PostgresError> {
        let place = source.to_string();
        let opened = async {
            if source.has_tls() {
                connect(
                    source,
                    place.clone(),
                    MakeRustlsConnect::new(trust(source)?),
                )
                .await
            } else {
                connect(source, place.clone(), NoTls).await
            }
        };
        match tokio::time::timeout(CONNECT, opened).await {
            Ok(opened) => opened.map_err(|why| PostgresError::Connect { place, why }),
            Err(_) => Err(PostgresError::Silent {
                place,
                after: CONNECT,
            }),
        }
    }

    /// The meaning of an error for this connection, where it is not one of a query.
    pub(super) fn ended(&self, error: &Error) -> PostgresError {
        PostgresError::Ended {
            place: self.place.clone(),
            why: told(error),
        }
    }

    /// The meaning of an error of a query.
    pub(super) fn failed(&self, query: QueryName, error: &Error) -> PostgresError {
        // An error from the server proves that the connection works, except for class 57P, which ends it.
        let said = error
            .code()
            .is_some_and(|code| !code.code().starts_with("57P"));
        if said && !self.client.is_closed() {
            PostgresError::QueryName {
                query,
                why: told(error),
            }
        } else {
            self.ended(error)
        }
    }

    pub(super) fn silent(&self, after: Duration) -> PostgresError {
        PostgresError::Silent {
            place: self.place.clone(),
            after,
        }
    }
}

async fn connect<T>(source: &PostgresSource, place: String, tls: T) -> Result<Session, String>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, mut connection) = source
        .connect
        .connect(tls)
        .await
        .map_err(|error| told(&error))?;
    let (heard, notices) = watch::channel(0_u64);
    // This task ends when the client is dropped, or the server is gone.
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(_) = message {
                heard.send_modify(|count| *count = count.wrapping_add(1));
            }
        }
    });
    Ok(Session {
        client,
        notices,
        place,
    })
}

/// The certificate authorities that may certify the server.
fn trust(source: &PostgresSource) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    match &source.authorities {
        Some(all) => all
            .iter()
            .try_for_each(|one| roots.add(one.clone()))
            .map_err(|error| error.to_string())?,
        None => {
            // An invalid certificate of the system is no reason to trust none of the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
