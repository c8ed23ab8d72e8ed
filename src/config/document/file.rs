//! Texts from files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::fault::{Code, Fault};
use super::faults::Faults;
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
        let name = path.display().to_string();
        let bytes = read_at_most(path, max).map_err(|error| {
            Faults::from(
                Fault::error(Code::Unreadable, format!("cannot read {name}"))
                    .saw(error.to_string()),
            )
        })?;
        if bytes.0.len() > max {
            let fault = Fault::error(Code::Bound, format!("{name} is larger than {max} bytes"));
            return Err(fault.into());
        }
        Self::from_bytes(&name, &bytes.0)
    }
}

/// Reads `path` up to one byte more than `max`, and its permission bits where there are any.
///
/// Only regular files: opening a pipe would wait for a writer for ever.
pub(crate) fn read_at_most(path: &Path, max: usize) -> io::Result<(Vec<u8>, Option<u32>)> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let file = File::open(path)?;
    let mode = permission_bits(&file.metadata()?);
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, mode))
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no such bits")]
fn permission_bits(meta: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(meta.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn permission_bits(_: &fs::Metadata) -> Option<u32> {
    None
}
