//! Presence: online, late, offline, and why; what a status may do and what it may not.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::device::{Device, Word};
use support::raw::{Hello, Raw, publish};
use support::scene::{Scene, metric};
use support::{SOON, wait_for};

fn described(scene: &Scene, name: &str, clean_session: bool) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, clean_session);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    device
}

#[test]
fn a_missed_heartbeat_is_late_and_two_are_offline() {
    let scene = Scene::start("heartbeat_late_ms = 1500\nheartbeat_offline_ms = 4000");
    let events = scene.alpha.events(None);
    let mut device = described(&scene, "beating", true);
    let mut mute = described(&scene, "mute", true);
    let tool = "device__beating__run".to_owned();
    for _ in 0..2 {
        device.publish("heartbeat", &json!(null), None, false);
        device.flush();
        assert_eq!(scene.alpha.status("beating"), "online");
        wait_for("it is late", SOON, || (scene.alpha.status("beating") == "late").then_some(()));
        assert!(scene.alpha.tools().contains(&tool), "its tools stay");
        assert_eq!(scene.alpha.get("/devices/beating").json["reason"], "heartbeat_missed");
        device.raw(&[0xc0, 0]);
        device.flush();
        wait_for("any packet is life", SOON, || (scene.alpha.status("beating") == "online").then_some(()));
    }
    let since = Instant::now();
    device.wait("the end", |word| matches!(word, Word::Closed).then_some(()));
    let took = since.elapsed();
    assert!((Duration::from_millis(3500)..Duration::from_millis(5500)).contains(&took), "{took:?}");
    let page = wait_for("it is offline", SOON, || {
        let page = scene.alpha.get("/devices/beating").json;
        (page["status"] == "offline").then_some(page)
    });
    assert_eq!(
        (&page["reason"], &page["closes"][0]["reason"]),
        (&json!("heartbeat_timeout"), &json!("heartbeat_timeout"))
    );
    assert!(!scene.alpha.tools().contains(&tool));
    let gone = events.wait("device_disconnected").data;
    assert_eq!((&gone["deviceName"], &gone["reason"]), (&json!("beating"), &json!("heartbeat_timeout")));
    assert!(gone["disconnectedAt"].is_string());
    assert_eq!(scene.alpha.status("mute"), "online", "who never sent one is not expected to");
    mute.flush();
}

#[test]
fn d2_a_silent_socket_is_offline_by_its_keep_alive() {
    let scene = Scene::start("");
    let hello = Hello { keep_alive_s: 1, ..Hello::new("alpha", "silent", &scene.key) };
    let mut raw = Raw::sending(scene.gateway.mqtt, &hello.packet());
    let since = Instant::now();
    assert_eq!(raw.take(4), [0x20, 2, 0, 0]);
    wait_for("it is offline", SOON, || (scene.alpha.status("silent") == "offline").then_some(()));
    let took = since.elapsed();
    assert!((Duration::from_millis(1450)..Duration::from_millis(3200)).contains(&took), "{took:?}");
    assert_eq!(scene.alpha.get("/devices/silent").json["reason"], "keepalive_timeout");
}

#[test]
fn a_device_taken_over_by_its_own_reconnect_is_never_shown_offline() {
    let scene = Scene::on_cores(3, "");
    let events = scene.alpha.events(None);
    let mut old = described(&scene, "d", false);
    let came = events.wait("device_connected").data;
    assert!(came["connectedAt"].is_string() && came["metadata"].is_object(), "{came}");
    let epoch = scene.alpha.get("/devices/d").json["epoch"].as_u64().expect("a number");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut looks = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(scene.alpha.status("d"), "online");
                looks += 1;
            }
            looks
        });
        let new = described(&scene, "d", false);
        old.wait("the old one's end", |word| matches!(word, Word::Closed).then_some(()));
        let page = scene.alpha.get("/devices/d").json;
        assert_eq!((&page["epoch"], &page["reason"]), (&json!(epoch + 1), &json!("taken_over")));
        assert_eq!(page["closes"][0]["reason"], "taken_over");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (looking.join().expect("always online"), new)
    });
    let (looks, _new) = looks;
    assert!(looks > 0);
    while let Some(event) = events.next(Duration::from_millis(300)) {
        assert!(!event.kind.starts_with("device_"), "{event:?}");
    }
}

