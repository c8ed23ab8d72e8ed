//! One connection to the shared store, with a time limit on opening it and on every answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, ServerErrorKind, Value,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::settings::SharedSettings;

/// Bound on opening: name lookup, connection, TLS and log-in together.
const OPENING: Duration = Duration::from_secs(3);
/// Bound on one answer, in bytes. The largest legitimate one has 25 entries of 100 events of 8 KiB.
const MAX_ANSWER: usize = 32 << 20;

/// Why a command to the shared store failed.
#[derive(Debug, thiserror::Error)]
pub enum SharedStoreError {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("the certificates of {0} cannot be read: {1}")]
    Certificates(String, String),
    #[error("it did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the credentials are refused: {0}")]
    Credentials(String),
    /// The credentials lack the permission.
    #[error("not permitted: {0}")]
    NotPermitted(String),
    /// The node is a read-only replica of the store.
    #[error("it takes no writes at present: {0}")]
    ReadOnly(String),
    #[error("it refused: {0}")]
    Refused(String),
    #[error("it has the state of another version of bailiff")]
    OtherVersion,
    #[error("{0} is none of ours: somebody else uses the same namespace")]
    Strange(&'static str),
    #[error("it has more than a replica can hold")]
    TooMuch,
}

impl From<RedisError> for SharedStoreError {
    fn from(error: RedisError) -> Self {
        let said = || {
            format!(
                "{} {}",
                error.code().unwrap_or_default(),
                error.detail().unwrap_or_default()
            )
        };
        match error.kind() {
            redis::ErrorKind::AuthenticationFailed => Self::Credentials(said()),
            redis::ErrorKind::Server(ServerErrorKind::NoPerm) => Self::NotPermitted(said()),
            redis::ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly(said()),
            redis::ErrorKind::Io | redis::ErrorKind::Parse => Self::Broken(error.to_string()),
            _ => match error.code() {
                Some("OTHERVERSION") => Self::OtherVersion,
                Some("NOAUTH" | "WRONGPASS") => Self::Credentials(said()),
                Some(_) => Self::Refused(said()),
                None => Self::Broken(error.to_string()),
            },
        }
    }
}

impl SharedStoreError {
    /// Whether the connection can still be used: the store understood the command and refused it. A node that redirects to another
    /// one, as after a failover, is not the store any more.
    pub(super) fn leaves_connection(&self) -> bool {
        matches!(
            self,
            Self::NotPermitted(_) | Self::OtherVersion | Self::Strange(_) | Self::TooMuch
        )
    }
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) struct Link {
    connection: MultiplexedConnection,
    allowance: Arc<AtomicUsize>,
    _driver: Arc<Driver>,
}

/// Moves the bytes of a connection for as long as a [`Link`] to it exists.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Link {
    pub(super) async fn open(settings: &SharedSettings) -> Result<Self, SharedStoreError> {
        let opened = tokio::time::timeout(OPENING, Self::connect(settings)).await;
        opened.unwrap_or(Err(SharedStoreError::Timeout(OPENING)))
    }

    async fn connect(settings: &SharedSettings) -> Result<Self, SharedStoreError> {
        let stream = TcpStream::connect((settings.host.as_str(), settings.port))
            .await
            .map_err(SharedStoreError::Connect)?;
        stream
            .set_nodelay(true)
            .map_err(SharedStoreError::Connect)?;
        if !settings.tls {
            return Self::over(stream, settings).await;
        }
        let host = settings.host.clone();
        let name = ServerName::try_from(host)
            .map_err(|why| SharedStoreError::Connect(io::Error::other(why)))?;
        let connector = TlsConnector::from(Arc::new(trusting(settings)?));
        Self::over(
            connector
                .connect(name, stream)
                .await
                .map_err(SharedStoreError::Connect)?,
            settings,
        )
        .await
    }

    async fn over<S>(stream: S, settings: &SharedSettings) -> Result<Self, SharedStoreError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let allowance = Arc::new(AtomicUsize::new(MAX_ANSWER));
        let bounded = Bounded {
            inner: stream,
            left: allowance.clone(),
        };
        let mut info = RedisConnectionInfo::default()
            .set_skip_set_lib_name()
            .set_db(i64::from(settings.database));
        if let Some(username) = &settings.username {
            info = info.set_username(username);
        }
        if let Some(password) = &settings.password {
            info = info.set_password(String::from_utf8_lossy(password.expose()));
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&info, bounded, config).await?;
        let driver = Arc::new(Driver(tokio::spawn(driver).abort_handle()));
        Ok(Self {
            connection,
            allowance,
            _driver: driver,
        })
    }

    /// Sends one command.
    pub(super) async fn ask(
        &self,
        command: &Cmd,
        within: Duration,
    ) -> Result<Value, SharedStoreError> {
        self.allowance.store(MAX_ANSWER, Ordering::Relaxed);
        let mut connection = self.connection.clone();
        let asked = tokio::time::timeout(within, connection.send_packed_command(command)).await;
        match asked.map_err(|_| SharedStoreError::Timeout(within))?? {
            Value::ServerError(error) => Err(RedisError::from(error).into()),
            value => Ok(value),
        }
    }

    /// Sends several commands that the store executes at once.
    pub(super) async fn ask_at_once(
        &self,
        pipeline: &Pipeline,
        within: Duration,
    ) -> Result<Vec<Value>, SharedStoreError> {
        self.allowance.store(MAX_ANSWER, Ordering::Relaxed);
        let mut connection = self.connection.clone();
        let asked = pipeline.query_async::<Vec<Value>>(&mut connection);
        Ok(tokio::time::timeout(within, asked)
            .await
            .map_err(|_| SharedStoreError::Timeout(within))??)
    }
}

/// The certificate authorities that may certify the store.
fn trusting(settings: &SharedSettings) -> Result<ClientConfig, SharedStoreError> {
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        Some(path) => {
            let unreadable = |why: &dyn std::fmt::Display| {
                SharedStoreError::Certificates(path.display().to_string(), why.to_string())
            };
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|why| unreadable(&why))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|why| unreadable(&why))?;
                roots.add(certificate).map_err(|why| unreadable(&why))?;
            }
            if roots.is_empty() {
                return Err(unreadable(&"there is none in it"));
            }
        }
        None => {
            // An invalid certificate of the system is no reason to trust none of the others.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A stream that breaks when one answer exceeds the memory bound. The Redis library reads an answer whole.
struct Bounded<S> {
    inner: S,
    left: Arc<AtomicUsize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let read = buf.filled().len().saturating_sub(before);
        let spend = |left: usize| left.checked_sub(read);
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend)
        {
            Ok(_) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err(io::Error::other(
                "an answer is larger than any that was asked for",
            ))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
