//! Many gates, in simulated time: see `model`. For longer runs there is `examples/simulate.rs`.

mod model;

use model::case::Case;
use model::mutant::Mutant;
use model::plan::weeks_away;
use model::shrink::shrink;
use model::{run, run_plan};

/// Runs a case, and says of one that fails how to see it again.
fn holds(case: &Case) {
    if let Err(fault) = run(case, None) {
        let (small, how) = shrink(case, &fault, None);
        panic!("{fault}\n  {case}\nmade smaller: {how}\n  {small}");
    }
}

#[test]
fn nobody_is_let_in_or_refused_for_longer_than_the_bound_and_all_agree_in_the_end() {
    (0..100).map(Case::of_seed).for_each(|case| holds(&case));
}

#[test]
fn ten_thousand_gates_agree_in_the_end() {
    let case = Case::of_many_gates(1);
    // Not made smaller: that would take hours.
    let ran = run(&case, None).unwrap_or_else(|fault| panic!("{fault}\n  {case}"));
    assert!(
        ran.events > 0 && ran.handled > 100_000,
        "something has happened: {ran:?}"
    );
}

/// Each line has a fault that was put in, or `-`, and the smallest history in which it was seen to matter.
fn kept() -> Vec<(Option<Mutant>, Case)> {
    let lines = include_str!("seeds.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &str| {
        let (mutant, case) = line
            .split_once(' ')
            .unwrap_or_else(|| panic!("a fault and a case: {line}"));
        let read = |name: &str| name.parse().unwrap_or_else(|why| panic!("{line}: {why}"));
        (
            Some(mutant).filter(|name| *name != "-").map(read),
            case.parse().unwrap_or_else(|why| panic!("{line}: {why}")),
        )
    };
    lines.map(read).collect()
}

#[test]
fn a_gate_that_comes_back_after_weeks_gives_nobody_a_role_back() {
    // One in which gate 0 has a local store.
    let case: Case = "seed=1 gates=2 users=1 changes=0 faults=0 minutes=30000"
        .parse()
        .expect("a case");
    let ran = |mutant| run_plan(&case, weeks_away(), mutant);
    ran(None).expect("it holds the role back");
    ran(Some(Mutant::PushesAfterWeeks))
        .expect_err("that it told everybody of the role would be found");
}

#[test]
fn every_fault_that_is_put_in_is_found_by_the_history_that_was_kept_of_it() {
    let kept = kept();
    for mutant in Mutant::ALL {
        // This one has a test of its own.
        let known =
            mutant == Mutant::PushesAfterWeeks || kept.iter().any(|(of, _)| *of == Some(mutant));
        assert!(known, "no history is kept in which {mutant:?} matters");
    }
    for (mutant, case) in kept {
        assert!(
            mutant.is_none() || run(&case, mutant).is_err(),
            "{mutant:?} makes no difference any more in\n  {case}"
        );
        holds(&case);
    }
}

/// The ones that need the least luck.
#[test]
fn faults_that_are_put_in_are_found_within_a_few_seeds() {
    for mutant in [
        Mutant::NoChain,
        Mutant::NeverPushes,
        Mutant::StoreTakesAnything,
        Mutant::ForgetsMarks,
    ] {
        let found = (0..20)
            .map(Case::of_seed)
            .any(|case| run(&case, Some(mutant)).is_err());
        assert!(found, "{mutant:?} was not found within 20 seeds");
    }
}

#[test]
fn a_case_is_the_same_each_time_and_a_line_of_text() {
    let case = Case {
        only: Some(vec![3, 17]),
        ..Case::of_seed(7)
    };
    assert_eq!(case.to_string().parse(), Ok(case));
    let case = Case::of_seed(7);
    let ran = |()| run(&case, None).map(|ran| (ran.handled, ran.events, ran.lost));
    assert_eq!(ran(()), ran(()));
}
