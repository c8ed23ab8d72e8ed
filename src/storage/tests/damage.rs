//! Files that are not as the store left them. Each either gives every row that was acknowledged, or is refused and not
//! touched.

use std::fs;
use std::sync::OnceLock;

use redb::{ReadableDatabase as _, TableDefinition};

use super::*;

/// A store as files can be found, and its rows.
struct Images {
    /// Closed in an orderly way.
    closed: Vec<u8>,
    /// Left behind by a kill.
    killed: Vec<u8>,
    rows: Vec<String>,
}

fn images() -> &'static Images {
    static IMAGES: OnceLock<Images> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let place = place();
        let (store, _) = open(&place.path);
        for n in 0..40 {
            let key = format!("{n:03}");
            let value = "value ".repeat(n);
            let ops = StoreTable::ALL.map(|table| put(table, &key, &value));
            keep(&store, ops.into());
            if n % 5 == 4 {
                keep(
                    &store,
                    vec![Op::delete(StoreTable::Users, format!("{:03}", n - 2)).unwrap()],
                );
            }
        }
        // All that was acknowledged is in the file, as a kill would leave it.
        let killed = fs::read(&place.path).unwrap();
        drop(store);
        let closed = fs::read(&place.path).unwrap();
        let rows = reopened(&place.path);
        assert_eq!(rows.len(), 272);
        Images {
            closed,
            killed,
            rows,
        }
    })
}

/// Opens `bytes` as a store. What is wrong with the outcome, if something is.
fn fault(bytes: &[u8], rows: &[String]) -> Option<String> {
    let place = place();
    fs::write(&place.path, bytes).unwrap();
    match Store::open(&place.path, writes()) {
        Ok((store, contents)) => {
            drop(store);
            let found = listing(contents);
            (found != rows).then(|| format!("opened with {} rows of {}", found.len(), rows.len()))
        }
        Err(error) => {
            let said = error.to_string();
            let told = matches!(
                error,
                OpenError::CutShort { .. } | OpenError::Damaged { .. } | OpenError::NotOurs { .. }
            ) && said.contains("a.store");
            let touched = fs::read(&place.path).unwrap() != bytes;
            (touched || !told).then(|| format!("touched: {touched}, said: {said}"))
        }
    }
}

fn refused(bytes: &[u8]) -> String {
    let place = place();
    fs::write(&place.path, bytes).unwrap();
    let said = refusal(&place.path).to_string();
    assert_eq!(fs::read(&place.path).unwrap(), bytes, "{said}");
    said
}

/// Numbers that look random and are the same in each run.
fn numbers(mut seed: u64) -> impl Iterator<Item = usize> {
    std::iter::repeat_with(move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 16).unwrap()
    })
}

#[test]
fn both_images_open_with_every_row() {
    let Images {
        closed,
        killed,
        rows,
    } = images();
    assert_ne!(closed, killed);
    assert_eq!((fault(closed, rows), fault(killed, rows)), (None, None));
}

#[test]
fn a_file_that_is_cut_short_anywhere_is_refused_and_not_touched() {
    for (name, image) in [("closed", &images().closed), ("killed", &images().killed)] {
        let powers = (0..).map(|n| 1 << n).take_while(|len| *len < image.len());
        let some = numbers(7).map(|number| number % image.len()).take(12);
        let pages = numbers(8)
            .map(|number| number % image.len() / 4096 * 4096)
            .take(12);
        for len in powers.chain(some).chain(pages).chain([image.len() - 1]) {
            let said = fault(&image[..len], &images().rows);
            assert_eq!(said, None, "{name}, cut to {len} of {}", image.len());
        }
    }
}

#[test]
fn a_file_of_no_bytes_is_a_store_that_was_lost_and_not_a_new_one() {
    let said = refused(b"");
    assert!(
        said.contains("is cut short: it has 0 bytes") && said.contains("remove it"),
        "{said}"
    );
}

