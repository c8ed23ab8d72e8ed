//! The local store: one file with everything that must survive a restart, or a kill at any moment. It holds the users, members and
//! organizations that webhooks changed, identity providers, the ids of delivered webhooks, and revocations.
//!
//! - An acknowledged write is there after the next start. Of the rows of one call, all are there or none is.
//! - The file is checked before it is written. A file with any fault is refused, and stays as it is.
//! - Callers do not wait for the disk unless they want to: they hand rows over, and one thread writes them.
//!
//! The store keeps text keys and bytes in [`redb`], and does not know what they mean. It must never report a row as persisted that
//! a power failure could take away, and never open a file with fewer rows than were acknowledged.
//!
//! One limit: a single bit of the file's header, which no checksum covers, records which of two commits is the last. If exactly
//! this bit changes in a file that a kill left behind, the commit before the last one counts.

mod disk;
mod error;
mod file;
mod look;
mod open;
mod row;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::metrics::StoreWrites;
use disk::Disk;
use file::FileDisk;
use row::Size;
use writer::{Job, StoreWriter, WriterState};

pub use error::{OpenError, StillWriting, WriteError};
pub use row::{Contents, Op, OpError, StoreTable, StoredRow};

/// Bound: calls that wait to be written.
pub const MAX_WAITING: usize = 1024;
/// Bound: bytes of memory for all calls that wait.
pub const MAX_WAITING_BYTES: usize = 64 << 20;
/// Bound: rows of one call.
pub const MAX_OPS: usize = 10_000;
/// Bound: bytes of memory for the rows of one call.
pub const MAX_WRITE: usize = 16 << 20;

/// How long dropping a store waits for its writer.
const DROP_WAITS: Duration = Duration::from_secs(5);

/// An open store. Its file belongs to this process until it is closed or the process ends.
pub struct Store {
    shared: Arc<WriterState>,
    /// `None` once the store is closed. The lock is held while rows are handed over, never while they are written.
    jobs: Mutex<Option<SyncSender<Job>>>,
    /// Nothing is ever sent here. The writer drops the other end when the file is closed.
    ended: Mutex<Receiver<()>>,
}

/// Rows on their way to the disk. Dropping this changes nothing: they are written all the same.
#[derive(Debug)]
#[must_use = "whether the rows are kept is known only after `wait`"]
pub struct PendingWrite(oneshot::Receiver<Result<(), WriteError>>);

impl PendingWrite {
    /// Waits until the rows are on the disk.
    ///
    /// # Errors
    /// When they are not on the disk, or not known to be.
    pub async fn wait(self) -> Result<(), WriteError> {
        self.0.await.unwrap_or(Err(WriteError::Closed))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.shared.path)
    }
}

impl Store {
    /// Opens the store at `path` and reads it. A missing file is created for its user alone (mode 0600), but its folder must exist.
    /// This reads the whole file more than once, so it must not run on a thread that serves requests.
    ///
    /// # Errors
    /// When the file cannot be used; the error names the remedy. A refused file is not changed.
    pub fn open(path: &Path, writes: StoreWrites) -> Result<(Self, Contents), OpenError> {
        Self::open_on(FileDisk::at(path)?, path, writes, Size::MAX)
    }

    fn open_on<D: Disk>(
        disk: D,
        path: &Path,
        writes: StoreWrites,
        max: Size,
    ) -> Result<(Self, Contents), OpenError> {
        let (database, contents, size) = open::open(&disk).map_err(|trouble| trouble.at(path))?;
        let shared = Arc::new(WriterState::new(path.display().to_string(), writes));
        let writer = StoreWriter {
            disk,
            database: Some(database),
            size,
            max,
            shared: shared.clone(),
        };
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING);
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&waiting, end));
        thread.map_err(|why| OpenError::Io {
            path: path.to_owned(),
            why,
        })?;
        Ok((
            Self {
                shared,
                jobs: Mutex::new(Some(jobs)),
                ended: Mutex::new(ended),
            },
            contents,
        ))
    }

    /// Hands rows over to be written, all together or none. Calls are written in their order, also those of different callers that
    /// share a lock, so the last write of a key wins. Never blocks.
    pub fn write(&self, ops: Vec<Op>) -> PendingWrite {
        let (done, written) = oneshot::channel();
        let bytes = ops.iter().map(Op::bytes).sum();
        if let Err((job, error)) = self.hand_over(Job { ops, bytes, done }) {
            self.shared.writes.failed.inc();
            let _ = job.done.send(Err(error));
        }
        PendingWrite(written)
    }

    fn hand_over(&self, job: Job) -> Result<(), (Job, WriteError)> {
        let bytes = job.bytes;
        if job.ops.len() > MAX_OPS || bytes > MAX_WRITE {
            return Err((job, WriteError::TooMany));
        }
        let jobs = self.jobs.lock();
        let Some(sender) = &*jobs else {
            return Err((job, WriteError::Closed));
        };
        let waiting = &self.shared.waiting;
        if waiting.load(Ordering::Relaxed).saturating_add(bytes) > MAX_WAITING_BYTES {
            return Err((job, self.busy()));
        }
        // Added before the job is sent, because the writer may subtract it at once.
        waiting.fetch_add(bytes, Ordering::Relaxed);
        sender.try_send(job).map_err(|error| {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            match error {
                TrySendError::Full(job) => (job, self.busy()),
                TrySendError::Disconnected(job) => (job, WriteError::Closed),
            }
        })
    }

    fn busy(&self) -> WriteError {
        if self.shared.busy.begins(()) {
            tracing::error!(
                path = self.shared.path,
                "more is to be written than the store can take; rows are not kept"
            );
        }
        WriteError::Busy
    }

    /// Writes the rows that wait and closes the file. Later writes are refused. Blocks for at most `within`, so it must not run on
    /// a thread that serves requests. Closing twice is no error.
    ///
    /// # Errors
    /// When the writer is not done by then. The writer goes on; rows that were not acknowledged may be lost.
    pub fn close(&self, within: Duration) -> Result<(), StillWriting> {
        drop(self.jobs.lock().take());
        match self.ended.lock().recv_timeout(within) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(StillWriting),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.close(DROP_WAITS) {
            tracing::error!(path = self.shared.path, %error, "the store was not closed in time");
        }
    }
}
