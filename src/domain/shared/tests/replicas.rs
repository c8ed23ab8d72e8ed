//! Replicas over one store that is cut off, emptied, set back and trimmed.

use super::*;

/// A gate and its place in the log.
#[derive(Clone)]
struct Replica {
    world: Snapshot,
    reader: Reader,
    cut_off: bool,
}

/// The store, a copy of it that lags behind, and the replicas that use it.
struct Fleet {
    log: StoreLog,
    copy: StoreLog,
    replicas: Vec<Replica>,
    nonces: u64,
}

#[derive(Clone, Debug)]
enum Op {
    Hear(usize, MembershipEvent),
    Read(usize),
    CutOff(usize, bool),
    Copy,
    FailOver,
    Empty,
    Trim,
    Restart(usize),
}

impl Fleet {
    fn new(count: usize) -> Self {
        let replica = Replica {
            world: gate(NAMES),
            reader: Reader::new(),
            cut_off: false,
        };
        Self {
            log: StoreLog::default(),
            copy: StoreLog::default(),
            replicas: vec![replica; count],
            nonces: 0,
        }
    }

    fn commit(&mut self, who: usize, events: &[MembershipEvent]) {
        self.nonces += 1;
        let roles = roles(NAMES);
        let offered: Vec<_> = events
            .iter()
            .map(|event| for_ever(event, Some(&roles)))
            .collect();
        let committed = self
            .log
            .commit(&offered, Nonce(self.nonces), 1000 + self.nonces, 1000);
        self.replicas[who].reader.committed(committed.position);
    }

    fn hear(&mut self, who: usize, event: &MembershipEvent) {
        let replica = &mut self.replicas[who];
        replica.world = replica.world.changed(event).unwrap();
        if replica.cut_off {
            replica.reader.owe(ResyncReason::Unsent);
        } else {
            self.commit(who, &event.shared());
        }
    }

    fn read(&mut self, who: usize) {
        let replica = &mut self.replicas[who];
        if replica.cut_off {
            return;
        }
        if replica.reader.needs_resync().is_some() {
            let stored = self.log.facts();
            let heard = replica
                .reader
                .snapshot(self.log.head(), stored.clone(), self.log.head());
            replica.apply(heard);
            let unshared = unshared(&replica.world, &stored);
            if !unshared.is_empty() {
                self.commit(who, &unshared);
            }
        } else {
            let items = self.log.after(replica.reader.position().into(), 2);
            let whole = items.len() < 2;
            let heard = replica.reader.check(
                self.log.head(),
                items.into_iter().map(Item::LogEntry).collect(),
                whole,
            );
            replica.apply(heard);
        }
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Hear(who, event) => self.hear(*who, event),
            Op::Read(who) => self.read(*who),
            Op::CutOff(who, yes) => self.replicas[*who].cut_off = *yes,
            Op::Copy => self.copy = self.log.clone(),
            Op::FailOver => self.log = self.copy.clone(),
            Op::Empty => self.log = StoreLog::default(),
            Op::Trim => self.log.trim(1),
            Op::Restart(who) => self.replicas[*who].reader = Reader::new(),
        }
    }
}

