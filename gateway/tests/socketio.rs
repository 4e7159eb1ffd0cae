//! What only a Socket.IO device can see, on stock clients: refusals with their codes, callbacks, take-over between transports,
//! pings, old clients. What it has in common with every other device is in `support/life.rs`.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::agent::Agent;
use support::devices::Devices;
use support::way::{Client, TRANSPORTS, Way};
use support::{Gateway, SOON, wait_for};

struct Scene {
    gateway: Gateway,
    key: String,
    agent_key: String,
    alpha: Agent,
}

impl Scene {
    fn new() -> Self {
        Self::with("triggers_per_second_per_agent = 100")
    }

    fn with(limits: &str) -> Self {
        let gateway = Gateway::start(2, limits);
        let key = gateway.add_key("alpha", "commands,triggers");
        let agent_key = gateway.add_key("alpha", "agent");
        let alpha = Agent::new(gateway.http, "alpha", &agent_key);
        wait_for("the running gateway knows the new keys", SOON, || {
            (alpha.get("/devices").status == 200).then_some(())
        });
        Self { gateway, key, agent_key, alpha }
    }

    fn restart(&mut self) {
        self.gateway.restart();
        self.alpha = Agent::new(self.gateway.http, "alpha", &self.agent_key);
    }

    fn url(&self) -> String {
        format!("http://{}", self.gateway.http)
    }

    fn devices(&self, way: Way) -> Devices {
        way.start(&self.gateway, "alpha", &self.key)
    }

    fn ready(&self, name: &str) {
        wait_for("the device's tools", SOON, || {
            let tool = format!("device__{}__echo", name.replace('-', "_"));
            self.alpha.tools().contains(&tool).then_some(())
        });
    }
}

#[test]
fn a_client_of_an_older_revision_gets_a_readable_refusal() {
    let scene = Scene::new();
    let mut devices =
        scene.devices(Way { client: Client::Node("socket.io-client-2.5"), ..Way::socketio("default") });
    devices.order(&json!({"do": "connect", "name": "old"}));
    devices.wait("refused", "old");
    let answer = scene.alpha.get_path("/socket.io/?EIO=3&transport=polling");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json, json!({"code": 5, "message": "Unsupported protocol version"}));
    wait_for("the log says so", SOON, || scene.gateway.log().contains("Socket.IO 2 or older").then_some(()));
}

#[test]
fn refusals_have_their_codes() {
    let scene = Scene::new();
    let mut devices = scene.devices(Way::socketio("default"));
    let cases = [
        ("wrong", json!({"apiKey": "api_wrong"}), "AUTH_FAILED"),
        ("foreign", json!({"agentId": "beta"}), "AGENT_FORBIDDEN"),
        ("nameless", json!({"deviceName": null}), "MISSING_AUTH"),
        ("keyless", json!({"apiKey": null}), "MISSING_AUTH"),
    ];
    for (name, auth, code) in cases {
        devices.order(&json!({"do": "connect", "name": name, "auth": auth}));
        let refused = devices.wait("refused", name);
        assert_eq!(refused["data"]["code"], code, "{refused}");
        assert_eq!(refused["message"], refused["data"]["message"], "{refused}");
    }
    devices.order(
        &json!({"do": "connect", "name": "other", "auth": {"deviceCredential": scene.key, "apiKey": null}}),
    );
    devices.wait("connected", "other");
}

/// The refusal may come before, in and behind an upgrade: wherever the client listens then, it hears it.
#[test]
fn a_refusal_is_heard_at_every_moment_of_an_upgrade() {
    let scene = Scene::with("auth_failures_max = 0");
    let mut devices = scene.devices(Way::socketio("default"));
    for n in 0..150 {
        let name = format!("guess-{n}");
        devices.order(&json!({"do": "connect", "name": name, "auth": {"apiKey": "api_wrong"}}));
        devices.wait("refused", &name);
    }
}

