//! Bad WebSocket peers against the real gateway: the rows F1 to F11 of the list of attacks, and the WebSocket's share of D1.
//! Each test checks what the bad peer sees, that a new correct client is served, and that one connected before still
//! answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::raw::{AT_ONCE, Hello, Raw, mqtt, publish, subscribe};
use support::scene::Scene;
use support::web_socket::{
    BINARY, CLOSE, CONTINUE, PING, PONG, REQUEST, TEXT, ask, frame, head, must_be_told, next_frame, part,
    upgraded,
};
use support::{SOON, wait_for};

const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const PINGREQ: [u8; 2] = [0xc0, 0];
const PINGRESP: [u8; 2] = [0xd0, 0];

fn hello(scene: &Scene, device: &str) -> Vec<u8> {
    Hello::new("alpha", device, &scene.key).packet()
}

/// A device that has been accepted over WebSocket; what it says next is the test's.
fn accepted(scene: &Scene, device: &str) -> Raw {
    let mut raw = upgraded(scene.gateway.http);
    raw.send(&frame(BINARY, &hello(scene, device)));
    assert_eq!(next_frame(&mut raw), (BINARY, ACCEPTED.to_vec()));
    raw
}

/// These bytes end a connection with this code, said first and said by an accepted device.
fn must_refuse(scene: &Scene, what: &str, bytes: &[u8], code: u16) {
    let mut first = upgraded(scene.gateway.http);
    first.send(bytes);
    must_be_told(&mut first, what, code);
    let mut later = accepted(scene, "bad");
    later.send(bytes);
    must_be_told(&mut later, what, code);
}

#[test]
fn f01_frames_that_are_not_masked() {
    let scene = Scene::start("");
    must_refuse(&scene, "an unmasked binary frame", b"\x82\x02\xc0\x00", 1002);
    must_refuse(&scene, "an unmasked ping", b"\x89\x00", 1002);
    let mut paho = accepted(&scene, "paho");
    paho.send(b"\x8a\x02hi");
    paho.send(&frame(BINARY, &PINGREQ));
    assert_eq!(next_frame(&mut paho), (BINARY, PINGRESP.to_vec()), "an unmasked pong is let pass");
    paho.send(b"\x88\x02\x03\xe8");
    must_be_told(&mut paho, "an unmasked goodbye just ends the connection", 1000);
    scene.must_serve("after F1");
}

#[test]
fn f02_reserved_bits_and_opcodes() {
    let scene = Scene::start("");
    for first in [0xc2, 0xb2, 0x83, 0x8b] {
        must_refuse(&scene, &format!("{first:02x}"), &[first, 0x80, 0, 0, 0, 0], 1002);
    }
    scene.must_serve("after F2");
}

#[test]
fn f03_control_frames_too_long_or_in_fragments() {
    let scene = Scene::start("");
    must_refuse(&scene, "a ping of 126 bytes", b"\x89\xfe\x00\x7e\0\0\0\0", 1002);
    must_refuse(&scene, "a ping without FIN", b"\x09\x80\0\0\0\0", 1002);
    must_refuse(&scene, "a ping of 2^40 bytes", b"\x89\xff\0\0\x01\0\0\0\0\0\0\0\0\0", 1002);
    scene.must_serve("after F3");
}

#[test]
fn f04_continuations_out_of_place() {
    let scene = Scene::start("");
    must_refuse(&scene, "a continuation of nothing", &part(true, CONTINUE, b"?"), 1002);
    let mut bytes = part(false, BINARY, b"");
    bytes.extend(part(true, BINARY, b""));
    must_refuse(&scene, "a message inside a message", &bytes, 1002);
    scene.must_serve("after F4");
}

#[test]
fn f05_huge_lengths_are_refused_at_the_header() {
    let scene = Scene::start("");
    must_refuse(&scene, "2^63 + 5", b"\x82\xff\x80\0\0\0\0\0\0\x05\0\0\0\0", 1002);
    must_refuse(&scene, "2^62", b"\x82\xff\x40\0\0\0\0\0\0\0\0\0\0\0", 1009);
    must_refuse(&scene, "256 MiB", b"\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0", 1009);
    let mut stranger = upgraded(scene.gateway.http);
    stranger.send(b"\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0");
    must_be_told(&mut stranger, "64 KiB from a stranger", 1009);
    scene.must_serve("after F5");
}

#[test]
fn f06_a_hundred_thousand_fragments_are_a_byte_stream() {
    let scene = Scene::start("");
    let mut raw = upgraded(scene.gateway.http);
    let mut bytes = part(false, BINARY, &[]);
    for byte in hello(&scene, "fragments") {
        bytes.extend(part(false, CONTINUE, &[byte]));
    }
    raw.send(&bytes);
    assert_eq!(next_frame(&mut raw), (BINARY, ACCEPTED.to_vec()));
    let pings: Vec<u8> =
        PINGREQ.repeat(500).iter().flat_map(|byte| part(false, CONTINUE, &[*byte])).collect();
    for _ in 0..100 {
        raw.send(&pings);
        for _ in 0..500 {
            assert_eq!(next_frame(&mut raw), (BINARY, PINGRESP.to_vec()));
        }
    }
    scene.must_serve("after F6");
}

