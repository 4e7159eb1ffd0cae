//! A body of long-polling, and the same bytes as a message, for `codec::engineio`. What must hold is in
//! `fuzz::engineio_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::engineio_decode::check(bytes));
