//! Loading, memory, look-ups and the time for which a reload keeps others waiting, in this process.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bailiff::background::background;
use bailiff::config::interpolate::ProcessEnv;
use bailiff::config::load::{Overrides, load};
use bailiff::config::settings::ReloadableSettings;
use bailiff::domain::event::{Change, EventTime, UserChange};
use bailiff::domain::ids::{UserId, WorkspaceId};
use bailiff::domain::membership::{Members, Role, Table, TableBuilder, TableTime};
use bailiff::domain::{Snapshot, UnixTime};
use bailiff::metrics::Metrics;
use bailiff::records::{Records, Rows};
use bailiff::snapshot_store::SnapshotStore;

use crate::people::{org_id, place_of, user, user_id, workspace_id};
use crate::{MEMBERS, WORKSPACES, grouped, memory_of};

const CONFIG: &str = "\
upstream: http://127.0.0.1:9
clerk: {issuer: https://clerk.app.test, jwks_url: https://clerk.app.test/jwks, authorized_parties: [https://app.test]}
membership: {file: membership.yaml, roles: [member, admin, owner]}
routes: [{path: /**, access: user}]
";
/// Users who are looked up in one round, and rounds.
const SAMPLE: usize = 20_000;
const ROUNDS: usize = 15;
/// What `mimalloc` takes its time with before it gives memory back, and more.
const SETTLE: Duration = Duration::from_secs(3);

struct Gate {
    world: Arc<SnapshotStore>,
    records: Arc<Records>,
    live: ReloadableSettings,
}

impl Gate {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bailiff.yaml");
        std::fs::write(&path, CONFIG).expect("a file");
        let loaded = load(Some(&path), &Overrides::default(), &ProcessEnv).expect("a good config");
        let live = loaded.settings.reloadable;
        let first = Snapshot {
            generation: 0,
            rules: live.rules.clone(),
            keys: Default::default(),
            members: None,
            revocations: Default::default(),
            awaits_shared: false,
        };
        let world = Arc::new(SnapshotStore::new(first));
        let records = Arc::new(Records::new(
            world.clone(),
            Metrics::new(),
            None,
            Rows::default(),
        ));
        let gate = Self {
            world,
            records,
            live,
        };
        gate.put(Table::default());
        gate
    }

    fn lowest(&self) -> Role {
        self.live.rules.roles.as_ref().expect("roles").lowest()
    }

    /// Rows become a table, on a thread as sources have it.
    fn build(&self, members: usize, workspaces: usize) -> Table {
        let lowest = self.lowest();
        let building = background(move || build(members, workspaces, lowest));
        tokio::runtime::Handle::current()
            .block_on(building)
            .expect("a table")
    }

    /// Puts a table in force.
    fn put(&self, table: Table) {
        let source = self.live.membership.as_ref().expect("a membership");
        self.records.reload_at(
            table,
            source,
            TableTime::WhenChanged,
            UnixTime(1_800_000_000),
        );
    }

    /// Puts a table in force while webhooks come; gives the longest time that one of them took, and how long it took in all.
    fn put_among_webhooks(&self, table: Table) -> (Duration, Duration) {
        let over = Arc::new(AtomicBool::new(false));
        let (records, ends) = (self.records.clone(), over.clone());
        let webhooks = std::thread::spawn(move || {
            let mut longest = Duration::ZERO;
            // Each newer than the one before.
            for number in 2.. {
                let began = Instant::now();
                hear_of(&records, number % 1000, number as u64);
                longest = longest.max(began.elapsed());
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            longest
        });
        let began = Instant::now();
        self.put(table);
        let took = began.elapsed();
        over.store(true, Ordering::SeqCst);
        (webhooks.join().expect("it ends"), took)
    }

    fn members(&self) -> Members {
        self.world.load().members.clone().expect("a membership")
    }
}

/// Rows are made one by one, as they are read: they are never in memory all at once.
fn build(members: usize, workspaces: usize, role: Role) -> Table {
    let mut table = TableBuilder::new();
    for of in 0..members {
        table.user(&user_id(of), &user(of)).expect("a user");
    }
    for of in 0..workspaces {
        table
            .workspace(&workspace_id(of), Some(&org_id(of)))
            .expect("a workspace");
    }
    for of in 0..members {
        table
            .member(&workspace_id(place_of(of) % workspaces), &user_id(of), role)
            .expect("a member");
    }
    table.build()
}

/// A webhook about a user.
fn hear_of(records: &Records, user: usize, at: u64) {
    let told = UserChange::Described {
        banned: false,
        email: None,
        name: None,
    };
    records
        .apply_detached(&Change::User(user_id(user), told).at(EventTime(at)))
        .expect("room");
}

pub fn run() {
    // Old tables are freed as in the gate, which has a runtime.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let _inside = runtime.enter();
    let gate = Gate::new();
    let idle = memory_of("self", "VmRSS");
    println!(
        "{} members in {} workspaces, in this process",
        grouped(MEMBERS),
        grouped(WORKSPACES)
    );

    println!(
        "\n  look-up: role and standing, median of {ROUNDS} rounds of {} drawn users",
        grouped(SAMPLE)
    );
    gate.put(gate.build(1000, 100));
    let small = look_up(&gate, 1000, 100);
    println!("    {:>9} members {small:>8.0} ns", grouped(1000));

    let began = Instant::now();
    let table = gate.build(MEMBERS, WORKSPACES);
    let built = began.elapsed();
    gate.put(table);
    let large = look_up(&gate, MEMBERS, WORKSPACES);
    println!(
        "    {:>9} members {large:>8.0} ns   {:.2} times",
        grouped(MEMBERS),
        large / small
    );

    println!(
        "\n  load: rows made, checked and packed in {:.2} s",
        built.as_secs_f64()
    );
    report("after the first load", idle);
    println!(
        "    at the most so far: {} MB",
        memory_of("self", "VmHWM") / 1_000_000
    );
    for round in 1..=3 {
        gate.put(gate.build(MEMBERS, WORKSPACES));
        report(&format!("after reload {round}"), idle);
    }
    println!(
        "    at the most, old and new table and a builder: {} MB",
        memory_of("self", "VmHWM") / 1_000_000
    );

    println!();
    for count in [10_000, 100_000] {
        (0..count).for_each(|of| hear_of(&gate.records, of, 1));
        let (waited, took) = gate.put_among_webhooks(gate.build(MEMBERS, WORKSPACES));
        let (waited, took, count) = (millis(waited), millis(took), grouped(count));
        println!(
            "  {count} users heard of: a reload takes {took:.1} ms, and keeps a webhook waiting for {waited:.1} ms at the most"
        );
    }
    drop(gate);
    cold(small, large);
    println!();
}

fn report(when: &str, idle: usize) {
    std::thread::sleep(SETTLE);
    let now = memory_of("self", "VmRSS");
    let each = now.saturating_sub(idle) as f64 / MEMBERS as f64;
    let (idle, now) = (idle as f64 / 1e6, now as f64 / 1e6);
    println!("  memory {when}: {now:.1} MB, idle {idle:.1} MB: {each:.1} bytes a member");
}

/// What of the time of a look-up is the memory: as many members as in the large table, but in a thousand small ones.
fn cold(small: f64, large: f64) {
    let gate = Gate::new();
    let lowest = gate.lowest();
    let policy = &gate.live.membership.as_ref().expect("a membership").policy;
    let tables: Vec<Members> = (0..MEMBERS / 1000)
        .map(|_| Members::new(build(1000, 100, lowest), policy.clone()))
        .collect();
    let spread = median_of_rounds(
        |i, user, workspace| look(&tables[i % tables.len()], user, workspace),
        1000,
        100,
    );
    println!(
        "\n  look-up among 1,000 members where {} others were looked up before: {spread:.0} ns",
        grouped(MEMBERS)
    );
    println!(
        "    of the {large:.0} ns among {} that is {:.2} times; {small:.0} ns is with everything in the caches",
        grouped(MEMBERS),
        large / spread
    );
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Nanoseconds for a role and a standing.
fn look_up(gate: &Gate, members: usize, workspaces: usize) -> f64 {
    let now = gate.members();
    median_of_rounds(
        |_, user, workspace| look(&now, user, workspace),
        members,
        workspaces,
    )
}

fn look(members: &Members, user: &UserId, workspace: &WorkspaceId) {
    assert!(
        members
            .role(black_box(workspace), black_box(user), None)
            .is_some()
    );
    black_box(members.user_state(black_box(user)));
}

/// Nanoseconds of `look`, which is told how many came before, a user and their workspace.
fn median_of_rounds(
    look: impl Fn(usize, &UserId, &WorkspaceId),
    members: usize,
    workspaces: usize,
) -> f64 {
    let draw = |i: usize| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % members;
    let asked: Vec<_> = (0..SAMPLE)
        .map(draw)
        .map(|of| (user_id(of), workspace_id(place_of(of) % workspaces)))
        .collect();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for (i, (user, workspace)) in asked.iter().enumerate() {
                look(i, user, workspace);
            }
            began.elapsed().as_nanos() as f64 / SAMPLE as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
