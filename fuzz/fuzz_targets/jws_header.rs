//! Any text as a token.
#![no_main]

use bailiff::domain::token::UnverifiedToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &str| {
    let _ = UnverifiedToken::parse(token);
});
