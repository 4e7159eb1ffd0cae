//! Frames for a conversation, in messages and as a byte stream. What must hold is in `fuzz::ws_session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::ws_session::check(bytes));
