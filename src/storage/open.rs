//! From a file to its rows: looked at first, and touched only when all is well.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable as _, StorageBackend,
    TableDefinition,
};

use super::disk::Disk;
use super::error::StorageError;
use super::look::ReadOnlyBackend;
use super::row::{Contents, Size, StoreTable};

/// The version of our own format: which tables there are, and what they are called.
pub(super) const FORMAT: u64 = 1;

/// Where the version stands. A file without this table is not ours.
const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("bailiff");
const META_FORMAT: &str = "format";

/// Bound on redb's cache, in bytes. Rows are read once, at the start; later only their neighbours are, to be written.
const CACHE: usize = 16 << 20;

/// Writes an empty store into an empty file.
pub(super) fn initialize(empty: impl StorageBackend) -> Result<(), StorageError> {
    let database = builder().create_with_backend(empty)?;
    commit(&database, |transaction| {
        transaction.open_table(META)?.insert(META_FORMAT, FORMAT)?;
        for table in StoreTable::ALL {
            transaction.open_table(table.definition())?;
        }
        Ok(())
    })
}

/// Opens the store and reads it.
pub(super) fn open<D: Disk>(disk: &D) -> Result<(Database, Contents, Size), StorageError> {
    guarded(|| look(disk))?;
    guarded(|| {
        let database = builder().create_with_backend(disk.open()?)?;
        let mut contents = Contents::default();
        let size = read(&database, |table, key, value| {
            contents.push(table, key, value)
        })?;
        Ok((database, contents, size))
    })
}

/// Opens the store once more, after a fault of its disk.
pub(super) fn reopen<D: Disk>(disk: &D) -> Result<(Database, Size), StorageError> {
    guarded(|| {
        let database = builder().create_with_backend(disk.open()?)?;
        let size = read(&database, |_, _, _| ())?;
        Ok((database, size))
    })
}

/// Writes what `fill` says: all of it or nothing.
pub(super) fn commit<T>(
    database: &Database,
    fill: impl FnOnce(&redb::WriteTransaction) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // The second phase costs another flush. Without it redb tells a finished commit from a torn one by its checksums, which
    // are not cryptographic, while clients choose what is in some of the rows; and a commit that was acknowledged and is
    // damaged later would be taken for a torn one and dropped without a word.
    transaction.set_two_phase_commit(true);
    let filled = fill(&transaction)?;
    transaction.commit()?;
    Ok(filled)
}

/// Runs what may meet a damaged file. redb is made for its own files and asserts what must be true of them: a damaged one can
/// be a panic, and a file must not end the process.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => done,
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().copied();
            let said = said
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("no reason given");
            Err(StorageError::Damaged(format!(
                "reading it ended abnormally ({said})"
            )))
        }
    }
}

/// Opens the store without writing to it, and goes through every page. A file that was closed in an orderly way is otherwise
/// believed, and a byte that has changed since would be a wrong row.
fn look<D: Disk>(disk: &D) -> Result<(), StorageError> {
    let repaired = Rc::new(Cell::new(false));
    let seen = repaired.clone();
    let backend = ReadOnlyBackend::at(disk.open()?).map_err(StorageError::Io)?;
    let mut database = builder()
        .set_repair_callback(move |_| seen.set(true))
        .create_with_backend(backend)?;
    // After a kill redb has gone through all pages already. That is no repair of damage: with two phases there is nothing to
    // put right but the lists of free pages.
    if !repaired.get() && !database.check_integrity()? {
        return Err(StorageError::Damaged(
            "its parts do not agree with each other".to_owned(),
        ));
    }
    read(&database, |_, _, _| ()).map(|_| ())
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

/// Shows every row to `each`, in order.
fn read(
    database: &Database,
    mut each: impl FnMut(StoreTable, &str, &[u8]),
) -> Result<Size, StorageError> {
    let transaction = database.begin_read()?;
    let found = match transaction.open_table(META) {
        Ok(meta) => meta.get(META_FORMAT)?.map(|format| format.value()),
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => None,
    };
    match found {
        Some(FORMAT) => {}
        Some(found) if found > FORMAT => {
            return Err(StorageError::Newer {
                found,
                known: FORMAT,
            });
        }
        Some(found) => {
            return Err(StorageError::Damaged(format!(
                "it says that its format is {found}, which there never was"
            )));
        }
        None => return Err(StorageError::NotOurs("a redb database of another program")),
    }
    let mut size = Size::default();
    for table in StoreTable::ALL {
        let opened = match transaction.open_table(table.definition()) {
            // The format is the same without it, and the first row that is written makes it.
            Err(redb::TableError::TableDoesNotExist(_)) if table == StoreTable::Shared => continue,
            opened => opened?,
        };
        for row in opened.iter()? {
            let (key, value) = row?;
            size = size.plus(Size::of(key.value(), value.value()));
            if !size.fits(Size::MAX) {
                return Err(StorageError::TooLarge);
            }
            each(table, key.value(), value.value());
        }
    }
    Ok(size)
}
