//! Any document as a key set, any text as a PEM.
#![no_main]

use bailiff::domain::keys::{KeySet, parse_pem};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    let _ = KeySet::from_jwks(document, None);
    let _ = std::str::from_utf8(document).map(parse_pem);
});
