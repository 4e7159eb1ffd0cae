//! Any MQTT 3.1.1 library is a device: MQTT.js, paho-mqtt and the mosquitto tools, over TCP and WebSocket, plain and with TLS,
//! each from one scenario and asserted on both sides.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use support::driven::Driven;
use support::scene::Scene;
use support::{Gateway, SOON, client_file, wait_for};

/// A process that is one device.
struct Plain(Driven);

impl Plain {
    fn start(mut command: Command) -> Self {
        Self(Driven::start(&mut command))
    }

    /// Waits for a word; earlier other words stay for later. An error is one at once.
    fn wait(&mut self, saw: &str) -> Value {
        let wanted = |word: &Value| word["saw"] == saw || word["saw"] == "error";
        let word = self.0.wait(SOON, wanted, format_args!("it never saw {saw}"));
        assert_ne!(word["saw"], "error", "{word}");
        word
    }
}

/// How a client is started: its URL, its authority's file, its key and its name.
type Start = fn(&str, &Path, &str, &str) -> Plain;

fn mqtt_js(url: &str, authority: &Path, key: &str, name: &str) -> Plain {
    let mut node = Command::new("node");
    node.arg(client_file("plain_mqtt.mjs")).args([url, "alpha", key, name]);
    node.env("NODE_PATH", support::node::modules()).env("NODE_EXTRA_CA_CERTS", authority);
    Plain::start(node)
}

fn paho(url: &str, authority: &Path, key: &str, name: &str) -> Plain {
    let mut python = Command::new(support::python::python());
    python.arg(client_file("plain_paho.py")).args([url, "alpha", key, name]).arg(authority);
    Plain::start(python)
}

/// What every library must be able to do, over this URL.
fn lives(scene: &Scene, client: Start, url: &str, transport: &str) {
    let mut device = client(url, &scene.gateway.authority(), &scene.key, "plain");
    device.wait("connected");
    device.wait("ready");
    let shown = scene.alpha.get("/devices/plain").json;
    assert_eq!((&shown["status"], &shown["transport"]), (&json!("online"), &json!(transport)));
    for size in [1, 1000, 100_000] {
        let payload = json!({"text": "\u{e9}".repeat(size / 2), "n": size});
        let answer = scene.alpha.call("plain", "echo", &payload);
        assert_eq!((answer.status, &answer.json["data"]), (200, &payload), "{}", answer.json["code"]);
        assert_eq!(device.wait("command")["payload"], payload, "the device saw what the agent sent");
    }
    let events = scene.alpha.events(None);
    let order = json!({"trigger": "hot", "payload": {"v": url}});
    device.0.order(&order);
    device.wait("puback");
    let ack = device.wait("ack");
    assert_eq!(ack["received"], true);
    let event = events.wait("trigger").data;
    assert_eq!((&event["triggerId"], &event["payload"]), (&ack["triggerId"], &order["payload"]));
    drop(device);
    wait_for("a client that was killed is offline", SOON, || {
        (scene.alpha.status("plain") == "offline").then_some(())
    });
}

/// The same over everything that the gateway offers: TCP and WebSocket, plain and with TLS, which the client verifies.
fn lives_everywhere(client: Start) {
    let scene = Scene::on_cores(2, "");
    let Gateway { mqtt, http, mqtts, https, .. } = &scene.gateway;
    let handshakes = || scene.metric("gateway_tls_handshakes_total{outcome=\"full\"}");
    lives(&scene, client, &format!("mqtt://{mqtt}"), "mqtt");
    lives(&scene, client, &format!("ws://{http}/mqtt"), "mqtt_ws");
    assert_eq!(handshakes(), 0.0);
    lives(&scene, client, &format!("mqtts://localhost:{}", mqtts.port()), "mqtt");
    lives(&scene, client, &format!("wss://localhost:{}/mqtt", https.port()), "mqtt_ws");
    assert_eq!(handshakes(), 2.0, "TLS was spoken");
}

#[test]
fn mqtt_js_is_a_device_over_tcp_and_web_socket_with_and_without_tls() {
    lives_everywhere(mqtt_js);
}