#[test]
fn one_wrong_key_too_many_is_told_when_to_come_back() {
    let scene = Scene::new();
    let mut devices = scene.devices(Way::socketio("default"));
    for n in 0..6 {
        let name = format!("guess-{n}");
        devices.order(&json!({"do": "connect", "name": name, "auth": {"apiKey": "api_wrong"}}));
        let refused = devices.wait("refused", &name);
        let (code, after) = (&refused["data"]["code"], &refused["data"]["retryAfterMs"]);
        match n {
            5 => {
                assert_eq!(code, "RATE_LIMITED");
                assert!(after.as_u64().is_some_and(|ms| (500_000..=600_000).contains(&ms)), "{refused}");
            }
            _ => assert_eq!((code, after), (&json!("AUTH_FAILED"), &Value::Null), "{refused}"),
        }
    }
    devices.connect("right");
}

#[test]
fn the_newest_connection_wins_over_both_transports() {
    let scene = Scene::new();
    let transport = || scene.alpha.get("/devices/lamp").json["transport"].clone();
    for transports in TRANSPORTS {
        let mut lua = scene.devices(Way::MQTT);
        lua.connect("lamp");
        wait_for("MQTT has it", SOON, || (transport() == "mqtt").then_some(()));
        lua.kill();
        let mut devices = scene.devices(Way::socketio(transports));
        devices.connect("lamp");
        assert_eq!(transport(), "socketio");
        let mut lua = scene.devices(Way::MQTT);
        lua.connect("lamp");
        assert_eq!(devices.wait("error", "lamp")["data"]["code"], "TAKEN_OVER", "{transports}");
        assert_eq!(devices.wait("disconnected", "lamp")["reason"], "io server disconnect");
        assert_eq!((scene.alpha.status("lamp").as_str(), transport()), ("online", json!("mqtt")));
    }
}

#[test]
fn a_trigger_over_the_limit_is_told_twice() {
    let scene = Scene::with("triggers_per_second_per_agent = 2");
    let mut devices = scene.devices(Way::socketio("default"));
    devices.connect("lamp");
    let refused = wait_for("one trigger too many", SOON, || {
        let ack = devices.trigger("lamp", "hot", &json!({}));
        (ack["received"] == false).then_some(ack)
    });
    assert_eq!(refused["error"], "RATE_LIMITED");
    let error = devices.wait("trigger_error", "lamp");
    assert_eq!(
        (&error["data"]["code"], &error["data"]["retryAfterMs"]),
        (&json!("RATE_LIMITED"), &json!(1000))
    );
}

/// What a browser reads of an answer: its status and whom it is for.
fn told(scene: &Scene, method: &str, more: &str) -> (String, String) {
    let request =
        format!("{method} /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: gateway\r\n{more}\r\n");
    let (_, head) = support::web_socket::ask(scene.gateway.http, &request);
    (head.split(' ').nth(1).unwrap_or_default().to_owned(), head.to_ascii_lowercase())
}

#[test]
fn pages_of_any_origin_may_poll_unless_they_are_listed() {
    const ASKS: &str = "Origin: https://shop.example\r\nAccess-Control-Request-Method: POST\r\n\
        Access-Control-Request-Headers: x-trace\r\n";
    let scene = Scene::new();
    let (status, head) = told(&scene, "GET", "Origin: https://shop.example\r\n");
    assert_eq!(status, "200");
    assert!(head.contains("access-control-allow-origin: *\r\n"), "{head}");
    let (status, head) = told(&scene, "OPTIONS", ASKS);
    assert_eq!(status, "204");
    for field in ["origin: *", "methods: get, post", "headers: x-trace"] {
        assert!(head.contains(&format!("access-control-allow-{field}\r\n")), "{field}: {head}");
    }
    assert!(!told(&scene, "GET", "").1.contains("access-control"), "who is no page is told nothing");
    let refused = told(&scene, "POST", "Origin: https://shop.example\r\nContent-Length: 0\r\n");
    assert_eq!(refused.0, "400");
    assert!(refused.1.contains("access-control-allow-origin: *"), "a page reads why: {}", refused.1);

    let scene = Scene::with("[socketio]\ncors_origins = [\"https://shop.example\"]");
    let (_, head) = told(&scene, "GET", "Origin: https://shop.example\r\n");
    assert!(head.contains("access-control-allow-origin: https://shop.example\r\n"), "{head}");
    assert!(head.contains("vary: origin\r\n"), "{head}");
    for method in ["GET", "OPTIONS"] {
        let (_, head) = told(&scene, method, "Origin: https://evil.example\r\n");
        assert!(!head.contains("access-control-allow"), "{head}");
    }
}

