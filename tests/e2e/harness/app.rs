//! A real application from `tests/apps`: FastAPI under uvicorn, on a port of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::client::Request;
use super::process::Process;
use super::wire::PATIENCE;

/// Python with the packages of `tests/apps/requirements.txt`.
pub fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var_os("BAILIFF_TEST_PYTHON").map_or(package.join(".venv/bin/python"), PathBuf::from);
        let needed = "import a2wsgi, daphne, django, fastapi, flask, gunicorn, httptools, hypercorn, psycopg, psycopg_pool, \
                      uvicorn, waitress";
        let asked = Command::new(&python).args(["-c", needed]).output();
        assert!(
            asked.is_ok_and(|output| output.status.success()),
            "{} has not all packages of tests/apps/requirements.txt. `./run tests` installs them into .venv; or set \
             BAILIFF_TEST_PYTHON to a Python that has them.",
            python.display(),
        );
        python
    })
}

/// A running application. Dropping it kills it; a failed test shows what it printed.
///
/// Declare it before the gate in front of it: what is declared last is dropped first, and nothing asks an app that is gone.
pub struct App {
    _process: Process,
    address: SocketAddr,
}

impl App {
    /// Starts `tests/apps/{module}.py` with these variables.
    #[track_caller]
    pub fn start(module: &str, env: &[(&str, &str)]) -> Self {
        Self::with_parser(module, "h11", env)
    }

    /// As [`App::start`], with one of uvicorn's two parsers: `h11` or `httptools`.
    #[track_caller]
    pub fn with_parser(module: &str, parser: &str, env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(python());
        command
            .args([
                "-m",
                "uvicorn",
                &format!("{module}:app"),
                "--host",
                "127.0.0.1",
                "--port",
                "0",
            ])
            .args([
                "--http",
                parser,
                "--no-access-log",
                "--app-dir",
                "tests/apps",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        // No compiled leftovers beside the sources.
        let quiet = ("PYTHONDONTWRITEBYTECODE", "1");
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let env: Vec<_> = env.iter().copied().chain([quiet]).map(owned).collect();
        let process = Process::start(command, &env, b"");
        let address = |line: &str| {
            let (_, rest) = line.split_once("running on http://")?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let address = process
            .stderr
            .wait(PATIENCE, address)
            .expect("uvicorn says where it listens");
        Self {
            _process: process,
            address,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A request past the gate.
    pub fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.address, method, target)
    }
}
