//! A Redis of our own, reachable through a Unix socket in its folder and nowhere else; and ways to it that can be cut, each on a
//! port of its own.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::process::{Process, eventually, patiently};

/// Runs the server and waits beside it for the end of its own input: see the keeper of PostgreSQL. It is killed and not ended, so
/// that it writes nothing any more.
const KEEPER: &str = r#"
set -eu
"$1" --port 0 --unixsocket "$2/redis.sock" --dir "$2" --save '' --appendonly no --daemonize no &
server=$!
while read -r _; do :; done
kill -KILL "$server" || :
wait "$server" || :
"#;

/// The program: named by the environment, or on the `PATH`. In Debian the package `redis-server` runs a server with the system and
/// has nothing of its own but a link: the program is that of `redis-tools`, which does what it is called.
fn program() -> PathBuf {
    let named = std::env::var_os("BAILIFF_TEST_REDIS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        .flat_map(|dir| ["redis-server", "valkey-server"].map(|name| dir.join(name)));
    let bare = std::env::split_paths(&path).map(|dir| dir.join("redis-check-rdb"));
    let found = named
        .into_iter()
        .chain(on_path)
        .chain(bare)
        .find(|program| program.is_file());
    found.expect("no redis-server on the PATH. `./run tests` installs the Debian package; or set BAILIFF_TEST_REDIS to the program")
}

/// Dropping it waits until the server is gone.
struct Keeper(Process);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.detach();
        patiently(|| self.0.ended());
    }
}

/// A server, perhaps a running one. Dropping it ends it.
pub struct Redis {
    keeper: Option<Keeper>,
    folder: TempDir,
}

impl Redis {
    /// An empty server.
    #[track_caller]
    pub fn start() -> Self {
        let mut redis = Self {
            keeper: None,
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        std::os::unix::fs::symlink(program(), redis.program()).expect("a link can be made");
        redis.revive();
        redis
    }

    /// Kills it: what it has not saved is gone.
    pub fn kill(&mut self) {
        self.keeper = None;
    }

    /// Starts it again, with what was saved.
    #[track_caller]
    pub fn revive(&mut self) {
        let mut command = Command::new("sh");
        command
            .args(["-c", KEEPER, "keeper"])
            .arg(self.program())
            .arg(self.folder.path());
        let _old = std::fs::remove_file(self.socket());
        self.keeper = Some(Keeper(Process::attached(command, &[])));
        eventually("Redis answered", || self.client().get_connection().ok());
    }

    /// A connection for a test's own commands.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        self.client()
            .get_connection()
            .expect("Redis takes connections")
    }

    /// Runs one command, given as words.
    #[track_caller]
    pub fn run<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let (name, args) = words.split_first().expect("a command has a name");
        let mut command = redis::cmd(name);
        args.iter().for_each(|word| _ = command.arg(*word));
        command
            .query(&mut self.connect())
            .unwrap_or_else(|why| panic!("{words:?}: {why}"))
    }

    /// A way to it.
    pub fn relay(&self) -> Relay {
        Relay::to(&self.socket())
    }

    /// A way to it through TLS.
    pub fn tls_relay(&self) -> TlsRelay {
        TlsRelay::to(&self.socket())
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("redis-server")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    fn client(&self) -> Client {
        Client::open(format!("redis+unix://{}", self.socket().display()))
            .expect("the path of a socket")
    }
}

/// A port that leads to the server, for as long as it is not cut.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Way>,
}

#[derive(Default)]
struct Way {
    cut: AtomicBool,
    /// Takes what is sent and passes nothing on: the worst that a network can do.
    silent: AtomicBool,
    ended: AtomicBool,
    next: AtomicU64,
    open: Mutex<HashMap<u64, (TcpStream, UnixStream)>>,
}

impl Relay {
    fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Way::default());
        let (theirs, socket) = (shared.clone(), socket.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if theirs.ended.load(Ordering::SeqCst) {
                    return;
                }
                if !theirs.cut.load(Ordering::SeqCst)
                    && let Ok(server) = UnixStream::connect(&socket)
                {
                    theirs.join(&stream, &server);
                }
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends all connections and lets no new one through.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        self.shared.hang_up();
    }

    /// Passes nothing on any more, and ends nothing either.
    pub fn fall_silent(&self) {
        self.shared.silent.store(true, Ordering::SeqCst);
    }

    /// Lets connections through again. What was swallowed is gone with its connection.
    pub fn heal(&self) {
        self.shared.hang_up();
        self.shared.silent.store(false, Ordering::SeqCst);
        self.shared.cut.store(false, Ordering::SeqCst);
    }
}

/// A port that leads to the server through TLS, as a rented Redis has it.
pub struct TlsRelay {
    address: SocketAddr,
    /// The certificate, in PEM. It is its own authority, and is for `localhost`.
    pub certificate: String,
    _runtime: tokio::runtime::Runtime,
}

impl TlsRelay {
    fn to(socket: &Path) -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])
            .expect("a certificate can be made");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key is a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("the key is the certificate's")));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let socket = socket.to_owned();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, socket) = (acceptor.clone(), socket.clone());
                tokio::spawn(async move {
                    let mut server = tokio::net::UnixStream::connect(socket).await.ok()?;
                    let mut client = acceptor.accept(client).await.ok()?;
                    tokio::io::copy_bidirectional(&mut client, &mut server)
                        .await
                        .ok()
                });
            }
        });
        Self {
            address,
            certificate: own.cert.pem(),
            _runtime: runtime,
        }
    }

    /// Under this name.
    pub fn url(&self, host: &str) -> String {
        format!("rediss://{host}:{}", self.address.port())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the listener, which then ends.
        let _woken = TcpStream::connect(self.address);
    }
}

impl Way {
    fn join(self: &Arc<Self>, client: &TcpStream, server: &UnixStream) {
        let (Ok(from), Ok(to), Ok(back_from), Ok(back_to)) = (
            client.try_clone(),
            server.try_clone(),
            server.try_clone(),
            client.try_clone(),
        ) else {
            return;
        };
        let (Ok(kept_client), Ok(kept_server)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        self.open().insert(number, (kept_client, kept_server));
        for (mut from, mut to) in [
            (
                Box::new(from) as Box<dyn Read + Send>,
                Box::new(to) as Box<dyn Write + Send>,
            ),
            (Box::new(back_from), Box::new(back_to)),
        ] {
            let way = self.clone();
            thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(count) = from.read(&mut buffer)
                    && count > 0
                {
                    if !way.silent.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).is_err()
                    {
                        break;
                    }
                }
                way.close(number);
            });
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<u64, (TcpStream, UnixStream)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, number: u64) {
        if let Some((client, server)) = self.open().remove(&number) {
            let _gone = (
                client.shutdown(Shutdown::Both),
                server.shutdown(Shutdown::Both),
            );
        }
    }

    fn hang_up(&self) {
        let numbers: Vec<_> = self.open().keys().copied().collect();
        numbers.into_iter().for_each(|number| self.close(number));
    }
}
