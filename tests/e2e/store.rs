//! The store of a running gate: killed in the middle of writes, on a full disk, damaged, shared, or not there at all.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use bailiff::metrics::Metrics;
use bailiff::storage::{Op, Store, StoreTable};
use redb::{Database, TableDefinition};
use serde_json::json;

use crate::harness::{Delivery, Plan, World, event, eventually, now};

fn plan() -> Plan {
    World::plan().with_store().config(|c| {
        c["membership"]["first_sight"] = json!(true);
        c["membership"]["new_users"] = json!("active");
    })
}

/// A ban, with a name that takes up so many bytes in the store.
fn ban(user: &str, bytes: usize) -> Delivery {
    let at = now() * 1000;
    let data =
        json!({"id": user, "banned": true, "first_name": "x".repeat(bytes), "updated_at": at});
    Delivery::event(&event("user.updated", data, at))
}

/// Whether the ban of this user is in force: whom nobody has banned passes.
#[track_caller]
fn is_out(world: &World, user: &str) -> bool {
    let status = world
        .get("/api/me")
        .bearer(&world.token(user))
        .send()
        .status;
    assert!([200, 403].contains(&status), "{user} got {status}");
    status == 403
}

#[track_caller]
fn all_are_out(world: &World, users: &[String]) {
    let lost: Vec<_> = users.iter().filter(|user| !is_out(world, user)).collect();
    assert!(
        lost.is_empty(),
        "{lost:?} were banned with an answer of 2xx, and pass after a restart"
    );
    world.upstream.forget();
}

/// Numbers below `end` that are others in each run.
fn below(end: u64) -> usize {
    usize::try_from(RandomState::new().hash_one(0) % end).expect("small")
}

/// Senders that deliver at the same time, each on a connection of its own, until the gate is killed: after this many
/// acknowledgements. Gives the users whose ban was acknowledged.
fn banned_until_killed(world: &World, round: usize, acknowledgements: usize) -> Vec<String> {
    const SENDERS: usize = 8;
    const MOST: usize = 200;
    let kept = Mutex::new(vec![]);
    let acknowledged = || kept.lock().expect("no test thread has panicked").len();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (mut connection, kept) = (world.connect(), &kept);
            scope.spawn(move || {
                for n in 0..MOST {
                    let user = format!("user_{round}x{sender}x{n}");
                    connection.send(&ban(&user, 40).to(world).bytes());
                    match connection.try_answer("POST") {
                        Ok(answer) if answer.status == 200 => {
                            kept.lock().expect("no test thread has panicked").push(user)
                        }
                        Ok(answer) => panic!("a ban was answered with {answer:?}"),
                        Err(_) => return,
                    }
                }
            });
        }
        eventually("enough was acknowledged", || {
            (acknowledged() >= acknowledgements).then_some(())
        });
        world.gate.sigkill();
    });
    kept.into_inner().expect("no test thread has panicked")
}

#[test]
fn a_gate_that_is_killed_in_the_middle_of_writes_loses_nothing_that_it_acknowledged() {
    const ROUNDS: usize = 6;
    let (mut world, mut all) = (plan().start(), vec![]);
    for round in 0..ROUNDS {
        let kept = banned_until_killed(&world, round, 1 + below(120));
        world = world.killed();
        all_are_out(&world, &kept);
        all.extend(kept);
    }
    all_are_out(&world, &all);
    assert!(!is_out(&world, "user_nobody_banned"), "somebody passes");
}

/// A little more than an empty store takes, in KiB.
const SMALL_DISK: u64 = 1100;

