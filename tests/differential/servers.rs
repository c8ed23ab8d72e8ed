//! The real servers behind the gate, each started the way its manual says and with its own idea of whom to trust.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::app::python;
use crate::harness::process::{Process, eventually, patiently};

const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/differential");

/// A running server. Dropping it ends it, its workers too.
///
/// Declare it before the gate in front of it: what is declared last is dropped first, and nothing asks an app that is gone.
pub struct Server {
    process: Process,
    address: SocketAddr,
    _folder: Option<TempDir>,
}

impl Server {
    /// `python -m` with these arguments, in the folder of the apps.
    #[track_caller]
    pub fn python(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(python());
        command.arg("-m").args(args).current_dir(APPS);
        // No compiled leftovers beside the sources.
        Self::that_says_its_port(
            command,
            &[env, &[("PYTHONDONTWRITEBYTECODE", "1")]].concat(),
        )
    }

    #[track_caller]
    pub fn gunicorn(app: &str) -> Self {
        Self::python(
            &[
                "gunicorn",
                "--bind",
                "127.0.0.1:0",
                "--no-control-socket",
                app,
            ],
            &[],
        )
    }

    #[track_caller]
    pub fn uvicorn(app: &str) -> Self {
        Self::python(&["uvicorn", "--port", "0", "--no-access-log", app], &[])
    }

    #[track_caller]
    pub fn hypercorn(app: &str) -> Self {
        Self::python(&["hypercorn", "--bind", "127.0.0.1:0", app], &[])
    }

    #[track_caller]
    pub fn daphne(args: &[&str], env: &[(&str, &str)]) -> Self {
        let quiet = [
            "daphne",
            "-b",
            "127.0.0.1",
            "-p",
            "0",
            "--access-log",
            "/dev/null",
        ];
        Self::python(&[&quiet, args].concat(), env)
    }

    #[track_caller]
    pub fn express(env: &[(&str, &str)]) -> Self {
        let installed = Path::new(APPS).join("node_modules/express").is_dir();
        assert!(installed, "Express is missing: `./run tests` installs it");
        let mut command = Command::new("node");
        command.arg("express_app.js").current_dir(APPS);
        Self::that_says_its_port(command, env)
    }

    #[track_caller]
    pub fn waitress(args: &[&str], env: &[(&str, &str)]) -> Self {
        Self::python(&[&["waitress", "--listen=127.0.0.1:0"], args].concat(), env)
    }

    #[track_caller]
    pub fn puma(app: &str) -> Self {
        let mut command = Command::new("puma");
        command
            .args(["--bind", "tcp://127.0.0.1:0", app])
            .current_dir(APPS);
        Self::that_says_its_port(command, &[])
    }

    /// The server that PHP brings along.
    #[track_caller]
    pub fn php(app: &str) -> Self {
        let mut command = Command::new("php");
        command.args(["-S", "127.0.0.1:0", app]).current_dir(APPS);
        let symfony = std::env::var("BAILIFF_TEST_SYMFONY").unwrap_or_default();
        Self::that_says_its_port(command, &[("BAILIFF_TEST_SYMFONY", &symfony)])
    }

    /// nginx cannot choose its port itself.
    #[track_caller]
    pub fn nginx() -> Self {
        let address = free_address();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let text = std::fs::read_to_string(Path::new(APPS).join("nginx.conf"))
            .expect("the config of nginx is there");
        let text = text.replace("PORT", &address.port().to_string());
        std::fs::write(folder.path().join("nginx.conf"), text).expect("a file can be written");
        let mut command = Command::new(nginx());
        command
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(folder.path());
        let mut process = Process::start(command, &[], b"");
        eventually("nginx listened", || {
            assert!(process.ended().is_none(), "nginx ended before it listened");
            TcpStream::connect(address).ok()
        });
        Self {
            process,
            address,
            _folder: Some(folder),
        }
    }

    /// Starts a server that prints where it listens.
    #[track_caller]
    pub fn that_says_its_port(command: Command, env: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let env: Vec<_> = env.iter().map(owned).collect();
        let mut process = Process::start(command, &env, b"");
        let address = eventually("the server listened", || {
            let said = [process.stderr.all(), process.stdout.all()].concat();
            let address = said.iter().find_map(|line| listening(line));
            assert!(
                address.is_some() || process.ended().is_none(),
                "a server ended before it listened"
            );
            address
        });
        Self {
            process,
            address,
            _folder: None,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.ended().is_some() {
            return;
        }
        // Asked, and not killed: a server that is killed leaves its workers behind.
        self.process.signal("TERM");
        patiently(|| self.process.ended());
    }
}

/// The address in a line like `Listening at: http://127.0.0.1:8000 (7)`.
fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let port = digits.parse().ok().filter(|port| *port > 0)?;
    Some(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// An address that was free a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
}

/// nginx where `./run tests` puts it, or of the system.
fn nginx() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".nginx/usr/sbin/nginx");
    let system = PathBuf::from("/usr/sbin/nginx");
    let named = std::env::var_os("BAILIFF_TEST_NGINX").map(PathBuf::from);
    let found = named
        .into_iter()
        .chain([system, ours])
        .find(|program| program.is_file());
    found.unwrap_or_else(|| PathBuf::from("nginx"))
}

/// An app that the generated requests are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum App {
    Flask,
    FastApi,
    Hypercorn,
    Daphne,
    Express,
    Nginx,
}

impl App {
    pub const ALL: [Self; 6] = [
        Self::Flask,
        Self::FastApi,
        Self::Hypercorn,
        Self::Daphne,
        Self::Express,
        Self::Nginx,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Flask => "gunicorn+Flask",
            Self::FastApi => "uvicorn+FastAPI",
            Self::Hypercorn => "hypercorn+Django",
            Self::Daphne => "Daphne+Django",
            Self::Express => "Express",
            Self::Nginx => "nginx",
        }
    }

    /// Whether `/ADMIN` is `/admin` to it, which the gate in front has to be told.
    pub fn ignores_case(self) -> bool {
        self == Self::Express
    }

    /// How it reads paths, in the words of the config. `None`: as the gate does when it is told nothing.
    pub fn paths(self) -> Option<Value> {
        self.ignores_case().then(|| json!({"case": "insensitive"}))
    }

    #[track_caller]
    pub fn start(self) -> Server {
        match self {
            Self::Flask => Server::gunicorn("flask_app:app"),
            Self::FastApi => Server::uvicorn("fastapi_app:app"),
            Self::Hypercorn => Server::hypercorn("django_app:app"),
            Self::Daphne => Server::daphne(&["django_app:app"], &[]),
            Self::Express => Server::express(&[]),
            Self::Nginx => Server::nginx(),
        }
    }
}