#[test]
fn a_goodbye_is_a_goodbye_and_a_lost_connection_is_lost() {
    let scene = Scene::start("");
    for (words, reason) in [(&[0xe0, 0][..], "disconnected"), (&[][..], "connection_lost")] {
        let hello = Hello::new("alpha", "leaver", &scene.key)
            .with_will("lua/devices/alpha/leaver/status", "{\"status\":\"offline\"}");
        let mut raw = Raw::sending(scene.gateway.mqtt, &hello.packet());
        assert_eq!(raw.take(4), [0x20, 2, 0, 0]);
        raw.send(words);
        drop(raw);
        wait_for("it is offline", SOON, || (scene.alpha.status("leaver") == "offline").then_some(()));
        assert_eq!(scene.alpha.get("/devices/leaver").json["reason"], reason);
    }
}

#[test]
fn an_old_status_undoes_nothing() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let mut device = described(&scene, "d", false);
    events.wait("manifest");
    // paho sends what was not acknowledged again, behind the new status: the old pair, with DUP.
    let old =
        json!({"status": "online", "apiKey": scene.key, "group": "old", "commands": [{"name": "gone"}]});
    device.publish("status", &json!({"status": "offline", "timestamp": "1"}), Some(50), true);
    device.publish("status", &old, Some(51), true);
    for id in [50, 51] {
        device
            .wait("its PUBACK", |word| matches!(word, Word::Puback(got) if got.value() == id).then_some(()));
    }
    let page = scene.alpha.get("/devices/d").json;
    assert_eq!(
        (&page["status"], &page["commands"], &page["group"]),
        (&json!("online"), &json!(["run"]), &json!(null))
    );
    assert!(scene.alpha.tools().contains(&"device__d__run".to_owned()));
}

#[test]
fn a_wrong_key_in_the_second_status_is_told_and_ends_the_connection() {
    let scene = Scene::start("");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    device.describe("api_wrong", &json!([{"name": "run"}]), 1);
    let told = device.wait("the error", |word| match word {
        Word::Message { suffix, json, .. } if suffix == "error" => Some(json.clone()),
        _ => None,
    });
    assert_eq!(told["code"], "AUTH_FAILED");
    device.wait("the end", |word| matches!(word, Word::Closed).then_some(()));
    let page = wait_for("it is offline", SOON, || {
        let page = scene.alpha.get("/devices/d").json;
        (page["status"] == "offline").then_some(page)
    });
    assert_eq!((&page["reason"], &page["commands"]), (&json!("auth_failed"), &json!([])));
    scene.must_serve("after a wrong key");
}

#[test]
fn every_refused_command_of_a_manifest_is_told_and_shown() {
    let scene = Scene::start("");
    let long = "x".repeat(600);
    let big = json!({"type": "object", "description": "x".repeat(5000)});
    let mut commands = vec![
        json!({"name": "good", "description": long, "timeoutMs": 1000, "retry": {"maxAttempts": 2}}),
        json!({"name": "Bad-Name"}),
        json!({"name": "good", "description": "the second of one name"}),
        json!({"name": "big", "inputSchema": big}),
        json!({"name": "hasty", "timeoutMs": 999}),
        json!({"name": "patient", "timeoutMs": 600_001}),
        json!({"name": "stubborn", "retry": {"maxAttempts": 0}}),
        json!({"name": "typeless", "inputSchema": {"type": "array"}}),
        json!({"name": "remote", "inputSchema": {"type": "object", "$ref": "http://127.0.0.1:1/x"}}),
        json!("no object"),
    ];
    let refused: Vec<&str> =
        vec!["Bad-Name", "good", "big", "hasty", "patient", "stubborn", "typeless", "remote", "#9"];
    commands.extend((0..125).map(|n| json!({"name": format!("c{n}")})));
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    device.describe(&scene.key, &json!(commands), 1);
    let mut told = Vec::new();
    loop {
        match device.hear(SOON).expect("it goes on") {
            Word::Message { suffix, json, .. } if suffix == "error" => {
                assert_eq!(json["code"], "MANIFEST_REJECTED");
                told.push(json["message"].as_str().expect("a sentence").to_owned());
            }
            Word::Message { suffix, .. } if suffix == "connected" => break,
            _ => {}
        }
    }
    let over = ["c118", "c119", "c120", "c121", "c122", "c123", "c124"];
    for (name, told) in refused.iter().chain(&over).zip(&told) {
        assert!(told.contains(name), "{name}: {told}");
    }
    assert_eq!(told.len(), refused.len() + over.len());
    let page = scene.alpha.get("/devices/d").json;
    let shown: Vec<&str> = page["manifest"]["refused"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| r["command"].as_str().expect("a name"))
        .collect();
    assert_eq!(shown, refused.iter().chain(&over).copied().collect::<Vec<_>>());
    assert_eq!(page["commands"].as_array().expect("a list").len(), 119);
    let good = &page["manifest"]["commands"][0];
    assert_eq!(good["description"].as_str().expect("text").chars().count(), 500, "cut, not refused");
    assert_eq!(good["retry"], json!({"maxAttempts": 2, "backoffMs": 1000}));
}

