//! A folder that only its owner can read. It is removed when the demo ends.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use uuid::Uuid;

use crate::cli::exit::CommandError;

pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Result<Self, CommandError> {
        let path = std::env::temp_dir().join(format!("bailiff-demo-{}", Uuid::now_v7().simple()));
        // Not recursive, so that it fails on an existing folder, which belongs to another program.
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map(|()| Self(path.clone()))
            .map_err(|error| cannot_write(&path, &error))
    }

    /// The path of a file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a new file and gives its path.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, CommandError> {
        let path = self.path(name);
        let open = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match open.and_then(|mut file| file.write_all(text.as_bytes())) {
            Ok(()) => Ok(path),
            Err(error) => Err(cannot_write(&path, &error)),
        }
    }
}

fn cannot_write(path: &std::path::Path, error: &io::Error) -> CommandError {
    CommandError::failed(format!("cannot write {}", path.display()))
        .saw(error.to_string())
        .fix("set TMPDIR to a folder that can be written, with some free space")
}

impl Drop for Folder {
    fn drop(&mut self) {
        // On failure, the system removes the folder with its other temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}