#[test]
fn a_file_with_something_behind_its_end_gives_all_rows_or_is_refused() {
    for more in [1, 4096, 100_000] {
        let longer = [images().closed.clone(), vec![0x55; more]].concat();
        assert_eq!(fault(&longer, &images().rows), None, "{more} more");
    }
}

#[test]
fn no_changed_byte_of_the_header_loses_a_row() {
    let Images {
        closed,
        killed,
        rows,
    } = images();
    for at in 0..320 {
        for (name, image) in [("closed", closed), ("killed", killed)] {
            let mut bytes = image.clone();
            // Each byte in one of the two ways, alternating with the image; the flags in all ways, further down.
            bytes[at] ^= if (at + usize::from(name == "closed")) % 2 == 0 {
                0xff
            } else {
                1 << (at % 8)
            };
            if at != FLAGS {
                assert_eq!(fault(&bytes, rows), None, "{name}, byte {at}");
            }
        }
    }
}

/// Where redb's header has its flags.
const FLAGS: usize = 9;
/// Which of the two commits is the last.
const WHICH: u8 = 1;

#[test]
fn no_flags_of_the_header_lose_a_row_but_for_the_one_bit_that_is_documented() {
    let Images {
        closed,
        killed,
        rows,
    } = images();
    for flags in 0..=15_u8 {
        for (name, image) in [("closed", closed), ("killed", killed)] {
            let mut bytes = image.clone();
            bytes[FLAGS] = flags;
            let other_commit = (flags ^ image[FLAGS]) & WHICH != 0;
            if name == "killed" && other_commit {
                // The commit before the last one, which deleted a row: the limit in the store's own words.
                let before =
                    fault(&bytes, rows).is_none_or(|fault| fault == "opened with 273 rows of 272");
                assert!(before, "{name}, flags {flags}");
            } else {
                assert_eq!(fault(&bytes, rows), None, "{name}, flags {flags}");
            }
        }
    }
}

#[test]
fn a_wholly_overwritten_header_is_refused() {
    for filler in [0, 0x20, 0xff] {
        for (name, image) in [("closed", &images().closed), ("killed", &images().killed)] {
            for end in [9, 64, 320, 4096] {
                let mut bytes = image.clone();
                bytes[..end].fill(filler);
                assert_eq!(
                    fault(&bytes, &images().rows),
                    None,
                    "{name}, {filler} up to {end}"
                );
                bytes[..9].copy_from_slice(&image[..9]);
                assert_eq!(
                    fault(&bytes, &images().rows),
                    None,
                    "{name}, {filler} up to {end}, but the magic"
                );
            }
        }
    }
}

#[test]
fn no_random_change_loses_a_row() {
    let Images {
        closed,
        killed,
        rows,
    } = images();
    for round in 0..150_u64 {
        let (name, image) = if round % 2 == 0 {
            ("closed", closed)
        } else {
            ("killed", killed)
        };
        let mut bytes = image.clone();
        let mut random = numbers(0x9e37_79b9_7f4a_7c15 ^ (round + 1));
        let mut next = || random.next().unwrap();
        let count = if round % 3 == 0 { 1 } else { next() % 16 + 1 };
        for _ in 0..count {
            // Most of a small file is empty pages: two of three changes are where the rows are.
            let at = if next() % 3 == 0 {
                next() % bytes.len()
            } else {
                next() % bytes.len().min(300_000)
            };
            if at != FLAGS {
                bytes[at] ^= 1 << (next() % 8);
            }
        }
        assert_eq!(
            fault(&bytes, rows),
            None,
            "round {round}, {name}, {count} changes"
        );
    }
}

#[test]
fn a_page_that_was_swapped_or_never_written_loses_no_row() {
    let Images {
        closed,
        killed,
        rows,
    } = images();
    for (name, image) in [("closed", closed), ("killed", killed)] {
        let used: Vec<usize> = (1..image.len() / 4096)
            .filter(|page| image[page * 4096..][..4096].iter().any(|b| *b != 0))
            .collect();
        for (n, page) in used.iter().enumerate() {
            let mut bytes = image.clone();
            let other = used[(n + 1) % used.len()] * 4096;
            if n % 2 == 0 {
                bytes[page * 4096..][..4096].fill(0);
            } else {
                bytes.copy_within(other..other + 4096, page * 4096);
            }
            assert_eq!(fault(&bytes, rows), None, "{name}, page {page}");
        }
    }
}

