//! What only a Socket.IO device can see, on stock clients: refusals with their codes, callbacks, take-over between transports,
//! large payloads, old clients. What it has in common with every other device is in `lua_client.rs`.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::process::{Command, Stdio};
use support::agent::Agent;
use support::lua::LuaDevices;
use support::{Gateway, SOON, client_file, gateway, wait_for};

/// Newest of the 4.x line, the first of it, and the newest of 3.x: all of them speak revision 4 of Engine.IO.
const CLIENTS: [&str; 3] = ["socket.io-client", "socket.io-client-4.0", "socket.io-client-3.1"];

const TRANSPORTS: [&str; 3] = ["websocket", "polling", "default"];

struct Scene {
    gateway: Gateway,
    key: String,
    alpha: Agent,
}

impl Scene {
    fn new() -> Self {
        Self::with("triggers_per_second_per_agent = 100")
    }

    fn with(limits: &str) -> Self {
        let gateway = Gateway::start(2, limits);
        let key = gateway.add_key("alpha", "commands,triggers");
        let alpha = Agent::new(gateway.http, "alpha", &gateway.add_key("alpha", "agent"));
        wait_for("the running gateway knows the new keys", SOON, || {
            (alpha.get("/devices").status == 200).then_some(())
        });
        Self { gateway, key, alpha }
    }

    fn url(&self) -> String {
        format!("http://{}", self.gateway.http)
    }

    fn devices(&self, client: &str, transports: &str) -> LuaDevices {
        LuaDevices::start_socketio(
            client,
            &self.gateway.authority(),
            &self.url(),
            "alpha",
            &self.key,
            transports,
        )
    }

    fn ready(&self, name: &str) {
        wait_for("the device's tools", SOON, || {
            self.alpha
                .tools()
                .iter()
                .any(|tool| tool.ends_with("__echo") && tool.contains(name))
                .then_some(())
        });
    }
}

#[test]
fn every_client_of_revision_four_is_a_device_over_every_transport() {
    let scene = Scene::new();
    for (n, client) in CLIENTS.into_iter().enumerate() {
        for transports in TRANSPORTS {
            let name = format!("d{n}{transports}");
            let mut devices = scene.devices(client, transports);
            devices.connect(&name);
            scene.ready(&name);
            let text = json!({"text": "naïve € 💩 \u{2028}", "list": [1, 2.5, null]});
            let answer = scene.alpha.call(&name, "echo", &text);
            assert_eq!(answer.json["data"], text, "{client} over {transports}: {}", answer.json);
        }
    }
}

#[test]
fn a_client_of_an_older_revision_gets_a_readable_refusal() {
    let scene = Scene::new();
    let mut devices = scene.devices("socket.io-client-2.5", "default");
    devices.order(&json!({"do": "connect", "name": "old"}));
    devices.wait("refused", "old");
    let answer = scene.alpha.get_path("/socket.io/?EIO=3&transport=polling");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json, json!({"code": 5, "message": "Unsupported protocol version"}));
    assert!(scene.gateway.log().contains("Socket.IO 2 or older"), "the log says so");
}

#[test]
fn refusals_have_their_codes() {
    let scene = Scene::new();
    let mut devices = scene.devices("socket.io-client", "default");
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
    let mut devices = scene.devices("socket.io-client", "default");
    for n in 0..150 {
        let name = format!("guess-{n}");
        devices.order(&json!({"do": "connect", "name": name, "auth": {"apiKey": "api_wrong"}}));
        devices.wait("refused", &name);
    }
}

