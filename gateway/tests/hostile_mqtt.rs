//! Bad MQTT packets, byte by byte, against the real gateway: the rows A1 to A22 of the list of attacks. Each test checks
//! what the bad peer sees, that a new correct client is served, and that one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::Value;
use std::time::{Duration, Instant};
use support::raw::{AT_ONCE, Hello, Raw, field, mqtt, publish, subscribe};
use support::scene::Scene;
use support::{SOON, wait_for};

const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const NOT_AUTHORIZED: [u8; 4] = [0x20, 2, 0, 5];
const BAD_LEVEL: [u8; 4] = [0x20, 2, 0, 1];
const PINGREQ: [u8; 2] = [0xc0, 0];
const PINGRESP: [u8; 2] = [0xd0, 0];

/// A device that has been accepted; what it says next is the test's.
fn accepted(scene: &Scene) -> Raw {
    greeted(scene, &Hello::new("alpha", "bad", &scene.key))
}

fn greeted(scene: &Scene, hello: &Hello) -> Raw {
    let mut raw = Raw::sending(scene.gateway.mqtt, &hello.packet());
    assert_eq!(raw.take(4), ACCEPTED);
    raw
}

/// Every one of these, said first, is hung up on without a byte.
fn must_refuse_first(scene: &Scene, what: &str, bytes: &[u8]) {
    Raw::sending(scene.gateway.mqtt, bytes).must_be_closed(what, &[]);
}

/// Every one of these, said by an accepted device, is hung up on without a byte.
fn must_refuse_later(scene: &Scene, what: &str, bytes: &[u8]) {
    let mut raw = accepted(scene);
    raw.send(bytes);
    raw.must_be_closed(what, &[]);
}

fn own(suffix: &str) -> String {
    format!("lua/devices/alpha/bad/{suffix}")
}

#[test]
fn a01_a_length_of_five_bytes_ends_the_connection() {
    let scene = Scene::start("");
    must_refuse_first(&scene, "five bytes of length", &[0x10, 0x80, 0x80, 0x80, 0x80, 0x01]);
    must_refuse_first(&scene, "four, and the fourth goes on", &[0x10, 0x80, 0x80, 0x80, 0x80]);
    must_refuse_later(&scene, "five bytes of length, later", &[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]);
    scene.must_serve("after A1");
}

#[test]
fn a02_a_promised_size_costs_nothing() {
    let scene = Scene::start("");
    must_refuse_first(&scene, "a PUBLISH of 256 MiB", &[0x30, 0xff, 0xff, 0xff, 0x7f]);
    must_refuse_first(&scene, "a CONNECT of 256 MiB", &[0x10, 0xff, 0xff, 0xff, 0x7f]);
    must_refuse_first(&scene, "a CONNECT of 16 KiB and 1", &[0x10, 0x81, 0x80, 0x01]);
    must_refuse_later(&scene, "a PUBLISH of 256 MiB, later", &[0x30, 0xff, 0xff, 0xff, 0x7f]);
    must_refuse_later(&scene, "a PUBLISH of 1 MiB and 64 KiB and 1", &[0x30, 0x81, 0x80, 0x44]);

    let resident = "gateway_memory_bytes{kind=\"resident\"}";
    let before = scene.metric(resident);
    let promising: Vec<Raw> = (0..200)
        .map(|n| {
            let mut raw = greeted(&scene, &Hello::new("alpha", &format!("promise-{n}"), &scene.key));
            raw.send(&[0x30, 0x80, 0x80, 0x44]);
            raw
        })
        .collect();
    scene.must_serve("while 200 devices promise a megabyte each");
    let grown = scene.metric(resident) - before;
    assert!(grown < 20e6, "{grown} bytes for {} promises", promising.len());
}

