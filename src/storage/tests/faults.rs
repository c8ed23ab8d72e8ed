//! A disk that gets full, fails or hangs.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;
use crate::storage::error::StorageError;

/// What the disk does. Everything is well at first.
#[derive(Debug)]
struct Faults {
    /// Bytes that can still be written.
    room: AtomicU64,
    /// Flushes that still succeed.
    flushes: AtomicU64,
    panics: AtomicBool,
    /// While somebody holds it, writing hangs.
    gate: Mutex<()>,
}

const ENDLESS: u64 = u64::MAX / 2;

impl Faults {
    fn new() -> Arc<Self> {
        let [room, flushes] = [(); 2].map(|()| AtomicU64::new(ENDLESS));
        Arc::new(Self {
            room,
            flushes,
            panics: AtomicBool::new(false),
            gate: Mutex::new(()),
        })
    }

    fn heal(&self) {
        self.room.store(ENDLESS, Ordering::SeqCst);
        self.flushes.store(ENDLESS, Ordering::SeqCst);
        self.panics.store(false, Ordering::SeqCst);
    }

    /// Takes up to `wanted` of what is left.
    fn take(of: &AtomicU64, wanted: u64) -> u64 {
        let before = of.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            Some(left.saturating_sub(wanted))
        });
        before.unwrap().min(wanted)
    }
}

struct FaultyDisk {
    disk: FileDisk,
    faults: Arc<Faults>,
}

impl Disk for FaultyDisk {
    type Backend = Faulty;

    fn open(&self) -> Result<Faulty, StorageError> {
        Ok(Faulty {
            under: self.disk.open()?,
            faults: self.faults.clone(),
        })
    }
}

#[derive(Debug)]
struct Faulty {
    under: FileBackend,
    faults: Arc<Faults>,
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.under.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.under.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.under.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match Faults::take(&self.faults.flushes, 1) {
            0 => Err(io::Error::other("the disk is gone")),
            _ => Ok(()),
        }
    }

    /// A full disk takes what there is room for.
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let _gate = self.faults.gate.lock();
        assert!(
            !self.faults.panics.load(Ordering::SeqCst),
            "a fault within redb"
        );
        let room = Faults::take(&self.faults.room, data.len() as u64);
        let fitting = &data[..usize::try_from(room).unwrap()];
        self.under.write(offset, fitting)?;
        if fitting.len() < data.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn close(&self) -> io::Result<()> {
        self.under.close()
    }
}

fn faulty(path: &Path, max: Size) -> (Store, Arc<Faults>) {
    let faults = Faults::new();
    let disk = FaultyDisk {
        disk: FileDisk::at(path).unwrap(),
        faults: faults.clone(),
    };
    (Store::open_on(disk, path, writes(), max).unwrap().0, faults)
}

/// Two rows of one call, large enough for some pages.
fn pair(n: u64) -> Vec<Op> {
    let value = "x".repeat(3000);
    vec![
        put(StoreTable::Users, &format!("{n:05}"), &value),
        put(StoreTable::Members, &format!("{n:05}"), &value),
    ]
}

