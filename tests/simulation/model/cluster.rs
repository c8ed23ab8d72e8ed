//! Gates, a store and Clerk, and whatever happens between them, in the order of simulated time.

mod exchange;
mod outside;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bailiff::domain::Snapshot;
use bailiff::domain::event::{EncodedEvent, MembershipEvent};
use bailiff::domain::shared::{Heard, Item, Position};

use super::bounds::{BACKOFF_MAX, BLOCK, slow};
use super::case::Case;
use super::clerk::{Clerk, Event};
use super::dice::Dice;
use super::door::blank;
use super::gate::Gate;
use super::ledger::Ledger;
use super::mutant::Mutant;
use super::plan::{Act, Planned};
use super::store::Store;

/// After as many undisturbed questions no reader remembers that it was disturbed.
const MANY: u64 = 100;

/// What a gate asks the store.
#[derive(Clone, Debug)]
enum Ask {
    /// Where it is, and what is behind the gate's position: in one moment.
    Check,
    /// What is behind the cursor; waits for so long where there is nothing.
    Tail(u64),
    Before,
    Part(usize),
    After,
    /// Takes facts: of the webhook with this number, or of what was owed.
    Commit(Vec<MembershipEvent>, Option<usize>),
}

/// What the store answers.
#[derive(Clone, Debug)]
enum Answer {
    Check(Option<Position>, Vec<Item>),
    Items(Vec<Item>),
    Before(Option<Position>),
    Part(Vec<EncodedEvent>),
    After(Option<Position>),
    Committed(Option<Position>, Option<usize>),
}

enum Happening {
    Act(Planned),
    AtStore(usize, u64, Ask),
    AtGate(usize, u64, Answer),
    Connect(usize, u64),
    /// A question has waited for as long as it may.
    Timeout(usize, u64),
    /// The store has not answered in time to the commit of a webhook.
    Impatient(usize, usize),
}

pub struct Cluster {
    pub case: Case,
    pub now: u64,
    pub gates: Vec<Gate>,
    pub store: Store,
    pub clerk: Clerk,
    pub ledger: Ledger,
    /// When something last went wrong, or the store was another than before.
    pub disturbed: u64,
    pub version: usize,
    pub mutant: Option<Mutant>,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    messages: Vec<u64>,
    /// By the number of the act that caused them.
    events: HashMap<usize, Event>,
    /// Webhooks of which a gate waits for the store's answer.
    pending: BTreeSet<(usize, usize)>,
    pub handled: u64,
}

impl Cluster {
    pub fn new(case: &Case, acts: Vec<Planned>, mutant: Option<Mutant>) -> Self {
        let world: Snapshot = blank(case.users, 0);
        let keeps = |gate: usize| Dice::of(case.seed, &[0x5707E, gate as u64]).percent(50);
        let gates = (0..case.gates)
            .map(|gate| Gate::new(case.users, keeps(gate), world.clone(), mutant))
            .collect();
        let mut cluster = Self {
            case: case.clone(),
            now: 0,
            gates,
            store: Store::new(mutant),
            clerk: Clerk::new(case.users),
            ledger: Ledger::new(case.gates),
            disturbed: 0,
            version: 0,
            mutant,
            queue: BTreeMap::new(),
            order: 0,
            messages: vec![0; case.gates],
            events: HashMap::new(),
            pending: BTreeSet::new(),
            handled: 0,
        };
        acts.into_iter()
            .for_each(|planned| cluster.put(planned.at, Happening::Act(planned)));
        (0..case.gates).for_each(|gate| cluster.come_back(gate));
        cluster
    }

    pub fn gate(&mut self, gate: usize) -> &mut Gate {
        self.gates.get_mut(gate).expect("a gate of this case")
    }