#[test]
fn paho_is_a_device_over_tcp_and_web_socket_with_and_without_tls() {
    lives_everywhere(paho);
}

/// One of the mosquitto tools as the device `mosquitto` of `alpha`, with a persistent session.
fn mosquitto(tool: &str, address: SocketAddr, key: &str, more: &[&str]) -> Output {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new(tool);
    command.args(["-h", &host, "-p", &port, "-i", "lua-alpha-mosquitto", "-u", "alpha:mosquitto", "-P", key]);
    command.args(["-V", "mqttv311", "-q", "1", "-c"]).args(more);
    command.output().unwrap_or_else(|error| panic!("{tool}: {error}; apt-get install mosquitto-clients"))
}

#[test]
fn the_mosquitto_tools_are_a_device_one_step_at_a_time() {
    let scene = Scene::start("");
    one_step_at_a_time(&scene, scene.gateway.mqtt, &[]);
}

#[test]
fn the_mosquitto_tools_are_a_device_with_tls_too() {
    let scene = Scene::start("");
    let authority = scene.gateway.authority();
    let authority = authority.to_str().expect("a path of ours");
    one_step_at_a_time(&scene, scene.gateway.mqtts, &["--cafile", authority]);
    let other = tempfile::tempdir().expect("a folder");
    gateway::dev::papers::make(other.path(), support::unix_s()).expect("an authority");
    let other = gateway::dev::papers::authority_path(other.path());
    let other = ["--cafile", other.to_str().expect("a path of ours"), "-t", "x", "-m", "x"];
    let untrusting = mosquitto("mosquitto_pub", scene.gateway.mqtts, &scene.key, &other);
    assert!(!untrusting.status.success(), "the tool verifies");
}

fn one_step_at_a_time(scene: &Scene, address: SocketAddr, tls: &[&str]) {
    let topic = |suffix: &str| format!("lua/devices/alpha/mosquitto/{suffix}");
    let run = |tool: &str, more: &[&str]| {
        let output = mosquitto(tool, address, &scene.key, &[more, tls].concat());
        assert!(output.status.success(), "{tool} {more:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    run("mosquitto_sub", &["-t", &topic("command"), "-E"]);
    let status = json!({"status": "online", "apiKey": scene.key, "group": null,
        "commands": [{"name": "echo", "description": "Gives the payload back"}]});
    run("mosquitto_pub", &["-t", &topic("status"), "-m", &status.to_string()]);
    let events = scene.alpha.events(None);
    run("mosquitto_pub", &["-t", &topic("trigger"), "-m", r#"{"triggerName":"hot","payload":{"v":1}}"#]);
    assert_eq!(events.wait("trigger").data["payload"], json!({"v": 1}));

    let body = json!({"command": "echo", "payload": {"n": 7}, "offline": "queue", "timeoutMs": 20_000});
    let queued = scene.alpha.call_with("mosquitto", &body);
    assert_eq!(queued.status, 202, "{}", queued.json);
    let text = run("mosquitto_sub", &["-t", &topic("command"), "-C", "1", "-W", "15"]);
    let command: Value = serde_json::from_str(&text).expect("a command");
    assert_eq!((&command["commandId"], &command["payload"]), (&queued.json["commandId"], &json!({"n": 7})));
    let answer = json!({"commandId": command["commandId"], "success": true, "data": "done by hand"});
    run("mosquitto_pub", &["-t", &topic("response"), "-m", &answer.to_string()]);
    let id = command["commandId"].as_str().expect("an id");
    let done = wait_for("the command is done", SOON, || {
        let state = scene.alpha.command(id).json;
        (state["status"] == "done").then_some(state)
    });
    assert_eq!(done["data"], "done by hand", "{done}");

    let status = topic("status");
    let more = [&["-t", &status, "-m", "x"], tls].concat();
    let wrong = mosquitto("mosquitto_pub", address, "api_wrong", &more);
    assert!(!wrong.status.success());
    let told = String::from_utf8_lossy(&wrong.stderr).to_lowercase();
    assert!(told.contains("not authori"), "{told}");
}
