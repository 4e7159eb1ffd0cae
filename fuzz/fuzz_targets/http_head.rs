//! Heads of requests and responses, and bodies in chunks. What must hold is in `fuzz::http_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::http_head::check(bytes));
