//! Many gates, in simulated time: see `model`.

mod model;

use model::case::Case;
use model::run;

#[test]
fn nobody_is_let_in_or_refused_for_longer_than_the_bound_and_all_agree_in_the_end() {
    for seed in 0..200 {
        let case = Case::of_seed(seed);
        if let Err(fault) = run(&case, None) {
            let (small, how) = model::shrink::shrink(&case, &fault, None);
            panic!("{fault}\n{case}\nshrunk: {how}\n{small}");
        }
    }
}
