//! Looks for histories in which many gates do something wrong: as the tests do, for longer.
//!
//! ```text
//! cargo run --release --example simulate -- --seeds 10000
//! cargo run --release --example simulate -- --case "seed=7 gates=3 users=2 changes=20 faults=10 minutes=60"
//! ```
//!
//! A history that fails is made smaller and printed as a line for `tests/simulation/seeds.txt`. Ends by itself: after as many seeds, or
//! after the first failures.

#[path = "../tests/simulation/model/mod.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod model;

use std::process::ExitCode;

use clap::Parser;

use bailiff::clock;
use model::case::Case;
use model::mutant::Mutant;
use model::{run, shrink::shrink};

#[derive(Parser)]
struct Args {
    /// How many seeds to try.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Tries this one case instead.
    #[arg(long)]
    case: Option<Case>,
    /// Puts in a fault on purpose, by its name in `mutant.rs`, to see that it is found.
    #[arg(long)]
    mutant: Option<Mutant>,
    /// Ends after so many failures.
    #[arg(long, default_value_t = 3)]
    failures: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let cases: Vec<Case> = match &args.case {
        Some(case) => vec![case.clone()],
        None => (args.from..args.from.saturating_add(args.seeds))
            .map(Case::of_seed)
            .collect(),
    };
    let (began, mut failures, mut tried) = (clock::monotonic(), 0, 0);
    let (mut happened, mut events, mut lost) = (0, 0, 0);
    for case in cases {
        tried += 1;
        match run(&case, args.mutant) {
            Ok(ran) => {
                (happened, events, lost) =
                    (happened + ran.handled, events + ran.events, lost + ran.lost)
            }
            Err(fault) => {
                failures += 1;
                println!("{fault}\n    {case}");
                let (small, how) = shrink(&case, &fault, args.mutant);
                println!("  made smaller: {how}\n    {small}");
                for planned in model::plan::plan(&small) {
                    println!("      {:>12} ms  {:?}", planned.at, planned.act);
                }
            }
        }
        if failures >= args.failures.max(1) {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{tried} histories, {events} webhooks, {happened} messages and acts in {seconds:.1} s: {failures} failed"
    );
    println!("{lost} facts were lost with everybody who knew them");
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
