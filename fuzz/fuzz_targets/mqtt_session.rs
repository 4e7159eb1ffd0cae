//! A conversation in MQTT, as a list of steps of both sides. What must hold is in `fuzz::mqtt_session`.
#![no_main]

use fuzz::mqtt_session::{Script, check};

libfuzzer_sys::fuzz_target!(|script: Script| check(&script));
