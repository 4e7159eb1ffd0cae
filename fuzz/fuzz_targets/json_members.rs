//! A JSON document and the members of its object. What must hold is in `fuzz::json_members`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::json_members::check(bytes));