#[test]
fn a03_nothing_is_said_before_connect() {
    let scene = Scene::start("");
    let words: [(&str, Vec<u8>); 6] = [
        ("PINGREQ", PINGREQ.to_vec()),
        ("PUBLISH", publish(0x30, &own("trigger"), None, b"{}")),
        ("SUBSCRIBE", subscribe(1, &[("#", 1)])),
        ("a packet of type 0", vec![0, 0]),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("a TLS hello", vec![0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
    ];
    for (what, bytes) in words {
        must_refuse_first(&scene, what, &bytes);
    }
    scene.must_serve("after A3");
}

#[test]
fn a04_a_second_connect_is_an_abnormal_end() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let hello = Hello::new("alpha", "bad", &scene.key).with_will(&own("status"), "{\"status\":\"offline\"}");
    let mut raw = greeted(&scene, &hello);
    events.wait("device_connected");
    raw.send(&hello.packet());
    raw.must_be_closed("a second CONNECT", &[]);
    let gone = events.wait("device_disconnected").data;
    assert_eq!((&gone["deviceName"], &gone["reason"]), (&"bad".into(), &"protocol_violation".into()));
    scene.must_serve("after A4");
}

#[test]
fn a05_reserved_bits_are_judged_before_anything_else() {
    let scene = Scene::start("");
    let mut flags = Hello::new("alpha", "bad", &scene.key);
    flags.flags |= 1;
    must_refuse_first(&scene, "bit 0 of the connect flags", &flags.packet());
    for nibble in 1..16u8 {
        let mut connect = Hello::new("alpha", "bad", &scene.key).packet();
        connect[0] |= nibble;
        must_refuse_first(&scene, &format!("CONNECT with flags {nibble:x}"), &connect);
    }
    for kind in [0u8, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] {
        let legal = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
        for nibble in (0..16u8).filter(|nibble| *nibble != legal || matches!(kind, 0 | 15)) {
            let first = kind << 4 | nibble;
            must_refuse_later(&scene, &format!("first byte {first:02x}"), &[first, 2, 0, 1]);
        }
    }
    scene.must_serve("after A5");
}

#[test]
fn a06_a_field_cut_short_ends_the_connection() {
    let scene = Scene::start("");
    let topic = field(own("trigger"));
    must_refuse_later(&scene, "PUBLISH ends in its topic's length", &mqtt(0x32, &[&[0]]));
    must_refuse_later(&scene, "PUBLISH ends in its topic", &mqtt(0x32, &[&topic[..9]]));
    must_refuse_later(&scene, "PUBLISH ends after its topic", &mqtt(0x32, &[&topic]));
    must_refuse_later(&scene, "PUBLISH ends in its id", &mqtt(0x32, &[&topic, &[0]]));
    must_refuse_later(&scene, "SUBSCRIBE without a QoS", &mqtt(0x82, &[&[0, 1], &topic]));
    must_refuse_later(&scene, "SUBSCRIBE ends in a filter", &mqtt(0x82, &[&[0, 1], &topic[..5]]));
    must_refuse_later(&scene, "UNSUBSCRIBE ends in a filter", &mqtt(0xa2, &[&[0, 1], &topic[..5]]));
    must_refuse_later(&scene, "PUBACK of one byte", &[0x40, 1, 0]);
    let connect = Hello::new("alpha", "bad", &scene.key).packet();
    let body = &connect[2..];
    for end in 0..body.len() {
        let cut = mqtt(0x10, &[&body[..end]]);
        must_refuse_first(&scene, &format!("CONNECT cut after {end} bytes"), &cut);
    }
    scene.must_serve("after A6");
}

#[test]
fn a07_surplus_bytes_end_the_connection() {
    let scene = Scene::start("");
    let mut hello = Hello::new("alpha", "bad", &scene.key);
    hello.surplus = vec![0, 3, b'a', b'b', b'c'];
    must_refuse_first(&scene, "CONNECT with a field too many", &hello.packet());
    must_refuse_later(&scene, "PUBACK of three bytes", &[0x40, 3, 0, 1, 0]);
    must_refuse_later(&scene, "PINGREQ of one byte", &[0xc0, 1, 0]);
    must_refuse_later(&scene, "DISCONNECT of one byte", &[0xe0, 1, 0]);
    scene.must_serve("after A7");
}

#[test]
fn a08_a_packet_id_of_zero_ends_the_connection() {
    let scene = Scene::start("");
    must_refuse_later(&scene, "PUBLISH", &publish(0x32, &own("trigger"), Some(0), b"{}"));
    must_refuse_later(&scene, "SUBSCRIBE", &subscribe(0, &[(&own("command"), 1)]));
    must_refuse_later(&scene, "UNSUBSCRIBE", &mqtt(0xa2, &[&[0, 0], &field(own("command"))]));
    scene.must_serve("after A8");
}

#[test]
fn a09_qos_3_ends_the_connection() {
    let scene = Scene::start("");
    must_refuse_later(&scene, "PUBLISH", &publish(0x36, &own("trigger"), Some(1), b"{}"));
    must_refuse_later(&scene, "SUBSCRIBE", &subscribe(1, &[(&own("command"), 3)]));
    must_refuse_later(&scene, "SUBSCRIBE with reserved bits", &subscribe(1, &[(&own("command"), 0xfc)]));
    let mut hello = Hello::new("alpha", "bad", &scene.key).with_will(&own("status"), "{}");
    hello.flags |= 0x18;
    must_refuse_first(&scene, "a will", &hello.packet());
    scene.must_serve("after A9");
}

#[test]
fn a10_an_empty_topic_ends_the_connection() {
    let scene = Scene::start("");
    must_refuse_later(&scene, "PUBLISH", &[0x32, 5, 0, 0, 0, 1, b'x']);
    must_refuse_later(&scene, "SUBSCRIBE", &subscribe(1, &[("", 1)]));
    scene.must_serve("after A10");
}

#[test]
fn a11_text_that_is_no_utf8_ends_the_connection() {
    let scene = Scene::start("");
    let bad: [&[u8]; 5] = [b"\xc0\xaf", b"\xed\xa0\x80", b"\xff", b"a\0b", b"\xf4\x90\x80\x80"];
    for bytes in bad {
        let what = format!("{bytes:02x?}");
        let hello = || Hello::new("alpha", "bad", &scene.key);
        let client_id = Hello { client_id: bytes.into(), ..hello() };
        must_refuse_first(&scene, &format!("client id {what}"), &client_id.packet());
        let username = Hello { username: bytes.into(), ..hello() };
        must_refuse_first(&scene, &format!("user name {what}"), &username.packet());
        let mut will = hello().with_will("", "{}");
        will.will = Some((bytes.into(), b"{}".to_vec()));
        must_refuse_first(&scene, &format!("will topic {what}"), &will.packet());
        let topic = mqtt(0x32, &[&field(bytes), &[0, 1], b"{}"]);
        must_refuse_later(&scene, &format!("topic {what}"), &topic);
        let filter = mqtt(0x82, &[&[0, 1], &field(bytes), &[1]]);
        must_refuse_later(&scene, &format!("filter {what}"), &filter);
    }
    scene.must_serve("after A11");
}

#[test]
fn a12_a_wildcard_in_a_topic_ends_the_connection() {
    let scene = Scene::start("");
    for topic in ["+", "#", "lua/devices/alpha/+/trigger", "lua/devices/alpha/bad/#"] {
        must_refuse_later(&scene, topic, &publish(0x32, topic, Some(1), b"{}"));
    }
    let will = Hello::new("alpha", "bad", &scene.key).with_will("#", "{}");
    must_refuse_first(&scene, "a will", &will.packet());
    scene.must_serve("after A12");
}

#[test]
fn a13_what_only_a_server_says_ends_the_connection() {
    let scene = Scene::start("");
    let words: [&[u8]; 4] = [&[0x20, 2, 0, 0], &[0x90, 3, 0, 1, 0], &[0xb0, 2, 0, 1], &PINGRESP];
    for word in words {
        must_refuse_later(&scene, &format!("{word:02x?}"), word);
        must_refuse_first(&scene, &format!("{word:02x?} first"), word);
    }
    scene.must_serve("after A13");
}

#[test]
fn a14_a_list_of_no_filters_ends_the_connection() {
    let scene = Scene::start("");
    must_refuse_later(&scene, "SUBSCRIBE", &[0x82, 2, 0, 1]);
    must_refuse_later(&scene, "UNSUBSCRIBE", &[0xa2, 2, 0, 1]);
    scene.must_serve("after A14");
}

#[test]
fn a15_a_misplaced_wildcard_is_refused_or_ends_the_connection() {
    let scene = Scene::start("");
    for filter in ["a#", "a/#/b", "a+", "+a/b", "#/"] {
        let mut raw = accepted(&scene);
        raw.send(&subscribe(1, &[(filter, 1)]));
        let refused = raw.hear(AT_ONCE, |bytes| bytes.starts_with(&[0x90, 3, 0, 1, 0x80]).then_some(()));
        if refused.is_none() {
            raw.must_be_closed(filter, &[]);
        }
    }
    scene.must_serve("after A15");
}

#[test]
fn a16_dup_without_qos_ends_the_connection_and_with_qos_1_is_served() {
    let scene = Scene::start("");
    must_refuse_later(&scene, "DUP at QoS 0", &publish(0x38, &own("trigger"), None, b"{}"));
    let mut raw = accepted(&scene);
    raw.send(&publish(0x3a, &own("trigger"), Some(9), b"{\"triggerName\":\"again\"}"));
    assert_eq!(raw.take(4), [0x40, 2, 0, 9], "DUP at QoS 1 is how clients resend");
    scene.must_serve("after A16");
}

#[test]
fn a17_a_deep_topic_ends_the_connection() {
    let scene = Scene::start("");
    let deep = "/".repeat(65_535);
    must_refuse_later(&scene, "PUBLISH", &publish(0x32, &deep, Some(1), b"{}"));
    must_refuse_later(&scene, "SUBSCRIBE", &subscribe(1, &[(&deep, 1)]));
    let long = "a".repeat(2049);
    must_refuse_later(&scene, "a topic of 2049 bytes", &publish(0x32, &long, Some(1), b"{}"));
    scene.must_serve("after A17");
}

#[test]
fn a18_a_subscription_bomb_ends_the_connection_and_a_repeat_replaces() {
    let scene = Scene::start("");
    let (one, many) = (own("command"), vec![("a", 1); 20_000]);
    must_refuse_later(&scene, "20,000 filters", &subscribe(1, &many));
    must_refuse_later(&scene, "one filter 500 times", &subscribe(1, &vec![(one.as_str(), 1); 500]));
    must_refuse_later(&scene, "17 filters", &subscribe(1, &[(one.as_str(), 1); 17]));
    let mut raw = accepted(&scene);
    for _ in 0..500 {
        raw.send(&subscribe(1, &[(one.as_str(), 1); 16]));
        assert_eq!(raw.take(4), [0x90, 18, 0, 1]);
        assert_eq!(raw.take(16), [1; 16], "a repeat replaces");
    }
    scene.must_serve("after A18");
}

#[test]
fn a19_open_messages_of_qos_2_are_bounded() {
    let scene = Scene::start("triggers_per_second_per_agent = 100000");
    let mut raw = accepted(&scene);
    let flood: Vec<u8> =
        (1..=3000u16).flat_map(|id| publish(0x34, &own("response"), Some(id), b"{}")).collect();
    raw.send(&flood);
    let heard =
        raw.closed_within(Duration::from_secs(5)).expect("more than 64 open messages end the connection");
    let received = heard.chunks(4).filter(|packet| packet.starts_with(&[0x50, 2])).count();
    assert_eq!(received, 64, "64 were received before");
    scene.must_serve("after A19");
}

#[test]
fn a20_a_name_is_checked_and_never_a_pattern() {
    let scene = Scene::start("");
    let long = "d".repeat(201);
    for device in ["+", "#", "a/b", "a b", "a\tb", "", "a\u{7f}b", &long] {
        let hello = Hello::new("alpha", device, &scene.key);
        Raw::sending(scene.gateway.mqtt, &hello.packet()).must_be_closed(device, &NOT_AUTHORIZED);
    }
    for agent in ["+", "#", "a/b", "a b", "", &"a".repeat(257)] {
        let hello = Hello::new(agent, "bad", &scene.key);
        Raw::sending(scene.gateway.mqtt, &hello.packet()).must_be_closed(agent, &NOT_AUTHORIZED);
    }
    drop(greeted(&scene, &Hello::new("alpha", &"d".repeat(200), &scene.key)));
    // No client id at all: the standard has a code for it where the session is to be kept [MQTT-3.1.3-8].
    for (flags, told) in [(0xc0, [0x20, 2, 0, 2]), (0xc2, NOT_AUTHORIZED)] {
        let hello = Hello { client_id: Vec::new(), flags, ..Hello::new("alpha", "bad", &scene.key) };
        Raw::sending(scene.gateway.mqtt, &hello.packet()).must_be_closed("no client id", &told);
    }
    scene.must_serve("after A20");
}

#[test]
fn a21_other_versions_are_told_so() {
    let scene = Scene::start("");
    for level in [3, 5, 9, 0x84] {
        let hello = Hello { level, ..Hello::new("alpha", "bad", &scene.key) };
        let what = format!("level {level}");
        Raw::sending(scene.gateway.mqtt, &hello.packet()).must_be_closed(&what, &BAD_LEVEL);
    }
    for name in ["MQTX", "mqtt", "MQTTT", "HTTP"] {
        let hello = Hello { name: name.into(), ..Hello::new("alpha", "bad", &scene.key) };
        must_refuse_first(&scene, name, &hello.packet());
    }
    scene.must_serve("after A21");
}

#[test]
fn a22_keep_alive_is_kept_and_bounded() {
    let scene = Scene::start("keepalive_ms_max = 4000");
    let with = |keep_alive_s, device| {
        let hello = Hello { keep_alive_s, ..Hello::new("alpha", device, &scene.key) };
        (greeted(&scene, &hello), Instant::now())
    };
    let silent = [(with(2, "two"), 3.0), (with(0, "never"), 4.0), (with(65_535, "hardly-ever"), 4.0)];
    let (mut pinging, _) = with(2, "pinging");
    let ends: Vec<(f64, f64)> = std::thread::scope(|scope| {
        let waiting = silent.map(|((mut raw, since), due_s)| {
            scope.spawn(move || {
                raw.closed_within(Duration::from_secs(10)).expect("silence ends the connection");
                (since.elapsed().as_secs_f64(), due_s)
            })
        });
        for _ in 0..4 {
            std::thread::park_timeout(Duration::from_millis(1500));
            pinging.send(&PINGREQ);
            assert_eq!(pinging.take(2), PINGRESP, "a client that pings stays");
        }
        waiting.into_iter().map(|waiting| waiting.join().expect("it was closed")).collect()
    });
    for (after_s, due_s) in ends {
        assert!((due_s..due_s + 1.5).contains(&after_s), "closed after {after_s} s, due after {due_s} s");
    }
    scene.must_serve("after A22");
}

/// K7: strangers can make the log say something, but not as often as they like; nothing is left out uncounted.
#[test]
fn k07_strangers_cannot_fill_the_log() {
    let scene = Scene::start("");
    for n in 0..200 {
        let mut hello = Hello::new("alpha", "nobody", "x");
        hello.username = b"names nobody".to_vec();
        let heard = Raw::sending(scene.gateway.mqtt, &hello.packet()).closed_within(AT_ONCE);
        assert_eq!(heard.as_deref(), Some(&[0x20, 2, 0, 5][..]), "{n}");
    }
    let (logged, counted) = wait_for("each has a line, or is counted in one", SOON, || {
        let log = scene.gateway.log();
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let like = |line: &Value, field: &str| {
            line[field].as_str().is_some_and(|said| said.starts_with("refused a CONNECT"))
        };
        let logged = lines.iter().filter(|line| like(line, "message")).count() as u64;
        let counted = lines
            .iter()
            .filter(|line| like(line, "like"))
            .filter_map(|line| line["count"].as_u64())
            .sum::<u64>();
        (logged + counted == 200).then_some((logged, counted))
    });
    assert!(logged < 100, "{logged} lines");
    assert_eq!(scene.metric("gateway_log_dropped_total{reason=\"repeated\"}") as u64, counted);
    scene.must_serve("after K7");
}
