//! Runs the binary in an environment of its own and reads what it says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_bailiff");

/// What a command left behind.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Everything that was said, for looking for what must not be said.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A command with nothing in its environment but `variables`, in a folder where no config is.
pub fn command(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(args)
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(variables.iter().copied());
    command
}

/// Runs it to its end, with `input` on stdin.
pub fn run_with(args: &[&str], variables: &[(&str, &str)], input: &str) -> Ended {
    let mut command = command(args, variables);
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // A command that refuses before it reads closes the pipe.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the binary ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is text");
    Ended {
        status: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

pub fn run(args: &[&str]) -> Ended {
    run_with(args, &[], "")
}

/// A folder for the files of one test.
pub fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "cli-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// Writes a file and gives its path as text.
pub fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("a path in ASCII").to_owned()
}

/// A running demo on free ports. Ends with the test.
pub struct Demo {
    child: Child,
    /// What it printed up to now.
    pub screen: String,
}

impl Demo {
    /// Starts it, and waits until it has said everything.
    pub fn start(args: &[&str], last_line: &str, variables: &[(&str, &str)]) -> Self {
        let args: Vec<_> = ["demo", "--port", "0"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let mut command = command(&args, variables);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("the binary starts");
        let mut screen = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        while !screen.lines().any(|line| line.contains(last_line)) {
            let read = lines.read_line(&mut screen).expect("the demo prints text");
            assert!(read > 0, "the demo ended early: {screen}");
        }
        Self { child, screen }
    }

    /// With its addresses as JSON.
    pub fn json(variables: &[(&str, &str)]) -> (Self, Value) {
        let demo = Self::start(&["--json"], "}", variables);
        let mut screen = demo.screen.clone();
        // The inner object closes first; the outer one follows at once.
        if serde_json::from_str::<Value>(&screen).is_err() {
            screen.push('}');
        }
        let addresses = serde_json::from_str(&screen).expect("the addresses are JSON");
        (demo, addresses)
    }

    /// Presses Ctrl-C: exit status and what it said on stderr.
    pub fn interrupt(mut self) -> (i32, String) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .expect("kill runs");
        assert!(killed.success());
        let mut err = String::new();
        let mut stderr = self.child.stderr.take().expect("stderr is a pipe");
        stderr.read_to_string(&mut err).expect("the log is text");
        let status = self.child.wait().expect("the demo ends");
        (status.code().unwrap_or(-1), err)
    }
}

impl Drop for Demo {
    /// Asks first, so that no file is left behind.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of an answer to GET, by curl.
pub fn get(url: &str) -> String {
    shell(&format!("curl -s '{url}'"))
}

/// What a shell line prints on stdout.
pub fn shell(line: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", line])
        .env("NO_PROXY", "*")
        .output()
        .expect("sh runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The three parts of a token, none of which may ever be printed.
pub fn assert_no_token(ended: &Ended, token: &str) {
    for part in token.trim().split('.') {
        assert!(
            !ended.all().contains(part),
            "a part of the token was printed: {ended:?}"
        );
    }
}