#[test]
fn on_a_full_disk_nothing_is_acknowledged_that_is_not_kept_and_nothing_is_lost() {
    let plan = plan();
    let gate = plan.launch().on_disk(Some(SMALL_DISK)).start();
    let world = plan.with(gate);
    let mut kept = vec![];
    let (delivery, answer) = (0..2000)
        .find_map(|n| {
            let user = format!("user_{n}");
            let delivery = ban(&user, 1000);
            let answer = delivery.to(&world).send();
            // What a failed write leaves free can be enough for the same one a moment later: then it is kept like the others.
            if answer.status == 200 || delivery.to(&world).send().status == 200 {
                kept.push(user);
                return None;
            }
            Some((delivery, answer))
        })
        .expect("the disk is full at some time");
    let late = format!("user_{}", kept.len());

    assert_eq!(world.gate.reason(&answer.refused(503)), "webhook_not_kept");
    delivery.to(&world).send().refused(503);
    assert_eq!(
        world.upstream.recorded().len(),
        kept.len(),
        "the app hears of nothing that is not kept"
    );
    world.upstream.forget();
    world.gate.log_line("about the disk", |line| {
        line["message"]
            .as_str()
            .is_some_and(|said| said.starts_with("the store cannot be written"))
            && line["error"]
                .as_str()
                .is_some_and(|why| why.contains("File too large"))
    });
    let count = |name, result| world.gate.metrics().sum(name, &[("result", result)]);
    assert!(count("bailiff_store_writes_total", "failed") >= 2.0);
    assert!(count("bailiff_webhook_changes_total", "not_kept") >= 2.0);

    // Fail closed and open to good tokens: the ban counts, and who has none passes, known or not.
    assert!(is_out(&world, &late));
    for user in ["user_a", "user_new"] {
        world
            .get("/api/x")
            .bearer(&world.token(user))
            .send()
            .passed();
    }
    world.upstream.forget();

    // Killed and started while the disk is still full.
    let World {
        gate,
        upstream,
        clerk,
        config,
    } = world;
    let world = World {
        gate: gate.killed().start(),
        upstream,
        clerk,
        config,
    };
    all_are_out(&world, &kept);
    delivery.to(&world).send().refused(503);

    let World {
        gate,
        upstream,
        clerk,
        config,
    } = world;
    let world = World {
        gate: gate.killed().on_disk(None).start(),
        upstream,
        clerk,
        config,
    };
    all_are_out(&world, &kept);
    delivery.to(&world).send().passed();
    world.upstream.only();
    let world = world.killed();
    assert!(is_out(&world, &late), "what came again is kept");
    all_are_out(&world, &kept);
}

/// A store with something in it, as a gate leaves it.
fn used(folder: &Path) -> Vec<u8> {
    let path = folder.join("bailiff.store");
    let (store, _) = Store::open(&path, Metrics::new().store_writes.clone())
        .unwrap_or_else(|why| panic!("{why}"));
    let rows = (0..200)
        .map(|n| Op::put(StoreTable::Users, format!("user_{n}"), "{}").expect("a row"))
        .collect();
    let written = store.write(rows);
    drop(store);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(written.wait()).expect("a write");
    fs::read(path).expect("a store")
}

/// Writes with redb itself, in two phases as a store does.
fn in_redb(path: &Path, table: &str, key: &str, value: u64) {
    let database = Database::create(path).expect("a database");
    let mut transaction = database.begin_write().expect("a transaction");
    transaction.set_two_phase_commit(true);
    transaction
        .open_table(TableDefinition::<&str, u64>::new(table))
        .and_then(|mut rows| Ok(rows.insert(key, value).map(|_| ())?))
        .expect("a row");
    transaction.commit().expect("a commit");
}

/// What is wrong with a store, how it comes to be so, and what the refusal says of cause and cure.
type Fault = (&'static str, fn(&Path), [&'static str; 2]);

const FAULTS: &[Fault] = &[
    (
        "no byte",
        |path| fs::write(path, "").expect("a file"),
        ["is cut short: it has 0 bytes", "restore it from a copy"],
    ),
    (
        "the first bytes only",
        |path| fs::write(path, &used(path.parent().expect("a folder"))[..100]).expect("a file"),
        ["is cut short: it has 100 bytes", "restore it from a copy"],
    ),
    (
        "a half",
        |path| {
            let whole = used(path.parent().expect("a folder"));
            fs::write(path, &whole[..whole.len() / 2]).expect("a file");
        },
        ["is damaged", "restore it from a copy"],
    ),
    (
        "a newer format",
        |path| {
            used(path.parent().expect("a folder"));
            in_redb(path, "bailiff", "format", 2);
        },
        [
            "has format 2, and this version of bailiff knows 1",
            "run the version that wrote it",
        ],
    ),
    (
        "another program's database",
        |path| in_redb(path, "theirs", "key", 7),
        [
            "is no store of bailiff but a redb database of another program",
            "let `store` name another file",
        ],
    ),
    (
        "SQLite",
        |path| fs::write(path, [&b"SQLite format 3\0"[..], &[7; 8192]].concat()).expect("a file"),
        [
            "is no store of bailiff but an SQLite database",
            "let `store` name another file",
        ],
    ),
    (
        "a text",
        |path| fs::write(path, "listen: 0.0.0.0:8484\n".repeat(500)).expect("a file"),
        [
            "is no store of bailiff but a text file",
            "let `store` name another file",
        ],
    ),
    (
        "a folder",
        |path| fs::create_dir(path).expect("a folder"),
        ["a folder, a device or a pipe", "name another file"],
    ),
];

#[test]
fn a_store_that_is_not_wholly_in_order_refuses_the_start_says_why_and_stays_as_it_is() {
    for (given, spoil, parts) in FAULTS {
        let plan = plan();
        let launch = plan
            .launch()
            .prepare(|folder| spoil(&folder.join("bailiff.store")));
        let path = launch.path("bailiff.store");
        let before = fs::read(&path).ok();

        let (ended, folder) = launch.run_in_its_folder();

        let ended = ended.exits(78);
        let said = |part: &str| ended.stderr.contains(part);
        let named = said(&path.display().to_string()) || said("bailiff.store");
        assert!(
            named && parts.iter().all(|part| said(part)),
            "{given}: {}",
            ended.stderr
        );
        assert!(!said("panicked"), "{given}: {}", ended.stderr);
        assert!(
            fs::read(&path).ok() == before,
            "{given}: the file was changed"
        );
        drop(folder);
    }
}

