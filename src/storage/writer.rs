//! The one thread that writes.
//!
//! It takes all jobs that wait and commits them together: a flush to the disk costs milliseconds, for one row as for a thousand.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use redb::{Database, WriteTransaction};
use tokio::sync::oneshot;

use super::disk::Disk;
use super::error::{StorageError, WriteError};
use super::open::{commit, guarded, reopen};
use super::row::{Op, Size, StoreTable};
use crate::log_once::LogOnce;
use crate::metrics::StoreWrites;

/// The rows of one call, written together or not at all.
pub(super) struct Job {
    pub(super) ops: Vec<Op>,
    /// Size in memory while the job waits.
    pub(super) bytes: usize,
    pub(super) done: oneshot::Sender<Result<(), WriteError>>,
}

/// State that the writer and its callers share.
pub(super) struct WriterState {
    pub(super) path: String,
    /// Bytes of all jobs that are not done.
    pub(super) waiting: AtomicUsize,
    pub(super) writes: StoreWrites,
    pub(super) failing: LogOnce,
    pub(super) busy: LogOnce,
    pub(super) full: LogOnce,
}

impl WriterState {
    pub(super) fn new(path: String, writes: StoreWrites) -> Self {
        Self {
            path,
            waiting: AtomicUsize::new(0),
            writes,
            failing: LogOnce::default(),
            busy: LogOnce::default(),
            full: LogOnce::default(),
        }
    }
}

/// State of the thread.
pub(super) struct StoreWriter<D> {
    pub(super) disk: D,
    /// `None` after a fault, because redb must then be opened again.
    pub(super) database: Option<Database>,
    pub(super) size: Size,
    /// [`Size::MAX`], except in tests.
    pub(super) max: Size,
    pub(super) shared: Arc<WriterState>,
}

impl<D: Disk> StoreWriter<D> {
    /// Writes until all senders are gone and every job is done. `_ended` is dropped last, which signals that the file is closed.
    pub(super) fn run(mut self, jobs: &Receiver<Job>, _ended: Sender<()>) {
        while let Ok(first) = jobs.recv() {
            // Bound: the length of the channel, and the bytes that `waiting` allows.
            let batch: Vec<Job> = std::iter::once(first)
                .chain(jobs.try_iter().take(super::MAX_WAITING))
                .collect();
            let bytes = batch.iter().map(|job| job.bytes).sum();
            self.keep(batch);
            if self.shared.waiting.fetch_sub(bytes, Ordering::Relaxed) == bytes
                && self.shared.busy.ends()
            {
                tracing::warn!(path = self.shared.path, "the store has caught up");
            }
        }
        self.shut();
    }

    /// Writes the jobs that fit in one transaction, and reports the result to every caller.
    fn keep(&mut self, batch: Vec<Job>) {
        let mut planned = self.size;
        let (fitting, refused): (Vec<Job>, Vec<Job>) = batch.into_iter().partition(|job| {
            let added = planned.plus(puts(&job.ops));
            // A job that only deletes makes room.
            let fits = job.ops.iter().all(|op| op.value().is_none()) || added.fits(self.max);
            planned = if fits { added } else { planned };
            fits
        });
        if !refused.is_empty() {
            if self.shared.full.begins(()) {
                tracing::error!(
                    path = self.shared.path,
                    "the store is full; further rows are not kept"
                );
            }
            answer(refused, &Err(WriteError::Full), &self.shared.writes);
        } else if self.shared.full.ends() {
            tracing::warn!(path = self.shared.path, "the store has room again");
        }
        if !fitting.is_empty() {
            let result = self.write(&fitting);
            answer(fitting, &result, &self.shared.writes);
        }
    }

    fn write(&mut self, jobs: &[Job]) -> Result<(), WriteError> {
        match guarded(|| self.transact(jobs)) {
            Ok(()) => {
                if self.shared.failing.ends() {
                    tracing::warn!(path = self.shared.path, "the store can be written again");
                }
                Ok(())
            }
            Err(trouble) => {
                // After any fault, redb starts again from what is on the disk, which is the only known state.
                self.shut();
                let why = trouble.why();
                if self.shared.failing.begins(()) {
                    tracing::error!(path = self.shared.path, error = %why, "the store cannot be written; each write tries again");
                }
                Err(WriteError::Failed { why })
            }
        }
    }

    fn transact(&mut self, jobs: &[Job]) -> Result<(), StorageError> {
        let database = match &self.database {
            Some(database) => database,
            None => {
                let (database, size) = reopen(&self.disk)?;
                self.size = size;
                self.database.insert(database)
            }
        };
        self.size = commit(database, |transaction| fill(transaction, jobs, self.size))?;
        Ok(())
    }

    /// Closes the file. redb writes when it closes, and may meet the same fault again.
    fn shut(&mut self) {
        let database = self.database.take();
        if catch_unwind(AssertUnwindSafe(|| drop(database))).is_err() {
            tracing::error!(
                path = self.shared.path,
                "closing the store ended abnormally; the next start will check it"
            );
        }
    }
}

/// Writes the rows of all jobs, in the order of the jobs within each table. Returns the size after it.
fn fill(
    transaction: &WriteTransaction,
    jobs: &[Job],
    mut size: Size,
) -> Result<Size, StorageError> {
    for table in StoreTable::ALL {
        let mut ops = jobs
            .iter()
            .flat_map(|job| &job.ops)
            .filter(|op| op.table() == table)
            .peekable();
        if ops.peek().is_none() {
            continue;
        }
        let mut rows = transaction.open_table(table.definition())?;
        for op in ops {
            let key = op.key();
            let before = match op.value() {
                Some(value) => {
                    size = size.plus(Size::of(key, value));
                    rows.insert(key, value)?
                }
                None => rows.remove(key)?,
            };
            if let Some(before) = before {
                size = size.minus(Size::of(key, before.value()));
            }
        }
    }
    Ok(size)
}

/// The size that these rows add if none of them exists yet.
fn puts(ops: &[Op]) -> Size {
    let sizes = ops
        .iter()
        .filter_map(|op| Some(Size::of(op.key(), op.value()?)));
    sizes.fold(Size::default(), Size::plus)
}

fn answer(jobs: Vec<Job>, result: &Result<(), WriteError>, writes: &StoreWrites) {
    for job in jobs {
        match result {
            Ok(()) => writes.ok.inc(),
            Err(_) => writes.failed.inc(),
        }
        // The caller may have stopped waiting; the rows are persisted all the same.
        let _ = job.done.send(result.clone());
    }
}
