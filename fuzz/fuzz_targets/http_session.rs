//! A conversation in HTTP, cut up differently for two sessions. What must hold is in `fuzz::http_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::http_session::check(bytes));
