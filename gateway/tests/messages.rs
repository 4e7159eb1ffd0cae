//! What an MQTT device and the gateway say to each other, member by member: the messages of the contract with their sizes, their QoS
//! and who is told them. What devices have in common whatever carries them is in `support/life.rs`.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::TcpListener;
use std::time::Duration;
use support::agent::Answer;
use support::device::{Device, Word};
use support::raw::{Hello, Raw, field, mqtt, publish, subscribe};
use support::scene::Scene;
use support::web_socket::{BINARY, frame, next_frame, upgraded};
use support::{SOON, wait_for};

const MIB: usize = 1_048_576;
const QUIET: Duration = Duration::from_millis(100);

fn described(scene: &Scene, name: &str) -> Device {
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", name, &scene.key, true);
    device.describe(&scene.key, &json!([{"name": "run"}]), 1);
    device.settle_in();
    device
}

fn topic(name: &str, suffix: &str) -> String {
    format!("lua/devices/alpha/{name}/{suffix}")
}

/// The members of an object, in alphabetical order.
fn members(json: &Value) -> Vec<&str> {
    json.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Waits for a message on a topic: what it says, and whether it wants a PUBACK.
fn hear(device: &mut Device, topic: &str) -> (Value, bool) {
    device.wait(topic, |word| match word {
        Word::Message { suffix, json, id, .. } if suffix == topic => Some((json.clone(), id.is_some())),
        _ => None,
    })
}

/// Asserts that nothing but acknowledgements comes for a while.
fn hears_nothing(device: &mut Device, why: &str) {
    while let Some(word) = device.hear(QUIET) {
        assert!(matches!(word, Word::Puback(_) | Word::Other | Word::Connack { .. }), "{why}: {word:?}");
    }
}

/// Has an agent ask for `run` while the device does something about it, and gives the answer.
fn while_asked(scene: &Scene, name: &str, body: &Value, act: impl FnOnce()) -> Answer {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| scene.alpha.call_with(name, body));
        act();
        asked.join().expect("an answer")
    })
}

#[test]
fn a_command_carries_what_the_agent_sent_and_nothing_else() {
    let scene = Scene::start("");
    let mut device = described(&scene, "d");
    let answer = while_asked(&scene, "d", &json!({"command": "run"}), || {
        let order = device.next_command();
        assert_eq!(members(&order.json), ["command", "commandId", "timeout"], "no payload, no member");
        let timeout = order.json["timeout"].as_u64().expect("a number");
        assert!((29_000..=30_000).contains(&timeout), "30 s when nobody says otherwise: {timeout}");
        assert!(order.id.is_some(), "it was asked for at QoS 1");
        // Only `data` may be left out: a device with nothing to say has done it all the same.
        device.publish(
            "response",
            &json!({"commandId": order.json["commandId"], "success": true}),
            Some(5),
            false,
        );
        device.puback(order.id.expect("QoS 1"));
        device.flush();
    });
    assert_eq!((answer.status, &answer.json["data"]), (200, &Value::Null), "{}", answer.json);
    assert_eq!(members(&answer.json), ["commandId", "data", "durationMs", "status"]);
    for payload in [json!({}), json!(0), json!(""), json!(false), json!([1, {"a": null}])] {
        let body = json!({"command": "run", "payload": payload});
        let answer = while_asked(&scene, "d", &body, || {
            let order = device.next_command();
            assert_eq!(members(&order.json), ["command", "commandId", "payload", "timeout"]);
            assert_eq!((&order.json["command"], &order.json["payload"]), (&json!("run"), &payload));
            device.answer(&order, true, &payload);
        });
        assert_eq!((answer.status, &answer.json["data"]), (200, &payload), "what is falsy is data, too");
    }
    scene.must_serve("after commands");
}

