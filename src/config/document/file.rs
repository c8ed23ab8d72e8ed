//! Texts from files.

use std::path::Path;

use super::env::ProcessEnv;
use super::fault::{Code, Fault};
use super::faults::Faults;
use super::interpolate::Env;
use super::source::Source;

impl Source {
    /// A text from raw bytes.
    ///
    /// # Errors
    /// A [`Code::Unreadable`] fault with the offset (0-based, in bytes) of the first byte that is not UTF-8.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, Faults> {
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return Ok(Self::new(name, text)),
            Err(error) => error,
        };
        let offset = error.valid_up_to();
        let byte = bytes.get(offset).copied().unwrap_or_default();
        let fault = Fault::error(Code::Unreadable, format!("{name} is not UTF-8 text"))
            .saw(format!("byte 0x{byte:02x} at offset {offset}"))
            .fix("save the file as UTF-8");
        Err(fault.into())
    }

    /// Reads a regular file of at most `max` bytes; its path is the name.
    ///
    /// # Errors
    /// A fault with the reason of the operating system, or that the file is too large or not UTF-8.
    pub fn read(path: &Path, max: usize) -> Result<Self, Faults> {
        Self::read_by(&ProcessEnv, path, max)
    }

    /// The same by another environment than that of the process.
    pub(crate) fn read_by(env: &dyn Env, path: &Path, max: usize) -> Result<Self, Faults> {
        let name = path.display().to_string();
        let content = env.read_file(path, max).map_err(|error| {
            Fault::error(Code::Unreadable, format!("cannot read {name}")).saw(error.to_string())
        })?;
        if content.bytes.len() > max {
            let what = format!("{name} is larger than {max} bytes");
            return Err(Fault::error(Code::Bound, what).into());
        }
        Self::from_bytes(&name, &content.bytes)
    }
}