fn keys(contents: &mut Contents, table: StoreTable) -> Vec<String> {
    contents
        .take(table)
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

/// Lets `hurt` do something to the disk before each of many writes, and heals it after. No matter where in a commit the fault
/// is, calls are whole, acknowledged ones are there, and the store works again.
fn writes_survive(rounds: u64, hurt: impl Fn(&Faults, u64)) -> (u64, u64) {
    let place = place();
    let (store, faults) = faulty(&place.path, Size::MAX);
    let (mut kept, mut failed) = (vec![], 0);
    for round in 0..rounds {
        hurt(&faults, round);
        match wait(store.write(pair(round))) {
            Ok(()) => kept.push(format!("{round:05}")),
            Err(WriteError::Failed { .. }) => failed += 1,
            Err(other) => panic!("round {round}: {other}"),
        }
        // As a kill at this moment would leave it.
        let image = fs::read(&place.path).unwrap();
        faults.heal();
        let n = round + 10_000;
        keep(&store, pair(n));
        kept.push(format!("{n:05}"));
        check(&image, &kept[..kept.len() - 1], round);
    }
    drop(store);
    check(&fs::read(&place.path).unwrap(), &kept, rounds);
    (failed, kept.len() as u64 - rounds)
}

fn check(image: &[u8], kept: &[String], round: u64) {
    let place = place();
    fs::write(&place.path, image).unwrap();
    let (_store, mut contents) = open(&place.path);
    let users = keys(&mut contents, StoreTable::Users);
    assert_eq!(
        users,
        keys(&mut contents, StoreTable::Members),
        "a half call after round {round}"
    );
    for key in kept {
        assert!(
            users.contains(key),
            "{key} was acknowledged and is not there after round {round}"
        );
    }
}

#[test]
fn a_disk_that_gets_full_anywhere_in_a_write_leaves_no_half_and_later_writes_work() {
    let (failed, kept) = writes_survive(56, |faults, round| {
        faults.room.store(round * 2777, Ordering::SeqCst)
    });
    assert!(failed > 5 && kept > 5, "{failed} failed, {kept} kept");
}

#[test]
fn a_flush_that_fails_is_no_acknowledged_write_and_later_writes_work() {
    let (failed, kept) = writes_survive(6, |faults, round| {
        faults.flushes.store(round, Ordering::SeqCst)
    });
    assert!(failed >= 2 && kept >= 2, "{failed} failed, {kept} kept");
}

#[test]
fn a_panic_within_the_database_is_a_failed_write_and_no_more() {
    let (failed, _) = writes_survive(3, |faults, _| faults.panics.store(true, Ordering::SeqCst));
    assert_eq!(failed, 3);
}

#[test]
fn while_the_disk_is_full_each_write_fails_by_itself_and_says_why() {
    let place = place();
    let (store, faults) = faulty(&place.path, Size::MAX);
    keep(&store, vec![put(StoreTable::Users, "a", "1")]);
    faults.room.store(0, Ordering::SeqCst);
    for _ in 0..5 {
        let failed = wait(store.write(vec![put(StoreTable::Users, "a", "2")]))
            .unwrap_err()
            .to_string();
        assert!(
            failed.starts_with("the store could not be written: "),
            "{failed}"
        );
    }
    assert_eq!(store.shared.writes.failed.get(), 5);
    faults.heal();
    keep(&store, vec![put(StoreTable::Users, "b", "3")]);
    store.close(Duration::from_secs(60)).unwrap();
    assert!(reopened(&place.path).contains(&"users/b=3".to_owned()));
}

#[test]
fn a_store_whose_file_was_replaced_is_not_mixed_with_the_other_one() {
    let (place, other) = (place(), place());
    drop(open(&other.path));
    let (store, faults) = faulty(&place.path, Size::MAX);
    keep(&store, vec![put(StoreTable::Users, "a", "1")]);
    faults.room.store(0, Ordering::SeqCst);
    wait(store.write(pair(1))).unwrap_err();
    faults.heal();
    let aside = place.path.with_extension("aside");
    fs::rename(&place.path, &aside).unwrap();
    assert!(
        wait(store.write(pair(2))).is_err(),
        "no new file is made while the process runs"
    );
    assert!(!place.path.exists());
    fs::copy(&other.path, &place.path).unwrap();
    let failed = wait(store.write(pair(3))).unwrap_err().to_string();
    assert!(
        failed.contains("another file was put in its place"),
        "{failed}"
    );
    fs::rename(&aside, &place.path).unwrap();
    keep(&store, vec![put(StoreTable::Users, "b", "2")]);
    drop(store);
    assert_eq!(
        reopened(&place.path)
            .iter()
            .filter(|row| row.len() < 20)
            .count(),
        2
    );
}

#[test]
fn when_too_much_waits_a_write_is_refused_at_once_and_what_waits_is_kept() {
    let place = place();
    let (store, faults) = faulty(&place.path, Size::MAX);
    let hung = faults.gate.lock();
    let mut waiting = vec![];
    // One batch is with the writer, and the channel is full.
    for n in 0..=2 * MAX_WAITING + 1 {
        waiting.push(store.write(vec![put(StoreTable::Deliveries, &format!("{n:05}"), "")]));
    }
    assert_eq!(store.close(Duration::ZERO), Err(StillWriting));
    drop(hung);
    let results: Vec<_> = waiting.into_iter().map(wait).collect();
    let kept = results.iter().filter(|result| result.is_ok()).count();
    let busy = results
        .iter()
        .filter(|result| **result == Err(WriteError::Busy))
        .count();
    assert!(
        kept >= MAX_WAITING && busy > 0 && kept + busy == results.len(),
        "{kept} kept, {busy} busy"
    );
    assert!(
        results[..=MAX_WAITING / 2].iter().all(Result::is_ok),
        "the first come first"
    );
    drop(store);
    assert_eq!(reopened(&place.path).len(), kept);
}

#[test]
fn what_waits_has_a_bound_in_bytes_too() {
    let place = place();
    let (store, faults) = faulty(&place.path, Size::MAX);
    let hung = faults.gate.lock();
    let large = || vec![Op::put(StoreTable::Users, "a", vec![0; Op::MAX_VALUE]).unwrap(); 240];
    let waiting: Vec<_> = (0..5).map(|_| store.write(large())).collect();
    drop(hung);
    let results: Vec<_> = waiting.into_iter().map(wait).collect();
    assert_eq!(results[4], Err(WriteError::Busy));
    assert!(results[..4].iter().all(Result::is_ok), "{results:?}");
    keep(&store, large());
}

#[test]
fn a_store_never_grows_beyond_what_the_next_start_reads() {
    let place = place();
    let (store, _) = faulty(&place.path, Size { rows: 3, bytes: 40 });
    let row = |key: &str, value: &str| put(StoreTable::Users, key, value);
    keep(&store, vec![row("a", "1"), row("b", "1")]);
    assert_eq!(
        wait(store.write(vec![row("c", "1"), row("d", "1")])),
        Err(WriteError::Full)
    );
    assert_eq!(
        wait(store.write(vec![row("c", &"x".repeat(40))])),
        Err(WriteError::Full)
    );
    keep(&store, vec![row("c", "1")]);
    assert_eq!(
        wait(store.write(vec![row("d", "1")])),
        Err(WriteError::Full)
    );
    keep(
        &store,
        ["a", "b"]
            .map(|key| Op::delete(StoreTable::Users, key).unwrap())
            .into(),
    );
    keep(&store, vec![row("d", "1")]);
    drop(store);
    assert_eq!(reopened(&place.path), ["users/c=1", "users/d=1"]);
    let disk = FileDisk::at(&place.path).unwrap();
    let (_, _, size) = open::open(&disk).unwrap();
    assert_eq!(size, Size { rows: 2, bytes: 4 });
}
