//! Gates, a store and Clerk, and whatever happens between them, in the order of simulated time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bailiff::domain::Snapshot;
use bailiff::domain::membership::MARKS_LAST;
use bailiff::domain::shared::{Fact, Heard, Item, Position, Written, everything};

use super::bounds::{ANSWER_MAX, BACKOFF_MAX, BLOCK, COMMIT_PATIENCE, slow};
use super::case::Case;
use super::clerk::{Clerk, Event, Op};
use super::dice::Dice;
use super::door::blank;
use super::gate::{Gate, Reading, is_mark, offered};
use super::ledger::{Accepted, Ledger};
use super::mutant::Mutant;
use super::plan::{Act, Planned};
use super::store::{PARTS, Store, Waiting};

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
    Commit(Vec<Fact>, Option<usize>),
}

/// What the store answers.
#[derive(Clone, Debug)]
enum Answer {
    Check(Option<Position>, Vec<Item>),
    Items(Vec<Item>),
    Before(Option<Position>),
    Part(Vec<Written>),
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
        let gates = (0..case.gates).map(|gate| Gate::new(case.users, keeps(gate), world.clone(), mutant)).collect();
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
        acts.into_iter().for_each(|planned| cluster.put(planned.at, Happening::Act(planned)));
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
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), happening) = entry.remove_entry();
            self.now = at;
            self.handled += 1;
            match happening {
                Happening::Act(Planned { act: Act::Look(gate), .. }) => look(self, gate)?,
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

    // --- From outside.

    pub fn act(&mut self, number: usize, act: Act) {
        match act {
            Act::Clerk(op) => self.happen(number, op),
            Act::Deliver { caused_by, gate, again } => self.deliver(caused_by, gate, again),
            Act::Cut(gate) => {
                self.gate(gate).linked = false;
                self.lose(gate);
            }
            Act::Mend(gate) => {
                self.gate(gate).linked = true;
                self.come_back(gate);
            }
            Act::Crash(gate) => self.crash(gate),
            Act::Start(gate) => {
                if !self.gate(gate).up {
                    let (version, now) = (self.version, self.now);
                    self.gate(gate).start(version, now);
                    self.come_back(gate);
                }
            }
            Act::Stop => {
                self.store.stopped = true;
                (0..self.gates.len()).for_each(|gate| self.lose(gate));
            }
            Act::Resume => {
                self.store.stopped = false;
                (0..self.gates.len()).for_each(|gate| self.come_back(gate));
            }
            Act::Flush | Act::Failover(_) | Act::Trim(_) => self.change_store(number, act),
            Act::Source(version) => self.version = version,
            Act::Reload(gate) => self.reload(gate),
            Act::Skew(gate, skew) => self.gate(gate).skew = skew,
            Act::Look(_) => {}
        }
        if !matches!(act, Act::Clerk(_) | Act::Deliver { .. } | Act::Look(_) | Act::Source(_) | Act::Reload(_)) {
            self.disturbed = self.now;
        }
    }

    fn happen(&mut self, number: usize, op: Op) {
        for event in self.clerk.happen(op, self.now) {
            let (change, at) = event.change();
            let facts =
                Fact::of(&change, at).iter().filter_map(|fact| self.ledger.number(&offered(fact).written)).collect();
            let accepted = Accepted { subject: event.subject, at: event.at, facts, accepted: None };
            self.ledger.events.insert(number, accepted);
            self.events.insert(number, event);
        }
    }

    /// The numbers of all events.
    pub fn numbers(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> = self.events.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    pub fn deliver(&mut self, event: usize, gate: usize, again: bool) {
        let done = self.ledger.events.get(&event).is_none_or(|told| told.accepted.is_some());
        if !self.events.contains_key(&event) || (done && !again) || !self.gate(gate).up {
            return;
        }
        if self.gate(gate).well_since.is_none() {
            self.accept(gate, event);
            self.owe(gate);
        } else {
            let (change, at) = self.events.get(&event).expect("it is there").change();
            let facts = self.gate(gate).facts_of(&change, at);
            self.ask(gate, Ask::Commit(facts, Some(event)));
            self.pending.insert((gate, event));
            self.put(self.now + COMMIT_PATIENCE, Happening::Impatient(gate, event));
        }
    }

    /// The gate puts in force what a webhook says, and answers 200.
    fn accept(&mut self, gate: usize, event: usize) {
        let (change, at) = self.events.get(&event).expect("it is there").change();
        if self.mutant != Some(Mutant::TellsOthersOnly) {
            self.gate(gate).learn(&change, at);
        }
        let now = self.now;
        if let Some(told) = self.ledger.events.get_mut(&event) {
            told.accepted.get_or_insert(now);
            let facts = told.facts.clone();
            facts.into_iter().for_each(|id| self.ledger.gate_told(gate, id, now));
        }
    }

    fn reload(&mut self, gate: usize) {
        if !self.gate(gate).up {
            return;
        }
        let version = self.version;
        let overruled = self.gate(gate).reload(version);
        let facts: Vec<Fact> = overruled.iter().flat_map(|(change, at)| Fact::of(change, *at)).collect();
        if facts.is_empty() {
            return;
        }
        let now = self.now;
        for fact in &facts {
            if let Some(id) = self.ledger.number(&offered(fact).written) {
                self.ledger.gate_told(gate, id, now);
            }
        }
        if self.gate(gate).well_since.is_some() {
            self.ask(gate, Ask::Commit(facts, None));
        } else {
            self.owe(gate);
        }
    }

    fn crash(&mut self, gate: usize) {
        if !self.gate(gate).up {
            return;
        }
        self.lose(gate);
        self.gate(gate).crash();
        self.pending.retain(|(waiting, _)| *waiting != gate);
        if !self.gate(gate).keeps {
            self.ledger.gates.get_mut(gate).expect("a gate").clear();
            self.ledger.take_stock();
        }
    }

    fn change_store(&mut self, number: usize, act: Act) {
        let mut dice = Dice::of(self.case.seed, &[0x570, number as u64]);
        match act {
            Act::Flush => self.store.flush(),
            Act::Failover(lag) => self.store.fail_over(self.now.saturating_sub(lag)),
            Act::Trim(max) => self.store.trim(max),
            _ => {}
        }
        if !matches!(act, Act::Trim(_)) {
            let kept: Vec<usize> =
                self.store.facts().iter().filter_map(|written| self.ledger.number(written)).collect();
            self.ledger.store_is(&kept, self.now);
            self.ledger.take_stock();
        }
        let breaks = dice.percent(50);
        for gate in 0..self.gates.len() {
            if breaks && self.gate(gate).well_since.is_some() {
                self.lose(gate);
                self.come_back(gate);
            } else {
                self.wake(gate);
            }
        }
    }

    // --- Connections.

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
            if this.reader.owes().is_some() { self.go_on(gate, false) } else { self.ask(gate, Ask::Check) }
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
        if self.store.waiting.get(&gate).is_some_and(|waiting| waiting.question == question) {
            self.rest(gate);
            self.store.waiting.remove(&gate);
            self.answer(gate, Answer::Items(vec![]));
        }
    }

    /// A gate that has waited for long has asked many times where the store is, and it was where it was: as it was not simulated, its
    /// reader is told so now.
    fn rest(&mut self, gate: usize) {
        let since = self.store.waiting.get(&gate).map_or(self.now, |waiting| waiting.since);
        let asked = (self.now - since) / BLOCK;
        let reader = &mut self.gate(gate).reader;
        let position = reader.position();
        if reader.is_caught_up() {
            for _ in 0..asked.min(MANY) {
                let heard = reader.check(Some(position).filter(|position| *position != Position::START), vec![], true);
                debug_assert_eq!(heard, Heard::default());
            }
        }
    }

    // --- At the store.

    fn at_store(&mut self, gate: usize, life: u64, ask: Ask) {
        let lives = self.gate(gate).life == life;
        // What was sent before the connection broke may still arrive; nobody hears the answer.
        if self.store.stopped || (!lives && !matches!(ask, Ask::Commit(..))) {
            return;
        }
        let now = self.now;
        match ask {
            Ask::Check => {
                let position = self.gate(gate).reader.position();
                let items = self.store.items(position.into());
                self.answer(gate, Answer::Check(self.store.head(), items));
            }
            Ask::Tail(patience) => {
                let cursor = self.gate(gate).reader.cursor();
                let items = self.store.items(cursor);
                if !items.is_empty() {
                    return self.answer(gate, Answer::Items(items));
                }
                self.gate(gate).question += 1;
                let question = self.gate(gate).question;
                self.store.waiting.insert(gate, Waiting { life, cursor, question, since: now });
                if patience < u64::MAX {
                    self.put(now + patience, Happening::Timeout(gate, question));
                }
            }
            Ask::Before => self.answer(gate, Answer::Before(self.store.head())),
            Ask::Part(part) => {
                let facts = self.store.part(part, now);
                self.answer(gate, Answer::Part(facts));
            }
            Ask::After => self.answer(gate, Answer::After(self.store.head())),
            Ask::Commit(facts, event) => {
                self.commit(gate, &facts);
                if lives {
                    self.answer(gate, Answer::Committed(self.store.head(), event));
                }
            }
        }
    }

    fn commit(&mut self, gate: usize, facts: &[Fact]) {
        let nonce = self.dice(gate).next().max(2);
        let mut offers: Vec<_> = facts.iter().map(offered).collect();
        if self.mutant == Some(Mutant::StoreForgetsMarks) {
            let marks = facts.iter().zip(&mut offers).filter(|(fact, _)| is_mark(fact));
            marks.for_each(|(_, offer)| offer.lasts = Some(MARKS_LAST));
        }
        let now = self.now;
        let taken = self.store.commit(&offers, nonce, now).taken;
        for offer in &offers {
            if let Some(id) = self.ledger.number(&offer.written) {
                self.ledger.store_told(id, now);
            }
        }
        if taken > 0 {
            let readers: Vec<usize> = self.store.waiting.keys().copied().collect();
            readers.into_iter().for_each(|reader| self.rest(reader));
            let waiting: Vec<(usize, Waiting)> = std::mem::take(&mut self.store.waiting).into_iter().collect();
            for (reader, waiting) in waiting {
                let items = self.store.items(waiting.cursor);
                if items.is_empty() {
                    self.store.waiting.insert(reader, waiting);
                } else if self.gate(reader).life == waiting.life {
                    self.answer(reader, Answer::Items(items));
                }
            }
        }
    }

    // --- At the gate.

    fn at_gate(&mut self, gate: usize, life: u64, answer: Answer) {
        if self.gate(gate).life != life {
            return;
        }
        let now = self.now;
        match answer {
            Answer::Check(head, items) => {
                if self.mutant == Some(Mutant::NeverChecks) {
                    return self.go_on(gate, true);
                }
                let items = self.hand_over(gate, items);
                let head = if self.mutant == Some(Mutant::NoChain) { Some(self.last(gate, &items)) } else { head };
                let heard = self.gate(gate).reader.check(head, items, true);
                self.gate(gate).take(&heard);
                self.go_on(gate, heard.facts.is_empty());
            }
            Answer::Items(items) if items.is_empty() && self.gate(gate).reader.owes().is_none() => {
                self.ask(gate, Ask::Check);
            }
            Answer::Items(items) => {
                let items = self.hand_over(gate, items);
                let heard = self.gate(gate).reader.tail(items);
                self.gate(gate).take(&heard);
                self.go_on(gate, false);
            }
            Answer::Before(before) => {
                self.gate(gate).reading = Some(Reading { before, ..Reading::default() });
                self.ask(gate, Ask::Part(0));
            }
            Answer::Part(facts) => {
                let reading = self.gate(gate).reading.get_or_insert_default();
                reading.facts.extend(facts);
                reading.parts += 1;
                let next = reading.parts;
                self.ask(gate, if next < PARTS { Ask::Part(next) } else { Ask::After });
            }
            Answer::After(after) => self.everything_was_read(gate, after),
            Answer::Committed(position, event) => {
                let this = self.gate(gate);
                this.committed.extend(position);
                match event {
                    None => this.owing = false,
                    Some(event) if self.pending.remove(&(gate, event)) => self.accept(gate, event),
                    Some(_) => {}
                }
            }
        }
        let gate = self.gate(gate);
        if gate.reader.is_caught_up() {
            gate.heard = Some(gate.now(now));
        }
    }

    fn everything_was_read(&mut self, gate: usize, after: Option<Position>) {
        let mutant = self.mutant;
        let this = self.gate(gate);
        let reading = this.reading.take().unwrap_or_default();
        self.told(gate, &reading.facts);
        let this = self.gate(gate);
        let before = match mutant {
            Some(Mutant::PositionAfterFacts) => after,
            _ => reading.before,
        };
        let heard = this.reader.snapshot(before, reading.facts.clone(), after);
        this.take(&heard);
        this.read_at = None;
        let debts = this.debts(&reading.facts);
        let silent = everything(&this.world).filter(|fact| !this.may_tell(fact)).collect();
        this.silent_of = silent;
        if !debts.is_empty() {
            this.owing = true;
            self.ask(gate, Ask::Commit(debts, None));
        }
        self.go_on(gate, false);
    }

    /// The gate asks what it has to ask next. `quiet`: nothing has happened, and it was just found out that nothing has.
    fn go_on(&mut self, gate: usize, quiet: bool) {
        let now = self.now;
        let mut dice = self.dice(gate);
        let this = self.gate(gate);
        this.hear_of_commits();
        if this.reader.is_caught_up() {
            this.world.awaits_shared = false;
        }
        let ask = match this.reader.owes() {
            Some(owed) => {
                this.calm_since = None;
                let longest = super::bounds::spread(&owed);
                this.longest = if owed.again == 0 { longest } else { this.longest.max(longest) };
                let at = *this.read_at.get_or_insert_with(|| now + dice.below(longest + 1));
                if now >= at { Ask::Before } else { Ask::Tail(at - now) }
            }
            None => {
                this.calm_since.get_or_insert(now);
                Ask::Tail(if quiet { u64::MAX } else { BLOCK })
            }
        };
        self.ask(gate, ask);
    }

    /// What a wrong reader makes of the items; and the ledger learns what was handed to it.
    fn hand_over(&mut self, gate: usize, mut items: Vec<Item>) -> Vec<Item> {
        if self.mutant == Some(Mutant::NoChain) {
            let mut position = self.gate(gate).reader.position();
            for item in &mut items {
                if let Item::Entry(entry) = item {
                    entry.previous = position.nonce;
                    if position != Position::START {
                        entry.seq = position.seq + 1;
                    }
                    position = entry.position();
                }
            }
        }
        for item in &items {
            if let Item::Entry(entry) = item {
                self.told(gate, &entry.facts);
            }
        }
        items
    }

    fn last(&mut self, gate: usize, items: &[Item]) -> Position {
        let last = items.iter().rev().find_map(|item| match item {
            Item::Entry(entry) => Some(entry.position()),
            Item::Poisoned(_) => None,
        });
        last.unwrap_or(self.gate(gate).reader.position())
    }

    fn told(&mut self, gate: usize, facts: &[Written]) {
        let now = self.now;
        for written in facts {
            if let Some(id) = self.ledger.number(written) {
                self.ledger.gate_told(gate, id, now);
            }
        }
    }

    /// Whatever is broken is mended.
    pub fn mend_all(&mut self) {
        self.act(usize::MAX, Act::Resume);
        for gate in 0..self.gates.len() {
            self.act(usize::MAX, Act::Mend(gate));
            self.act(usize::MAX, Act::Start(gate));
            self.reload(gate);
        }
        const { assert!(ANSWER_MAX < BLOCK, "a question that waits is not taken for one that is lost") }
    }
}
