mod damage;
mod faults;

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::metrics::Metrics;

/// A folder that goes away with the test, and the path of a store in it.
struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place {
        path: folder.path().join("a.store"),
        _folder: folder,
    }
}

fn writes() -> StoreWrites {
    Metrics::new().store_writes.clone()
}

fn open(path: &Path) -> (Store, Contents) {
    Store::open(path, writes()).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(path: &Path) -> OpenError {
    Store::open(path, writes())
        .map(|_| ())
        .expect_err("the store must be refused")
}

fn put(table: StoreTable, key: &str, value: &str) -> Op {
    Op::put(table, key, value).unwrap()
}

fn wait(written: PendingWrite) -> Result<(), WriteError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(written.wait())
}

/// Writes and waits.
fn keep(store: &Store, ops: Vec<Op>) {
    wait(store.write(ops)).unwrap();
}

/// Every row, as `table/key=value`.
fn listing(mut contents: Contents) -> Vec<String> {
    let mut rows = vec![];
    for table in StoreTable::ALL {
        for (key, value) in contents.take(table) {
            rows.push(format!(
                "{}/{key}={}",
                table.name(),
                String::from_utf8_lossy(&value)
            ));
        }
    }
    rows
}

fn reopened(path: &Path) -> Vec<String> {
    listing(open(path).1)
}

#[test]
fn rows_come_back_after_a_restart_sorted_and_in_their_tables() {
    let place = place();
    let (store, contents) = open(&place.path);
    assert!(contents.is_empty());
    keep(
        &store,
        StoreTable::ALL
            .iter()
            .flat_map(|table| [put(*table, "b", "2"), put(*table, "a", table.name())])
            .collect(),
    );
    drop(store);
    let (_store, contents) = open(&place.path);
    assert_eq!(contents.len(), 14);
    assert_eq!(
        listing(contents),
        [
            "users/a=users",
            "users/b=2",
            "members/a=members",
            "members/b=2",
            "organizations/a=organizations",
            "organizations/b=2",
            "providers/a=providers",
            "providers/b=2",
            "deliveries/a=deliveries",
            "deliveries/b=2",
            "revocations/a=revocations",
            "revocations/b=2",
            "shared/a=shared",
            "shared/b=2",
        ]
    );
}

#[test]
fn the_last_write_of_a_key_wins_within_a_call_and_between_calls() {
    let place = place();
    let (store, _) = open(&place.path);
    let users = |key: &str, value: &str| put(StoreTable::Users, key, value);
    let calls: Vec<_> = (0..200)
        .map(|n| store.write(vec![users("a", &n.to_string())]))
        .collect();
    let last = store.write(vec![
        users("b", "1"),
        Op::delete(StoreTable::Users, "a").unwrap(),
        users("b", "2"),
    ]);
    for call in calls {
        wait(call).unwrap();
    }
    wait(last).unwrap();
    keep(
        &store,
        vec![Op::delete(StoreTable::Users, "not there").unwrap()],
    );
    drop(store);
    assert_eq!(reopened(&place.path), ["users/b=2"]);
}

#[test]
fn rows_that_nobody_waited_for_are_there_after_a_close() {
    let place = place();
    let (store, _) = open(&place.path);
    for n in 0..500 {
        drop(store.write(vec![put(StoreTable::Deliveries, &format!("{n:03}"), "")]));
    }
    store.close(Duration::from_secs(60)).unwrap();
    assert_eq!(wait(store.write(vec![])), Err(WriteError::Closed));
    store.close(Duration::ZERO).unwrap();
    assert_eq!(reopened(&place.path).len(), 500);
}

#[test]
fn a_second_process_is_told_that_the_store_is_in_use() {
    let place = place();
    let (store, _) = open(&place.path);
    let refused = refusal(&place.path);
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    let said = refused.to_string();
    assert!(
        said.contains("a.store is in use") && said.contains("end that one"),
        "{said}"
    );
    keep(&store, vec![put(StoreTable::Users, "a", "1")]);
    drop(store);
    assert_eq!(reopened(&place.path), ["users/a=1"]);
}

#[test]
fn a_store_that_is_made_is_for_its_user_alone_and_leaves_nothing_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = place();
    drop(open(&place.path));
    assert_eq!(
        std::fs::metadata(&place.path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let folder = std::fs::read_dir(place.path.parent().unwrap()).unwrap();
    assert_eq!(
        folder
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>(),
        std::slice::from_ref(&place.path)
    );
}

#[test]
fn many_that_make_the_store_at_once_end_with_one_store_of_one_of_them() {
    let place = place();
    let opened: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Store::open(&place.path, writes())))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for refused in opened.iter().filter_map(|opened| opened.as_ref().err()) {
        assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    }
    drop(opened);
    let (store, _) = open(&place.path);
    keep(&store, vec![put(StoreTable::Users, "a", "1")]);
}