#[test]
fn the_device_of_the_docs_works() {
    let scene = Scene::new();
    let device = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/socketio-device.cjs");
    let mut node = Command::new("node")
        .arg(device)
        .args([&scene.url(), &scene.key, "alpha", "thermometer"])
        .env("NODE_PATH", support::node::modules())
        .stdout(Stdio::null())
        .spawn()
        .expect("Node starts");
    wait_for("its tool", SOON, || {
        scene.alpha.tools().contains(&"device__thermometer__read_temperature".to_owned()).then_some(())
    });
    let answer = scene.alpha.tool("device__thermometer__read_temperature", &json!({}));
    assert_eq!(answer.json["data"], json!({"celsius": 21.5}));
    node.kill().expect("a child of ours");
    node.wait().expect("a child of ours");
}

/// Every client over every transport, plain and under TLS: a process of each, with one connected device.
struct Fleet(Vec<(Way, String, Devices)>);

impl Fleet {
    fn connect(scene: &Scene) -> Self {
        let mut fleet: Vec<_> =
            Way::all_of_socketio().map(|way| (way, way.name(), scene.devices(way))).collect();
        for (_, name, devices) in &mut fleet {
            devices.order(&json!({"do": "connect", "name": name}));
        }
        for (_, name, devices) in &mut fleet {
            assert_eq!(devices.wait("connected", name)["payload"], json!({}), "{name}");
            scene.ready(name);
        }
        Self(fleet)
    }

    fn each(&mut self, mut act: impl FnMut(Way, &str, &mut Devices)) {
        for (way, name, devices) in &mut self.0 {
            act(*way, name, devices);
        }
    }
}

#[test]
fn every_client_is_a_device_over_every_transport() {
    let scene = Scene::with("triggers_per_second_per_agent = 100\nauth_failures_max = 0");
    let mut fleet = Fleet::connect(&scene);
    fleet.each(Way::wait_carried);
    fleet.each(|_, name, _| echoes(&scene, name));
    fleet.each(|_, name, devices| is_called_back(name, devices));
    fleet.each(|_, name, devices| is_told_that_binary_is_not_carried(&scene, name, devices));
    fleet.each(is_refused_with_a_wrong_key);
    fleet.each(|way, name, devices| is_told_that_it_is_disabled(&scene, way, name, devices));
    // The whole fleet has one key.
    scene.gateway.revoke(&scene.key);
    fleet.each(|_, name, devices| {
        assert_eq!(devices.wait("error", name)["data"]["code"], "AUTH_FAILED", "{name}");
        devices.wait("disconnected", name);
        assert_eq!(scene.alpha.status(name), "offline", "{name}");
    });
}

fn echoes(scene: &Scene, name: &str) {
    let text = json!({"text": "naïve € 💩 \u{2028}", "list": [1, 2.5, null]});
    let answer = scene.alpha.call(name, "echo", &text);
    assert_eq!(answer.json["data"], text, "{name}: {}", answer.json);
    for bytes in [200 * 1024, 1024 * 1024 - 100] {
        let payload = json!({"text": "x".repeat(bytes)});
        let answer = scene.alpha.call(name, "echo", &payload);
        assert_eq!(answer.status, 200, "{bytes} of {name}");
        assert!(answer.json["data"] == payload, "{bytes} of {name}");
    }
}

fn emit(name: &str, event: &str, arguments: &Value) -> Value {
    json!({"do": "emit", "name": name, "event": event, "arguments": arguments, "callback": true})
}

