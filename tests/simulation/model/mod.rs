//! Many gates, one store and Clerk in simulated time: the product's own domain code, and no clock, no socket, no thread.
//!
//! A [`Case`] says how much happens, and its seed says what. First everything that comes from outside is planned ([`plan`]): what
//! happens at Clerk, when each webhook is tried at which gate, what breaks and for how long. Then it runs ([`cluster`]), and while it
//! does, and when all is mended in the end, [`audit`] looks whether everything holds that must. What fails is made smaller ([`shrink`])
//! by leaving out what is not needed for it.

pub mod audit;
pub mod bounds;
pub mod case;
mod clerk;
mod cluster;
mod dice;
mod door;
mod gate;
mod ledger;
pub mod mutant;
pub mod plan;
pub mod shrink;
mod store;

use case::Case;
use cluster::Cluster;
use mutant::Mutant;

/// For how long Svix tries to deliver a webhook, in milliseconds.
const SVIX_TRIES: u64 = 99_305_000;

/// What a run that went well has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ran {
    pub handled: u64,
    pub events: usize,
    /// Facts that everybody who knew them has lost.
    pub lost: usize,
}

/// Runs a case. An error begins with the word for what did not hold.
pub fn run(case: &Case, mutant: Option<Mutant>) -> Result<Ran, String> {
    run_plan(case, plan::plan(case), mutant)
}

/// Runs a case in which this happens.
pub fn run_plan(
    case: &Case,
    acts: Vec<plan::Planned>,
    mutant: Option<Mutant>,
) -> Result<Ran, String> {
    let last = acts.last().map_or(0, |planned| planned.at).max(case.ends());
    let mut cluster = Cluster::new(case, acts, mutant);
    cluster.run(last, &mut audit::look)?;
    // In the end everything is mended, and Svix delivers what it has not delivered yet.
    cluster.mend_all();
    let numbers = cluster.numbers();
    let mut dice = dice::Dice::of(case.seed, &[0xE4D]);
    for number in &numbers {
        let gate = dice.index(case.gates);
        cluster.deliver(*number, gate, false);
    }
    settle(&mut cluster)?;
    audit::all_agree(&cluster)?;
    // Once more, in another order, at other gates: nothing changes. What is older Svix does not deliver.
    let recent = |number: &usize| {
        cluster
            .ledger
            .events
            .get(number)
            .is_some_and(|event| event.at + SVIX_TRIES > cluster.now)
    };
    let mut again: Vec<usize> = numbers.iter().copied().filter(recent).collect();
    let before: Vec<_> = cluster
        .gates
        .iter()
        .map(|gate| audit::answers(&gate.world, &cluster))
        .collect();
    dice.shuffle(&mut again);
    for number in again {
        let gate = dice.index(case.gates);
        cluster.deliver(number, gate, true);
    }
    settle(&mut cluster)?;
    for (number, (gate, before)) in cluster.gates.iter().zip(before).enumerate() {
        let after = audit::answers(&gate.world, &cluster);
        let changed = before.iter().zip(&after).find(|(one, other)| one != other);
        if let Some((one, other)) =
            changed.filter(|(one, _)| cluster.ledger.lost.is_empty() && !one.starts_with("session"))
        {
            return Err(format!(
                "twice: what was delivered again changed gate {number}: {one}, now {other}"
            ));
        }
    }
    audit::all_agree(&cluster)?;
    Ok(Ran {
        handled: cluster.handled,
        events: numbers.len(),
        lost: cluster.ledger.lost.len(),
    })
}

/// Until whatever was told has come to everybody.
fn settle(cluster: &mut Cluster) -> Result<(), String> {
    let end = cluster.now + 2 * audit::all(cluster) + 1_000;
    cluster.run(end, &mut audit::look)?;
    // Of very many gates some are enough: all of them are compared with each other anyway.
    let some = (cluster.gates.len() / 100).max(1);
    (0..cluster.gates.len())
        .step_by(some)
        .try_for_each(|gate| audit::look(cluster, gate))
}
