//! What must hold, and is looked at again and again while a simulation runs.
//!
//! - **A gate knows what it was told**, and nothing else: `forgot`, `invented`.
//! - **What the store has reaches every gate** within [`TAIL`] of one that only waits, within [`read`] of one that has come back:
//!   `unheard`.
//! - **What a gate has learned reaches the store** within [`push`]: `untold`.
//! - **Nobody is let in who should not be**: not after the gate was told, wherever the store is; not later than [`all`] after any gate
//!   was told, where nothing is broken; and never with a token that has ended, by a clock that is off by so much: `let in`.
//! - **Nobody is refused who should be let in**: not after the gate was told, and not because of a start for longer than [`read`]:
//!   `refused`.

use std::collections::HashSet;
use std::time::Duration;

use bailiff::domain::event::{Change, MembershipEvent};
use bailiff::domain::issuer::Leeway;
use bailiff::domain::membership::MARKS_LAST;
use bailiff::domain::shared::everything;
use bailiff::domain::{Rejection, UnixTime};

use super::bounds::{TAIL, push, read};
use super::clerk::{EPOCH, ORGS, Subject};
use super::cluster::Cluster;
use super::dice::Dice;
use super::door::{self, KEEP, TOKEN_LIVES, Token};
use super::gate::{is_mark, offered};
use super::ledger::Ledger;

type Checked = Result<(), String>;

/// Looks at everything that concerns one gate.
pub fn look(cluster: &mut Cluster, gate: usize) -> Checked {
    if !cluster.gate(gate).up {
        return Ok(());
    }
    let now = cluster.now;
    cluster.gate(gate).forget(now);
    knows_what_it_was_told(cluster, gate)?;
    hears_of_what_the_store_has(cluster, gate)?;
    tells_the_store(cluster, gate)?;
    let mut dice = Dice::of(cluster.case.seed, &[0x100C, gate as u64, now]);
    let (user, org) = (dice.index(cluster.case.users), dice.index(ORGS));
    lets_in_whom_it_should(cluster, gate, user, None, dice.percent(5))?;
    lets_in_whom_it_should(cluster, gate, user, Some(org), dice.percent(5))
}

/// Whether a gate whose clock shows `now` may have forgotten it.
fn may_be_forgotten(fact: &MembershipEvent, now: UnixTime) -> bool {
    let since = UnixTime(fact.at.0 / 1000);
    let week_old = now > since.plus(MARKS_LAST);
    let end = since.plus(KEEP).plus(Duration::from_secs(120));
    (is_mark(fact) && week_old) || (matches!(fact.change, Change::Revoked(_)) && now > end)
}

fn knows_what_it_was_told(cluster: &mut Cluster, gate: usize) -> Checked {
    let Cluster {
        gates, ledger, now, ..
    } = cluster;
    let (gate_number, gate) = (gate, gates.get(gate).expect("a gate"));
    let told = ledger.gates.get(gate_number).expect("a gate").clone();
    let clock = gate.now(*now);
    for held in told.iter().flatten() {
        let fact = &ledger.facts.get(held.id).expect("a fact").fact;
        if gate.world.is_news(fact) && !may_be_forgotten(fact, clock) {
            return Err(format!(
                "forgot: gate {gate_number} was told {:?} and does not know it",
                fact.change
            ));
        }
    }
    for fact in everything(&gate.world) {
        let known = ledger
            .number(&offered(&fact).event)
            .is_some_and(|id| ledger.has(&told, id));
        // What a ban revokes is a fact of its own, and the gate draws that conclusion itself.
        if !known && !matches!(fact.change, Change::Revoked(_)) {
            return Err(format!(
                "invented: gate {gate_number} knows {:?} and was not told",
                fact.change
            ));
        }
    }
    Ok(())
}

fn hears_of_what_the_store_has(cluster: &Cluster, gate: usize) -> Checked {
    let Cluster {
        gates,
        ledger,
        now,
        disturbed,
        ..
    } = cluster;
    let (this, told) = (
        gates.get(gate).expect("a gate"),
        ledger.gates.get(gate).expect("a gate"),
    );
    let Some(well) = this.well_since else {
        return Ok(());
    };
    for held in ledger.store.iter().flatten() {
        let calm = this
            .calm_since
            .is_some_and(|calm| calm <= held.since && *disturbed <= held.since);
        let due = if calm {
            held.since + TAIL
        } else {
            held.since.max(well).max(*disturbed) + read(this.longest)
        };
        if *now >= due && *now < ledger.store_keeps_until(held.id) && !ledger.has(told, held.id) {
            let fact = &ledger.facts.get(held.id).expect("a fact").fact;
            let late = now - held.since;
            return Err(format!(
                "unheard: the store has {:?} for {late} ms, and gate {gate} was not told",
                fact.change
            ));
        }
    }
    Ok(())
}