#[test]
fn payloads_data_and_errors_have_their_sizes_in_bytes() {
    let scene = Scene::start("");
    let mut device = described(&scene, "d");
    let text = |bytes: usize| json!("x".repeat(bytes - 2));
    // A payload of a mebibyte goes there, and as much data comes back.
    let body = json!({"command": "run", "payload": text(MIB)});
    let answer = while_asked(&scene, "d", &body, || {
        let order = device.next_command();
        assert_eq!(order.json["payload"], body["payload"]);
        device.answer(&order, true, &text(MIB));
    });
    assert_eq!(answer.status, 200, "{}", answer.json["code"]);
    assert_eq!(answer.json["data"], text(MIB));
    // One byte more does not, in either direction, in the words of either kind of path.
    let body = json!({"command": "run", "payload": text(MIB + 1)});
    let refused = scene.alpha.call_with("d", &body);
    assert_eq!((refused.status, &refused.json["code"]), (413, &json!("payload-too-large")));
    assert_eq!(refused.json["outcome"], "not_sent");
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let refused = scene.alpha.send("POST", "/developer/devices/alpha/d/command", &body.to_string());
    assert_eq!((refused.status, &refused.json["code"]), (413, &json!("PAYLOAD_TOO_LARGE")));
    let refused = scene.alpha.tool("device__d__run", &body["payload"]);
    assert_eq!((refused.status, &refused.json["code"]), (413, &json!("payload-too-large")));
    let answer = while_asked(&scene, "d", &json!({"command": "run"}), || {
        let order = device.next_command();
        device.answer(&order, true, &text(MIB + 1));
    });
    assert_eq!((answer.status, &answer.json["code"]), (502, &json!("device-error")));
    assert!(answer.json["detail"].as_str().is_some_and(|detail| detail.contains("larger than allowed")));
    // An error is cut at 4096 bytes, between characters.
    let answer = while_asked(&scene, "d", &json!({"command": "run"}), || {
        let order = device.next_command();
        device.answer(&order, false, &json!(format!("x{}", "\u{e9}".repeat(3000))));
    });
    let detail = answer.json["detail"].as_str().expect("what the device said");
    assert_eq!((detail.len(), detail.chars().last()), (4095, Some('\u{e9}')));
    scene.must_serve("after large words");
}

/// A device of the first hour: QoS 0 for everything, four subscriptions, no group.
#[test]
fn a_device_may_do_everything_at_qos_0() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "pico", &scene.key, false);
    let topics = ["command", "connected", "trigger_ack", "error"].map(|suffix| topic("pico", suffix));
    device.raw(&subscribe(1, &topics.each_ref().map(|topic| (topic.as_str(), 0))));
    device.publish("status", &json!({"status": "online", "timestamp": "1795335737.85"}), None, false);
    let status = json!({"status": "online", "apiKey": scene.key, "commands": [{"name": "run"}]});
    device.publish("status", &status, None, false);
    let (connected, acknowledged) = hear(&mut device, "connected");
    assert_eq!((members(&connected), acknowledged), (vec!["message"], false));
    let answer = while_asked(&scene, "pico", &json!({"command": "run", "payload": 1}), || {
        let order = device.next_command();
        assert!(order.id.is_none(), "a command comes at the QoS that was asked for");
        let answer = json!({"commandId": order.json["commandId"], "success": true, "data": [2]});
        device.publish("response", &answer, None, false);
        device.flush();
    });
    assert_eq!((answer.status, &answer.json["data"]), (200, &json!([2])), "{}", answer.json);
    device.publish("trigger", &json!({"triggerName": "low-stock"}), None, false);
    let (ack, _) = hear(&mut device, "trigger_ack");
    assert_eq!((members(&ack), &ack["received"]), (vec!["received", "triggerId"], &json!(true)));
    let trigger = events.wait("trigger").data;
    assert_eq!((&trigger["triggerId"], &trigger["payload"]), (&ack["triggerId"], &json!({})));
    device.publish("heartbeat", &Value::Null, None, false);
    hears_nothing(&mut device, "who does not listen to `pong` hears none");
    // A command that it has not answered is not said again to the next connection: at QoS 0 it came once.
    let asked = json!({"command": "run", "offline": "queue"});
    assert_eq!(scene.alpha.call_with("pico", &asked).status, 202);
    device.next_command();
    drop(device);
    wait_for("it is gone", SOON, || (scene.alpha.status("pico") == "offline").then_some(()));
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "pico", &scene.key, false);
    hears_nothing(&mut device, "after it came back");
    scene.must_serve("after a device at QoS 0");
}

