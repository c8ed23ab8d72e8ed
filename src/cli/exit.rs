//! How a command ends: with a result on stdout, or with the reason for its absence on stderr.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::config::faults::{Code, Faults, Severity};

/// Exit status: the answer is negative, or the command failed.
pub(crate) const FAILED: u8 = 1;
/// Exit status: the arguments of the command make no sense.
pub(crate) const USAGE: u8 = 2;
/// Exit status: another service does not answer (`EX_UNAVAILABLE` of sysexits.h).
pub(crate) const UNREACHABLE: u8 = 69;
/// Exit status of a wrong config (`EX_CONFIG` of sysexits.h).
pub(crate) const CONFIG: u8 = 78;

/// The end of a command: its exit status, or why it stopped.
pub(crate) type Exit = Result<u8, CommandError>;

/// Why a command stops without a result. The text is complete: the fault, the observation, the cure.
#[derive(Debug)]
#[must_use]
pub(crate) struct CommandError {
    pub status: u8,
    pub text: String,
}

impl CommandError {
    fn new(status: u8, what: &str) -> Self {
        Self {
            status,
            text: format!("error: {what}\n"),
        }
    }

    pub(crate) fn failed(what: impl AsRef<str>) -> Self {
        Self::new(FAILED, what.as_ref())
    }

    pub(crate) fn usage(what: impl AsRef<str>) -> Self {
        Self::new(USAGE, what.as_ref())
    }

    pub(crate) fn config(what: impl AsRef<str>) -> Self {
        Self::new(CONFIG, what.as_ref())
    }

    /// Adds the observation that proves the fault.
    pub(crate) fn saw(self, saw: impl AsRef<str>) -> Self {
        self.line("saw   ", saw.as_ref())
    }

    /// Adds the cure.
    pub(crate) fn fix(self, fix: impl AsRef<str>) -> Self {
        self.line("fix   ", fix.as_ref())
    }

    fn line(mut self, word: &str, text: &str) -> Self {
        let _ = writeln!(self.text, "  {word} {text}");
        self
    }
}

/// The exit status for `faults`. An address that another process uses is no fault of the config: a supervisor may try again.
pub(crate) fn status(faults: &Faults) -> u8 {
    let errors = faults
        .sorted()
        .into_iter()
        .filter(|fault| fault.severity == Severity::Error);
    let mut taken = errors
        .map(|fault| fault.code == Code::AddressTaken)
        .peekable();
    if taken.peek().is_some() && taken.all(|taken| taken) {
        FAILED
    } else {
        CONFIG
    }
}

impl From<Faults> for CommandError {
    fn from(faults: Faults) -> Self {
        Self {
            status: status(&faults),
            text: faults.to_string(),
        }
    }
}

/// Writes a result to stdout. A closed reader is no error; a full disk is.
pub(crate) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CommandError::failed(
            "the result could not be written to stdout",
        )
        .saw(error.to_string())),
        _ => Ok(()),
    }
}

/// As [`print`], for programs: one JSON value.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<(), CommandError> {
    print(&format!("{value:#}\n"))
}

/// Writes a message for people to stderr. A closed stderr is no error.
pub(crate) fn talk(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Runs a future that waits for the network.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime
        .map_err(|e| CommandError::failed("the runtime could not be started").saw(e.to_string()))?;
    let result = runtime.block_on(future);
    // A name lookup runs on a thread of its own, which the command does not wait for.
    runtime.shutdown_background();
    Ok(result)
}
