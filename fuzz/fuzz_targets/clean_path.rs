//! Any request target: an accepted one has no second reading.
#![no_main]

use bailiff::domain::path::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    if let Ok(target) = Target::parse(raw) {
        for segment in target.path.segments() {
            assert!(!matches!(segment, "" | "." | ".."));
            assert!(!segment.contains(['/', '\\', ';', '%', '#', '?']));
        }
    }
});
