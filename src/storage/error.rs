//! What can go wrong with the store, in words for the operator.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::row::Size;

/// Why a store was not opened. The file is unchanged, because it is checked before it is written.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "cannot make the store {path}: its folder is not there; create the folder, or let `store` name another one"
    )]
    NoFolder { path: PathBuf },
    #[error(
        "cannot open the store {path}: {why}; the user that runs bailiff must be able to read and write it, and to make \
         files in its folder"
    )]
    Io { path: PathBuf, why: io::Error },
    #[error(
        "the store {path} is in use: another process has it open; end that one, or let `store` name a file of its own \
         for each"
    )]
    InUse { path: PathBuf },
    #[error(
        "the store {path} has format {found}, and this version of bailiff knows {known}; run the version that wrote it, \
         or a later one"
    )]
    Newer {
        path: PathBuf,
        found: u64,
        known: u64,
    },
    #[error(
        "the store {path} is cut short: it has {bytes} bytes, fewer than any store; restore it from a copy, or remove it \
         to begin without what it kept"
    )]
    CutShort { path: PathBuf, bytes: u64 },
    #[error(
        "the store {path} is damaged: {why}; restore it from a copy, or move it away to begin without what it kept"
    )]
    Damaged { path: PathBuf, why: String },
    #[error("{path} is no store of bailiff but {what}; let `store` name another file")]
    NotOurs { path: PathBuf, what: &'static str },
    #[error(
        "the store {path} has more than {rows} rows or {bytes} bytes of them, the most that are read into memory; is it \
         the right file?",
        rows = Size::MAX.rows,
        bytes = Size::MAX.bytes
    )]
    TooLarge { path: PathBuf },
}

/// Why an operation of redb failed. [`StorageError::at`] adds the path.
#[derive(Debug)]
pub(super) enum StorageError {
    Redb(redb::Error),
    Io(io::Error),
    Damaged(String),
    CutShort(u64),
    NotOurs(&'static str),
    Newer { found: u64, known: u64 },
    TooLarge,
}

impl StorageError {
    pub(super) fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::Redb(redb::Error::DatabaseAlreadyOpen) => OpenError::InUse { path },
            // A read beyond the end, or bytes that make no sense: the fault of the file and not of the disk.
            Self::Redb(redb::Error::Io(why)) | Self::Io(why)
                if matches!(
                    why.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
                ) =>
            {
                OpenError::Damaged {
                    path,
                    why: why.to_string(),
                }
            }
            Self::Redb(redb::Error::Io(why)) | Self::Io(why) => OpenError::Io { path, why },
            Self::Redb(why) => OpenError::Damaged {
                path,
                why: why.to_string(),
            },
            Self::Damaged(why) => OpenError::Damaged { path, why },
            Self::CutShort(bytes) => OpenError::CutShort { path, bytes },
            Self::NotOurs(what) => OpenError::NotOurs { path, what },
            Self::Newer { found, known } => OpenError::Newer { path, found, known },
            Self::TooLarge => OpenError::TooLarge { path },
        }
    }

    /// The observed fault, without the path and the remedy.
    pub(super) fn why(&self) -> Arc<str> {
        match self {
            Self::Redb(why) => why.to_string().into(),
            Self::Io(why) => why.to_string().into(),
            Self::Damaged(why) => why.as_str().into(),
            Self::CutShort(bytes) => format!("the file was cut short to {bytes} bytes").into(),
            Self::NotOurs(what) => format!("the file has become {what}").into(),
            Self::Newer { .. } | Self::TooLarge => "the file has become another one".into(),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for StorageError {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// Why rows are not persisted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Nothing was written.
    #[error("too much waits to be written to the store already")]
    Busy,
    /// Nothing was written. More than [`super::MAX_OPS`] rows or [`super::MAX_WRITE`] bytes were given at once.
    #[error("too many rows for one write to the store")]
    TooMany,
    /// Nothing was written, because the next start would not read so much. Deleting is still possible.
    #[error("the store is full: it has as many rows or bytes as a start would read")]
    Full,
    /// The rows are not known to be persisted. The next start finds all of them or none, since a disk can fail after it has done
    /// its work.
    #[error("the store could not be written: {why}")]
    Failed { why: Arc<str> },
    /// Nothing was written.
    #[error("the store is closed")]
    Closed,
}

/// The store is closing and still at work, for example because its disk hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is still being written; what was not acknowledged may be lost")]
pub struct StillWriting;
