//! MQTT packets out of a stream. What must hold is in `fuzz::mqtt_decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::mqtt_decode::check(bytes));
