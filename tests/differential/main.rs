//! The gate and the apps behind it must read a request alike. Here a generator makes request heads that many readers would take
//! for something else than they are, and sends each through the real binary to real servers: gunicorn with Flask, uvicorn with
//! FastAPI, hypercorn and Daphne with Django, Express and nginx, all with the same routes. Each of their handlers says what it
//! is and what it saw; the oracle says whether it should have run.
//!
//! `./run differential [COUNT] [SEED]` sends as many requests as one likes.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "tests wait in real time, and a panic is how a test fails"
)]

#[expect(
    dead_code,
    unused_imports,
    reason = "this target needs less of it than the one it belongs to"
)]
#[path = "../e2e/harness/mod.rs"]
mod harness;

mod campaign;
mod dice;
mod fields;
mod generate;
mod itself;
mod judged;
mod movers;
mod oracle;
mod scene;
mod servers;
mod shrink;
mod targets;

use campaign::Campaign;

/// The seed of every run that names none.
const SEED: u64 = 20_261_201;
const COUNT: u64 = 20_000;

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty());
    text.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|e| panic!("{variable}={text}: {e}"))
    })
}

#[test]
fn no_request_reaches_a_handler_that_its_sender_may_not_reach() {
    let count = number("BAILIFF_DIFFERENTIAL_COUNT", COUNT);
    let seed = number("BAILIFF_DIFFERENTIAL_SEED", SEED);
    let report = Campaign::start().run(count, seed);
    println!("differential: {report}");
    report.assert_nothing_was_found();
}