#[test]
fn a_row_that_is_not_understood_refuses_the_start_and_stays_as_it_is() {
    let open =
        |path: &Path| Store::open(path, Metrics::new().store_writes.clone()).expect("a store");
    let launch = plan().launch();
    let path = launch.path("bailiff.store");
    let later = Op::put(StoreTable::Users, "user_later", r#"{"later": 1}"#).expect("a row");
    drop(open(&path).0.write(vec![later]));

    let (ended, folder) = launch.run_in_its_folder();

    let ended = ended.exits(78);
    let said = |part: &str| ended.stderr.contains(part);
    assert!(
        said(r#"a row that this version does not understand (users, "user_later")"#),
        "{}",
        ended.stderr
    );
    assert!(
        said("use the version of bailiff that wrote it, or restore a copy"),
        "{}",
        ended.stderr
    );
    let kept = open(&path).1.take(StoreTable::Users);
    assert_eq!(
        kept,
        [("user_later".to_owned(), br#"{"later": 1}"#.to_vec())]
    );
    drop(folder);
}

#[test]
fn a_store_whose_folder_is_not_there_or_that_another_gate_has_open_refuses_the_start() {
    let ended = plan()
        .config(|c| c["store"] = json!("nowhere/bailiff.store"))
        .run()
        .exits(78);
    assert!(
        ended
            .stderr
            .contains("its folder is not there; create the folder"),
        "{}",
        ended.stderr
    );

    let world = plan().start();
    let theirs = world.gate.path("bailiff.store");
    let ended = plan()
        .config(|c| c["store"] = json!(theirs))
        .run()
        .exits(78);
    assert!(
        ended.stderr.contains(&theirs.display().to_string()),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains("another process has it open; end that one"),
        "{}",
        ended.stderr
    );
    ban("user_a", 1).to(&world).send().passed();
    assert!(
        is_out(&world.killed(), "user_a"),
        "the first one was not disturbed"
    );
}

#[test]
fn a_store_is_made_for_its_user_alone_and_its_writes_are_counted() {
    let world = plan().start();
    let store = fs::metadata(world.gate.path("bailiff.store")).expect("a store");
    assert_eq!(store.permissions().mode() & 0o777, 0o600);
    let writes = |result, value| {
        world
            .gate
            .metric_becomes("bailiff_store_writes_total", &[("result", result)], value)
    };
    writes("ok", 0.0);

    // The ban, and that it was delivered.
    ban("user_a", 1).to(&world).send().passed();
    writes("ok", 2.0);
    // The first sight, and no second one.
    for _ in 0..3 {
        assert!(!is_out(&world, "user_new"));
    }
    writes("ok", 3.0);
    writes("failed", 0.0);
    let files = fs::read_dir(world.gate.path("")).expect("a folder").count();
    assert_eq!(
        files, 3,
        "config, membership and store, and no draft of one"
    );
}

const FORGETS: &str = "no `store` is configured";

fn forgets(world: &World) -> usize {
    world
        .gate
        .logs()
        .iter()
        .filter(|line| line.contains(FORGETS))
        .count()
}

#[test]
fn without_a_store_everything_works_in_memory_and_the_log_says_once_what_a_restart_forgets() {
    let without = |plan: Plan| plan.config(|c| _ = c.as_object_mut().map(|c| c.remove("store")));
    let world = without(plan()).start();
    assert_eq!(forgets(&world), 1);
    ban("user_a", 1).to(&world).send().passed();
    world.gate.metric_becomes(
        "bailiff_webhook_changes_total",
        &[("result", "applied")],
        1.0,
    );
    assert!(is_out(&world, "user_a"));
    assert!(!is_out(&world, "user_new"));
    assert_eq!(
        world
            .gate
            .metrics()
            .sum("bailiff_store_writes_total", &[])
            .to_bits(),
        0.0_f64.to_bits()
    );

    let world = world.restarted();
    assert!(!is_out(&world, "user_a"), "the file counts again");
    assert_eq!(forgets(&world), 1);
    assert_eq!(forgets(&plan().start()), 0, "with a store");
    let tokens_only = without(plan()).routes(json!([{"path": "/**", "access": "user"}]));
    let tokens_only = tokens_only.config(|c| {
        _ = c
            .as_object_mut()
            .map(|c| (c.remove("membership"), c.remove("webhooks")))
    });
    assert_eq!(
        forgets(&tokens_only.start()),
        0,
        "without a membership there is nothing to forget"
    );
}