impl Replica {
    fn apply(&mut self, heard: Heard) {
        let roles = roles(NAMES);
        for encoded in &heard.facts {
            let event = encoded.decode(Some(&roles)).unwrap();
            self.world = self.world.changed(&event).unwrap();
        }
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    let who = || 0_usize..3;
    prop_oneof![
        6 => (who(), any_event()).prop_map(|(who, event)| Op::Hear(who, event)),
        8 => who().prop_map(Op::Read),
        2 => (who(), any::<bool>()).prop_map(|(who, yes)| Op::CutOff(who, yes)),
        1 => Just(Op::Copy),
        1 => Just(Op::FailOver),
        1 => Just(Op::Empty),
        2 => Just(Op::Trim),
        1 => who().prop_map(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn whatever_happens_to_the_store_all_know_the_same_in_the_end_and_nothing_is_lost(
        ops in proptest::collection::vec(any_op(), 0..60)
    ) {
        let mut fleet = Fleet::new(3);
        let mut all = gate(NAMES);
        for op in &ops {
            fleet.step(op);
            if let Op::Hear(_, event) = op {
                all = all.changed(event).unwrap();
            }
        }
        for replica in &mut fleet.replicas {
            replica.cut_off = false;
        }
        for who in (0..3).cycle().take(3 * (ops.len() + 6)) {
            fleet.read(who);
        }
        for replica in &fleet.replicas {
            prop_assert!(replica.reader.is_caught_up());
            prop_assert_eq!(knows(&replica.world), knows(&all));
        }
    }
}

fn revoked(n: u64) -> MembershipEvent {
    let session = SessionId::parse(&format!("sess_{n}")).unwrap();
    Change::Revoked(Revoked::Session(session)).at(EventTime(n))
}

fn committed(log: &mut StoreLog, nonce: u64) {
    let offered = [for_ever(&revoked(nonce), None)];
    assert_eq!(log.commit(&offered, Nonce(nonce), 50, 100).taken, 1);
}

fn entries(log: &StoreLog, reader: &Reader) -> Vec<Item> {
    log.after(reader.cursor(), 100)
        .into_iter()
        .map(Item::LogEntry)
        .collect()
}

#[test]
fn a_failover_to_a_copy_that_lagged_behind_shows_though_the_numbers_go_on() {
    let mut log = StoreLog::default();
    committed(&mut log, 1);
    let mut copy = log.clone();
    committed(&mut log, 2);
    let mut reader = Reader::new();
    let _ = reader.snapshot(log.head(), log.facts(), log.head());
    assert!(reader.is_caught_up());
    // The copy gives the number of a lost entry to another entry, and goes on.
    committed(&mut copy, 3);
    committed(&mut copy, 4);
    let heard = reader.tail(entries(&copy, &reader));
    assert_eq!(heard.gap, Some(ResyncReason::Forked));
    assert_eq!(heard.facts.len(), 1, "what is true is heard all the same");
    assert_eq!(
        reader.needs_resync().map(|owed| owed.cause),
        Some(ResyncReason::Forked)
    );
    // If no further entry follows, a check finds it.
    let mut log = StoreLog::default();
    committed(&mut log, 9);
    let heard = reader.check(log.head(), entries(&log, &reader), true);
    assert!(!reader.is_caught_up() && heard.gap.is_some());
}

#[test]
fn a_commit_to_a_primary_that_is_none_any_more_is_found_though_its_number_was_read_long_ago() {
    let mut log = StoreLog::default();
    committed(&mut log, 1);
    let mut reader = Reader::new();
    let _ = reader.snapshot(log.head(), log.facts(), log.head());
    let mut isolated = log.clone();
    (2..6).for_each(|n| committed(&mut log, n));
    let _ = reader.tail(entries(&log, &reader));
    reader.committed(log.head().expect("a head"));
    assert!(reader.is_caught_up(), "its own entry was read");
    committed(&mut isolated, 9);
    reader.committed(isolated.head().expect("a head"));
    assert_eq!(
        reader.needs_resync().map(|owed| owed.cause),
        Some(ResyncReason::Forked)
    );
}

#[test]
fn an_emptied_store_is_found_by_asking_and_entries_that_are_gone_by_what_follows() {
    let mut log = StoreLog::default();
    (1..5).for_each(|n| committed(&mut log, n));
    let mut reader = Reader::new();
    let _ = reader.snapshot(log.head(), log.facts(), log.head());
    assert_eq!(reader.check(log.head(), vec![], true), Heard::default());
    assert_eq!(
        reader.check(None, vec![], true).gap,
        Some(ResyncReason::Emptied)
    );
    let _ = reader.snapshot(log.head(), log.facts(), log.head());
    (5..9).for_each(|n| committed(&mut log, n));
    log.trim(2);
    assert_eq!(
        reader.tail(entries(&log, &reader)).gap,
        Some(ResyncReason::Trimmed)
    );
    let _ = reader.snapshot(log.head(), log.facts(), log.head());
    committed(&mut log, 9);
    log.trim(0);
    assert_eq!(
        reader.check(log.head(), vec![], true).gap,
        Some(ResyncReason::Trimmed)
    );
}

#[test]
fn what_somebody_else_put_into_the_log_is_passed_over_and_hides_nothing() {
    let mut log = StoreLog::default();
    committed(&mut log, 1);
    let mut reader = Reader::new();
    let _ = reader.snapshot(log.head(), log.facts(), log.head());
    let far = Cursor(u64::MAX, 3);
    assert_eq!(
        reader.tail(vec![Item::InvalidEntry(far)]),
        Heard {
            poisoned: 1,
            ..Heard::default()
        }
    );
    assert_eq!(reader.cursor(), far, "it is not read again and again");
    committed(&mut log, 2);
    let mut items: Vec<_> = log
        .after(reader.position().into(), 9)
        .into_iter()
        .map(Item::LogEntry)
        .collect();
    items.push(Item::InvalidEntry(far));
    let heard = reader.check(log.head(), items, true);
    assert_eq!((heard.facts.len(), heard.gap), (1, None));
    assert!(reader.is_caught_up());
}

#[test]
fn a_gap_that_comes_again_and_again_is_waited_for_longer_and_longer() {
    let mut reader = Reader::new();
    let mut log = StoreLog::default();
    committed(&mut log, 1);
    assert_eq!(
        reader.needs_resync(),
        Some(Owed {
            cause: ResyncReason::First,
            again: 0
        }),
        "nobody waits at the start"
    );
    for again in 1..5 {
        let _ = reader.snapshot(log.head(), log.facts(), log.head());
        let _ = reader.check(None, vec![], true);
        assert_eq!(
            reader.needs_resync(),
            Some(Owed {
                cause: ResyncReason::Emptied,
                again
            })
        );
    }
    let _ = reader.snapshot(log.head(), log.facts(), log.head());
    let _ = reader.check(log.head(), vec![], true);
    let _ = reader.clone().check(None, vec![], true);
    for _ in 0..20 {
        let _ = reader.check(log.head(), vec![], true);
    }
    reader.owe(ResyncReason::Unsent);
    assert_eq!(
        reader.needs_resync(),
        Some(Owed {
            cause: ResyncReason::Unsent,
            again: 0
        })
    );
}

#[test]
fn a_revocation_is_forgotten_by_the_clock_of_the_store() {
    let mut log = StoreLog::default();
    let offered = Offered::of(&revoked(7), None, Duration::from_secs(60)).unwrap();
    let lasts = offered.lasts.unwrap();
    assert!(lasts > Duration::from_secs(60), "clocks differ");
    log.commit(std::slice::from_ref(&offered), Nonce(1), 1000, 100);
    let until = 1000 + u64::try_from(lasts.as_millis()).unwrap();
    log.forget(until - 1);
    assert_eq!(log.facts().len(), 1);
    log.forget(until);
    assert_eq!(log.facts().len(), 0);
    assert_eq!(
        log.commit(&[offered], Nonce(2), until, 100).taken,
        1,
        "and can be told again"
    );
}
