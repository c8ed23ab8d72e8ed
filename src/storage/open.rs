//! Opens a file and reads its rows. The file is checked first, and written only if it has no fault.

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

/// The version of bailiff's own format: the set of tables and their names.
pub(super) const FORMAT: u64 = 1;

/// The table with the version. A file without it is no store of bailiff.
const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("bailiff");
const META_FORMAT: &str = "format";

/// Bound on redb's cache, in bytes. Rows are read once, at the start. Later redb reads only the neighbours of a row that it writes.
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

/// Commits what `fill` writes: all of it or nothing.
pub(super) fn commit<T>(
    database: &Database,
    fill: impl FnOnce(&redb::WriteTransaction) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // The second phase costs another flush. Without it redb would tell a finished commit from a torn one by its checksums. They are
    // not cryptographic, and clients choose the content of some rows. And redb would take an acknowledged commit that is damaged
    // later for a torn one, and drop it without an error.
    transaction.set_two_phase_commit(true);
    let filled = fill(&transaction)?;
    transaction.commit()?;
    Ok(filled)
}

/// Runs code that may meet a damaged file. redb asserts what must be true of its own files, so a damaged one can cause a panic. A
/// file must not end the process.
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

/// Opens the store without writing to it, and checks every page. Otherwise redb trusts a file that was closed properly, and a byte
/// that has changed since would give a wrong row.
fn look<D: Disk>(disk: &D) -> Result<(), StorageError> {
    let repaired = Rc::new(Cell::new(false));
    let seen = repaired.clone();
    let backend = ReadOnlyBackend::at(disk.open()?).map_err(StorageError::Io)?;
    let mut database = builder()
        .set_repair_callback(move |_| seen.set(true))
        .create_with_backend(backend)?;
    // After a kill redb has checked all pages already. That is no repair of damage: with two phases, only the lists of free pages
    // have to be rebuilt.
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

/// Passes every row to `each`, in order.
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
            // A file without this table has the same format. The first row that is written creates the table.
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