fn tells_the_store(cluster: &Cluster, gate: usize) -> Checked {
    let Cluster {
        gates,
        ledger,
        now,
        disturbed,
        ..
    } = cluster;
    let (this, told) = (
        gates.get(gate).expect("a gate"),
        ledger.gates.get(gate).expect("a gate"),
    );
    let Some(well) = this.well_since else {
        return Ok(());
    };
    // What it knows: nothing is left of memberships of a user who is deleted.
    let known: HashSet<String> = everything(&this.world).map(|fact| fact.key()).collect();
    for held in told.iter().flatten() {
        let fact = &ledger.facts.get(held.id).expect("a fact").fact;
        let due = held.since.max(well).max(*disturbed) + push(this.longest);
        let old =
            offered(fact).lasts.is_some() && EPOCH + now > fact.at.0 + KEEP.as_millis() as u64;
        let lost = ledger
            .facts
            .get(held.id)
            .is_some_and(|told| ledger.lost.contains(&told.key));
        let excused = lost || this.silent_of.contains(fact) || old || !known.contains(&fact.key());
        if *now >= due && !excused && !ledger.has(&ledger.store, held.id) {
            return Err(format!(
                "untold: gate {gate} knows {:?}, and the store does not",
                fact.change
            ));
        }
    }
    Ok(())
}

/// Shows the newest tokens of each session of a user, also of those that have ended.
fn lets_in_whom_it_should(
    cluster: &mut Cluster,
    gate: usize,
    user: usize,
    org: Option<usize>,
    sign: bool,
) -> Checked {
    if org.is_some() && user + 1 == cluster.case.users {
        // Of the last user the source has a say, too. That all gates agree of them is looked at in the end.
        return Ok(());
    }
    let now = cluster.now;
    let sure = Sure::of(cluster, gate, user, org);
    let this = cluster.gates.get(gate).expect("a gate");
    let clock = this.now(now);
    for (number, session) in cluster
        .clerk
        .sessions
        .iter()
        .enumerate()
        .filter(|(_, session)| session.user == user)
    {
        let last = session.ended.unwrap_or(now).min(now);
        let token = Token::at(user, number, last);
        let answer = door::admits(&this.world, token, org, clock);
        if sign {
            let judged = door::judged(&this.world, token, org, clock);
            if judged != answer {
                return Err(format!(
                    "unlike: the judge says {judged:?} of what its parts answer {answer:?}"
                ));
            }
        }
        let should = session.ended.is_none() && cluster.clerk.admits(user, org);
        let ended = session.ended.map(|ended| {
            ended / 1000 + TOKEN_LIVES + Leeway::DEFAULT.secs() + this.skew.unsigned_abs()
        });
        let what = format!(
            "session {number} of user {user} at gate {gate}, whose clock is {} s off: {answer:?}",
            this.skew
        );
        if answer.is_ok() && ended.is_some_and(|ended| now / 1000 > ended) {
            return Err(format!("let in: with a token that has ended, {what}"));
        }
        if answer.is_ok() && !should && (sure.everything || sure.from_start) {
            return Err(format!("let in: who should not be, {what}"));
        }
        let by_clock = matches!(
            answer,
            Err(Rejection::Expired | Rejection::IssuedInFuture | Rejection::NotYetValid)
        );
        let starting = answer == Err(Rejection::SharedStateUnavailable)
            && this
                .well_since
                .is_none_or(|well| now < well.max(cluster.disturbed) + read(this.longest));
        // Tokens count in seconds: one from the second of a ban may be from before it.
        let same_second = sure
            .last_second
            .is_some_and(|second| token.issued <= second);
        if answer.is_err() && should && sure.everything && !by_clock && !starting && !same_second {
            return Err(format!("refused: who should be let in, {what}"));
        }
    }
    Ok(())
}

/// How long it takes until what anybody has learned is with everybody, where nothing is broken.
pub fn all(cluster: &Cluster) -> u64 {
    let longest = cluster
        .gates
        .iter()
        .map(|gate| gate.longest)
        .max()
        .unwrap_or(0);
    read(longest) + push(longest)
}

/// What can be demanded of a gate's answers about a user.
struct Sure {
    /// It was told everything that has happened, or should have been.
    everything: bool,
    /// The store had all the rest before the gate started, which has no memory of its own: it must not open before it has read it.
    from_start: bool,
    /// The last second in which something has happened to the user.
    last_second: Option<u64>,
}

impl Sure {
    fn of(cluster: &Cluster, gate: usize, user: usize, org: Option<usize>) -> Self {
        let Cluster {
            ledger,
            now,
            disturbed,
            ..
        } = cluster;
        let told = ledger.gates.get(gate).expect("a gate");
        let concerns = |subject: Subject| match subject {
            Subject::User(whom) => whom == user,
            Subject::Member(of, whom) => whom == user && Some(of) == org,
            Subject::Org(of) => Some(of) == org,
        };
        let events = ledger
            .events
            .values()
            .filter(|event| concerns(event.subject) && event.at <= *now);
        let known = |id: &usize| {
            let lost = ledger
                .facts
                .get(*id)
                .is_none_or(|fact| ledger.lost.contains(&fact.key));
            !lost && ledger.has(told, *id)
        };
        let blind = cluster.gates.get(gate).is_some_and(|gate| !gate.keeps);
        let started = cluster.gates.get(gate).map_or(0, |gate| gate.started);
        let mut sure = Self {
            everything: true,
            from_start: blind,
            last_second: None,
        };
        for event in events {
            let known = event.accepted.is_some() && event.facts.iter().all(known);
            let lost = event.facts.iter().any(|id| {
                ledger
                    .facts
                    .get(*id)
                    .is_none_or(|f| ledger.lost.contains(&f.key))
            });
            let all_well = cluster.gates.iter().all(|gate| gate.well_since.is_some());
            let due = event
                .accepted
                .is_some_and(|at| all_well && *now >= at.max(*disturbed) + all(cluster));
            let before = |id: &usize| {
                let key = ledger.facts.get(*id).map_or(0, |fact| fact.key);
                ledger.has(&ledger.store, *id)
                    && Ledger::held(&ledger.store, key).is_some_and(|held| held.since < started)
            };
            sure.everything &= known || (due && !lost);
            sure.from_start &= known || event.facts.iter().all(before);
            sure.last_second = sure.last_second.max(Some((EPOCH + event.at) / 1000));
        }
        sure
    }
}