#[test]
fn f07_a_handshake_that_is_too_long() {
    let scene = Scene::start("");
    let long = REQUEST.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(1024 * 1024)));
    let many = REQUEST.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: x\r\n".repeat(5000)));
    for (what, request) in [("a header of 1 MiB", long), ("5000 headers", many)] {
        let begun = Instant::now();
        let mut raw = Raw::connect(scene.gateway.http);
        raw.send(request.as_bytes());
        assert!(head(&mut raw).starts_with("HTTP/1.1 431 "), "{what}");
        assert!(raw.closed_within(AT_ONCE).is_some(), "{what}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{what}: each byte is looked at once");
    }
    scene.must_serve("after F7");
}

#[test]
fn f08_compression_is_not_negotiated() {
    let scene = Scene::start("");
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let (mut raw, head) = ask(scene.gateway.http, &REQUEST.replace("\r\n\r\n", offer));
    assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("Extensions"), "{head}");
    raw.send(b"\xc2\x80\0\0\0\0");
    must_be_told(&mut raw, "a compressed frame", 1002);
    scene.must_serve("after F8");
}

#[test]
fn f09_close_frames_that_say_nothing_sensible() {
    let scene = Scene::start("");
    must_refuse(&scene, "a body of one byte", &frame(CLOSE, b"\x03"), 1002);
    must_refuse(&scene, "1005", &frame(CLOSE, b"\x03\xed"), 1002);
    must_refuse(&scene, "0", &frame(CLOSE, b"\0\0"), 1002);
    must_refuse(&scene, "a reason that is no UTF-8", &frame(CLOSE, b"\x03\xe8\xff"), 1007);
    must_refuse(&scene, "only the code is said back", &frame(CLOSE, b"\x0f\xa1so long"), 4001);
    scene.must_serve("after F9");
}