#[test]
fn a_manifest_for_which_its_agent_has_no_memory_left_is_refused_in_words() {
    let scene = Scene::start("manifest_bytes_per_agent = 65536");
    let wide = |n: usize| {
        let properties: serde_json::Map<_, _> = (0..60).map(|p| (format!("p{n}{p}"), json!({}))).collect();
        json!([{"name": "wide", "inputSchema": {"type": "object", "properties": properties}}])
    };
    let mut first = Device::connect(scene.gateway.mqtt, "alpha", "first", &scene.key, true);
    let mut second = Device::connect(scene.gateway.mqtt, "alpha", "second", &scene.key, true);
    first.describe(&scene.key, &wide(1), 1);
    first.settle_in();
    for (description, reason) in [(wide(1), None), (wide(2), Some("TOO_MUCH_MEMORY")), (json!([]), None)] {
        second.describe(&scene.key, &description, 1);
        if let Some(reason) = reason {
            let told = second.wait("the refusal", |word| match word {
                Word::Message { suffix, json, .. } if suffix == "error" => Some(json.clone()),
                _ => None,
            });
            assert_eq!(told["code"], "MANIFEST_REJECTED");
            assert!(told["message"].as_str().is_some_and(|message| message.contains(reason)), "{told}");
        }
        second.settle_in();
        let page = scene.alpha.get("/devices/second").json;
        let refused = page["manifest"]["refused"][0]["reason"].as_str();
        assert_eq!((page["status"].as_str(), refused), (Some("online"), reason));
    }
    assert!(scene.alpha.delete("/devices/first").status < 300);
    second.describe(&scene.key, &wide(2), 1);
    second.settle_in();
    let tool = "device__second__wide".to_owned();
    wait_for("there is room now", SOON, || scene.alpha.tools().contains(&tool).then_some(()));
    scene.must_serve("too much memory");
}

#[test]
fn the_draft_is_what_the_schema_says_exactly() {
    let scene = Scene::start("");
    // `prefixItems` is a word of 2020-12 alone; `items` as a list is one of draft-07.
    let schema = |uri: &str| json!({"$schema": uri, "type": "object", "properties": {"a": {"prefixItems": [{"type": "string"}]}}});
    let uris = [
        ("new", "https://json-schema.org/draft/2020-12/schema"),
        ("hash", "https://json-schema.org/draft/2020-12/schema#"),
        ("plain", "http://json-schema.org/draft/2020-12/schema"),
        ("seven", "http://json-schema.org/draft-07/schema#"),
        ("odd", "urn:nobody"),
    ];
    let commands: Vec<_> =
        uris.iter().map(|(name, uri)| json!({"name": name, "inputSchema": schema(uri)})).collect();
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    device.describe(&scene.key, &json!(commands), 1);
    device.settle_in();
    let call = |name: &str| {
        let body = json!({"command": name, "payload": {"a": [7]}, "timeoutMs": 1000});
        scene.alpha.post("/devices/d/commands", &body, &[("Prefer", "respond-async")])
    };
    let refused = call("new");
    assert_eq!((refused.status, &refused.json["code"]), (422, &json!("invalid-arguments")));
    assert_eq!(refused.json["errors"][0]["pointer"], "/a/0");
    for name in ["hash", "plain", "seven", "odd"] {
        assert_eq!(call(name).status, 202, "{name} is draft-07, where the word means nothing");
    }
}

