//! A gate in this process with a store of its own, and one event of every kind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bailiff::config::interpolate::ProcessEnv;
use bailiff::config::load::{Overrides, load};
use bailiff::config::settings::ReloadableSettings;
use bailiff::domain::event::{
    Change, EncodedEvent, EventTime, MemberChange, OrgChange, UserChange,
};
use bailiff::domain::ids::{OrgId, SessionId, UserId, text_header};
use bailiff::domain::membership::{Seen, Table as Members, TableTime};
use bailiff::domain::revocation::Revoked;
use bailiff::domain::shared::everything;
use bailiff::domain::{Snapshot, UnixTime};
use bailiff::metrics::Metrics;
use bailiff::records::{Records, Rows, revocations};
use bailiff::replication::{Learned, LocalFacts};
use bailiff::snapshot_store::SnapshotStore;
use bailiff::storage::{Contents, Store};
use tokio::runtime::Runtime;

/// The shared store of which the fixture remembers something.
pub const PLACE: &str = "redis.internal:6379/bailiff";

const CONFIG: &str = "\
upstream: http://127.0.0.1:9
clerk: {issuer: https://clerk.app.test, jwks_url: https://clerk.app.test/jwks, authorized_parties: [https://app.test]}
membership:
  file: membership.yaml
  roles: [member, admin]
  flags: [is_active, is_admin]
  first_sight: true
  new_users: pending
  new_user_flags: [is_active]
routes: [{path: /**, access: user}]
";

/// A gate with an empty table: everything it knows it has learned.
pub struct Gate {
    folder: tempfile::TempDir,
    snapshots: Arc<SnapshotStore>,
    pub records: Arc<Records>,
    pub store: Arc<Store>,
    pub runtime: Runtime,
}

fn path_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("bailiff.store")
}

fn live(folder: &Path) -> ReloadableSettings {
    let path = folder.join("bailiff.yaml");
    std::fs::write(&path, CONFIG).expect("a file");
    let loaded = load(Some(&path), &Overrides::default(), &ProcessEnv)
        .unwrap_or_else(|faults| panic!("{faults}"));
    loaded.settings.reloadable
}

fn open(path: &Path) -> (Store, Contents) {
    Store::open(path, Metrics::new().store_writes.clone()).unwrap_or_else(|error| panic!("{error}"))
}

/// A copy of the store of version 0.1, in a folder of its own.
pub fn fixture() -> (tempfile::TempDir, Contents) {
    let folder = tempfile::tempdir().expect("a folder");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v0_1.store");
    std::fs::copy(from, path_in(&folder)).expect("a copy");
    let contents = open(&path_in(&folder)).1;
    (folder, contents)
}

impl Gate {
    pub fn new() -> Self {
        Self::on(tempfile::tempdir().expect("a folder")).0
    }

    /// A gate that finds the store of version 0.1, and what it found there beside the membership.
    pub fn of_fixture() -> (Self, Contents) {
        Self::on(fixture().0)
    }

    fn on(folder: tempfile::TempDir) -> (Self, Contents) {
        let live = live(folder.path());
        let (store, mut contents) = open(&path_in(&folder));
        let store = Arc::new(store);
        let rows = Rows::of(&mut contents).unwrap_or_else(|why| panic!("{why}"));
        let first = Snapshot {
            generation: 0,
            rules: live.rules.clone(),
            keys: Default::default(),
            members: None,
            revocations: revocations(&mut contents).unwrap_or_else(|why| panic!("{why}")),
            awaits_shared: false,
        };
        let snapshots = Arc::new(SnapshotStore::new(first));
        let (metrics, kept) = (Metrics::new(), Some(store.clone()));
        let records = Arc::new(Records::new(snapshots.clone(), metrics, kept, rows));
        let source = live.membership.as_ref().expect("a membership");
        let at = UnixTime(1_800_000_000);
        records.reload_at(Members::default(), source, TableTime::WhenChanged, at);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let gate = Self {
            folder,
            snapshots,
            records,
            store,
            runtime,
        };
        (gate, contents)
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.load()
    }

    /// Puts a change in force and waits until it is kept.
    pub fn hears(&self, change: Change, at: u64) {
        let event = change.at(EventTime(at));
        let kept = self.records.apply_unconditionally(&event);
        self.runtime
            .block_on(kept)
            .unwrap_or_else(|why| panic!("{}: {why}", event.change));
    }

    /// Takes what other replicas have written.
    pub fn learns(&self, entries: &[(String, String)]) -> Learned {
        let written = |(key, value): &(String, String)| EncodedEvent {
            key: key.as_str().into(),
            value: value.as_str().into(),
        };
        let entries: Vec<EncodedEvent> = entries.iter().map(written).collect();
        self.runtime.block_on(self.records.learn(&entries))
    }

    /// Everything that it would tell others, as it would write it: keys and values, sorted.
    pub fn tells(&self) -> Vec<(String, String)> {
        let snapshot = self.snapshot();
        let roles = snapshot.rules.roles.as_ref();
        let mut told: Vec<(String, String)> = everything(&snapshot)
            .filter_map(|event| event.encode(roles))
            .map(|encoded| (encoded.key.into(), encoded.value.into()))
            .collect();
        told.sort();
        told
    }

    /// Ends it, and gives what is in its store.
    pub fn contents(self) -> Contents {
        open(&self.ends()).1
    }

    pub fn restarted(self) -> (Self, Contents) {
        let path = self.ends();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::rename(path, path_in(&folder)).expect("one folder to another");
        Self::on(folder)
    }

    /// Closes the store, and gives where it is. The folder stays for as long as the process.
    fn ends(self) -> PathBuf {
        drop((self.records, self.store));
        let path = path_in(&self.folder);
        let _ = self.folder.keep();
        path
    }
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("a user id")
}

fn described(id: &str, banned: bool, email: Option<&str>, name: Option<&str>) -> Change {
    let (email, name) = (email.and_then(text_header), name.and_then(text_header));
    Change::User(
        user(id),
        UserChange::Described {
            banned,
            email,
            name,
        },
    )
}

/// One event of every kind that replicas share.
pub fn happened(gate: &Gate) {
    let roles = gate.snapshot().rules.roles.clone().expect("roles");
    let role = |name| MemberChange::Role(roles.find(name).expect("a role"));
    let member = |org: &str, id: &str, change| {
        Change::Member(OrgId::parse(org).expect("an id"), user(id), change)
    };
    let org = |id: &str, change| Change::Organization(OrgId::parse(id).expect("an id"), change);
    let superseded = |deleted| UserChange::Superseded { deleted };
    for (change, at) in [
        (
            described(
                "user_described",
                false,
                Some("d@x.test"),
                Some("Zoë \"Z\" \\"),
            ),
            1000,
        ),
        (described("user_banned", true, None, Some("Bo")), 2000),
        (
            Change::User(user("user_deleted"), UserChange::Deleted),
            3000,
        ),
        (
            Change::User(user("user_superseded"), superseded(false)),
            4000,
        ),
        (Change::User(user("user_restored"), superseded(true)), 5000),
        (described("partner:42", true, Some("p@x.test"), None), 6000),
        (member("org_1", "user_described", role("admin")), 1001),
        (
            member("org_2", "user_described", MemberChange::Removed),
            1002,
        ),
        (
            member("org_3", "user_described", MemberChange::Superseded),
            1003,
        ),
        (member("org_4", "user_described", role("member")), 1004),
        (member("org_deleted", "user_described", role("admin")), 1005),
        (member("org_1", "user_restored", role("member")), 5001),
        (org("org_1", OrgChange::Exists), 8000),
        (org("org_deleted", OrgChange::Deleted), 8001),
        (org("org_superseded", OrgChange::Superseded), 8002),
        (
            Change::Revoked(Revoked::Session(
                SessionId::parse("sess_1").expect("a session id"),
            )),
            9000,
        ),
        (Change::Revoked(Revoked::User(user("user_revoked"))), 9001),
    ] {
        gate.hears(change, at);
    }
}

/// What tokens say, which every gate keeps for itself.
pub fn seen(gate: &Gate) {
    gate.hears(described("user_both", false, None, None), 1500);
    for (id, email, name, at) in [
        ("user_seen", Some("s@x.test"), None, 7000),
        ("user_both", Some("later@x.test"), Some("Both"), 7001),
    ] {
        let (email, name) = (email.and_then(text_header), name.and_then(text_header));
        let at_time = EventTime(at);
        let seen = Seen {
            at: at_time,
            email,
            name,
        };
        gate.hears(Change::Seen(user(id), seen), at);
    }
}
