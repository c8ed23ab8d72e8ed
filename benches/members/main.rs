//! What a membership of 1,000,000 users in 100,000 workspaces costs: `cargo bench --bench members`.
//!
//! First in this process: how long it takes to load, what memory it takes, how long a look-up takes and how long a reload keeps others
//! waiting. Then with the real binary, which loads it from an endpoint while requests run through it: their p99 with and without a
//! load. Ends by itself after some minutes. `-- memory` or `-- requests` runs one half.

#![expect(clippy::indexing_slicing, reason = "a bench may panic")]
#![expect(clippy::disallowed_methods, reason = "a bench measures")]

mod endpoint;
mod memory;
mod people;
mod requests;

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MEMBERS: usize = 1_000_000;
const WORKSPACES: usize = 100_000;

fn main() {
    // Under `cargo test` nothing is measured.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let runs = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    // Memory first: what the other half allocates would count as idle.
    if runs("memory") {
        memory::run();
    }
    if runs("requests") {
        requests::run();
    }
}

/// A number with thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| String::from_utf8_lossy(group))
        .collect();
    groups.join(",")
}

/// A line of `/proc/<process>/status`, in bytes.
fn memory_of(process: &str, line: &str) -> usize {
    let status =
        std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux tells it");
    let found = status
        .lines()
        .find_map(|found| found.strip_prefix(line))
        .expect("the line is there");
    let kib: usize = found
        .trim_matches([':', ' ', '\t', 'k', 'B'])
        .parse()
        .expect("a number");
    kib * 1024
}
