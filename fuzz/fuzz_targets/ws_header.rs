//! A frame header, a close body, a text or a key for `codec::ws`. What must hold is in `fuzz::ws_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::ws_header::check(bytes));