#[test]
fn a_store_without_a_folder_is_refused_with_what_to_do() {
    let place = place();
    let refused = refusal(&place.path.join("b.store"));
    assert!(matches!(refused, OpenError::NoFolder { .. }), "{refused}");
    assert!(
        refused.to_string().contains("create the folder"),
        "{refused}"
    );
    let refused = refusal(place.path.parent().unwrap());
    assert!(
        refused
            .to_string()
            .contains("is no store of bailiff but a folder"),
        "{refused}"
    );
}

#[test]
fn keys_values_and_calls_have_bounds() {
    let [longest, longer] = [Op::MAX_KEY, Op::MAX_KEY + 1].map(|len| "k".repeat(len));
    assert_eq!(
        Op::put(StoreTable::Users, longer.as_str(), ""),
        Err(OpError::Key(1025))
    );
    assert_eq!(Op::delete(StoreTable::Users, ""), Err(OpError::Key(0)));
    assert_eq!(
        Op::put(StoreTable::Users, "a", vec![0; Op::MAX_VALUE + 1]),
        Err(OpError::Value(65_537))
    );
    let place = place();
    let (store, _) = open(&place.path);
    keep(
        &store,
        vec![Op::put(StoreTable::Users, longest.as_str(), vec![7; Op::MAX_VALUE]).unwrap()],
    );
    assert_eq!(
        wait(store.write(vec![put(StoreTable::Users, "a", ""); MAX_OPS + 1])),
        Err(WriteError::TooMany)
    );
    let large = vec![Op::put(StoreTable::Users, "a", vec![0; Op::MAX_VALUE]).unwrap(); 256];
    assert_eq!(wait(store.write(large)), Err(WriteError::TooMany));
    drop(store);
    let mut contents = open(&place.path).1;
    assert_eq!(
        contents.take(StoreTable::Users),
        [(longest, vec![7; Op::MAX_VALUE])]
    );
}

#[test]
fn what_is_kept_is_not_printed() {
    let op = put(StoreTable::Providers, "idp_1", "hunter2");
    let mut contents = Contents::default();
    contents.push(StoreTable::Providers, "idp_1", b"hunter2");
    let printed = format!("{op:?} {contents:?}");
    assert!(
        !printed.contains("hunter2") && !printed.contains("104, 117"),
        "{printed}"
    );
}

#[test]
fn writes_are_counted_and_the_series_are_there_from_the_start() {
    let metrics = Metrics::new();
    let place = place();
    let (store, _) = Store::open(&place.path, metrics.store_writes.clone()).unwrap();
    let counted = || {
        (
            metrics.store_writes.ok.get(),
            metrics.store_writes.failed.get(),
        )
    };
    assert_eq!(counted(), (0, 0));
    keep(
        &store,
        vec![
            put(StoreTable::Users, "a", ""),
            put(StoreTable::Users, "b", ""),
        ],
    );
    store.close(Duration::from_secs(60)).unwrap();
    assert_eq!(wait(store.write(vec![])), Err(WriteError::Closed));
    assert_eq!(counted(), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The store against a map in memory: calls of several rows, with a restart after some of them.
    #[test]
    fn a_store_gives_back_what_a_map_would(
        calls in proptest::collection::vec(
            (proptest::collection::vec((0..6_usize, "[a-e]", proptest::option::of("[ -~é]{0,40}")), 0..6), any::<bool>()),
            0..30,
        ),
    ) {
        let place = place();
        let mut expected = std::collections::BTreeMap::new();
        let mut store = open(&place.path).0;
        for (rows, restart) in calls {
            let mut ops = vec![];
            for (table, key, value) in rows {
                let table = StoreTable::ALL[table];
                ops.push(match &value {
                    Some(value) => put(table, &key, value),
                    None => Op::delete(table, key.as_str()).unwrap(),
                });
                match value {
                    Some(value) => expected.insert((table, key), value),
                    None => expected.remove(&(table, key)),
                };
            }
            keep(&store, ops);
            if restart {
                drop(store);
                store = open(&place.path).0;
            }
        }
        drop(store);
        let rows: Vec<_> = expected.iter().map(|((table, key), value)| format!("{}/{key}={value}", table.name())).collect();
        prop_assert_eq!(reopened(&place.path), rows);
    }
}
