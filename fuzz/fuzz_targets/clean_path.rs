//! Any request target: no accepted one, and none of its aliases, has a segment that two readers could split differently.
#![no_main]

use bailiff::domain::path::{CleanPath, Target};
use libfuzzer_sys::fuzz_target;

fn check(path: &CleanPath<'_>) {
    for segment in path.segments() {
        assert!(!matches!(segment.text(), "" | "." | ".."));
        assert!(!segment.text().contains(['/', '\\', ';', '%', '#', '?']));
    }
}

fuzz_target!(|raw: &[u8]| {
    if let Ok(target) = Target::parse(raw) {
        check(&target.path);
        for alias in target.path.aliases().unwrap_or_default() {
            check(&alias.path);
        }
    }
});
