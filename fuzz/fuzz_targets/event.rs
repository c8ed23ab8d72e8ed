//! Any body of a verified webhook.
#![no_main]

use bailiff::domain::event::meaning;
use bailiff::domain::membership::Roles;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let roles = Roles::new(&["member".to_owned(), "admin".to_owned()]);
    let _ = meaning(body, None, roles.as_ref());
});
