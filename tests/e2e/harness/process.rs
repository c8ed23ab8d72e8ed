//! A process and what it prints. Nothing outlives the test that started it, nothing waits for ever.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::wire::PATIENCE;

/// Bound: lines of one stream that are kept.
const LINES_MAX: usize = 200_000;

/// Asks again and again until there is an answer, or fails with the sentence in `what`.
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    match patiently(ask) {
        Some(answer) => answer,
        None => panic!("waited in vain until {what}"),
    }
}

/// As [`eventually`], for those who can do without an answer.
pub fn patiently<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(Duration::from_millis(4));
    }
}

/// The lines of a stream, as they come.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Lines {
    fn follow(&self, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.clone();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                let (kept, grown) = &*lines.0;
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < LINES_MAX {
                    kept.push(text);
                }
                grown.notify_all();
                line.clear();
            }
        })
    }

    pub fn all(&self) -> Vec<String> {
        let (kept, _) = &*self.0;
        kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the first line that `ask` has an answer to.
    pub fn wait<T>(&self, patience: Duration, ask: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let (kept, grown) = &*self.0;
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = 0;
        loop {
            let answer = kept.iter().skip(seen).find_map(|line| ask(line));
            if answer.is_some() {
                return answer;
            }
            seen = kept.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = grown.wait_timeout(kept, left);
            kept = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What a process said until it ended.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// The exit status, or -1 for an end by a signal.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Asserts the exit status and shows everything when it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.code(), code, "stdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }
}

/// A running child with its two streams. Dropping it kills it.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    readers: Vec<JoinHandle<()>>,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Process {
    /// Starts `command` with an empty environment but for `env` and the `PATH`, and closes its input behind `input`.
    #[track_caller]
    pub fn start(command: Command, env: &[(String, String)], input: &[u8]) -> Self {
        let mut process = Self::attached(command, env);
        if let Some(stdin) = &mut process.input {
            // A process that does not read its input may be gone already.
            let _unread = stdin.write_all(input);
        }
        process.detach();
        process
    }

    /// As [`Process::start`], but its input stays open: until [`Process::detach`], or until this very process ends, however
    /// that comes about.
    #[track_caller]
    pub fn attached(mut command: Command, env: &[(String, String)]) -> Self {
        command
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let input = child.stdin.take();
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|stream| stdout.follow(stream)));
        readers.extend(child.stderr.take().map(|stream| stderr.follow(stream)));
        Self {
            child,
            input,
            readers,
            stdout,
            stderr,
        }
    }

    /// Writes a line to its input, which must be [`Process::attached`].
    #[track_caller]
    pub fn say(&mut self, line: &str) {
        let stdin = self.input.as_mut().expect("its input is open");
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .expect("it reads its input");
    }

    /// Closes its input.
    pub fn detach(&mut self) {
        self.input = None;
    }

    /// The exit status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end and for the last word on both streams.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let status = eventually("the process ended", || self.ended());
        for reader in self.readers.drain(..) {
            let _panicked = reader.join();
        }
        Finished {
            status,
            stdout: self.stdout.all().join("\n"),
            stderr: self.stderr.all().join("\n"),
        }
    }

    /// Sends a signal by its name: `TERM`, as an orchestrator does, or `KILL`, which nobody can answer.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.is_ok_and(|s| s.success()), "could not send SIG{name}");
    }

    /// Resident memory in KiB, as the kernel counts it.
    pub fn resident_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number.and_then(|n| n.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _reaped = self.child.wait();
        if thread::panicking() {
            let mut story = String::new();
            for (name, lines) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
                let _infallible = writeln!(
                    story,
                    "--- {name} of the process\n{}",
                    lines.all().join("\n")
                );
            }
            eprintln!("{story}");
        }
    }
}

/// The binary under test with these arguments, started in `dir`.
pub fn bailiff(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bailiff"));
    command.args(args).current_dir(dir);
    command
}

/// As [`bailiff`], on a disk that is full as soon as a file would grow beyond `kib` KiB: whatever the file system, and whoever
/// runs the tests.
pub fn bailiff_on_small_disk(dir: &Path, args: &[&str], kib: u64) -> Command {
    // The limit counts blocks of 512 bytes (POSIX, ulimit). The signal for it must be ignored, or it ends the process.
    let limited = r#"trap '' XFSZ; ulimit -f "$1"; shift; exec "$@""#;
    let mut command = Command::new("sh");
    command.args([
        "-c",
        limited,
        "sh",
        &(2 * kib).to_string(),
        env!("CARGO_BIN_EXE_bailiff"),
    ]);
    command.args(args).current_dir(dir);
    command
}
