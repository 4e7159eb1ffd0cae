//! What a Socket.IO device and the gateway say to each other, member by member: the events of the contract, refusals, and what a key
//! may do. What stock clients make of it is in `socketio.rs`.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::agent::Agent;
use support::raw::Raw;
use support::scene::Scene;
use support::socket_io::{UPGRADE, get, hear, hear_event, opened, say};
use support::web_socket::{ask, next_frame};
use support::{SOON, gateway, wait_for};

/// Asks for the namespace with this `auth`.
fn asking(scene: &Scene, auth: &Value) -> Raw {
    let mut raw = opened(scene.gateway.http);
    say(&mut raw, &format!("40/devices,{auth}"));
    raw
}

/// A device that is connected; what it hears first is the test's.
fn accepted(scene: &Scene, auth: &Value) -> Raw {
    let mut raw = asking(scene, auth);
    let connected = hear(&mut raw);
    let sid = connected.strip_prefix("40/devices,").unwrap_or_else(|| panic!("refused: {connected}"));
    let sid: Value = serde_json::from_str(sid).expect("JSON");
    assert!(members(&sid) == ["sid"] && sid["sid"].is_string(), "{sid}");
    raw
}

fn auth(key: &str, name: &str, commands: &Value) -> Value {
    json!({"apiKey": key, "agentId": "alpha", "deviceName": name, "commands": commands})
}

