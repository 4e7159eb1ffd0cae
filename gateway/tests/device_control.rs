//! An agent decides about its devices: disable, enable, remove and make known, by the gateway's own paths and by those of
//! `lua-cli`; and the document that describes them all.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use codec::mqtt::ConnectCode;
use serde_json::{Value, json};
use support::agent::Agent;
use support::device::{Device, Word};
use support::scene::Echo;
use support::{Gateway, SOON, wait_for};

struct House {
    gateway: Gateway,
    key: String,
    alpha: Agent,
    beta: Agent,
}

impl House {
    fn start(cores: usize) -> Self {
        Self::with_limits(cores, "")
    }

    fn with_limits(cores: usize, limits: &str) -> Self {
        let gateway = Gateway::start(cores, limits);
        let key = gateway.add_key("alpha", "commands,triggers");
        let alpha = Agent::new(gateway.http, "alpha", &gateway.add_key("alpha", "agent,operator"));
        let beta = Agent::new(gateway.http, "beta", &gateway.add_key("beta", "agent"));
        wait_for("the running gateway knows the keys", SOON, || {
            (beta.get("/devices").status == 200 && alpha.get("/devices").status == 200).then_some(())
        });
        Self { gateway, key, alpha, beta }
    }

    fn connect(&self, name: &str) -> Echo {
        Echo::connect(self.gateway.mqtt, name, &self.key)
    }

    fn refused(&self, name: &str) -> ConnectCode {
        let mut device = Device::connect(self.gateway.mqtt, "alpha", name, &self.key, true);
        device.wait("CONNACK", |word| match word {
            Word::Connack { code, .. } => Some(*code),
            _ => None,
        })
    }

    fn lua(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let answer = self.alpha.send(method, &format!("/developer/devices/alpha{path}"), body);
        (answer.status, answer.json)
    }
}

