//! Every seed through the check of its target, and every seed changed a little: what a plain `cargo test` can do.

use arbitrary::{Arbitrary, Unstructured};

fn check_of(target: &str) -> fn(&[u8]) {
    match target {
        "mqtt_decode" => fuzz::mqtt_decode::check,
        "mqtt_session" => |bytes| {
            if let Ok(script) = fuzz::mqtt_session::Script::arbitrary(&mut Unstructured::new(bytes)) {
                fuzz::mqtt_session::check(&script);
            }
        },
        "http_head" => fuzz::http_head::check,
        "http_session" => fuzz::http_session::check,
        "json_members" => fuzz::json_members::check,
        "engineio_decode" => fuzz::engineio_decode::check,
        "socketio_decode" => fuzz::socketio_decode::check,
        "ws_header" => fuzz::ws_header::check,
        "ws_session" => fuzz::ws_session::check,
        other => panic!("{other} has no check"),
    }
}

#[test]
fn every_seed_holds_what_its_target_promises() {
    for (target, seeds) in fuzz::seeds::all() {
        let check = check_of(target);
        for seed in seeds {
            check(&seed);
        }
    }
}

#[test]
fn every_short_seed_changed_in_one_byte_holds_it_too() {
    for (target, seeds) in fuzz::seeds::all() {
        let check = check_of(target);
        for seed in seeds.iter().filter(|seed| seed.len() <= 128) {
            for place in 0..seed.len() {
                let mut changed = seed.clone();
                for byte in [0x00, b' ', b'\n', b'"', changed[place] ^ 1, changed[place] ^ 0x80, 0xff] {
                    changed[place] = byte;
                    check(&changed);
                }
            }
        }
    }
}