#[test]
fn notices_come_at_qos_0_to_those_who_listen() {
    let scene = Scene::start("");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    device.publish("heartbeat", &Value::Null, Some(1), false);
    hears_nothing(&mut device, "before it listens to anything");
    for (id, suffix) in (2..).zip(["command", "connected", "trigger_ack", "trigger_result", "error", "pong"])
    {
        device.raw(&subscribe(id, &[(&topic("d", suffix), 1)]));
        device.wait("its SUBACK", |word| matches!(word, Word::Other).then_some(()));
    }
    let status =
        json!({"status": "online", "apiKey": scene.key, "group": null, "commands": [{"name": "run"}]});
    device.publish("status", &status, Some(10), false);
    assert_eq!(hear(&mut device, "connected"), (json!({"message": "connected"}), false));
    device.publish("heartbeat", &Value::Null, None, false);
    assert_eq!(hear(&mut device, "pong"), (json!({}), false));
    device.publish("trigger", &json!({"triggerName": "t", "triggerId": "mine"}), Some(11), false);
    assert_eq!(hear(&mut device, "trigger_ack"), (json!({"triggerId": "mine", "received": true}), false));
    for (suffix, code) in
        [("trigger", "INVALID_TRIGGER"), ("response", "INVALID_RESPONSE"), ("status", "INVALID_STATUS")]
    {
        device.publish(suffix, &json!([]), Some(12), false);
        let (error, acknowledged) = hear(&mut device, "error");
        assert_eq!((members(&error), &error["code"]), (vec!["code", "message"], &json!(code)));
        assert!(!acknowledged && error["message"].is_string());
    }
    // What is not listened to any more is not said; a command waits for whoever listens again.
    let both = [field(topic("d", "pong")), field(topic("d", "command"))];
    device.raw(&mqtt(0xa2, &[&[0, 20], &both[0], &both[1]]));
    device.wait("its UNSUBACK", |word| matches!(word, Word::Other).then_some(()));
    device.publish("heartbeat", &Value::Null, None, false);
    let asked =
        scene.alpha.post("/devices/d/commands", &json!({"command": "run"}), &[("Prefer", "respond-async")]);
    assert_eq!(asked.status, 202, "{}", asked.json);
    hears_nothing(&mut device, "after UNSUBSCRIBE");
    device.listen(21);
    assert_eq!(device.next_command().json["commandId"], asked.json["commandId"]);
    scene.must_serve("after notices");
}

#[test]
fn the_key_makes_a_status_a_description_and_not_the_retain_flag() {
    let scene = Scene::start("");
    let mut device = Device::connect(scene.gateway.mqtt, "alpha", "d", &scene.key, true);
    device.wait("CONNACK", |word| matches!(word, Word::Connack { .. }).then_some(()));
    let say = |device: &mut Device, first: u8, id: u16, status: &Value| {
        device.raw(&publish(first, &topic("d", "status"), Some(id), status.to_string().as_bytes()));
        device
            .wait("its PUBACK", |word| matches!(word, Word::Puback(got) if got.value() == id).then_some(()));
    };
    let is_online = ["device__d__is_online"];
    let tools = || scene.alpha.tools().into_iter().filter(|tool| tool.contains("__d__")).collect::<Vec<_>>();
    assert_eq!(tools(), is_online, "here, and without tools of its own");
    let call = || scene.alpha.call("d", "run", &Value::Null);
    assert_eq!((call().status, &call().json["code"]), (404, &json!("command-unknown")));
    let bare = json!({"status": "online", "group": "g", "commands": [{"name": "run"}]});
    say(&mut device, 0x32, 1, &bare);
    assert_eq!(tools(), is_online, "without a key it describes nothing");
    assert_eq!(scene.alpha.get("/devices/d").json["group"], "g");
    say(&mut device, 0x32, 2, &json!({"status": "offline", "timestamp": "2026-11-22T08:08:12+00:00"}));
    assert_eq!(scene.alpha.status("d"), "online", "presence is the connection");
    let keyed =
        json!({"status": "online", "apiKey": scene.key, "group": null, "commands": [{"name": "run"}]});
    say(&mut device, 0x33, 3, &keyed);
    assert_eq!(tools(), ["device__d__is_online", "device__d__run"], "with its key it does, retained or not");
    assert_eq!(scene.alpha.get("/devices/d").json["group"], Value::Null);
    // The list lives as long as the connection; what it was stays on the device's page.
    drop(device);
    wait_for("it is gone", SOON, || (tools() == is_online).then_some(()));
    let page = scene.alpha.get("/devices/d").json;
    assert_eq!((&page["status"], &page["commands"]), (&json!("offline"), &json!(["run"])));
    assert_eq!(page["manifest"]["commands"][0]["name"], "run");
    assert_eq!((call().status, &call().json["code"]), (503, &json!("device-offline")));
    scene.must_serve("after statuses");
}

