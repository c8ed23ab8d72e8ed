//! One simulated gate: the product's reader, facts and membership, driven as `replication` drives them, by messages.

use bailiff::domain::event::{EncodedEvent, EventOrigin, EventTime, MembershipEvent, OrgChange};
use bailiff::domain::ids::{OrgId, UserId};
use bailiff::domain::membership::{Kept, MARKS_LAST, Members, Policy, Record, TableTime};
use bailiff::domain::revocation::Revocations;
use bailiff::domain::shared::{Heard, Offered, Position, Reader, ResyncReason, may_push, unshared};
use bailiff::domain::{Snapshot, UnixTime};

use super::clerk::roles;
use super::door::{KEEP, blank, clock, table};
use super::mutant::Mutant;

/// What a local store keeps over a restart.
#[derive(Clone)]
struct Saved {
    users: Vec<(UserId, Record)>,
    orgs: Vec<(OrgId, EventTime, OrgChange)>,
    revocations: Revocations,
    heard: Option<UnixTime>,
    silent: Option<UnixTime>,
    read: bool,
}

/// Everything is being read.
#[derive(Clone, Default)]
pub struct Reading {
    pub before: Option<Position>,
    pub facts: Vec<EncodedEvent>,
    pub parts: usize,
}

pub struct Gate {
    pub world: Snapshot,
    pub reader: Reader,
    pub up: bool,
    pub linked: bool,
    /// Counts lives of process and connection: a message of an earlier one is lost.
    pub life: u64,
    pub skew: i64,
    /// Whether it has a local store.
    pub keeps: bool,
    pub question: u64,
    pub reading: Option<Reading>,
    /// When everything is to be read, where that was found to be due.
    pub read_at: Option<u64>,
    /// The longest wait for its turn to read everything since it was undisturbed, in milliseconds.
    pub longest: u64,
    /// Since when it has only waited for news.
    pub calm_since: Option<u64>,
    /// Since when process, connection and store have been well.
    pub well_since: Option<u64>,
    /// When it last knew all that the store had, by its own clock.
    pub heard: Option<UnixTime>,
    /// Until when it heard of the store, before it was away for so long that it does not tell everything any more.
    pub silent: Option<UnixTime>,
    /// Where the store said that it was to commits of this gate.
    pub committed: Vec<Position>,
    /// What it does not tell, as it was away for too long.
    pub silent_of: Vec<MembershipEvent>,
    /// Whether what it owes is on its way to the store.
    pub owing: bool,
    /// What was learned by some time: marks that are not in there are too young to be forgotten.
    earlier: Option<(UnixTime, Members)>,
    /// When the process started.
    pub started: u64,
    pub version: usize,
    saved: Option<Saved>,
    users: usize,
    mutant: Option<Mutant>,
}

impl Gate {
    pub fn new(users: usize, keeps: bool, world: Snapshot, mutant: Option<Mutant>) -> Self {
        let mut gate = Self {
            world,
            reader: Reader::new(),
            up: true,
            linked: true,
            life: 0,
            skew: 0,
            keeps,
            question: 0,
            reading: None,
            read_at: None,
            longest: 0,
            calm_since: None,
            well_since: None,
            heard: None,
            silent: None,
            committed: vec![],
            silent_of: vec![],
            owing: false,
            earlier: None,
            started: 0,
            version: 0,
            saved: None,
            users,
            mutant,
        };
        gate.open_if_mutant();
        gate
    }

    fn open_if_mutant(&mut self) {
        if self.mutant == Some(Mutant::OpenAtStart) {
            self.world.awaits_shared = false;
        }
    }

    pub fn now(&self, now: u64) -> UnixTime {
        clock(now, self.skew)
    }

    /// The process dies; what its local store has stays.
    pub fn crash(&mut self) {
        self.up = false;
        self.life += 1;
        let remembers = self.keeps && self.mutant != Some(Mutant::ForgetsItsStore);
        self.saved = remembers.then(|| {
            let mut saved = Saved {
                users: vec![],
                orgs: vec![],
                revocations: self.world.revocations.clone(),
                heard: self.heard,
                silent: self.silent,
                read: !self.world.awaits_shared,
            };
            for kept in self.world.members.iter().flat_map(Members::all_kept) {
                match kept {
                    Kept::User(user, record) => saved.users.push((user.clone(), record.clone())),
                    Kept::Organization(org, at, change) => {
                        saved.orgs.push((org.clone(), at, change))
                    }
                }
            }
            saved
        });
    }

    /// The process starts, with the source as it is now.
    pub fn start(&mut self, version: usize, now: u64) {
        (self.up, self.version, self.started, self.reader) = (true, version, now, Reader::new());
        self.committed.clear();
        self.earlier = None;
        self.world = blank(self.users, version);
        (self.heard, self.silent) = (None, None);
        self.open_if_mutant();
        if let Some(saved) = self.saved.take() {
            let members = Members::new(table(self.users, version), Policy::default());
            self.world.members = Some(members.remembering(saved.users, saved.orgs));
            self.world.revocations = saved.revocations;
            self.world.awaits_shared &= !saved.read;
            (self.heard, self.silent) = (saved.heard, saved.silent);
        }
    }

