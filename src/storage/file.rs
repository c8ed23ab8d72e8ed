//! The file of a store: how it is created, and the checks on it before redb opens it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use uuid::Uuid;

use super::disk::Disk;
use super::error::{OpenError, StorageError};
use super::open;

/// What redb writes at the start of a file (its `docs/design.md`, "File format").
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// This bit in the byte after the magic: the last commit was done in two phases.
const TWO_PHASES: u8 = 4;
/// A header page and one page of data, in bytes. redb itself never makes a smaller file.
const SHORTEST: u64 = 2 * 4096;

/// A store in an existing file.
#[derive(Debug)]
pub(super) struct FileDisk {
    path: PathBuf,
    /// Device and inode. They reveal a file that has replaced this one since.
    id: (u64, u64),
}

impl FileDisk {
    /// The file at `path`, which is created if it is missing.
    pub(super) fn at(path: &Path) -> Result<Self, OpenError> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path)?;
                fs::metadata(path)
            }
            other => other,
        };
        let metadata = metadata.map_err(|why| OpenError::Io {
            path: path.to_owned(),
            why,
        })?;
        // Checked before the file is opened: opening a named pipe would wait for its other end.
        if !metadata.is_file() {
            return Err(StorageError::NotOurs("a folder, a device or a pipe").at(path));
        }
        Ok(Self {
            path: path.to_owned(),
            id: (metadata.dev(), metadata.ino()),
        })
    }
}

impl Disk for FileDisk {
    type Backend = FileBackend;

    fn open(&self) -> Result<FileBackend, StorageError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .map_err(StorageError::Io)?;
        let metadata = file.metadata().map_err(StorageError::Io)?;
        if (metadata.dev(), metadata.ino()) != self.id {
            return Err(StorageError::Damaged(
                "another file was put in its place".to_owned(),
            ));
        }
        sniff(&file, metadata.len())?;
        Ok(FileBackend::new(file)?)
    }
}

/// Refuses a file that redb would misinterpret.
fn sniff(mut file: &File, bytes: u64) -> Result<(), StorageError> {
    // redb turns a file of 0 bytes into a new database. Fail closed: a store is never empty, so such a file has lost its rows.
    if bytes == 0 {
        return Err(StorageError::CutShort(0));
    }
    let mut head = [0; 16];
    let known = usize::try_from(bytes).map_or(head.len(), |bytes| bytes.min(head.len()));
    let (head, _) = head.split_at_mut(known);
    file.read_exact(head).map_err(StorageError::Io)?;
    let Some(rest) = head.strip_prefix(MAGIC) else {
        return Err(stranger(head));
    };
    if bytes < SHORTEST {
        return Err(StorageError::CutShort(bytes));
    }
    // Every commit of a store is done in two phases. With this bit set, redb never takes the commit before the last one for the
    // last. Without it, redb would do that when the last commit is damaged, and acknowledged rows would be missing without an
    // error.
    match rest.first() {
        Some(flags) if flags & TWO_PHASES != 0 => Ok(()),
        _ => Err(StorageError::Damaged(
            "its header does not tell how the last commit was done".to_owned(),
        )),
    }
}

fn stranger(head: &[u8]) -> StorageError {
    let text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    match head {
        // The beginning of a store, and nothing behind it.
        head if MAGIC.starts_with(head) => {
            StorageError::CutShort(u64::try_from(head.len()).unwrap_or(u64::MAX))
        }
        head if head.starts_with(b"SQLite format 3") => StorageError::NotOurs("an SQLite database"),
        head if head.iter().all(|byte| *byte == 0) => {
            StorageError::Damaged("it begins with zeros".to_owned())
        }
        head if head.iter().all(text) => StorageError::NotOurs("a text file"),
        _ => StorageError::NotOurs("a file of another kind"),
    }
}

/// Creates an empty store at `path`. It is created under another name, so a kill at any moment leaves nothing there or a whole
/// store. Of two processes that do this at once, one finds the file of the other.
fn create(path: &Path) -> Result<(), OpenError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(OpenError::NoFolder {
            path: path.to_owned(),
        });
    }
    let failed = |why| OpenError::Io {
        path: path.to_owned(),
        why,
    };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", Uuid::now_v7().simple()));
    let draft = PathBuf::from(name);
    let made = fill(&draft)
        .map_err(|trouble| trouble.at(path))
        .and_then(|()| place(&draft, path).map_err(failed));
    // After a hard link this is a second name of the store; otherwise it is the remains of a failure.
    let _ = fs::remove_file(&draft);
    made?;
    // Without this, a power failure could take away the name, and with it acknowledged rows.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn fill(draft: &Path) -> Result<(), StorageError> {
    // Only its user may read it: memberships are nobody else's business.
    let options = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft);
    open::initialize(FileBackend::new(options.map_err(StorageError::Io)?)?)
}

/// Gives `draft` the name `path`, unless a file has that name.
fn place(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without hard links. A rename would replace an existing file, so that is checked first.
        Err(_) if !path.exists() => fs::rename(draft, path),
        Err(error) => Err(error),
    }
}
