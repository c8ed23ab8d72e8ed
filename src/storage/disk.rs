//! The place where a store keeps its bytes.

use redb::StorageBackend;

use super::error::StorageError;

/// The place of the bytes. The tests have one that becomes full.
pub(super) trait Disk: Send + Sync + 'static {
    type Backend: StorageBackend;

    /// Opens the existing file. Never creates one: a file that disappears while the process runs must not become an empty store.
    fn open(&self) -> Result<Self::Backend, StorageError>;
}
