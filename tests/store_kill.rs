//! A process that writes to the store is killed at any moment, again and again. What it was told is kept is there.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bailiff::metrics::Metrics;
use bailiff::storage::{Contents, Op, OpenError, Store, StoreTable};

/// Names the file to the process that is to be killed.
const FILE: &str = "STORE_OF_THE_CHILD";
const NAME: &str = "what_was_acknowledged_survives_a_kill_at_any_moment";
const ROUNDS: usize = 24;
/// Bound on a process that nobody kills.
const MOST_CALLS: u64 = 20_000;
/// Calls on their way at the same time, so that commits are of several.
const AT_ONCE: u64 = 8;

fn open(path: &Path) -> (Store, Contents) {
    Store::open(path, Metrics::new().store_writes.clone()).unwrap_or_else(|error| panic!("{error}"))
}

/// The rows of call `n`: two tables in one call, and one row that every call overwrites.
fn call(n: u64) -> Vec<Op> {
    let (key, value) = (
        format!("{n:010}"),
        format!("{n} ").repeat(usize::try_from(n % 200).expect("small")),
    );
    let put = |table, key: &str, value: &str| Op::put(table, key, value).expect("within bounds");
    vec![
        put(StoreTable::Users, &key, &value),
        put(StoreTable::Members, &key, &value),
        put(StoreTable::Organizations, "last", &key),
    ]
}

/// The process that is killed: writes, and prints each number once it is told that its rows are kept.
fn write_until_killed(path: &Path) {
    let (store, mut contents) = open(path);
    let first = contents
        .take(StoreTable::Users)
        .last()
        .map_or(0, |(key, _)| key.parse::<u64>().expect("a number") + 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut out = std::io::stdout();
    for n in (first..first + MOST_CALLS).step_by(usize::try_from(AT_ONCE).expect("small")) {
        let calls: Vec<_> = (n..n + AT_ONCE)
            .map(|n| (n, store.write(call(n))))
            .collect();
        for (n, written) in calls {
            runtime.block_on(written.wait()).expect("a write");
            // One write to the pipe, so that a line is there as a whole or not at all; the test runner has begun one.
            out.write_all(format!("\nkept {n}\n").as_bytes())
                .and_then(|()| out.flush())
                .expect("somebody reads");
        }
    }
}

fn start(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .stdout(Stdio::piped());
    command.spawn().expect("a child")
}

/// Numbers below `end` that are others in each run.
fn below(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

/// Reads what the child says, kills it after some lines, and reads what it had said by then.
fn kill_after(mut child: Child, lines: u64, kept: &mut BTreeSet<u64>) {
    let said = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut seen = 0;
    if lines == 0 {
        child.kill().expect("a kill");
    }
    for line in said.lines() {
        let line = line.expect("a line");
        let Some(n) = line.strip_prefix("kept ") else {
            continue;
        };
        kept.insert(n.parse().expect("a number"));
        seen += 1;
        if seen == lines {
            child.kill().expect("a kill");
        }
    }
    let status = child.wait().expect("an end");
    assert!(!status.success(), "the child was killed: {status}");
}

fn check(path: &Path, kept: &BTreeSet<u64>, round: usize) {
    let (_store, mut contents) = open(path);
    let (users, members) = (
        contents.take(StoreTable::Users),
        contents.take(StoreTable::Members),
    );
    assert_eq!(users, members, "round {round}: a call is whole");
    let there: BTreeSet<u64> = users
        .iter()
        .map(|(key, _)| key.parse().expect("a number"))
        .collect();
    let lost: Vec<_> = kept.difference(&there).collect();
    assert!(
        lost.is_empty(),
        "round {round}: {lost:?} were acknowledged and are not there"
    );
    let last = contents
        .take(StoreTable::Organizations)
        .pop()
        .map(|(_, value)| String::from_utf8(value).expect("a text"));
    assert_eq!(
        last.as_ref(),
        users.last().map(|(key, _)| key),
        "round {round}: the last write wins"
    );
    for (key, value) in users {
        let n: u64 = key.parse().expect("a number");
        let expected = format!("{n} ").repeat(usize::try_from(n % 200).expect("small"));
        assert_eq!(
            String::from_utf8(value).expect("a text"),
            expected,
            "round {round}: {n}"
        );
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    if let Some(path) = std::env::var_os(FILE) {
        return write_until_killed(Path::new(&path));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.store");
    let mut kept = BTreeSet::new();
    for round in 0..ROUNDS {
        // Also while it starts, when it makes the file or puts right what the last kill left.
        let lines = if round % 6 == 0 {
            below(2)
        } else {
            1 + below(200)
        };
        kill_after(start(&path), lines, &mut kept);
        // In some rounds the next child finds what the kill has left.
        if round % 3 != 0 {
            check(&path, &kept, round);
        }
    }
    check(&path, &kept, ROUNDS);
    assert!(
        kept.len() > ROUNDS,
        "only {} calls were acknowledged in all rounds",
        kept.len()
    );
}

#[test]
fn a_store_that_another_process_has_open_is_in_use_until_that_one_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.store");
    let mut child = start(&path);
    let mut said = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(
        said.any(|line| line.is_ok_and(|line| line.starts_with("kept "))),
        "the child writes"
    );
    let refused = Store::open(&path, Metrics::new().store_writes.clone()).map(|_| ());
    child.kill().expect("a kill");
    child.wait().expect("an end");
    assert!(
        matches!(refused, Err(OpenError::InUse { .. })),
        "{refused:?}"
    );
    drop(open(&path));
}
