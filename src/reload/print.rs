//! Detects whether the content of files has changed, without reading large files over and over.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use crate::clock;

/// SHA-256 over the content of files.
pub type FilesDigest = [u8; 32];

/// A file that was written within so many seconds before it was read may have been written again since, with the same time stamp.
const GRAIN: i64 = 3;

/// Digests of files, remembered as long as their metadata stay the same.
#[derive(Debug, Default)]
pub struct Prints(HashMap<PathBuf, (FilesLook, FilesDigest)>);

/// The metadata of a file, which are known without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FilesLook {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FilesLook {
    fn of(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            length: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    fn settled(&self) -> bool {
        i64::try_from(clock::now().0).is_ok_and(|now| self.changed.0.saturating_add(GRAIN) < now)
    }
}

impl Prints {
    /// The digest of all `files` together. A file that cannot be read contributes a digest of its absence.
    pub fn of<'p>(&mut self, files: impl IntoIterator<Item = &'p Path>) -> FilesDigest {
        let mut all = digest::Context::new(&digest::SHA256);
        files
            .into_iter()
            .for_each(|file| all.update(&self.one(file)));
        finish(all)
    }

    fn one(&mut self, file: &Path) -> FilesDigest {
        // The metadata are taken before the file is read, so a change in between shows in the next check.
        let look = std::fs::metadata(file).map(|meta| FilesLook::of(&meta));
        if let (Ok(look), Some((known, print))) = (&look, self.0.get(file))
            && look == known
        {
            return *print;
        }
        let mut context = digest::Context::new(&digest::SHA256);
        match std::fs::read(file) {
            Ok(bytes) => context.update(&bytes),
            Err(error) => context.update(error.kind().to_string().as_bytes()),
        }
        let print = finish(context);
        match look {
            Ok(look) if look.settled() => self.0.insert(file.to_owned(), (look, print)),
            _ => self.0.remove(file),
        };
        print
    }
}

fn finish(context: digest::Context) -> FilesDigest {
    let mut print = [0; 32];
    print.copy_from_slice(context.finish().as_ref());
    print
}
