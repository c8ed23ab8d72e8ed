//! Makes a case that fails smaller: it leaves out acts as long as the same thing still goes wrong.

use super::case::Case;
use super::mutant::Mutant;
use super::plan;
use super::run;

/// Runs that shrinking may take.
const RUNS: usize = 2_000;

/// The word for what went wrong.
fn word(fault: &str) -> &str {
    fault.split(':').next().unwrap_or(fault)
}

/// The smallest case that was found which fails like `case` does, and how it fails.
pub fn shrink(case: &Case, fault: &str, mutant: Option<Mutant>) -> (Case, String) {
    let (mut best, mut how) = (case.clone(), fault.to_owned());
    let mut acts: Vec<usize> = plan::plan(case)
        .iter()
        .map(|planned| planned.number)
        .collect();
    let (mut share, mut runs) = (2, 0);
    while share <= acts.len().max(1) * 2 && runs < RUNS {
        let size = acts.len().div_ceil(share).max(1);
        let mut smaller = None;
        for start in (0..acts.len()).step_by(size) {
            runs += 1;
            let rest: Vec<usize> = acts
                .iter()
                .enumerate()
                .filter(|(i, _)| !(start..start + size).contains(i))
                .map(|(_, n)| *n)
                .collect();
            let tried = Case {
                only: Some(rest.clone()),
                ..best.clone()
            };
            if let Err(other) = run(&tried, mutant)
                && word(&other) == word(fault)
            {
                smaller = Some((rest, tried, other));
                break;
            }
        }
        match smaller {
            Some((rest, tried, other)) => {
                (acts, best, how, share) = (rest, tried, other, share.saturating_sub(1).max(2))
            }
            None if size == 1 => break,
            None => share *= 2,
        }
    }
    (best, how)
}