/// 3.7: one command at a time on the wire, unless the listener is told otherwise, over TCP as over WebSocket.
#[test]
fn a_listener_may_have_more_under_way_than_another() {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port");
    let (mqtt, http) = (free(), free());
    let two_at_once = format!(
        "[[listen]]\nprotocol = \"mqtt\"\naddress = \"{mqtt}\"\nmqtt_inflight_to_device = 2\n\
         [[listen]]\nprotocol = \"http\"\naddress = \"{http}\"\nmqtt_inflight_to_device = 2\n"
    );
    let scene = Scene::on_cores(2, &two_at_once);
    let ask_thrice = |name: &str| {
        let body = json!({"command": "run"});
        let path = format!("/devices/{name}/commands");
        let asked = || scene.alpha.post(&path, &body, &[("Prefer", "respond-async")]).status;
        assert_eq!([asked(), asked(), asked()], [202; 3]);
    };
    for (name, address, at_once) in [("one", scene.gateway.mqtt, 1), ("two", mqtt, 2)] {
        let mut device = Device::connect(address, "alpha", name, &scene.key, true);
        device.describe(&scene.key, &json!([{"name": "run"}]), 1);
        device.settle_in();
        ask_thrice(name);
        let mut orders: VecDeque<_> = (0..at_once).map(|_| device.next_command()).collect();
        for _ in at_once..3 {
            hears_nothing(&mut device, "none was acknowledged");
            let order = orders.pop_front().expect("one under way");
            device.answer(&order, true, &Value::Null);
            orders.push_back(device.next_command());
        }
    }
    let mut socket = upgraded(http);
    let status = json!({"status": "online", "apiKey": scene.key, "commands": [{"name": "run"}]}).to_string();
    for packet in [
        Hello::new("alpha", "socket", &scene.key).packet(),
        subscribe(1, &[(&topic("socket", "command"), 1)]),
        publish(0x32, &topic("socket", "status"), Some(2), status.as_bytes()),
    ] {
        socket.send(&frame(BINARY, &packet));
        next_frame(&mut socket);
    }
    ask_thrice("socket");
    for _ in 0..2 {
        assert_eq!(next_frame(&mut socket).1[0], 0x32, "a command at QoS 1");
    }
    socket.must_stay_open("the third waits", QUIET);
    scene.must_serve("after three listeners");
}

#[test]
fn a_trigger_at_qos_2_is_one_trigger_however_often_it_is_sent() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let hello = Hello::new("alpha", "d", &scene.key);
    let mut raw = Raw::sending(scene.gateway.mqtt, &hello.packet());
    assert_eq!(raw.take(4), [0x20, 2, 0, 0]);
    raw.send(&subscribe(1, &[(&topic("d", "command"), 2)]));
    assert_eq!(raw.take(5), [0x90, 3, 0, 1, 1], "QoS 2 is granted as 1");
    for first in [0x34, 0x3c] {
        raw.send(&publish(first, &topic("d", "trigger"), Some(7), b"{\"triggerName\":\"t\"}"));
        assert_eq!(raw.take(4), [0x50, 2, 0, 7], "PUBREC");
    }
    for _ in 0..2 {
        raw.send(&[0x62, 2, 0, 7]);
        assert_eq!(raw.take(4), [0x70, 2, 0, 7], "PUBCOMP");
    }
    events.wait("trigger");
    while let Some(event) = events.next(QUIET) {
        assert_ne!(event.kind, "trigger", "{event:?}");
    }
    scene.must_serve("after QoS 2");
}
