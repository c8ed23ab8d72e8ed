//! What comes from outside: what happens at Clerk, webhooks, sources, and what breaks.

use bailiff::domain::event::MembershipEvent;

use super::super::bounds::COMMIT_PATIENCE;
use super::super::clerk::Op;
use super::super::dice::Dice;
use super::super::gate::offered;
use super::super::ledger::Accepted;
use super::super::mutant::Mutant;
use super::super::plan::Act;
use super::{Ask, Cluster, Happening};

impl Cluster {
    pub fn act(&mut self, number: usize, act: Act) {
        match act {
            Act::Clerk(op) => self.happen(number, op),
            Act::Deliver {
                caused_by,
                gate,
                again,
            } => self.deliver(caused_by, gate, again),
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
        if !matches!(
            act,
            Act::Clerk(_) | Act::Deliver { .. } | Act::Look(_) | Act::Source(_) | Act::Reload(_)
        ) {
            self.disturbed = self.now;
        }
    }

    fn happen(&mut self, number: usize, op: Op) {
        for event in self.clerk.happen(op, self.now) {
            let shared = event.change().shared();
            let facts = shared
                .iter()
                .filter_map(|fact| self.ledger.number(&offered(fact).event))
                .collect();
            let accepted = Accepted {
                subject: event.subject,
                at: event.at,
                facts,
                accepted: None,
            };
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
        let done = self
            .ledger
            .events
            .get(&event)
            .is_none_or(|told| told.accepted.is_some());
        if !self.events.contains_key(&event) || (done && !again) || !self.gate(gate).up {
            return;
        }
        if self.gate(gate).well_since.is_none() {
            self.accept(gate, event);
            self.owe(gate);
        } else {
            let change = self.events.get(&event).expect("it is there").change();
            let facts = self.gate(gate).facts_of(&change);
            self.ask(gate, Ask::Commit(facts, Some(event)));
            self.pending.insert((gate, event));
            self.put(
                self.now + COMMIT_PATIENCE,
                Happening::Impatient(gate, event),
            );
        }
    }

    /// The gate puts in force what a webhook says, and answers 200.
    pub(super) fn accept(&mut self, gate: usize, event: usize) {
        let change = self.events.get(&event).expect("it is there").change();
        if self.mutant != Some(Mutant::TellsOthersOnly) {
            self.gate(gate).learn(&change);
        }
        let now = self.now;
        if let Some(told) = self.ledger.events.get_mut(&event) {
            told.accepted.get_or_insert(now);
            let facts = told.facts.clone();
            facts
                .into_iter()
                .for_each(|id| self.ledger.gate_told(gate, id, now));
        }
    }

    pub(super) fn reload(&mut self, gate: usize) {
        if !self.gate(gate).up {
            return;
        }
        let version = self.version;
        let overruled = self.gate(gate).reload(version);
        let facts: Vec<MembershipEvent> =
            overruled.iter().flat_map(MembershipEvent::shared).collect();
        if facts.is_empty() {
            return;
        }
        let now = self.now;
        for fact in &facts {
            if let Some(id) = self.ledger.number(&offered(fact).event) {
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
            let kept: Vec<usize> = self
                .store
                .facts()
                .iter()
                .filter_map(|written| self.ledger.number(written))
                .collect();
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

    /// Whatever is broken is mended.
    pub fn mend_all(&mut self) {
        self.act(usize::MAX, Act::Resume);
        for gate in 0..self.gates.len() {
            self.act(usize::MAX, Act::Mend(gate));
            self.act(usize::MAX, Act::Start(gate));
            self.reload(gate);
        }
    }
}
