//! The outside world, as far as a configuration may look at it: environment variables and files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The outside world, as far as a configuration may look at it.
pub trait Env {
    /// The environment variable, if it is set and is UTF-8.
    fn var(&self, name: &str) -> Option<String>;

    /// Reads a regular file, at most one byte more than `max`.
    ///
    /// # Errors
    /// The reason of the operating system.
    fn read_file(&self, path: &Path, max: usize) -> io::Result<FileContent>;
}

/// What a file gave.
#[derive(Clone, Debug, Default)]
pub struct FileContent {
    /// The bytes; more than asked for means that the file is too large.
    pub bytes: Vec<u8>,
    /// The permission bits, where the system has them.
    pub mode: Option<u32>,
}

/// The environment and the files of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read_file(&self, path: &Path, max: usize) -> io::Result<FileContent> {
        let (bytes, mode) = read_at_most(path, max)?;
        Ok(FileContent { bytes, mode })
    }
}

/// An environment for tests.
#[derive(Clone, Debug, Default)]
pub struct FakeEnv {
    vars: HashMap<String, String>,
    files: HashMap<PathBuf, FileContent>,
}

impl FakeEnv {
    /// Nothing is set, no file exists.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable.
    #[must_use]
    pub fn with_var(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a file with permission bits such as `0o600`.
    #[must_use]
    pub fn with_file(mut self, path: &str, bytes: &[u8], mode: u32) -> Self {
        let content = FileContent {
            bytes: bytes.to_vec(),
            mode: Some(mode),
        };
        self.files.insert(PathBuf::from(path), content);
        self
    }
}

impl Env for FakeEnv {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    fn read_file(&self, path: &Path, max: usize) -> io::Result<FileContent> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let mut content = self.files.get(path).cloned().ok_or_else(missing)?;
        content.bytes.truncate(max.saturating_add(1));
        Ok(content)
    }
}

/// An environment that remembers which files were asked for.
pub(crate) struct Recorder<'e> {
    pub(crate) env: &'e dyn Env,
    pub(crate) files: RefCell<Vec<PathBuf>>,
}

impl Env for Recorder<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.env.var(name)
    }

    fn read_file(&self, path: &Path, max: usize) -> io::Result<FileContent> {
        let mut files = self.files.borrow_mut();
        if !files.iter().any(|known| known == path) {
            files.push(path.to_owned());
        }
        drop(files);
        self.env.read_file(path, max)
    }
}

/// Reads `path` up to one byte more than `max`, and its permission bits where there are any.
///
/// Only regular files: opening a pipe would wait for a writer for ever.
fn read_at_most(path: &Path, max: usize) -> io::Result<(Vec<u8>, Option<u32>)> {
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
