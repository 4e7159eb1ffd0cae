//! Bad Socket.IO peers against the real gateway: the rows G1 to G12 of the list of attacks. Each test checks what the bad peer
//! sees, that a new correct client is served, and that one connected before still answers.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use support::SOON;
use support::raw::{AT_ONCE, Raw};
use support::scene::Scene;
use support::web_socket::{BINARY, TEXT, ask, frame, next_frame};

const KEY: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

fn get(query: &str, more: &str) -> String {
    format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: gateway\r\n{more}\r\n")
}

/// A session over a WebSocket, opened.
fn opened(address: SocketAddr) -> Raw {
    let (mut raw, head) = ask(address, &get("EIO=4&transport=websocket", KEY));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let (opcode, open) = next_frame(&mut raw);
    assert_eq!((opcode, open[0]), (TEXT, b'0'));
    raw
}

/// A device that is connected and described.
fn accepted(scene: &Scene, device: &str) -> Raw {
    described(scene, device, &json!([]))
}

fn described(scene: &Scene, device: &str, commands: &Value) -> Raw {
    let mut raw = opened(scene.gateway.http);
    let auth = json!({"apiKey": scene.key, "agentId": "alpha", "deviceName": device, "commands": commands});
    raw.send(&frame(TEXT, format!("40/devices,{auth}").as_bytes()));
    let (_, connected) = next_frame(&mut raw);
    assert!(connected.starts_with(b"40/devices,{\"sid\":"), "{}", String::from_utf8_lossy(&connected));
    assert_eq!(next_frame(&mut raw).1, br#"42/devices,["connected",{}]"#);
    raw
}

/// These messages end the connection of an accepted device at once.
#[track_caller]
fn must_end(scene: &Scene, what: &str, messages: &[(&[u8], bool)]) {
    let mut raw = accepted(scene, "bad");
    for (message, is_text) in messages {
        raw.send(&frame(if *is_text { TEXT } else { BINARY }, message));
    }
    assert!(raw.closed_within(AT_ONCE).is_some(), "{what}: it was to be closed");
}

fn status(address: SocketAddr, request: &str) -> String {
    ask(address, request).1.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn g01_upgrades_that_are_reset() {
    let scene = Scene::start("");
    for _ in 0..20 {
        let (raw, _) = ask(scene.gateway.http, &get("EIO=4&transport=websocket", KEY));
        raw.reset();
        Raw::sending(scene.gateway.http, get("EIO=4&transport=websocket&sid=x", KEY).as_bytes()).reset();
    }
    scene.must_serve("after G1");
}

#[test]
fn g02_queries_that_make_no_sense() {
    let scene = Scene::start("");
    for query in [
        "EIO=4&transport=constructor",
        "EIO=4&transport=__proto__",
        "EIO=4&transport=polling&transport=polling",
        "EIO=4&EIO=4&transport=polling",
        "EIO=4&transport=polling&sid=a&sid=b",
        "transport=polling",
        "",
    ] {
        assert_eq!(status(scene.gateway.http, &get(query, "")), "400", "{query}");
    }
    scene.must_serve("after G2");
}

#[test]
fn g03_to_g06_and_g08_packets_that_break_a_rule() {
    let scene = Scene::start("");
    for bad in [
        r#"451-/devices,["trigger",{"_placeholder":true,"num":7}]"#,
        r#"451-/devices,["trigger",{"_placeholder":true,"num":-1}]"#,
        r#"451-/devices,["trigger",{"_placeholder":true,"num":"splice"}]"#,
        r#"42/devices,[{"toString":"foo"}]"#,
        "42/devices,[null]",
        r#"42/devices,["connect"]"#,
        r#"42/devices,["disconnect"]"#,
        r#"45999999999-/devices,["x"]"#,
        "42/devices,",
        "43/devices,1",
        "42/devices,{}",
        r#"42/devices,99999999999999999999["trigger"]"#,
        r#"42["trigger"]"#,
        "44/devices,{}",
        "4abc",
        "abc",
        "2",
        "5",
    ] {
        must_end(&scene, bad, &[(bad.as_bytes(), true)]);
    }
    must_end(&scene, "binary that is no attachment", &[(&[1, 2, 3], false)]);
    let deep = format!(r#"42/devices,["trigger",{}{}]"#, "[".repeat(100), "]".repeat(100));
    must_end(&scene, "deep JSON", &[(deep.as_bytes(), true)]);
    scene.must_serve("after G3 to G8");
}

#[test]
fn g05_names_that_are_only_unusual_are_ignored() {
    let scene = Scene::start("");
    let mut raw = accepted(&scene, "odd");
    for name in ["error", "__proto__", "constructor", ""] {
        raw.send(&frame(TEXT, format!("42/devices,[{}]", json!(name)).as_bytes()));
    }
    raw.send(&frame(TEXT, br#"42/devices,["heartbeat"]"#));
    assert_eq!(next_frame(&mut raw).1, br#"42/devices,["pong",{}]"#, "it is served");
    scene.must_serve("after G5");
}

#[test]
fn g07_messages_and_bodies_that_are_too_large() {
    let scene = Scene::start("");
    let mut raw = opened(scene.gateway.http);
    raw.send(&frame(TEXT, &[b'4'; 800 * 1024])[..64]);
    let told = raw.closed_within(SOON).expect("it is closed at the header");
    assert_eq!(told, [0x88, 2, 0x03, 0xf1], "1009 before a log-in");
    let mut raw = accepted(&scene, "large");
    raw.send(&frame(TEXT, &vec![b'4'; 1_200_000])[..64]);
    assert_eq!(raw.closed_within(SOON).expect("it is closed"), [0x88, 2, 0x03, 0xf1]);
    let post = "POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: gateway\r\nContent-Length: 4194304\r\n\r\n";
    assert_eq!(status(scene.gateway.http, post), "413");
    scene.must_serve("after G7");
}

#[test]
fn g09_who_never_connects_is_let_go() {
    let scene = Scene::start("connect_timeout_ms = 500");
    let mut raw = opened(scene.gateway.http);
    assert!(raw.closed_within(SOON).is_some());
    scene.must_serve("after G9");
}

#[test]
fn g10_sids_cannot_be_guessed() {
    let scene = Scene::start("");
    for sid in
        ["x", "0", "0-", "0-00000000000000000000000000000000", "9-00000000000000000000000000000000", "-1-0"]
    {
        let query = format!("EIO=4&transport=polling&sid={sid}");
        assert_eq!(status(scene.gateway.http, &get(&query, "")), "400", "{sid}");
        let query = format!("EIO=4&transport=websocket&sid={sid}");
        assert_eq!(status(scene.gateway.http, &get(&query, KEY)), "400", "{sid}");
    }
    scene.must_serve("after G10");
}

/// A command that the device has just been sent.
fn next_command(raw: &mut Raw) -> Value {
    let (_, message) = next_frame(raw);
    let event = message.strip_prefix(b"42/devices,").expect("an event");
    let event: Value = serde_json::from_slice(event).expect("JSON");
    assert_eq!(event[0], "command");
    event[1].clone()
}

/// L9: the 33rd waits at the gateway, in order, until one of those before it is answered; one for which there is no room to wait
/// is refused.
#[test]
fn l09_at_most_32_commands_are_unanswered() {
    let scene = Scene::start("");
    let mut raw = described(&scene, "slow", &json!([{"name": "work", "description": "Works"}]));
    let ask = |n: usize| {
        let body = json!({"command": "work", "payload": {"n": n}});
        scene.alpha.post("/devices/slow/commands", &body, &[("Prefer", "respond-async")])
    };
    for n in 0..32 + 64 {
        assert_eq!(ask(n).status, 202, "{n}");
    }
    let busy = ask(96);
    assert_eq!((busy.status, &busy.json["code"]), (503, &json!("device-busy")));
    let sent: Vec<Value> = (0..32).map(|_| next_command(&mut raw)).collect();
    raw.must_stay_open("32 commands are unanswered", Duration::from_millis(200));
    for (n, command) in sent.iter().enumerate() {
        assert_eq!(command["payload"]["n"], n, "in order");
        let answer = json!(["response", {"commandId": command["commandId"], "success": true}]);
        raw.send(&frame(TEXT, format!("42/devices,{answer}").as_bytes()));
        assert_eq!(next_command(&mut raw)["payload"]["n"], 32 + n, "one answered, one more sent");
    }
    scene.must_serve("after L9");
}

/// A session that polls needs no connection, so the ceiling of strangers must hold for it, too.
#[test]
fn sessions_of_nobody_give_way_to_newer_ones() {
    let scene = Scene::start("unidentified_per_core = 8");
    let sids: Vec<String> = (0..40)
        .map(|_| {
            let (mut raw, head) =
                ask(scene.gateway.http, &get("EIO=4&transport=polling", "Connection: close\r\n"));
            assert!(
                head.starts_with("HTTP/1.1 200 "),
                "an honest one is let in however many there are: {head}"
            );
            let body = raw.closed_within(SOON).expect("it was asked to close");
            let open = String::from_utf8_lossy(&body).into_owned();
            let (_, sid) = open.split_once("\"sid\":\"").expect("an open packet");
            sid.split('"').next().expect("a sid").to_owned()
        })
        .collect();
    let connect = |sid: &str| {
        let body = format!(
            "40/devices,{}",
            json!({"apiKey": scene.key, "agentId": "alpha", "deviceName": "poller", "commands": []})
        );
        let request = format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: gateway\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        status(scene.gateway.http, &request)
    };
    assert_eq!(connect(&sids[0]), "400", "the oldest is gone");
    assert_eq!(connect(sids.last().expect("forty")), "200", "the newest lives");
    scene.must_serve("after a flood of sessions");
}

#[test]
fn g12_a_flood_of_namespaces() {
    let scene = Scene::start("");
    let mut raw = opened(scene.gateway.http);
    for _ in 0..2000 {
        if !raw.send(&frame(TEXT, b"40/random")) {
            break;
        }
    }
    for _ in 0..4 {
        assert_eq!(next_frame(&mut raw).1, br#"44/random,{"message":"Invalid namespace"}"#);
    }
    assert!(raw.closed_within(SOON).is_some(), "the fifth closes");
    scene.must_serve("after G12");
}