#[test]
fn what_cannot_be_read_is_no_manifest_and_the_device_stays() {
    let scene = Scene::start("");
    let status = |commands: &str| {
        format!("{{\"status\":\"online\",\"apiKey\":\"{}\",\"commands\":{commands}}}", scene.key)
    };
    let twice = r#"[{"name":"a","name":"b"}]"#.to_owned();
    let many = format!("[{}1]", "1,".repeat(20_000));
    let keys: Vec<String> = (0..1100).map(|n| format!("\"k{n}\":1")).collect();
    let keys = format!("[{{\"name\":\"a\",{}}}]", keys.join(","));
    let deep = format!("[{{\"name\":\"a\",\"inputSchema\":{}{}}}]", "{\"a\":".repeat(70), "}".repeat(70));
    let lone = r#"[{"name":"\ud800"}]"#.to_owned();
    for (id, commands) in (10..).zip(["{}", "7", "\"x\"", &twice, &many, &keys, &deep, &lone]) {
        let hello = Hello::new("alpha", "d", &scene.key);
        let mut raw = Raw::sending(scene.gateway.mqtt, &hello.packet());
        assert_eq!(raw.take(4), [0x20, 2, 0, 0]);
        raw.send(&support::raw::subscribe(1, &[("lua/devices/alpha/d/error", 1)]));
        assert_eq!(raw.take(5), [0x90, 3, 0, 1, 1]);
        raw.send(&publish(0x32, "lua/devices/alpha/d/status", Some(id), status(commands).as_bytes()));
        assert_eq!(raw.take(4), [0x40, 2, 0, id as u8]);
        let error = String::from_utf8_lossy(&raw.packet()).into_owned();
        let shown = &commands[..commands.len().min(40)];
        assert!(error.contains("MANIFEST_REJECTED") || error.contains("INVALID_JSON"), "{shown}: {error}");
        raw.send(&[0xc0, 0]);
        assert_eq!(raw.take(2), [0xd0, 0], "{shown}: it stays");
        assert_eq!(scene.alpha.get("/devices/d").json["commands"], json!([]), "{shown}");
    }
    let mut raw = Raw::sending(scene.gateway.mqtt, &Hello::new("alpha", "d", &scene.key).packet());
    raw.take(4);
    raw.send(&support::raw::subscribe(1, &[("lua/devices/alpha/d/connected", 1)]));
    raw.take(5);
    raw.send(&publish(0x32, "lua/devices/alpha/d/status", Some(1), status("[]").as_bytes()));
    assert_eq!(raw.take(4), [0x40, 2, 0, 1]);
    assert!(String::from_utf8_lossy(&raw.packet()).contains("connected"), "no commands are a manifest");
    scene.must_serve("after manifests that are none");
}

/// Every end of a connection has one reason, whoever ended it and however many rules were at work.
#[test]
fn each_connection_that_ends_is_counted_once() {
    let scene = Scene::on_cores(2, "");
    let (mqtt, http) = (scene.gateway.mqtt, scene.gateway.http);
    let log_in = |name: &str, key: &str| {
        let mut raw = Raw::sending(mqtt, &Hello::new("alpha", name, key).packet());
        raw.take(4);
        raw
    };
    Raw::sending(mqtt, &[0xc0, 0]).must_be_closed("no CONNECT", b"");
    let mut broken = log_in("broken", &scene.key);
    broken.send(&[0xc1, 0]);
    assert!(broken.closed_within(SOON).is_some());
    let mut polite = log_in("polite", &scene.key);
    polite.send(&[0xe0, 0]);
    assert!(polite.closed_within(SOON).is_some());
    let mut older = log_in("twin", &scene.key);
    let newer = log_in("twin", &scene.key);
    assert!(older.closed_within(SOON).is_some());
    newer.reset();
    assert!(log_in("wrong", "api_wrong").closed_within(SOON).is_some());
    let mut unwanted = log_in("unwanted", &scene.key);
    assert_eq!(scene.alpha.post("/devices/unwanted/disable", &json!({}), &[]).status, 200);
    assert!(unwanted.closed_within(SOON).is_some());
    assert!(Raw::sending(http, b"nonsense\r\n\r\n").closed_within(SOON).is_some());
    let asked = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
    assert!(Raw::sending(http, asked).closed_within(SOON).is_some());
    drop(Raw::connect(mqtt));
    let sum = |page: &str, family: &str| -> u64 {
        let family = format!("{family}{{");
        let values = page.lines().filter(|line| line.starts_with(&family));
        values
            .map(|line| {
                line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()).expect("a number")
            })
            .sum()
    };
    let page = wait_for("what was accepted is open or has ended, each once", SOON, || {
        let page = scene.metrics();
        let closed = sum(&page, "gateway_closed_total");
        let accepted = metric(&page, "gateway_accepts_total{outcome=\"accepted\"}") as u64;
        (closed >= 10
            && closed == sum(&page, "gateway_ended_total")
            && closed == accepted - sum(&page, "gateway_connections"))
        .then_some(page)
    });
    for (reason, count) in [
        ("protocol_violation", 3),
        ("taken_over", 1),
        ("auth_failed", 1),
        ("disabled", 1),
        ("connection_lost", 2),
    ] {
        let counted = metric(&page, &format!("gateway_closed_total{{reason=\"{reason}\"}}"));
        assert_eq!(counted as u64, count, "{reason}: {page}");
    }
}