/// The members of an object, in alphabetical order.
fn members(json: &Value) -> Vec<&str> {
    json.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn emit(raw: &mut Raw, event: &Value) {
    say(raw, &format!("42/devices,{event}"));
}

/// Makes a key for certain devices.
fn key_for(scene: &Scene, words: &[&str]) -> String {
    let data = scene.gateway.data_dir();
    let output = gateway().args(["keys", "add"]).args(words).arg("--data").arg(data).output();
    let output = output.expect("keys add runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("text");
    stdout.lines().last().expect("the secret is the last line").trim().to_owned()
}

/// Waits until the running gateway knows a key for a device.
fn wait_known(scene: &Scene, key: &str, agent: &str, name: &str) {
    wait_for("the key is known", SOON, || {
        let auth = json!({"apiKey": key, "agentId": agent, "deviceName": name});
        hear(&mut asking(scene, &auth)).starts_with("40/devices,").then_some(())
    });
}

#[test]
fn the_open_packet_says_what_the_contract_says() {
    let scene = Scene::start("");
    let (mut raw, _) = ask(scene.gateway.http, &get("EIO=4&transport=websocket", UPGRADE));
    let open = String::from_utf8(next_frame(&mut raw).1).expect("text");
    let mut open: Value =
        serde_json::from_str(open.strip_prefix('0').expect("an open packet")).expect("JSON");
    assert!(open["sid"].take().as_str().is_some_and(|sid| sid.len() >= 32));
    let expected = json!({"sid": null, "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000,
        "maxPayload": 1_114_112});
    assert_eq!(open, expected);
    let request = get("EIO=4&transport=polling", "Connection: close\r\n");
    let (mut raw, head) = ask(scene.gateway.http, &request);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let open = String::from_utf8(raw.closed_within(SOON).expect("it was asked to")).expect("text");
    assert!(open.contains(r#""upgrades":["websocket"]"#), "{open}");
}

#[test]
fn events_have_the_members_of_the_contract() {
    let scene = Scene::start("");
    let events = scene.alpha.events(None);
    let mut raw = accepted(&scene, &auth(&scene.key, "d", &json!([{"name": "run"}])));
    assert_eq!(hear_event(&mut raw), ("connected".into(), json!({})));
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| scene.alpha.call("d", "run", &json!({"n": 1})));
        let (name, command) = hear_event(&mut raw);
        assert_eq!(name, "command");
        assert_eq!(members(&command), ["command", "commandId", "payload", "timeout"]);
        assert_eq!((&command["command"], &command["payload"]), (&json!("run"), &json!({"n": 1})));
        assert!(command["timeout"].as_u64().is_some_and(|ms| (29_000..=30_000).contains(&ms)), "{command}");
        emit(
            &mut raw,
            &json!(["response", {"commandId": command["commandId"], "success": false, "error": "no"}]),
        );
        asked.join().expect("an answer")
    });
    assert_eq!((answer.status, &answer.json["detail"]), (502, &json!("no")));

    emit(&mut raw, &json!(["trigger", {"triggerName": "hot"}]));
    let (name, ack) = hear_event(&mut raw);
    assert_eq!(
        (&*name, members(&ack), &ack["received"]),
        ("trigger_ack", vec!["received", "triggerId"], &json!(true))
    );
    let told = events.wait("trigger").data;
    assert_eq!((&told["triggerId"], &told["payload"]), (&ack["triggerId"], &json!({})));
    // A name that the device gave is said back, and is that of one trigger only.
    let mine = (String::from("trigger_ack"), json!({"triggerId": "mine", "received": true}));
    for _ in 0..2 {
        emit(&mut raw, &json!(["trigger", {"triggerName": "hot", "triggerId": "mine"}]));
        assert_eq!(hear_event(&mut raw), mine);
    }
    say(&mut raw, r#"42/devices,7["trigger",{"triggerName":"hot","triggerId":"mine"}]"#);
    let both = [hear(&mut raw), hear(&mut raw)];
    assert!(both.contains(&"43/devices,7[]".to_owned()), "the callback is called, too: {both:?}");
    assert_eq!(events.wait("trigger").data["triggerId"], "mine");
    while let Some(event) = events.next(Duration::from_millis(200)) {
        assert_ne!(event.kind, "trigger", "{event:?}");
    }
    emit(&mut raw, &json!(["heartbeat"]));
    assert_eq!(hear_event(&mut raw), ("pong".into(), json!({})));
    for (event, code) in [("trigger", "INVALID_TRIGGER"), ("response", "INVALID_RESPONSE")] {
        emit(&mut raw, &json!([event, "nonsense"]));
        let (name, error) = hear_event(&mut raw);
        assert_eq!(
            (&*name, members(&error), &error["code"]),
            ("error", vec!["code", "message"], &json!(code))
        );
    }
    // There is one namespace, and the main one is not it.
    say(&mut raw, "40");
    assert_eq!(hear(&mut raw), r#"44{"message":"Invalid namespace"}"#);
    emit(&mut raw, &json!(["heartbeat"]));
    assert_eq!(hear_event(&mut raw).0, "pong", "the other goes on");
    scene.must_serve("after events");
}

#[test]
fn a_manifest_is_judged_as_over_mqtt() {
    let scene = Scene::start("");
    let commands = json!([{"name": "good"}, {"name": "Bad"}, {"name": "huge", "inputSchema": {"type": "object", "title": "x".repeat(5000)}}]);
    let mut raw = accepted(&scene, &auth(&scene.key, "d", &commands));
    for refused in ["Bad", "huge"] {
        let (name, error) = hear_event(&mut raw);
        assert_eq!((&*name, &error["code"]), ("error", &json!("MANIFEST_REJECTED")));
        assert!(error["message"].as_str().is_some_and(|message| message.contains(refused)), "{error}");
    }
    assert_eq!(hear_event(&mut raw), ("connected".into(), json!({})));
    assert_eq!(scene.alpha.get("/devices/d").json["commands"], json!(["good"]));
    // What is no list is told, too, and the device stays, without tools.
    let mut raw = accepted(&scene, &auth(&scene.key, "e", &json!({"run": {}})));
    assert_eq!(hear_event(&mut raw).1["code"], "MANIFEST_REJECTED");
    assert_eq!(scene.alpha.get("/devices/e").json["commands"], json!([]));
    // One that says nothing of commands has none; its group may be said all the same.
    let silent = json!({"apiKey": scene.key, "agentId": "alpha", "deviceName": "f", "group": "g"});
    let mut raw = accepted(&scene, &silent);
    assert_eq!(hear_event(&mut raw), ("connected".into(), json!({})));
    let page = scene.alpha.get("/devices/f").json;
    assert_eq!(
        (&page["status"], &page["group"], &page["commands"]),
        (&json!("online"), &json!("g"), &json!([]))
    );
    scene.must_serve("after manifests");
}

#[test]
fn a_key_may_do_what_its_operations_say() {
    let scene = Scene::start("");
    let (commands, triggers) =
        (scene.gateway.add_key("alpha", "commands"), scene.gateway.add_key("alpha", "triggers"));
    wait_known(&scene, &triggers, "alpha", "d");
    wait_known(&scene, &commands, "alpha", "d");
    let mut raw = accepted(&scene, &auth(&commands, "d", &json!([{"name": "run"}])));
    assert_eq!(hear_event(&mut raw).0, "connected");
    emit(&mut raw, &json!(["trigger", {"triggerName": "t", "triggerId": "mine"}]));
    let refused = json!({"triggerId": "mine", "received": false, "error": "OPERATION_FORBIDDEN"});
    assert_eq!(hear_event(&mut raw), ("trigger_ack".into(), refused));
    let (name, error) = hear_event(&mut raw);
    assert_eq!(name, "trigger_error");
    assert_eq!((members(&error), &error["code"]), (vec!["code", "message"], &json!("OPERATION_FORBIDDEN")));
    let (name, error) = hear_event(&mut raw);
    assert_eq!((&*name, &error["code"]), ("error", &json!("OPERATION_FORBIDDEN")));
    let mut raw = accepted(&scene, &auth(&triggers, "d", &json!([{"name": "run"}])));
    let (name, error) = hear_event(&mut raw);
    assert_eq!((&*name, &error["code"]), ("error", &json!("OPERATION_FORBIDDEN")));
    assert_eq!(hear_event(&mut raw).1["code"], "MANIFEST_REJECTED", "the list as a whole");
    assert_eq!(hear_event(&mut raw).0, "connected");
    assert_eq!(scene.alpha.get("/devices/d").json["commands"], json!([]));
    scene.must_serve("after keys that lack something");
}

/// C2: what a key is refused for is told to who has a good one, and to nobody else.
#[test]
fn refusals_tell_only_the_holder_of_a_key_why() {
    let scene = Scene::start("auth_failures_max = 0");
    let bound = key_for(&scene, &["--agent", "alpha", "--device", "lamp"]);
    let foreign = scene.gateway.add_key("beta", "commands,triggers");
    wait_known(&scene, &bound, "alpha", "lamp");
    wait_known(&scene, &foreign, "beta", "lamp");
    drop(accepted(&scene, &auth(&scene.key, "off", &json!([]))));
    assert_eq!(scene.alpha.post("/devices/off/disable", &Value::Null, &[]).status, 200);
    let cases = [
        ("a key for another device", auth(&bound, "pump", &json!([])), "AGENT_FORBIDDEN"),
        ("a key of another agent", auth(&foreign, "lamp", &json!([])), "AGENT_FORBIDDEN"),
        ("a key that is no device's", auth(&scene.agent_key, "lamp", &json!([])), "AUTH_FAILED"),
        ("a wrong key", auth("api_wrong", "lamp", &json!([])), "AUTH_FAILED"),
        ("a wrong key for a disabled device", auth("api_wrong", "off", &json!([])), "AUTH_FAILED"),
        ("a good key for a disabled device", auth(&scene.key, "off", &json!([])), "DEVICE_DISABLED"),
        ("no auth at all", json!({}), "MISSING_AUTH"),
        (
            "a key that is no text",
            json!({"apiKey": 7, "agentId": "alpha", "deviceName": "d"}),
            "MISSING_AUTH",
        ),
    ];
    for (what, auth, code) in cases {
        let mut raw = asking(&scene, &auth);
        let refused = hear(&mut raw);
        let refused = refused.strip_prefix("44/devices,").unwrap_or_else(|| panic!("{what}: {refused}"));
        let refused: Value = serde_json::from_str(refused).expect("JSON");
        assert_eq!(members(&refused), ["data", "message"], "{what}");
        assert_eq!(
            (members(&refused["data"]), &refused["data"]["code"]),
            (vec!["code", "message"], &json!(code)),
            "{what}"
        );
        assert_eq!(refused["message"], refused["data"]["message"], "{what}");
        if what.contains("no device's") {
            assert_eq!(refused["message"], "Typed API keys require an explicitly scoped gateway policy");
        }
    }
    assert_eq!(Agent::new(scene.gateway.http, "alpha", &scene.agent_key).status("lamp"), "offline");
    scene.must_serve("after refusals");
}