#[test]
fn one_wrong_key_too_many_is_told_when_to_come_back() {
    let scene = Scene::new();
    let mut devices = scene.devices("socket.io-client", "default");
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
fn a_disabled_device_is_disconnected_and_refused_until_it_is_enabled() {
    let scene = Scene::new();
    let mut devices = scene.devices("socket.io-client", "default");
    devices.connect("lamp");
    scene.ready("lamp");
    assert_eq!(scene.alpha.post("/devices/lamp/disable", &json!({}), &[]).status, 200);
    assert_eq!(devices.wait("error", "lamp")["data"]["code"], "DEVICE_DISABLED");
    assert_eq!(devices.wait("disconnected", "lamp")["reason"], "io server disconnect");
    devices.order(&json!({"do": "connect", "name": "lamp"}));
    assert_eq!(devices.wait("refused", "lamp")["data"]["code"], "DEVICE_DISABLED");
    assert_eq!(scene.alpha.post("/devices/lamp/enable", &json!({}), &[]).status, 200);
    devices.order(&json!({"do": "connect", "name": "lamp"}));
    devices.wait("connected", "lamp");
}

#[test]
fn a_revoked_key_hangs_up_with_its_code() {
    let scene = Scene::new();
    let mut devices = scene.devices("socket.io-client", "default");
    devices.connect("lamp");
    let data = scene.gateway.data_dir();
    let listed = gateway().args(["keys", "list", "--data"]).arg(&data).output().expect("keys list runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let line = listed.lines().find(|line| line.contains("commands,triggers")).expect("the device's key");
    let id = line.split_whitespace().next().expect("an id");
    let revoked =
        gateway().args(["keys", "revoke", id, "--data"]).arg(&data).output().expect("keys revoke runs");
    assert!(revoked.status.success());
    assert_eq!(devices.wait("error", "lamp")["data"]["code"], "AUTH_FAILED");
    assert_eq!(devices.wait("disconnected", "lamp")["reason"], "io server disconnect");
    assert_eq!(scene.alpha.status("lamp"), "offline");
}

#[test]
fn the_newest_connection_wins_over_both_transports() {
    let scene = Scene::new();
    let mqtt = format!("mqtt://{}", scene.gateway.mqtt);
    let transport = || scene.alpha.get("/devices/lamp").json["transport"].clone();
    for transports in TRANSPORTS {
        let mut lua = LuaDevices::start(&mqtt, "alpha", &scene.key);
        lua.connect("lamp");
        wait_for("MQTT has it", SOON, || (transport() == "mqtt").then_some(()));
        lua.kill();
        let mut devices = scene.devices("socket.io-client", transports);
        devices.connect("lamp");
        assert_eq!(transport(), "socketio");
        let mut lua = LuaDevices::start(&mqtt, "alpha", &scene.key);
        lua.connect("lamp");
        assert_eq!(devices.wait("error", "lamp")["data"]["code"], "TAKEN_OVER", "{transports}");
        assert_eq!(devices.wait("disconnected", "lamp")["reason"], "io server disconnect");
        assert_eq!((scene.alpha.status("lamp").as_str(), transport()), ("online", json!("mqtt")));
    }
}

#[test]
fn callbacks_are_called_and_heartbeats_answered() {
    let scene = Scene::new();
    for transports in TRANSPORTS {
        let mut devices = scene.devices("socket.io-client", transports);
        let name = format!("lamp-{transports}");
        devices.connect(&name);
        let emit = |event: &str, arguments: Value, binary: bool| json!({"do": "emit", "name": name, "event": event, "arguments": arguments, "callback": !binary, "binary": binary});
        devices.order(&emit("trigger", json!([{"triggerName": "hot", "payload": {"v": 1}}]), false));
        devices.wait("called back", &name);
        assert_eq!(devices.wait("ack", &name)["received"], true);
        devices.order(&emit("heartbeat", json!([]), false));
        devices.wait("called back", &name);
        devices.wait("pong", &name);
        devices.order(&emit("image", json!([]), true));
        assert_eq!(devices.wait("error", &name)["data"]["code"], "BINARY_UNSUPPORTED");
        devices.order(&emit("nobody-knows", json!([1]), false));
        scene.ready(&name.replace('-', "_"));
        assert_eq!(
            scene.alpha.call(&name, "echo", &json!(1)).json["data"],
            1,
            "an unknown event harms nobody"
        );
    }
}

#[test]
fn a_trigger_over_the_limit_is_told_twice() {
    let scene = Scene::with("triggers_per_second_per_agent = 2");
    let mut devices = scene.devices("socket.io-client", "default");
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

#[test]
fn large_payloads_go_there_and_back() {
    let scene = Scene::new();
    for transports in TRANSPORTS {
        let mut devices = scene.devices("socket.io-client", transports);
        let name = format!("lamp-{transports}");
        devices.connect(&name);
        scene.ready(&name.replace('-', "_"));
        for bytes in [200 * 1024, 1024 * 1024 - 100] {
            let payload = json!({"text": "x".repeat(bytes)});
            let answer = scene.alpha.call(&name, "echo", &payload);
            assert_eq!(answer.status, 200, "{bytes} over {transports}");
            assert!(answer.json["data"] == payload, "{bytes} over {transports}");
        }
    }
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

#[test]
fn the_python_client_is_a_device() {
    let scene = Scene::new();
    for flavour in ["sync", "asyncio"] {
        for transports in TRANSPORTS {
            let name = format!("py-{flavour}-{transports}");
            let mut python = Command::new(support::python::python())
                .arg(client_file("drive_python_socketio.py"))
                .args([flavour, &scene.url(), "alpha", &scene.key, &name, transports])
                .spawn()
                .expect("Python starts");
            scene.ready(&name.replace('-', "_"));
            let payload = json!({"text": "€ \"quoted\""});
            assert_eq!(scene.alpha.call(&name, "echo", &payload).json["data"], payload, "{name}");
            python.kill().expect("a child of ours");
            python.wait().expect("a child of ours");
        }
    }
}
