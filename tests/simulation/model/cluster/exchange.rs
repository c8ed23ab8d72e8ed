//! What gates and the store say to each other.

use bailiff::domain::event::{EncodedEvent, MembershipEvent};
use bailiff::domain::membership::MARKS_LAST;
use bailiff::domain::shared::{Item, Position, everything};

use super::super::bounds::{BLOCK, spread};
use super::super::gate::{Reading, is_mark, offered};
use super::super::mutant::Mutant;
use super::super::store::{PARTS, Waiting};
use super::{Answer, Ask, Cluster, Happening};

impl Cluster {
    pub(super) fn at_store(&mut self, gate: usize, life: u64, ask: Ask) {
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
                self.store.waiting.insert(
                    gate,
                    Waiting {
                        life,
                        cursor,
                        question,
                        since: now,
                    },
                );
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

    fn commit(&mut self, gate: usize, facts: &[MembershipEvent]) {
        let nonce = self.dice(gate).next().max(2);
        let mut offers: Vec<_> = facts.iter().map(offered).collect();
        if self.mutant == Some(Mutant::StoreForgetsMarks) {
            let marks = facts
                .iter()
                .zip(&mut offers)
                .filter(|(fact, _)| is_mark(fact));
            marks.for_each(|(_, offer)| offer.lasts = Some(MARKS_LAST));
        }
        let now = self.now;
        let taken = self.store.commit(&offers, nonce, now).taken;
        for offer in &offers {
            if let Some(id) = self.ledger.number(&offer.event) {
                self.ledger.store_told(id, now);
            }
        }
        if taken > 0 {
            let readers: Vec<usize> = self.store.waiting.keys().copied().collect();
            readers.into_iter().for_each(|reader| self.rest(reader));
            let waiting: Vec<(usize, Waiting)> = std::mem::take(&mut self.store.waiting)
                .into_iter()
                .collect();
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

    pub(super) fn at_gate(&mut self, gate: usize, life: u64, answer: Answer) {
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
                let head = if self.mutant == Some(Mutant::NoChain) {
                    Some(self.last(gate, &items))
                } else {
                    head
                };
                let heard = self.gate(gate).reader.check(head, items, true);
                self.gate(gate).take(&heard);
                self.go_on(gate, heard.facts.is_empty());
            }
            Answer::Items(items)
                if items.is_empty() && self.gate(gate).reader.needs_resync().is_none() =>
            {
                self.ask(gate, Ask::Check);
            }
            Answer::Items(items) => {
                let items = self.hand_over(gate, items);
                let heard = self.gate(gate).reader.tail(items);
                self.gate(gate).take(&heard);
                self.go_on(gate, false);
            }
            Answer::Before(before) => {
                self.gate(gate).reading = Some(Reading {
                    before,
                    ..Reading::default()
                });
                self.ask(gate, Ask::Part(0));
            }
            Answer::Part(facts) => {
                let reading = self.gate(gate).reading.get_or_insert_default();
                reading.facts.extend(facts);
                reading.parts += 1;
                let next = reading.parts;
                self.ask(
                    gate,
                    if next < PARTS {
                        Ask::Part(next)
                    } else {
                        Ask::After
                    },
                );
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
        let silent = everything(&this.world)
            .filter(|fact| !this.may_tell(fact))
            .collect();
        this.silent_of = silent;
        // It does not know what of before the others have overruled and forgotten since. And of roles that it holds back gates do not
        // learn that have no memory.
        let of_before =
            |fact: &&MembershipEvent| this.silent.is_some_and(|last| fact.at.0 / 1000 <= last.0);
        let on_purpose = |fact: &&MembershipEvent| {
            this.silent
                .is_some_and(|last| !fact.may_be_told_after(last))
        };
        let held_back = this.silent_of.iter().filter(on_purpose);
        let doubtful = debts.iter().filter(of_before).chain(held_back);
        let doubtful: Vec<EncodedEvent> = doubtful.map(|fact| offered(fact).event).collect();
        for written in &doubtful {
            self.ledger.excuse(written);
        }
        let this = self.gate(gate);
        if !debts.is_empty() {
            this.owing = true;
            self.ask(gate, Ask::Commit(debts, None));
        }
        self.go_on(gate, false);
    }

    /// The gate asks what it has to ask next. `quiet`: nothing has happened, and it was just found out that nothing has.
    pub(super) fn go_on(&mut self, gate: usize, quiet: bool) {
        let now = self.now;
        let mut dice = self.dice(gate);
        let this = self.gate(gate);
        this.hear_of_commits();
        if this.reader.is_caught_up() {
            this.world.awaits_shared = false;
        }
        let ask = match this.reader.needs_resync() {
            Some(owed) => {
                this.calm_since = None;
                let longest = spread(&owed);
                this.longest = if owed.again == 0 {
                    longest
                } else {
                    this.longest.max(longest)
                };
                let at = *this
                    .read_at
                    .get_or_insert_with(|| now + dice.below(longest + 1));
                if now >= at {
                    Ask::Before
                } else {
                    Ask::Tail(at - now)
                }
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
                if let Item::LogEntry(entry) = item {
                    entry.previous = position.nonce;
                    if position != Position::START {
                        entry.seq = position.seq + 1;
                    }
                    position = entry.position();
                }
            }
        }
        for item in &items {
            if let Item::LogEntry(entry) = item {
                self.told(gate, &entry.facts);
            }
        }
        items
    }

    fn last(&mut self, gate: usize, items: &[Item]) -> Position {
        let last = items.iter().rev().find_map(|item| match item {
            Item::LogEntry(entry) => Some(entry.position()),
            Item::InvalidEntry(_) => None,
        });
        last.unwrap_or(self.gate(gate).reader.position())
    }

    fn told(&mut self, gate: usize, facts: &[EncodedEvent]) {
        let now = self.now;
        for written in facts {
            if let Some(id) = self.ledger.number(written) {
                self.ledger.gate_told(gate, id, now);
            }
        }
    }
}