#[test]
fn files_of_other_programs_are_named_and_not_touched() {
    let sqlite = [b"SQLite format 3\0".as_slice(), &[0; 8176]].concat();
    for (given, said) in [
        (
            b"users:\n  user_2abc: {access: active}\n".as_slice(),
            "is no store of bailiff but a text file",
        ),
        (&sqlite, "is no store of bailiff but an SQLite database"),
        (
            &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0],
            "is no store of bailiff but a file of another kind",
        ),
        (&[0; 9000], "is damaged: it begins with zeros"),
        (b"redb", "is cut short: it has 4 bytes"),
    ] {
        let refused = refused(given);
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn a_redb_database_of_another_program_is_not_taken_for_a_store() {
    const THEIRS: TableDefinition<'_, &str, u64> = TableDefinition::new("theirs");
    let place = place();
    let database = redb::Database::create(&place.path).unwrap();
    let mut transaction = database.begin_write().unwrap();
    transaction.set_two_phase_commit(true);
    transaction
        .open_table(THEIRS)
        .unwrap()
        .insert("a", 1)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let said = refused(&fs::read(&place.path).unwrap());
    assert!(
        said.contains("is no store of bailiff but a redb database of another program"),
        "{said}"
    );
}

/// A store, changed by `change` behind our back.
fn changed(change: impl FnOnce(&redb::WriteTransaction)) -> Vec<u8> {
    let place = place();
    fs::write(&place.path, &images().closed).unwrap();
    let database = redb::Database::open(&place.path).unwrap();
    let mut transaction = database.begin_write().unwrap();
    transaction.set_two_phase_commit(true);
    change(&transaction);
    transaction.commit().unwrap();
    let killed = fs::read(&place.path).unwrap();
    assert!(database.begin_read().is_ok());
    killed
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_not_touched_even_if_a_kill_left_it_behind() {
    const META: TableDefinition<'_, &str, u64> = TableDefinition::new("bailiff");
    let newer = changed(|transaction| {
        transaction
            .open_table(META)
            .unwrap()
            .insert("format", 2)
            .unwrap();
    });
    let said = refused(&newer);
    assert!(
        said.contains(
            "has format 2, and this version of bailiff knows 1; run the version that wrote it"
        ),
        "{said}"
    );
    let never = changed(|transaction| {
        transaction
            .open_table(META)
            .unwrap()
            .insert("format", 0)
            .unwrap();
    });
    assert!(refused(&never).contains("is damaged"));
}

#[test]
fn a_store_from_before_there_was_a_table_for_what_is_shared_opens_and_takes_rows_of_it() {
    let less = changed(|transaction| {
        assert!(
            transaction
                .delete_table(StoreTable::Shared.definition())
                .unwrap()
        );
    });
    let place = place();
    fs::write(&place.path, less).unwrap();
    let (store, mut contents) = open(&place.path);
    assert_eq!(
        (
            contents.take(StoreTable::Users).len(),
            contents.take(StoreTable::Shared).len()
        ),
        (32, 0)
    );
    keep(&store, vec![put(StoreTable::Shared, "read bailiff", "1")]);
    drop(store);
    assert_eq!(open(&place.path).1.take(StoreTable::Shared).len(), 1);
}

#[test]
fn a_store_that_lacks_a_table_is_damaged() {
    let less = changed(|transaction| {
        assert!(
            transaction
                .delete_table(StoreTable::Revocations.definition())
                .unwrap()
        );
    });
    let said = refused(&less);
    assert!(
        said.contains("is damaged") && said.contains("revocations"),
        "{said}"
    );
}
