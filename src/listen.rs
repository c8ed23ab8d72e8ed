//! Runs a Pingora app on a listener that is already bound.
//!
//! Pingora binds late, inside its own service task, retries a busy port for half a minute and then
//! panics; and it cannot tell which port it got for port 0. So the caller binds, sees every error at
//! once and knows the address, and Pingora inherits the socket by the road made for its upgrades:
//! the table of file descriptors.
//!
//! The descriptor has one owner at any time: the listener until the service task runs, Pingora's
//! own listener after that. `Fds` only holds numbers and closes nothing.

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

/// Who may connect to a unix socket: its owner and its group. Pingora's default is everybody.
const UNIX_SOCKET_MODE: u32 = 0o660;

/// Why a unix socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The path is not text; Pingora takes addresses as text only.
    #[error("the path of the socket is not valid UTF-8: {}", .0.display())]
    PathNotText(PathBuf),
    /// Another process accepts connections there, and taking the path would cut it off silently.
    #[error("another process is listening on {}", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket has this name; deleting it is not ours to decide.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The operating system refused.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The path of the socket.
        path: PathBuf,
        /// What the operating system answered.
        #[source]
        source: io::Error,
    },
}

/// Serves `app` on an already bound `listener`, on the current tokio runtime.
///
/// The socket listens for as long as `shutdown` says `false` and its sender lives; then it is
/// closed and the task ends, while requests that are running go on. Aborting the returned task does
/// not stop the accept loop, which Pingora runs in a task of its own: use `shutdown`.
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
    // tokio requires it; a blocking accept would hold a worker thread for ever.
    let nonblocking = listener.set_nonblocking(true);
    run(service, address, nonblocking, listener, shutdown)
}

/// Serves `app` on a unix socket at `path`, on the current tokio runtime, as [`spawn`] does.
///
/// A socket file that nobody answers on is a leftover of a process that died, and is replaced. The
/// file is removed again when the service stops, unless somebody else has put another one there.
///
/// # Errors
///
/// When a live process answers on the path, when a file that is no socket has this name, or when
/// the operating system refuses.
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
    // For this one moment the umask decides who may connect: nobody else under the usual 022. Whoever
    // slips in is a client like any other.
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
            // Nothing depends on it: the next start removes a stale socket as well.
            let _ = std::fs::remove_file(&path);
        }
    }))
}

/// Hands `listener` to Pingora inside a task. The listener stays an owned value until the task
/// runs, so a task that never runs closes it instead of leaking a bare number.
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
        // Pingora waits for a *change*: a stop that was said before would otherwise go unheard.
        shutdown.mark_changed();
        service
            .start_service(Some(Arc::new(Mutex::new(fds))), shutdown, 1)
            .await;
    })
}

/// Removes what a dead process left at `path`. Fail closed: whatever is not surely a dead socket stays.
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

/// Tells our socket file from one that another process put in its place.
fn file_id(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests;
