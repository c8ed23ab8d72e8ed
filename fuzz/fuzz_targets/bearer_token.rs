//! Any Authorization and Cookie field: at most one token, and never a panic.
#![no_main]

use bailiff::domain::token::bearer::{bearer, session_cookies};
use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (&[u8], &[u8])| {
    let mut headers = HeaderMap::new();
    for (name, value) in [(header::AUTHORIZATION, data.0), (header::COOKIE, data.1)] {
        headers.extend(
            HeaderValue::from_bytes(value)
                .ok()
                .map(|value| (name, value)),
        );
    }
    if let Ok(Some(token)) = bearer(&headers) {
        assert!(!token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()));
    }
    let _ = session_cookies(&headers).count();
});