#[test]
fn f10_text_frames_and_handshakes_that_are_none() {
    let scene = Scene::start("");
    must_refuse(&scene, "a text frame", &frame(TEXT, &hello(&scene, "text")), 1003);
    let (_, head) = ask(scene.gateway.http, REQUEST);
    for line in [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: mqtt",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
    // paho gives up at any other line with this word.
    assert_eq!(head.to_ascii_lowercase().matches("connection").count(), 1, "{head}");
    let (_, head) = ask(scene.gateway.http, &REQUEST.replace("GET /mqtt", "GET /mqtt?token=x"));
    assert!(head.starts_with("HTTP/1.1 101 "), "the query is not looked at: {head}");
    for (from, to, status) in [
        ("Version: 13", "Version: 12", 426),
        ("Upgrade: websocket\r\n", "", 426),
        ("GET /mqtt", "POST /mqtt", 405),
        ("HTTP/1.1", "HTTP/1.0", 400),
        ("Connection: Upgrade", "Connection: close", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
        ("Protocol: mqtt", "Protocol: mqttv3.1", 400),
        ("Sec-Websocket-Protocol: mqtt\r\n", "", 400),
        ("GET /mqtt", "GET /other", 404),
    ] {
        let (_, head) = ask(scene.gateway.http, &REQUEST.replace(from, to));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{to:?}: {head}");
        assert_eq!(head.contains("\r\nSec-WebSocket-Version: 13\r\n"), status == 426, "{head}");
    }
    let (mut raw, head) = ask(scene.gateway.http, &REQUEST.replace("Protocol: mqtt", "Protocol: x, mqtt"));
    assert!(head.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"), "{head}");
    raw.send(&frame(BINARY, &hello(&scene, "chosen")));
    assert_eq!(next_frame(&mut raw), (BINARY, ACCEPTED.to_vec()));
    scene.must_serve("after F10");
}

#[test]
fn f11_a_reader_that_is_slow_gets_whole_frames_of_one_packet_each() {
    let scene = Scene::start("mqtt_inflight_to_device = 64\n");
    let mut raw = accepted(&scene, "slow");
    raw.send(&frame(BINARY, &subscribe(1, &[("lua/devices/alpha/slow/command", 0)])));
    assert_eq!(next_frame(&mut raw).1[..4], [0x90, 3, 0, 1]);
    let status = json!({"status": "online", "apiKey": scene.key, "group": null,
        "commands": [{"name": "say", "description": "Says it"}]});
    let topic = "lua/devices/alpha/slow/status";
    raw.send(&frame(BINARY, &publish(0x32, topic, Some(2), status.to_string().as_bytes())));
    assert_eq!(next_frame(&mut raw), (BINARY, vec![0x40, 2, 0, 2]));
    // More than a socket takes at once, and between it what must not go into the middle of a frame.
    let payload = json!({"text": "x".repeat(900_000)});
    std::thread::scope(|scope| {
        for number in 0..4 {
            let ask = json!({"command": "say", "payload": payload, "timeoutMs": 10_000});
            let alpha = &scene.alpha;
            scope.spawn(move || {
                let answer = alpha.call_with("slow", &ask);
                assert_eq!(answer.status, 200, "{number}: {}", answer.json);
            });
        }
        for _ in 0..4 {
            raw.send(&frame(PING, b"between"));
        }
        let (mut commands, mut pongs) = (0, 0);
        while commands < 4 || pongs < 4 {
            match next_frame(&mut raw) {
                (PONG, payload) => {
                    assert_eq!(payload, b"between");
                    pongs += 1;
                }
                (BINARY, packet) => {
                    let header = codec::mqtt::peek(&packet).expect("MQTT").expect("a header");
                    assert_eq!(header.packet_bytes(), packet.len(), "one packet in one frame");
                    if packet[0] == 0x30 {
                        commands += 1;
                        raw.send(&frame(BINARY, &response("slow", &packet)));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    });
    scene.must_serve("after F11");
}

/// A response of QoS 0 to the command in a PUBLISH.
fn response(device: &str, command: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(command);
    let (_, behind) = text.split_once("\"commandId\":\"").expect("an id");
    let (id, _) = behind.split_once('"').expect("its end");
    let answer = json!({"commandId": id, "success": true}).to_string();
    publish(0x30, &format!("lua/devices/alpha/{device}/response"), None, answer.as_bytes())
}

#[test]
fn d01_a_stranger_behind_the_handshake_has_a_strangers_time() {
    let scene = Scene::start("connect_timeout_ms = 2000\n");
    let begun = Instant::now();
    let mut silent = upgraded(scene.gateway.http);
    let mut slow = upgraded(scene.gateway.http);
    let mut half = upgraded(scene.gateway.http);
    half.send(&frame(BINARY, &hello(&scene, "half"))[..20]);
    wait_for("the slow one is hung up on", SOON, || {
        slow.send(&frame(PING, b""));
        slow.closed_within(Duration::from_millis(200))
    });
    assert!(begun.elapsed() < Duration::from_secs(4), "pings are no CONNECT");
    for (what, raw) in [("silent", &mut silent), ("half a CONNECT", &mut half)] {
        must_be_told(raw, what, 1008);
    }
    assert!(begun.elapsed() >= Duration::from_millis(1900), "not before its time");
    scene.must_serve("after D1");
}

#[test]
fn a_flood_of_pings_is_answered_for_a_while_and_then_refused() {
    let scene = Scene::start("");
    let mut raw = accepted(&scene, "flood");
    raw.send(&frame(PING, b"x").repeat(51));
    for _ in 0..50 {
        assert_eq!(next_frame(&mut raw), (PONG, b"x".to_vec()));
    }
    must_be_told(&mut raw, "51 pings in a second", 1008);
    scene.must_serve("after a flood of pings");
}

#[test]
fn what_is_no_mqtt_inside_the_frames_is_a_protocol_error() {
    let scene = Scene::start("");
    let mut first = upgraded(scene.gateway.http);
    first.send(&frame(BINARY, &PINGREQ));
    must_be_told(&mut first, "a packet before CONNECT", 1002);
    let mut later = accepted(&scene, "bad");
    later.send(&frame(BINARY, &mqtt(0x10, &[])));
    must_be_told(&mut later, "a second CONNECT", 1002);
    let mut wrong = upgraded(scene.gateway.http);
    wrong.send(&frame(BINARY, &Hello::new("alpha", "wrong", "api_wrong").packet()));
    assert_eq!(next_frame(&mut wrong), (BINARY, vec![0x20, 2, 0, 5]));
    must_be_told(&mut wrong, "a wrong key", 1008);
    scene.must_serve("after bad MQTT");
}

#[test]
fn a_goodbye_is_answered_whoever_says_it() {
    let scene = Scene::on_cores(2, "");
    let mut left = accepted(&scene, "left");
    left.send(&frame(BINARY, &[0xe0, 0]));
    must_be_told(&mut left, "DISCONNECT", 1000);

    let mut older = accepted(&scene, "twice");
    let mut newer = Raw::sending(scene.gateway.mqtt, &hello(&scene, "twice"));
    assert_eq!(newer.take(4), ACCEPTED, "the same device over TCP");
    must_be_told(&mut older, "taken over", 1008);
    assert_eq!(scene.alpha.get("/devices/twice").json["transport"], "mqtt");
    let mut newest = accepted(&scene, "twice");
    assert!(newer.closed_within(AT_ONCE).is_some(), "taken over again");
    let device = scene.alpha.get("/devices/twice").json;
    assert_eq!((&device["transport"], &device["status"]), (&json!("mqtt_ws"), &json!("online")));

    scene.must_serve("after take-overs");
    support::signal(scene.gateway.pid(), "TERM");
    let heard = newest.closed_within(SOON).expect("the gateway stops");
    assert_eq!(heard, [0x88, 2, 0x03, 0xe9], "1001");
}
