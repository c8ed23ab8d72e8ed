//! Where the bytes of a store are.

use redb::StorageBackend;

use super::error::StorageError;

/// Where the bytes are. The tests have one that gets full.
pub(super) trait Disk: Send + Sync + 'static {
    type Backend: StorageBackend;

    /// Opens what is there. Never makes a file: one that is gone while the process runs must not become an empty one.
    fn open(&self) -> Result<Self::Backend, StorageError>;
}