    /// Lets happen what happens until `end`, and says for each look at a gate that it is time for it.
    pub fn run(
        &mut self,
        end: u64,
        look: &mut impl FnMut(&mut Self, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        while let Some(entry) = self
            .queue
            .first_entry()
            .filter(|entry| entry.key().0 <= end)
        {
            let ((at, _), happening) = entry.remove_entry();
            self.now = at;
            self.handled += 1;
            match happening {
                Happening::Act(Planned {
                    act: Act::Look(gate),
                    ..
                }) => look(self, gate)?,
                Happening::Act(planned) => self.act(planned.number, planned.act),
                Happening::AtStore(gate, life, ask) => self.at_store(gate, life, ask),
                Happening::AtGate(gate, life, answer) => self.at_gate(gate, life, answer),
                Happening::Connect(gate, life) => self.connect(gate, life),
                Happening::Timeout(gate, question) => self.time_out(gate, question),
                Happening::Impatient(gate, event) => {
                    if self.pending.remove(&(gate, event)) {
                        self.accept(gate, event);
                        self.owe(gate);
                    }
                }
            }
        }
        self.now = end;
        Ok(())
    }

    fn put(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((at, self.order), happening);
    }

    /// Dice for the next thing that concerns this gate.
    fn dice(&mut self, gate: usize) -> Dice {
        let count = self.messages.get_mut(gate).expect("a gate of this case");
        *count += 1;
        Dice::of(self.case.seed, &[0xD1CE, gate as u64, *count])
    }

    fn ask(&mut self, gate: usize, ask: Ask) {
        let (at, life) = (self.now + slow(&mut self.dice(gate)), self.gate(gate).life);
        self.put(at, Happening::AtStore(gate, life, ask));
    }

    fn answer(&mut self, gate: usize, answer: Answer) {
        let (at, life) = (self.now + slow(&mut self.dice(gate)), self.gate(gate).life);
        self.put(at, Happening::AtGate(gate, life, answer));
    }

    /// The gate has lost the store.
    fn lose(&mut self, gate: usize) {
        self.store.waiting.remove(&gate);
        let now = self.now;
        let gate = self.gate(gate);
        if gate.well_since.is_some() && gate.reader.is_caught_up() {
            gate.heard = Some(gate.now(now));
        }
        gate.disconnect();
    }

    /// The gate can reach the store, if it is up, and will find out.
    fn come_back(&mut self, gate: usize) {
        let (now, stopped) = (self.now, self.store.stopped);
        let at = now + self.dice(gate).below(BACKOFF_MAX);
        let this = self.gate(gate);
        if this.up && this.linked && !stopped && this.well_since.is_none() {
            this.well_since = Some(now);
            let life = this.life;
            self.put(at, Happening::Connect(gate, life));
        }
    }

    fn connect(&mut self, gate: usize, life: u64) {
        let now = self.now;
        let this = self.gate(gate);
        if this.life == life {
            this.connected(now);
            if this.reader.needs_resync().is_some() {
                self.go_on(gate, false)
            } else {
                self.ask(gate, Ask::Check)
            }
        }
    }

    /// Something is to be told later than it happened.
    fn owe(&mut self, gate: usize) {
        if self.mutant != Some(Mutant::NeverPushes) {
            self.gate(gate).owe();
        }
        self.wake(gate);
    }

    /// A question that waits is answered when its time is over; without this it waits until something happens, and nobody needs to
    /// simulate that nothing does.
    fn wake(&mut self, gate: usize) {
        if let Some(waiting) = self.store.waiting.get(&gate) {
            let question = waiting.question;
            let at = self.now + self.dice(gate).below(BLOCK);
            self.put(at, Happening::Timeout(gate, question));
        }
    }

    fn time_out(&mut self, gate: usize, question: u64) {
        if self
            .store
            .waiting
            .get(&gate)
            .is_some_and(|waiting| waiting.question == question)
        {
            self.rest(gate);
            self.store.waiting.remove(&gate);
            self.answer(gate, Answer::Items(vec![]));
        }
    }

    /// A gate that has waited for long has asked many times where the store is, and it was where it was: as it was not simulated, its
    /// reader is told so now.
    fn rest(&mut self, gate: usize) {
        let since = self
            .store
            .waiting
            .get(&gate)
            .map_or(self.now, |waiting| waiting.since);
        let asked = (self.now - since) / BLOCK;
        let reader = &mut self.gate(gate).reader;
        let position = reader.position();
        if reader.is_caught_up() {
            for _ in 0..asked.min(MANY) {
                let heard = reader.check(
                    Some(position).filter(|position| *position != Position::START),
                    vec![],
                    true,
                );
                debug_assert_eq!(heard, Heard::default());
            }
        }
    }
}