/// What a gate answers in the end: of each user, whether each of their sessions comes in, and in which role anywhere.
pub fn answers(world: &bailiff::domain::Snapshot, cluster: &Cluster) -> Vec<String> {
    let (now, users) = (door::clock(cluster.now, 0), cluster.case.users);
    let members = world.members.as_ref().expect("a membership");
    let roles = world.rules.roles.as_ref().expect("roles");
    let mut all = Vec::new();
    for user in 0..users {
        let id = door::user_of(user);
        for org in 0..ORGS {
            let role = members
                .role(&door::workspace(org), &id, None)
                .map(|role| roles.name(role).to_owned());
            all.push(format!("user {user} in organization {org}: {role:?}"));
        }
        let name = match members.user_state(&id) {
            bailiff::domain::membership::UserState::Known(known) => format!("{:?}", known.name()),
            other => format!("{other:?}"),
        };
        all.push(format!("user {user}: {name}"));
    }
    for (number, session) in cluster.clerk.sessions.iter().enumerate() {
        let token = Token::at(session.user, number, session.ended.unwrap_or(cluster.now));
        all.push(format!(
            "session {number}: {:?}",
            door::admits(world, token, None, now)
        ));
    }
    all
}

/// A single gate that has seen everything, in order, and forgets nothing.
pub fn oracle(cluster: &Cluster) -> bailiff::domain::Snapshot {
    let mut world = door::blank(cluster.case.users, cluster.version);
    world.awaits_shared = false;
    let mut facts: Vec<&MembershipEvent> =
        cluster.ledger.facts.iter().map(|told| &told.fact).collect();
    facts.sort_by_key(|fact| (fact.at, fact.rank().to_string()));
    for fact in facts {
        world = world.changed(fact).expect("there is room");
    }
    world
}

/// That all gates agree, among each other and with the [`oracle`] where nothing is lost.
pub fn all_agree(cluster: &Cluster) -> Checked {
    let expected = answers(&oracle(cluster), cluster);
    // A role that a gate holds back after weeks: that the others may not know it is the price.
    let silent = cluster.gates.iter().flat_map(|gate| &gate.silent_of);
    let whose = |fact: &MembershipEvent| {
        (0..cluster.case.users).find(
            |user| matches!(&fact.change, Change::Member(_, of, _) if *of == door::user_of(*user)),
        )
    };
    let held_back: Vec<String> = silent
        .filter_map(whose)
        .map(|user| format!("user {user} in organization"))
        .collect();
    let first = cluster
        .gates
        .first()
        .map(|gate| answers(&gate.world, cluster))
        .unwrap_or_default();
    for (number, gate) in cluster.gates.iter().enumerate() {
        let said = answers(&gate.world, cluster);
        let differs = |from: &[String]| {
            let pair = said.iter().zip(from).find(|(one, other)| {
                one != other && !held_back.iter().any(|of| one.starts_with(of))
            });
            pair.map(|(one, other)| format!("{one}, not {other}"))
        };
        if let Some(how) = differs(&first) {
            return Err(format!("differ: gate {number} from gate 0, {how}"));
        }
        if cluster.ledger.lost.is_empty()
            && let Some(how) = differs(&expected)
        {
            return Err(format!(
                "differ: gate {number} from one that has seen everything in order, {how}"
            ));
        }
    }
    stores_what_gates_know(cluster)
}

fn stores_what_gates_know(cluster: &Cluster) -> Checked {
    let Cluster { ledger, store, .. } = cluster;
    let stored: std::collections::HashMap<String, String> = store
        .facts()
        .iter()
        .filter_map(|written| Some((written.key.to_string(), written.rank()?.to_owned())))
        .collect();
    for held in ledger.store.iter().flatten() {
        let told = ledger.facts.get(held.id).expect("a fact");
        let kept = stored
            .get(&told.fact.key())
            .is_some_and(|rank| *rank >= told.rank);
        if !kept && cluster.now < Ledger::store_keeps_until(ledger, held.id) {
            return Err(format!(
                "unstored: the store was told {:?} and does not have it",
                told.fact.change
            ));
        }
    }
    Ok(())
}
