//! Tables and changes that come at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::config::interpolate::ProcessEnv;
use crate::config::load::{Overrides, load};
use crate::config::settings::ReloadableSettings;
use crate::domain::event::row::decode_user;
use crate::domain::event::{EventTime, UserChange};
use crate::domain::ids::{UserId, WorkspaceId};
use crate::domain::membership::{AccessStatus, TableBuilder, User, UserState};
use crate::metrics::Metrics;
use crate::records::Rows;

use crate::snapshot_store::SnapshotStore;
use crate::storage::{Store, StoreTable as Kind};

const CONFIG: &str = "\
upstream: http://127.0.0.1:9
clerk: {issuer: https://clerk.app.test, jwks_url: https://clerk.app.test/jwks, authorized_parties: [https://app.test]}
membership: {file: membership.yaml, roles: [member, admin]}
routes: [{path: /**, access: user}]
";

struct Gate {
    snapshots: Arc<SnapshotStore>,
    records: Arc<Records>,
    live: ReloadableSettings,
    folder: tempfile::TempDir,
}

fn user_id(number: usize) -> UserId {
    UserId::parse(&format!("user_{number}")).unwrap()
}

/// Users from 0 on, the first of whom has a name that says which version it is.
fn table(users: usize, version: usize) -> Table {
    let mut table = TableBuilder::new();
    for number in 0..users {
        let name = format!("Version {}", if number == 0 { version } else { 0 });
        let user = User::new(None, None, Some(&name), AccessStatus::Active, false);
        table.user(&user_id(number), &user).unwrap();
    }
    let workspace = WorkspaceId::parse("ws_1").unwrap();
    table.workspace(&workspace, None).unwrap();
    table.build()
}

fn ban(user: usize) -> Change {
    let (email, name) = (None, None);
    Change::User(
        user_id(user),
        UserChange::Described {
            banned: true,
            email,
            name,
        },
    )
}

fn welcome(user: usize) -> Change {
    let (email, name) = (None, None);
    Change::User(
        user_id(user),
        UserChange::Described {
            banned: false,
            email,
            name,
        },
    )
}

impl Gate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bailiff.yaml");
        std::fs::write(&path, CONFIG).unwrap();
        let live = load(Some(&path), &Overrides::default(), &ProcessEnv)
            .unwrap()
            .settings
            .reloadable;
        let snapshots = Arc::new(SnapshotStore::new(Snapshot {
            generation: 0,
            rules: live.rules.clone(),
            keys: Default::default(),
            members: None,
            revocations: Default::default(),
            awaits_shared: false,
        }));
        let metrics = Metrics::new();
        let (store, _) =
            Store::open(&folder.path().join("a.store"), metrics.store_writes.clone()).unwrap();
        let records = Arc::new(Records::new(
            snapshots.clone(),
            metrics,
            Some(Arc::new(store)),
            Rows::default(),
        ));
        let gate = Self {
            snapshots,
            records,
            live,
            folder,
        };
        gate.records.put_table(&gate.new_table(100, 0), |_| true);
        gate
    }

    fn new_table(&self, users: usize, version: usize) -> NewTable<'_> {
        NewTable {
            table: table(users, version),
            source: self.live.membership.as_ref().unwrap(),
            said: TableTime::WhenChanged,
            at: UnixTime(1_800_000_000),
        }
    }

    fn is_banned(&self, user: usize) -> bool {
        let now = self.snapshots.load();
        let members = now.members.as_ref().unwrap();
        matches!(members.user_state(&user_id(user)), UserState::Banned)
    }

    fn users(&self) -> usize {
        self.snapshots.load().members.as_ref().unwrap().size().0
    }

    /// Another config comes in force, which says the same.
    fn new_rules(&self) {
        let published = self.snapshots.publish(|now| {
            Ok::<_, ()>(Snapshot {
                rules: Arc::new((*now.rules).clone()),
                ..now.clone()
            })
        });
        published.unwrap();
    }
}

#[test]
fn what_is_learned_while_a_table_is_worked_out_stands_above_it_here_and_in_the_store() {
    let gate = Gate::new();
    gate.records
        .apply_detached(&welcome(0).at(EventTime(1)))
        .unwrap();
    let new = gate.new_table(50, 1);
    let prepared = gate.records.prepare(&new);
    gate.records
        .apply_detached(&ban(0).at(EventTime(2)))
        .unwrap();
    gate.records
        .apply_detached(&ban(7).at(EventTime(2)))
        .unwrap();
    let taken = gate
        .records
        .publish_table(&new, prepared, |_| true)
        .unwrap();
    assert_eq!(taken.generation, gate.snapshots.load().generation);
    assert_eq!(gate.users(), 50);
    assert!(gate.is_banned(0) && gate.is_banned(7) && !gate.is_banned(1));

    let Gate {
        snapshots,
        records,
        folder,
        ..
    } = gate;
    drop(records);
    let path = folder.path().join("a.store");
    let (_, mut contents) = Store::open(&path, Metrics::new().store_writes.clone()).unwrap();
    let now = snapshots.load();
    let (members, roles) = (now.members.as_ref().unwrap(), now.rules.roles.as_ref());
    let kept: Vec<_> = contents
        .take(Kind::Users)
        .iter()
        .map(|(key, row)| decode_user(key, row, roles.unwrap()).unwrap())
        .collect();
    let known: Vec<_> = members.all_kept().collect();
    assert_eq!(kept.len(), known.len());
    for (user, record) in &kept {
        assert!(known.contains(&crate::domain::membership::Kept::User(user, record)));
    }
}

#[test]
fn no_row_from_before_a_ban_is_written_once_the_ban_is_stored() {
    let gate = Gate::new();
    gate.records
        .apply_detached(&welcome(0).at(EventTime(1)))
        .unwrap();
    let prepared = gate.records.prepare(&gate.new_table(50, 1)).unwrap();
    let rows_of_0 = |overruled: &Superseded| {
        let ops = overruled.batches.iter().flatten();
        let of_0 = ops.filter(|op| op.row_key() == (Kind::Users, "user_0"));
        of_0.cloned().collect::<Vec<_>>()
    };
    let before = rows_of_0(&prepared.overruled);
    assert_eq!(before.len(), 1, "the new table supersedes what was known");
    gate.records
        .apply_detached(&ban(0).at(EventTime(2)))
        .unwrap();
    let now = gate.snapshots.load();
    let (members, roles) = (now.members.as_ref().unwrap(), now.rules.roles.as_ref());
    let meanwhile = gate.records.meanwhile.end().unwrap();
    let (_, overruled) = gate
        .records
        .caught_up(prepared, members, meanwhile, roles.unwrap())
        .unwrap();
    let after = rows_of_0(&overruled);
    assert_eq!(after.len(), 1);
    assert!(after != before, "the row has the ban");
}

#[test]
fn a_table_is_worked_out_again_when_more_than_users_has_changed() {
    let gate = Gate::new();
    let another_config: &dyn Fn() = &|| gate.new_rules();
    let marks_forgotten = &|| {
        gate.records.put_members(|now, _| now.members.clone());
    };
    let more_changes_than_are_collected = &|| {
        (0..=MAX_MEANWHILE)
            .for_each(|number| gate.records.meanwhile.add(&ban(number).at(EventTime(1))))
    };
    for happens in [
        another_config,
        marks_forgotten,
        more_changes_than_are_collected,
    ] {
        let new = gate.new_table(50, 1);
        let prepared = gate.records.prepare(&new);
        happens();
        let published = gate.records.publish_table(&new, prepared, |_| true);
        assert_eq!(published.err(), Some(NotPublished::Overtaken));
        assert_eq!(gate.users(), 100);
    }
    assert!(
        gate.records
            .put_table(&gate.new_table(50, 1), |_| true)
            .is_some()
    );
    assert_eq!(gate.users(), 50);
}

#[test]
fn a_table_that_is_not_wanted_any_more_changes_nothing() {
    let gate = Gate::new();
    let before = gate.snapshots.load().generation;
    assert!(
        gate.records
            .put_table(&gate.new_table(50, 1), |_| false)
            .is_none()
    );
    assert_eq!(
        (gate.users(), gate.snapshots.load().generation),
        (100, before)
    );
}

/// Runs `other` again and again while `work` is done.
fn meanwhile<T>(other: impl Fn(u64) + Sync, work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            (1..)
                .take_while(|_| !over.load(Ordering::SeqCst))
                .for_each(&other)
        });
        let done = work();
        over.store(true, Ordering::SeqCst);
        done
    })
}

#[test]
fn no_stream_of_other_changes_keeps_a_table_out_for_ever() {
    let gate = Gate::new();
    meanwhile(
        |_| gate.new_rules(),
        || {
            for users in 50..90 {
                assert!(
                    gate.records
                        .put_table(&gate.new_table(users, 1), |_| true)
                        .is_some()
                );
                assert_eq!(gate.users(), users);
            }
        },
    );
}

#[test]
fn no_change_is_lost_among_tables() {
    let gate = Gate::new();
    let newest = std::sync::atomic::AtomicU64::new(0);
    let change = |at: u64| {
        gate.records
            .apply_detached(&ban(at as usize % 500).at(EventTime(at)))
            .unwrap();
        newest.store(at, Ordering::SeqCst);
    };
    meanwhile(change, || {
        for version in 1..40 {
            gate.records
                .put_table(&gate.new_table(400, version), |_| true);
        }
    });
    let newest = newest.into_inner() as usize;
    for at in newest.saturating_sub(499).max(1)..=newest {
        assert!(gate.is_banned(at % 500), "{at} of {newest}");
    }
}