    /// There is a connection. Whoever was away for too long holds back some of what it knows, for good.
    pub fn connected(&mut self, now: u64) {
        let long_away =
            !may_push(self.heard, self.now(now)) && self.mutant != Some(Mutant::PushesAfterWeeks);
        if long_away && self.silent.is_none() {
            self.silent = self.heard;
        }
    }

    /// Tells the reader where commits of this gate have brought the store, before it asks again.
    pub fn hear_of_commits(&mut self) {
        std::mem::take(&mut self.committed)
            .into_iter()
            .for_each(|position| self.reader.committed(position));
    }

    /// The connection is lost.
    pub fn disconnect(&mut self) {
        self.life += 1;
        (self.reading, self.read_at, self.calm_since, self.well_since) = (None, None, None, None);
        if std::mem::take(&mut self.owing) {
            self.reader.owe(ResyncReason::Unsent);
        }
    }

    /// Puts `event` in force, as a webhook or a reloaded source says.
    pub fn learn(&mut self, event: &MembershipEvent) {
        self.world = self.world.changed(event).expect("there is room");
    }

    /// Puts in force what the store says.
    pub fn apply(&mut self, facts: &[EncodedEvent]) {
        for written in facts {
            let fact = written
                .decode(Some(&roles()))
                .expect("nobody poisons this store");
            if self.world.is_news(&fact) {
                self.world = self.world.changed(&fact).expect("there is room");
            }
        }
    }

    /// Takes what was heard; whether a gap was found.
    pub fn take(&mut self, heard: &Heard) {
        self.apply(&heard.facts);
    }

    /// The source is read again. What it overrules is said of by facts.
    pub fn reload(&mut self, version: usize) -> Vec<MembershipEvent> {
        self.version = version;
        let members = self.world.members.as_ref().expect("a membership");
        let reloaded = members.reloaded(
            table(self.users, version),
            Policy::default(),
            TableTime::WhenChanged,
        );
        self.world.members = Some(reloaded.members);
        reloaded.overruled
    }

    /// Forgets what is old, as the product does now and then.
    pub fn forget(&mut self, now: u64) {
        let now = self.now(now);
        self.forget_marks(now);
        let forgetful = self.mutant == Some(Mutant::ForgetsRevocations);
        let revoked_at = if forgetful {
            UnixTime(now.0 + KEEP.as_secs() + 120)
        } else {
            now
        };
        let (revocations, gone) = self.world.revocations.forgotten(revoked_at, KEEP);
        if !gone.is_empty() {
            self.world.revocations = revocations;
        }
    }

    /// As the product does: not while the others cannot be told.
    fn forget_marks(&mut self, now: UnixTime) {
        let members = self.world.members.as_ref().expect("a membership");
        let marks = match &self.earlier {
            _ if self.mutant == Some(Mutant::ForgetsMarks) => {
                members.old_marks(UnixTime(u64::MAX), members)
            }
            _ if self.mutant == Some(Mutant::ForgetsMarksByTheirTime) => {
                members.old_marks(now, members)
            }
            _ if self.well_since.is_none() || !self.reader.is_caught_up() => return,
            Some((then, _)) if now.since(*then) < MARKS_LAST.as_secs() => return,
            Some((_, then)) => members.old_marks(now, then),
            None => vec![],
        };
        self.earlier = Some((now, members.learned()));
        self.world.members = Some(members.without_marks(&marks));
    }

    /// What the store is to be told after everything was read.
    pub fn debts(&self, stored: &[EncodedEvent]) -> Vec<MembershipEvent> {
        if self.mutant == Some(Mutant::NeverPushes) {
            return vec![];
        }
        let unshared = unshared(&self.world, stored).into_iter();
        unshared.filter(|fact| self.may_tell(fact)).collect()
    }

    /// Whether it may tell the store what it knows.
    pub fn may_tell(&self, fact: &MembershipEvent) -> bool {
        let silent = self.mutant == Some(Mutant::SilentAfterWeeks);
        self.silent
            .is_none_or(|last| !silent && fact.may_be_told_after(last))
    }

    /// The facts that are told of a change.
    pub fn facts_of(&self, event: &MembershipEvent) -> Vec<MembershipEvent> {
        let mut facts = event.shared();
        if self.mutant == Some(Mutant::BanWithoutRevocation) && facts.len() == 2 {
            facts.remove(0);
        }
        facts
    }

    pub fn owe(&mut self) {
        self.reader.owe(ResyncReason::Unsent);
    }
}

/// A fact as it is sent to the store.
pub fn offered(fact: &MembershipEvent) -> Offered {
    Offered::of(fact, Some(&roles()), KEEP).expect("it is shared")
}

/// Whether it only says that something counts no more.
pub fn is_mark(fact: &MembershipEvent) -> bool {
    fact.change.origin() == EventOrigin::Source
}