fn is_called_back(name: &str, devices: &mut Devices) {
    let ack = devices.trigger(name, "cold", &json!({"v": 0}));
    assert_eq!(ack["received"], true, "{name}: {ack}");
    devices.order(&emit(name, "trigger", &json!([{"triggerName": "hot", "payload": {"v": 1}}])));
    devices.wait("called back", name);
    assert_eq!(devices.wait("ack", name)["received"], true, "{name}");
    devices.order(&emit(name, "response", &json!([{"commandId": "c-nobody-asked", "success": true}])));
    devices.wait("called back", name);
    devices.order(&emit(name, "heartbeat", &json!([])));
    devices.wait("called back", name);
    devices.wait("pong", name);
}

fn is_told_that_binary_is_not_carried(scene: &Scene, name: &str, devices: &mut Devices) {
    devices.order(&json!({"do": "emit", "name": name, "event": "image", "binary": true}));
    assert_eq!(devices.wait("error", name)["data"]["code"], "BINARY_UNSUPPORTED", "{name}");
    devices.order(&json!({"do": "emit", "name": name, "event": "nobody-knows", "arguments": [1]}));
    assert_eq!(scene.alpha.call(name, "echo", &json!(1)).json["data"], 1, "{name}: it is served as before");
}

fn is_refused_with_a_wrong_key(way: Way, name: &str, devices: &mut Devices) {
    let wrong = format!("{name}-wrong");
    devices.order(&json!({"do": "connect", "name": wrong, "auth": {"apiKey": "api_wrong"}}));
    let refused = devices.wait("refused", &wrong);
    assert_eq!(refused["data"]["code"], "AUTH_FAILED", "{refused}");
    gives_up(way, &wrong, devices);
}

/// `socket.io-client` before 4.1 would try again by itself after a refusal. `python-socketio` does not, and its `disconnect` must not
/// come between a `connect` and its end.
fn gives_up(way: Way, name: &str, devices: &mut Devices) {
    if let Client::Node(_) = way.client {
        devices.order(&json!({"do": "disconnect", "name": name}));
        devices.wait("left", name);
    }
}

fn is_told_that_it_is_disabled(scene: &Scene, way: Way, name: &str, devices: &mut Devices) {
    assert_eq!(scene.alpha.post(&format!("/devices/{name}/disable"), &json!({}), &[]).status, 200);
    assert_eq!(devices.wait("error", name)["data"]["code"], "DEVICE_DISABLED", "{name}");
    let reason = devices.wait("disconnected", name)["reason"].clone();
    assert!(
        ["io server disconnect", "server disconnect"].iter().any(|word| reason == *word),
        "{name}: {reason}"
    );
    devices.order(&json!({"do": "connect", "name": name}));
    assert_eq!(devices.wait("refused", name)["data"]["code"], "DEVICE_DISABLED", "{name}");
    gives_up(way, name, devices);
    assert_eq!(scene.alpha.post(&format!("/devices/{name}/enable"), &json!({}), &[]).status, 200);
    devices.connect(name);
}

/// For a minute nobody says a word but the pings of Engine.IO; then the gateway is stopped and started, and every device comes
/// back by itself.
#[test]
fn every_client_stays_through_a_minute_of_silence_and_returns_after_a_restart() {
    const SILENCE: Duration = Duration::from_secs(60);
    let mut scene = Scene::new();
    let mut fleet = Fleet::connect(&scene);
    let heard = scene.alpha.events(None).next(SILENCE);
    assert!(heard.is_none(), "a silent device is nothing to tell: {heard:?}");
    fleet.each(|way, name, devices| {
        if let Client::Node(_) = way.client {
            assert!(devices.others("ping").len() >= 2, "{name} was pinged every 25 s");
        }
        assert!(devices.others("disconnected").is_empty(), "{name}");
        assert_eq!(scene.alpha.call(name, "echo", &json!(1)).json["data"], 1, "{name}");
    });
    scene.restart();
    fleet.each(|_, name, devices| {
        devices.wait("disconnected", name);
        devices.wait("connected", name);
        scene.ready(name);
        assert_eq!(scene.alpha.call(name, "echo", &json!(2)).json["data"], 2, "{name}");
    });
}
