//! The real binary on ports of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Request, Response};
use super::metrics::Scrape;
use super::process::{Finished, Process, bailiff, bailiff_on_small_disk, eventually};
use super::wire::PATIENCE;

/// What to start, before it is started.
#[must_use]
pub struct Launch {
    dir: TempDir,
    args: Vec<String>,
    env: Vec<(String, String)>,
    /// Where the disk is full: the size that no file may exceed, in KiB.
    disk: Option<u64>,
}

impl Launch {
    /// `bailiff serve --config bailiff.yaml` with this text as the file.
    pub fn with_config(config: &str) -> Self {
        let launch = Self::with_args(&["serve", "--config", "bailiff.yaml"]);
        launch.file("bailiff.yaml", config)
    }

    /// `bailiff` with these arguments, in an empty folder.
    pub fn with_args(args: &[&str]) -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary folder can be made"),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: Vec::new(),
            disk: None,
        }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        write(&self.dir.path().join(name), content);
        self
    }

    /// Changes the folder before the start.
    pub fn prepare(self, change: impl FnOnce(&Path)) -> Self {
        change(self.dir.path());
        self
    }

    /// On a disk on which no file can grow beyond so many KiB; `None` for one with room.
    pub fn on_disk(self, kib: Option<u64>) -> Self {
        Self { disk: kib, ..self }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn process(&self, input: &[u8]) -> Process {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let command = match self.disk {
            Some(kib) => bailiff_on_small_disk(self.dir.path(), &args, kib),
            None => bailiff(self.dir.path(), &args),
        };
        Process::start(command, &self.env, input)
    }

    /// Runs to the end; for commands, and for a `serve` that should refuse to start.
    #[track_caller]
    pub fn run(self) -> Finished {
        self.run_with_input(b"")
    }

    #[track_caller]
    pub fn run_with_input(self, input: &[u8]) -> Finished {
        self.process(input).finish()
    }

    /// As [`Launch::run`], with the folder left behind for a look.
    #[track_caller]
    pub fn run_in_its_folder(self) -> (Finished, TempDir) {
        (self.process(b"").finish(), self.dir)
    }

    /// Starts the gate and waits until it says that it is ready.
    #[track_caller]
    pub fn start(self) -> Gate {
        let gate = self.start_unready();
        eventually("the gate was ready", || {
            (gate.admin("/readyz").status == 200).then_some(())
        });
        gate
    }

    /// Starts the gate and waits only until its ports are open.
    #[track_caller]
    pub fn start_unready(self) -> Gate {
        self.start_meanwhile(|_| ())
    }

    /// As [`Launch::start_unready`], but does something in its folder as soon as the process has read its files and has opened
    /// its admin port.
    #[track_caller]
    pub fn start_meanwhile(self, act: impl FnOnce(&Path)) -> Gate {
        let mut process = self.process(b"");
        let admin = listening(&mut process, "admin");
        act(self.dir.path());
        let gate = listening(&mut process, "gate");
        Gate {
            process,
            launch: self,
            gate,
            admin,
        }
    }
}

/// The address that the log names for this listener.
#[track_caller]
fn listening(process: &mut Process, listener: &str) -> SocketAddr {
    let address = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        let found = line["message"] == "listening" && line["listener"] == listener;
        found.then(|| line["address"].as_str()?.parse().ok())?
    };
    let step = Duration::from_millis(20);
    eventually("the gate listened", || {
        let found = process.stderr.wait(step, address);
        if let Some(status) = process.ended()
            && found.is_none()
        {
            panic!("the gate ended with {status} before it listened");
        }
        found
    })
}

/// A running gate. Dropping it kills it; a failed test shows its log.
pub struct Gate {
    process: Process,
    launch: Launch,
    gate: SocketAddr,
    admin: SocketAddr,
}

impl Gate {
    pub fn address(&self) -> SocketAddr {
        self.gate
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.launch.path(name)
    }

    pub fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.gate, method, target)
    }

    /// `GET` on the admin port.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Response {
        let host = self.admin.to_string();
        let request = Request::new(self.admin, "GET", path).header("Host", host);
        request.header("Connection", "close").send()
    }

    #[track_caller]
    pub fn metrics(&self) -> Scrape {
        Scrape::parse(&self.admin("/metrics").passed().text())
    }

    /// Waits until a number in the metrics is what it should be.
    #[track_caller]
    pub fn metric_becomes(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        eventually(&format!("{name}{labels:?} was {value}"), || {
            let seen = self.metrics().sum(name, labels);
            (seen.to_bits() == value.to_bits()).then_some(())
        });
    }

    /// Everything on stderr so far.
    pub fn logs(&self) -> Vec<String> {
        self.process.stderr.all()
    }

    /// Waits for a line of the log that is JSON and fits.
    #[track_caller]
    pub fn log_line(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let parsed = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            fits(&line).then_some(line)
        };
        let found = self.process.stderr.wait(PATIENCE, parsed);
        found.unwrap_or_else(|| panic!("no line of the log was {what}"))
    }

    /// The access log's line for the request with this id.
    #[track_caller]
    pub fn access_line(&self, request_id: &str) -> Value {
        self.log_line(&format!("about request {request_id}"), |line| {
            line["message"] == "request" && line["request_id"] == request_id
        })
    }

    /// The reason that log and metrics give for an answer.
    #[track_caller]
    pub fn reason(&self, answer: &Response) -> String {
        let id = answer.header("x-request-id").expect("answers carry an id");
        let line = self.access_line(&id);
        line["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Replaces a file the careful way: written beside, then renamed over it.
    pub fn replace(&self, name: &str, content: &str) {
        let beside = self.path(&format!(".{name}.new"));
        write(&beside, content);
        std::fs::rename(&beside, self.path(name)).expect("a file can be renamed");
    }

    pub fn write_config(&self, config: &str) {
        self.replace("bailiff.yaml", config);
    }

    pub fn write_membership(&self, membership: &str) {
        self.replace("membership.yaml", membership);
    }

    pub fn sigterm(&self) {
        self.process.signal("TERM");
    }

    /// Kills it at this very moment, whatever it is doing. [`Gate::killed`] waits until it is gone.
    pub fn sigkill(&self) {
        self.process.signal("KILL");
    }

    /// Ends it as an orchestrator does. What it left in its folder can be started again.
    #[track_caller]
    pub fn stopped(self) -> Launch {
        self.sigterm();
        let Self {
            process, launch, ..
        } = self;
        process.finish().exits(0);
        launch
    }

    /// Kills it, and does not give it the time to write a single byte more.
    #[track_caller]
    pub fn killed(self) -> Launch {
        let Self {
            process, launch, ..
        } = self;
        process.signal("KILL");
        assert_eq!(
            process.finish().code(),
            -1,
            "a killed process has no exit status"
        );
        launch
    }

    pub fn resident_kib(&self) -> u64 {
        self.process.resident_kib()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn finish(self) -> Finished {
        self.process.finish()
    }
}

fn write(path: &Path, content: &str) {
    std::fs::write(path, content)
        .unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}
