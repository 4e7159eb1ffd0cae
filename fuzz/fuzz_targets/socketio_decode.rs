//! A message for `codec::socketio`. What must hold is in `fuzz::socketio_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::socketio_decode::check(bytes));
