//! The script in the real store does what the reference says.

use std::time::Duration;

use bailiff::domain::event::EncodedEvent;
use bailiff::domain::shared::{Committed, Cursor, LogEntry, Nonce, Offered, Position, StoreLog};
use proptest::prelude::*;
use redis::Connection;

use super::*;

const COMMIT: &str = include_str!("../../../src/replication/commit.lua");

#[derive(Clone, Debug)]
enum Op {
    Commit(Vec<(u8, String, bool)>),
    Empty,
    Trim,
}

fn keys() -> [String; 4] {
    ["head", "facts", "forget", "log"].map(|name| format!("{{test}}:{name}"))
}

fn commit(store: &mut Connection, offered: &[Offered], nonce: Nonce) -> Committed {
    let mut command = redis::cmd("EVAL");
    command
        .arg(COMMIT)
        .arg(4)
        .arg(&keys())
        .arg(format!("{:016x}", nonce.0))
        .arg(100_000)
        .arg(1_000_000);
    for Offered { event, lasts } in offered {
        command
            .arg(&*event.key)
            .arg(&*event.value)
            .arg(lasts.map_or(0, |lasts| lasts.as_millis()).to_string());
    }
    let (seq, nonce, taken, full): (u64, String, usize, usize) = command
        .query(store)
        .expect("the store answers in our words");
    assert_eq!(full, 0);
    Committed {
        taken,
        position: Position {
            seq,
            nonce: Nonce(u64::from_str_radix(&nonce, 16).expect("the store answers in our words")),
        },
    }
}

fn facts(store: &mut Connection) -> Vec<EncodedEvent> {
    let facts: Vec<(String, String)> = redis::cmd("HGETALL")
        .arg(&keys()[1])
        .query(store)
        .expect("the store answers in our words");
    let mut facts: Vec<_> = facts
        .into_iter()
        .map(|(key, value)| EncodedEvent {
            key: key.into(),
            value: value.into(),
        })
        .collect();
    facts.sort_by(|a, b| a.key.cmp(&b.key));
    facts
}

type Stream = Vec<(String, Vec<(String, String)>)>;

fn entries(store: &mut Connection) -> Vec<LogEntry> {
    let stream: Stream = redis::cmd("XRANGE")
        .arg(&keys()[3])
        .arg("-")
        .arg("+")
        .query(store)
        .expect("the store answers in our words");
    let nonce =
        |text: &str| Nonce(u64::from_str_radix(text, 16).expect("the store answers in our words"));
    let entry = |(id, fields): (String, Vec<(String, String)>)| {
        let [(p, previous), (n, own), facts @ ..] = fields.as_slice() else {
            panic!("{id}: {fields:?}")
        };
        assert_eq!((p.as_str(), n.as_str()), ("p", "n"));
        let fact = |(key, value): &(String, String)| EncodedEvent {
            key: key.as_str().into(),
            value: value.as_str().into(),
        };
        let seq = id
            .strip_suffix("-0")
            .and_then(|seq| seq.parse().ok())
            .expect("the store answers in our words");
        LogEntry {
            seq,
            previous: nonce(previous),
            nonce: nonce(own),
            facts: facts.iter().map(fact).collect(),
        }
    };
    stream.into_iter().map(entry).collect()
}

fn any_op() -> impl Strategy<Value = Op> {
    // Ranks that a locale would sort in another way than bytes do, and values that are no facts.
    let value = prop_oneof![
        8 => "1[0-9aAbBzZ \u{1}-~]{0,6}\n[x{}]{0,3}",
        1 => "[12]?[ab]{0,3}",
    ];
    let fact = (0_u8..4, value, any::<bool>());
    prop_oneof![
        12 => proptest::collection::vec(fact, 0..6).prop_map(Op::Commit),
        1 => Just(Op::Empty),
        1 => Just(Op::Trim),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1) })]
    #[test]
    fn the_script_and_its_reference_agree(all in proptest::collection::vec(proptest::collection::vec(any_op(), 0..30), 150)) {
        let redis = Redis::start();
        let mut store = redis.connect();
        for ops in all {
            let _: () = redis::cmd("FLUSHALL").query(&mut store).unwrap();
            let mut log = StoreLog::default();
            let mut nonces = 0;
            for op in ops {
                match op {
                    Op::Commit(given) => {
                        nonces += 1;
                        let offered: Vec<_> = given
                            .into_iter()
                            .map(|(key, value, lasts)| Offered {
                                event: EncodedEvent { key: format!("key {key}").into(), value: value.into() },
                                lasts: lasts.then_some(Duration::from_secs(1000)),
                            })
                            .collect();
                        let real = commit(&mut store, &offered, Nonce(nonces));
                        let began = log.head().is_none();
                        // An empty store begins with its own clock, which only it knows.
                        let reference = log.commit(&offered, Nonce(nonces), real.position.seq.max(1), usize::MAX);
                        prop_assert_eq!(reference, real);
                        if began && real.taken > 0 {
                            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                            let now = u64::try_from(since.as_millis()).unwrap();
                            prop_assert!(now.abs_diff(real.position.seq) < 60_000);
                        }
                    }
                    Op::Empty => {
                        let _: () = redis::cmd("FLUSHALL").query(&mut store).unwrap();
                        log = StoreLog::default();
                    }
                    Op::Trim => {
                        let _: i64 = redis::cmd("XTRIM").arg(&keys()[3]).arg("MAXLEN").arg(2).query(&mut store).unwrap();
                        log.trim(2);
                    }
                }
                prop_assert_eq!(facts(&mut store), log.facts());
                prop_assert_eq!(entries(&mut store), log.after(Cursor::default(), usize::MAX));
            }
        }
    }
}

#[test]
fn what_has_a_time_is_forgotten_by_the_clock_of_the_store() {
    let redis = Redis::start();
    let mut store = redis.connect();
    let offered = |key: &str, rank: &str, lasts: Option<u64>| Offered {
        event: EncodedEvent {
            key: key.into(),
            value: format!("1{rank}\n").into(),
        },
        lasts: lasts.map(Duration::from_millis),
    };
    let first = [
        offered("short", "1", Some(1)),
        offered("long", "1", Some(1_000_000)),
        offered("ever", "1", None),
    ];
    commit(&mut store, &first, Nonce(1));
    eventually("the short one was forgotten", || {
        commit(&mut store, &[], Nonce(2));
        (facts(&mut store).len() == 2).then_some(())
    });
    // What replaces it and is for ever is not forgotten with it.
    commit(&mut store, &[offered("long", "2", None)], Nonce(3));
    let left: Vec<String> = redis::cmd("ZRANGE")
        .arg(&keys()[2])
        .arg(0)
        .arg(-1)
        .query(&mut store)
        .unwrap();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_store_that_is_full_takes_what_it_has_a_place_for() {
    let redis = Redis::start();
    let mut command = redis::cmd("EVAL");
    command
        .arg(COMMIT)
        .arg(4)
        .arg(&keys())
        .arg("00000000000000ff")
        .arg(1000)
        .arg(2);
    for (key, value) in [("a", "11\n"), ("b", "11\n"), ("c", "11\n"), ("a", "12\n")] {
        command.arg(key).arg(value).arg("0");
    }
    let answer: (String, String, usize, usize) = command.query(&mut redis.connect()).unwrap();
    assert_eq!((answer.2, answer.3), (3, 1));
}