#[test]
fn an_agent_with_all_its_devices_gets_no_more_and_takes_no_room_from_others() {
    let house = House::with_limits(1, "devices_per_agent_and_core_max = 1");
    let pico = house.connect("pico");
    assert_eq!(house.refused("lamp"), ConnectCode::ServerUnavailable, "it may come back when there is room");
    let (status, full) = house.lua("POST", "", r#"{"name":"lamp"}"#);
    assert_eq!((status, &full["code"]), (429, &json!("TOO_MANY_DEVICES")));
    let made = house.beta.send("POST", "/developer/devices/beta", r#"{"name":"lamp"}"#);
    assert_eq!(made.status, 201, "the room of another agent is its own: {}", made.json);
    drop(pico);
    let removed = house.alpha.send("DELETE", "/v1/agents/alpha/devices/pico", "");
    assert_eq!(removed.status, 204, "{}", removed.json);
    drop(house.connect("lamp"));
}

#[test]
fn a_disabled_device_is_kicked_and_refused_until_it_is_enabled() {
    for cores in [1, 3] {
        let house = House::start(cores);
        let (alpha, beta) = (&house.alpha, &house.beta);
        let events = alpha.events(None);
        let pico = house.connect("pico");
        assert_eq!(alpha.call("pico", "echo", &json!(1)).status, 200);

        assert_eq!(beta.post("/devices/pico/disable", &Value::Null, &[]).status, 404, "not beta's device");
        let disabled = alpha.post("/devices/pico/disable", &Value::Null, &[]);
        assert_eq!(
            (disabled.status, &disabled.json["status"]),
            (200, &json!("disabled")),
            "{}",
            disabled.json
        );
        wait_for("the connection is kicked", SOON, || pico.is_gone().then_some(()));
        assert_eq!(events.wait("device_disconnected").data["reason"], "disabled");
        assert_eq!(house.refused("pico"), ConnectCode::NotAuthorized);

        let call = alpha.call("pico", "echo", &json!(1));
        assert_eq!((call.status, &call.json["code"]), (503, &json!("device-offline")));
        assert_eq!(call.json["outcome"], "not_sent");
        let queued = alpha.call_with("pico", &json!({"command": "echo", "offline": "queue"}));
        assert_eq!(queued.json["code"], "queueing-not-possible");
        assert_eq!(alpha.tools(), ["device__pico__is_online"]);
        let page = alpha.get("/devices?status=disabled").json;
        assert_eq!(page["devices"][0]["name"], "pico");
        assert_eq!(alpha.get("/devices?status=online").json, json!({"devices": []}));
        assert_eq!(alpha.get("/devices?status=asleep").status, 400);
        assert_eq!(alpha.get("/devices/pico").json["closes"][0]["reason"], "disabled");

        let enabled = alpha.post("/devices/pico/enable", &Value::Null, &[]);
        assert_eq!((enabled.status, &enabled.json["status"]), (200, &json!("offline")));
        let again = house.connect("pico");
        assert_eq!(alpha.call("pico", "echo", &json!(2)).json["data"], 2);
        assert!(!again.is_gone());
        assert_eq!(alpha.post("/devices/nobody/enable", &Value::Null, &[]).json["code"], "device-unknown");
    }
}

#[test]
fn a_removed_device_is_forgotten_and_comes_back_as_a_new_one() {
    let house = House::start(3);
    let alpha = &house.alpha;
    let pico = house.connect("pico");
    let events = alpha.events(None);
    let removed = alpha.delete("/devices/pico");
    assert_eq!((removed.status, removed.json), (204, Value::Null));
    wait_for("the connection is kicked", SOON, || pico.is_gone().then_some(()));
    assert_eq!(events.wait("device_disconnected").data["reason"], "removed");
    assert_eq!(alpha.get("/devices/pico").json["code"], "device-unknown");
    assert_eq!(alpha.call("pico", "echo", &Value::Null).json["code"], "device-unknown");
    assert_eq!(alpha.get("/devices").json, json!({"devices": []}));
    assert_eq!(alpha.delete("/devices/pico").status, 404);
    let _pico = house.connect("pico");
    assert_eq!(alpha.get("/devices/pico").json["epoch"], 1, "nothing of the old one is left");
}

/// Clients send `group: null` and no commands when they have nothing to say of it; that takes back nothing that was declared.
#[test]
fn a_device_that_says_nothing_of_itself_is_what_its_agent_declared() {
    let house = House::start(1);
    let declared = r#"{"name":"door","description":"by the gate","group":"yard"}"#;
    assert_eq!(house.lua("POST", "", declared).0, 201);
    let mut device = Device::connect(house.gateway.mqtt, "alpha", "door", &house.key, true);
    device.describe(&house.key, &json!([]), 1);
    device.settle_in();
    let shown = |group: &str| {
        let page = house.alpha.get("/devices/door").json;
        assert_eq!((&page["status"], &page["group"]), (&json!("online"), &json!(group)), "{page}");
        assert_eq!(page["description"], "by the gate");
    };
    shown("yard");
    let own = json!({"status": "online", "apiKey": house.key, "group": "house", "commands": []});
    device.publish("status", &own, Some(9), false);
    device.settle_in();
    shown("house");
    device.describe(&house.key, &json!([]), 10);
    device.settle_in();
    shown("yard");
    assert_eq!(house.lua("POST", "", r#"{"name":"door"}"#).0, 200);
    shown("yard");
}

#[test]
fn a_command_under_way_settles_when_its_device_is_disabled() {
    let house = House::start(1);
    let mut device = Device::connect(house.gateway.mqtt, "alpha", "slow", &house.key, false);
    device.describe(&house.key, &json!([{"name": "wait", "description": "Never answers"}]), 1);
    device.settle_in();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| house.alpha.call("slow", "wait", &Value::Null));
        device.next_command();
        assert_eq!(house.alpha.post("/devices/slow/disable", &Value::Null, &[]).status, 200);
        let answer = call.join().expect("an answer");
        assert_eq!((answer.status, &answer.json["code"]), (503, &json!("device-offline")));
        assert_eq!(answer.json["outcome"], "unknown", "the device had it");
    });
}

#[test]
fn the_paths_of_lua_cli_speak_its_words() {
    let house = House::start(3);
    let (status, made) =
        house.lua("POST", "", r#"{"name":"door","description":"by the gate","group":"yard"}"#);
    assert_eq!((status, &made["data"]["id"]), (201, &json!("door")), "{made}");
    assert_eq!(house.lua("POST", "", r#"{"name":"door"}"#).0, 200, "known already");
    assert_eq!(house.lua("GET", "/door/status", "").1["data"]["status"], "registered");
    assert!(house.alpha.tools().contains(&"device__door__is_online".to_owned()));
    let _pico = house.connect("pico");
    let (_, list) = house.lua("GET", "", "");
    let devices = &list["data"]["devices"];
    assert_eq!((&devices[0]["name"], &devices[0]["description"]), (&json!("door"), &json!("by the gate")));
    assert_eq!((&devices[1]["id"], &devices[1]["active"]), (&json!("pico"), &json!(true)));
    assert_eq!(house.lua("GET", "/pico/status", "").1["data"]["status"], "online");

    let (status, done) =
        house.lua("POST", "/pico/command", r#"{"command":"echo","payload":{"n":1},"timeout":30000}"#);
    assert_eq!(
        (status, &done["data"]["success"], &done["data"]["data"]),
        (200, &json!(true), &json!({"n": 1}))
    );
    assert!(done["data"]["commandId"].is_string() && done["success"] == true);
    let (status, unknown) = house.lua("POST", "/pico/command", r#"{"command":"no_such"}"#);
    assert_eq!((status, &unknown["code"]), (404, &json!("COMMAND_UNKNOWN")));
    assert!(!unknown["message"].as_str().expect("a sentence").contains("offline"));
    for device in ["door", "nobody"] {
        let (status, away) = house.lua("POST", &format!("/{device}/command"), r#"{"command":"echo"}"#);
        assert_eq!((status, &away["statusCode"]), (404, &json!(404)));
        assert!(away["message"].as_str().expect("a sentence").contains("offline"), "{away}");
    }

    assert_eq!(house.lua("PATCH", "/pico/disable", "{}").0, 200);
    assert_eq!(house.lua("GET", "/pico/status", "").1["data"]["status"], "disabled");
    assert_eq!(house.lua("GET", "", "").1["data"]["devices"][1]["active"], false);
    assert_eq!(house.lua("PATCH", "/pico/enable", "{}").0, 200);
    assert_eq!(house.lua("GET", "/pico/status", "").1["data"]["status"], "offline");
    assert_eq!(house.lua("DELETE", "/pico", "").0, 200);
    let (status, gone) = house.lua("GET", "/pico/status", "");
    assert_eq!((status, &gone["code"]), (404, &json!("DEVICE_UNKNOWN")));

    let foreign = house.beta.send("GET", "/developer/devices/alpha", "");
    assert_eq!((foreign.status, &foreign.json["code"]), (404, &json!("NOT_FOUND")));
    let nobody = Agent::new(house.gateway.http, "alpha", "wrong").send("GET", "/developer/devices/alpha", "");
    assert_eq!((nobody.status, &nobody.json["message"]), (401, &json!("Unauthorized")));
    let method = house.alpha.send("PUT", "/developer/devices/alpha", "{}");
    assert_eq!((method.status, method.header("allow")), (405, "GET, HEAD, POST"));
}

#[test]
fn device_errors_and_timeouts_are_none_of_the_servers_on_the_paths_of_lua_cli() {
    let house = House::start(1);
    let mut device = Device::connect(house.gateway.mqtt, "alpha", "moody", &house.key, true);
    device.describe(&house.key, &json!([{"name": "ask", "description": "Says no"}]), 1);
    device.settle_in();
    std::thread::scope(|scope| {
        let call =
            scope.spawn(|| house.lua("POST", "/moody/command", r#"{"command":"ask","timeout":30000}"#));
        let order = device.next_command();
        device.answer(&order, false, &json!("too hot"));
        let (status, json) = call.join().expect("an answer");
        assert_eq!((status, &json["success"]), (200, &json!(true)), "{json}");
        assert_eq!((&json["data"]["success"], &json["data"]["error"]), (&json!(false), &json!("too hot")));
        let call = scope.spawn(|| house.lua("POST", "/moody/command", r#"{"command":"ask","timeout":1000}"#));
        device.next_command();
        let (status, json) = call.join().expect("an answer");
        assert_eq!((status, &json["code"]), (408, &json!("TIMEOUT")), "{json}");
        assert!(json["message"].as_str().expect("a sentence").contains("timed out"), "{json}");
    });
}
