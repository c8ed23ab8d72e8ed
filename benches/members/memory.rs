//! Loading, memory, look-ups and the time for which a reload keeps others waiting, in this process.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bailiff::config::interpolate::ProcessEnv;
use bailiff::config::load::{Overrides, load};
use bailiff::config::settings::Live;
use bailiff::domain::event::{Change, EventTime, UserChange};
use bailiff::domain::membership::{Members, Role, Said, Table, TableBuilder};
use bailiff::domain::{Snapshot, UnixTime};
use bailiff::metrics::Metrics;
use bailiff::state::World;
use bailiff::state::aside::{Pace, aside};
use bailiff::state::records::{Records, Rows};

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
    world: Arc<World>,
    records: Records,
    live: Live,
}

impl Gate {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bailiff.yaml");
        std::fs::write(&path, CONFIG).expect("a file");
        let loaded = load(Some(&path), &Overrides::default(), &ProcessEnv).expect("a good config");
        let live = loaded.settings.live;
        let first = Snapshot {
            generation: 0,
            rules: live.rules.clone(),
            keys: Default::default(),
            members: None,
            revocations: Default::default(),
            awaits_shared: false,
        };
        let world = Arc::new(World::new(first));
        let records = Records::new(world.clone(), Metrics::new(), None, Rows::default());
        let gate = Self { world, records, live };
        gate.put(Table::default());
        gate
    }

    fn lowest(&self) -> Role {
        self.live.rules.roles.as_ref().expect("roles").lowest()
    }

    /// Rows become a table, on a thread as sources have it.
    fn build(&self, members: usize, workspaces: usize) -> Table {
        let lowest = self.lowest();
        let building = aside(Pace::WhenIdle, move || build(members, workspaces, lowest));
        tokio::runtime::Handle::current().block_on(building).expect("a table")
    }

    /// Puts a table in force, and says how long other writers had to wait for it.
    fn put(&self, table: Table) -> Duration {
        let source = self.live.membership.as_ref().expect("a membership");
        let began = Instant::now();
        self.records.reload_at(table, source, Said::WhenChanged, UnixTime(1_800_000_000));
        began.elapsed()
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
        table.workspace(&workspace_id(of), Some(&org_id(of))).expect("a workspace");
    }
    for of in 0..members {
        table.member(&workspace_id(place_of(of) % workspaces), &user_id(of), role).expect("a member");
    }
    table.build()
}

pub fn run() {
    // Old tables are freed as in the gate, which has a runtime.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let gate = Gate::new();
    let idle = memory_of("self", "VmRSS");
    println!("{} members in {} workspaces, in this process", grouped(MEMBERS), grouped(WORKSPACES));

    println!("\n  look-up: role and standing, median of {ROUNDS} rounds of {} drawn users", grouped(SAMPLE));
    gate.put(gate.build(1000, 100));
    let small = look_up(&gate, 1000, 100);
    println!("    {:>9} members {small:>8.0} ns", grouped(1000));

    let began = Instant::now();
    let table = gate.build(MEMBERS, WORKSPACES);
    let built = began.elapsed();
    let waited = gate.put(table);
    let large = look_up(&gate, MEMBERS, WORKSPACES);
    println!("    {:>9} members {large:>8.0} ns   {:.2} times", grouped(MEMBERS), large / small);

    println!("\n  load: rows made, checked and packed in {:.2} s", built.as_secs_f64());
    println!("  published in {:.3} ms, nobody having been heard of beside the table", millis(waited));
    report("after the first load", idle);
    println!("    at the most so far: {} MB", memory_of("self", "VmHWM") / 1_000_000);
    for round in 1..=3 {
        gate.put(gate.build(MEMBERS, WORKSPACES));
        report(&format!("after reload {round}"), idle);
    }
    println!("    at the most, old and new table and a builder: {} MB", memory_of("self", "VmHWM") / 1_000_000);

    println!();
    for count in [10_000, 100_000] {
        for of in 0..count {
            let told = UserChange::Described { banned: false, email: None, name: None };
            gate.records.put(&Change::User(user_id(of), told), EventTime(1)).expect("room");
        }
        let waited = gate.put(gate.build(MEMBERS, WORKSPACES));
        println!("  published in {:.3} ms, {} users having been heard of", millis(waited), grouped(count));
    }
    println!();
}

fn report(when: &str, idle: usize) {
    std::thread::sleep(SETTLE);
    let now = memory_of("self", "VmRSS");
    let each = now.saturating_sub(idle) as f64 / MEMBERS as f64;
    let (idle, now) = (idle as f64 / 1e6, now as f64 / 1e6);
    println!("  memory {when}: {now:.1} MB, idle {idle:.1} MB: {each:.1} bytes a member");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Nanoseconds for a role and a standing.
fn look_up(gate: &Gate, members: usize, workspaces: usize) -> f64 {
    let draw = |i: usize| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % members;
    let asked: Vec<_> =
        (0..SAMPLE).map(draw).map(|of| (user_id(of), workspace_id(place_of(of) % workspaces))).collect();
    let now = gate.members();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for (user, workspace) in &asked {
                assert!(now.role(black_box(workspace), black_box(user), None).is_some());
                black_box(now.standing(black_box(user)));
            }
            began.elapsed().as_nanos() as f64 / SAMPLE as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
