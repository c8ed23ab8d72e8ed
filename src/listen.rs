//! Runs a Pingora app on a listener that is already bound.
//!
//! Pingora binds late, inside its own service task. It retries a busy port for half a minute and then panics, and it cannot
//! report the port that it got for port 0. So the caller binds: it sees every error at once and knows the address. Pingora
//! inherits the socket through the table of file descriptors, its mechanism for upgrades.
//!
//! The descriptor has one owner at any time: the listener until the service task runs, Pingora's own listener after that. `Fds`
//! only holds numbers and closes nothing.

pub mod limits;
pub mod websocket;

use std::fs::Permissions;
use std::io;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use pingora::apps::ServerApp;
use pingora::server::Fds;
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The owner and the group of a unix socket may connect. Pingora's default allows every user.
const UNIX_SOCKET_MODE: u32 = 0o660;

/// Why a unix socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The path is not text; Pingora takes addresses as text only.
    #[error("the path of the socket is not valid UTF-8: {}", .0.display())]
    PathNotText(PathBuf),
    /// Another process accepts connections there. Taking the path would cut that process off without a notice.
    #[error("another process is listening on {}", .0.display())]
    InUse(PathBuf),
    /// A file that is not a socket has this name. The gate must not delete it.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The operating system refused an operation.
    #[error("{action} {}", path.display())]
    Io {
        /// The operation.
        action: &'static str,
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// Serves `app` on an already bound `listener`, on the current tokio runtime.
///
/// The socket listens while `shutdown` holds `false` and its sender lives. Then the socket is closed and the task ends, while
/// running requests go on. Aborting the returned task does not stop the accept loop, which Pingora runs in a task of its own: use
/// `shutdown`.
///
/// # Panics
///
/// Outside of a tokio runtime, as `tokio::spawn` does.
pub fn spawn<A>(
    name: &str,
    app: A,
    listener: TcpListener,
    shutdown: watch::Receiver<bool>,
) -> JoinHandle<()>
where
    A: ServerApp + Send + Sync + 'static,
{
    // The text is only the key under which Pingora finds the descriptor.
    let address = match listener.local_addr() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_owned(),
    };
    let mut service = Service::new(name.to_owned(), app);
    service.add_tcp(&address);
    // tokio requires it; a blocking accept would hold a worker thread forever.
    let nonblocking = listener.set_nonblocking(true);
    run(service, address, nonblocking, listener, shutdown)
}

/// Serves `app` on a unix socket at `path`, on the current tokio runtime, as [`spawn`] does.
///
/// A socket file without a listening process is left over from a process that died, and is replaced. When the service stops, it
/// removes its file, unless another process has put another file there.
///
/// # Errors
///
/// When a live process answers on the path, when a file that is not a socket has this name, or when the operating system refuses.
///
/// # Panics
///
/// Outside of a tokio runtime, as `tokio::spawn` does.
pub fn spawn_unix<A>(
    name: &str,
    app: A,
    path: &Path,
    shutdown: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, ListenError>
where
    A: ServerApp + Send + Sync + 'static,
{
    let address = path
        .to_str()
        .ok_or_else(|| ListenError::PathNotText(path.to_owned()))?
        .to_owned();
    let failed = |action| {
        move |source| ListenError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    remove_stale(path)?;
    let listener = UnixListener::bind(path).map_err(failed("binding the socket"))?;
    // For this one moment the umask decides who may connect: only the owner under the usual 022. A process that connects in this
    // moment is a client like any other.
    let mode = Permissions::from_mode(UNIX_SOCKET_MODE);
    std::fs::set_permissions(path, mode.clone())
        .map_err(failed("setting the mode of the socket"))?;
    let ours = file_id(path).map_err(failed("reading back the socket"))?;

    let mut service = Service::new(name.to_owned(), app);
    service.add_uds(&address, Some(mode));
    let nonblocking = listener.set_nonblocking(true);
    let serving = run(service, address, nonblocking, listener, shutdown);
    let path = path.to_owned();
    Ok(tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the listening service ended abnormally");
        }
        if file_id(&path).is_ok_and(|found| found == ours) {
            // An error here does no harm: the next start removes a stale socket as well.
            let _ = std::fs::remove_file(&path);
        }
    }))
}

/// Hands `listener` to Pingora inside a task. The listener stays an owned value until the task runs, so a task that never runs
/// closes it instead of leaking a bare number.
fn run<A, L>(
    mut service: Service<A>,
    address: String,
    nonblocking: io::Result<()>,
    listener: L,
    mut shutdown: watch::Receiver<bool>,
) -> JoinHandle<()>
where
    A: ServerApp + Send + Sync + 'static,
    L: IntoRawFd + Send + 'static,
{
    tokio::spawn(async move {
        if let Err(error) = nonblocking {
            tracing::error!(%error, %address, "cannot serve on this socket");
            return;
        }
        let mut fds = Fds::new();
        fds.add(address, listener.into_raw_fd());
        // Pingora waits for a *change*. It would miss a stop that was set before.
        shutdown.mark_changed();
        service
            .start_service(Some(Arc::new(Mutex::new(fds))), shutdown, 1)
            .await;
    })
}

/// Removes the socket of a dead process at `path`. Fail closed: a file that may be anything else stays.
fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |action| {
        move |source| ListenError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("looking at")(error)),
    };
    if !found.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed("removing the stale socket"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("asking who listens on")(error)),
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
    }
}

/// Identifies the socket file, to tell it from one that another process put in its place.
fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests;
