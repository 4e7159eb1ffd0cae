//! The unmodified Lua Python device over every URL it knows, and a device on stock `socket.io-client` over every transport that
//! it knows, seen from both sides: what the device saw, and what the agent saw. All of them live the same life.

#![allow(clippy::disallowed_methods, reason = "a black-box test lives in real time, with threads of its own")]

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::agent::Agent;
use support::lua::LuaDevices;
use support::{Gateway, SOON, wait_for};

/// Enough devices that at least one is accepted on another core than its home, but for one run in a hundred thousand.
const DEVICES: usize = 10;

/// How the devices connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Mqtt,
    Mqtts,
    Ws,
    Wss,
    /// With these transports of `socket.io-client`.
    SocketIo(&'static str),
    /// The same under TLS.
    SocketIoTls(&'static str),
}

impl Way {
    fn url(self, gateway: &Gateway) -> String {
        match self {
            Self::Mqtt => format!("mqtt://{}", gateway.mqtt),
            Self::Mqtts => format!("mqtts://{}", gateway.mqtts),
            Self::Ws => format!("ws://{}/mqtt", gateway.http),
            Self::Wss => format!("wss://{}/mqtt", gateway.https),
            Self::SocketIo(_) => format!("http://{}", gateway.http),
            Self::SocketIoTls(_) => format!("https://{}", gateway.https),
        }
    }

    fn start(self, gateway: &Gateway, key: &str) -> LuaDevices {
        let url = &self.url(gateway);
        match self {
            Self::Mqtt | Self::Ws => LuaDevices::start(url, "alpha", key),
            Self::Mqtts | Self::Wss => LuaDevices::trusting(&gateway.authority(), url, "alpha", key),
            Self::SocketIo(transports) | Self::SocketIoTls(transports) => {
                let authority = gateway.authority();
                LuaDevices::start_socketio("socket.io-client", &authority, url, "alpha", key, transports)
            }
        }
    }

    /// What the API calls it.
    fn transport(self) -> &'static str {
        match self {
            Self::Mqtt | Self::Mqtts => "mqtt",
            Self::Ws | Self::Wss => "mqtt_ws",
            Self::SocketIo(_) | Self::SocketIoTls(_) => "socketio",
        }
    }
}

#[test]
fn a_lua_device_lives_on_one_core() {
    whole_life(1, Way::Mqtt);
}

#[test]
fn a_lua_device_lives_on_three_cores() {
    let handed_over = whole_life(3, Way::Mqtt);
    assert!(handed_over > 0, "connections went home to other cores");
}

#[test]
fn a_lua_device_lives_over_web_socket_on_one_core() {
    whole_life(1, Way::Ws);
}

#[test]
fn a_lua_device_lives_over_web_socket_on_three_cores() {
    let handed_over = whole_life(3, Way::Ws);
    assert!(handed_over > 0, "connections went home to other cores");
}

#[test]
fn a_socketio_device_lives_over_web_socket_on_one_core() {
    whole_life(1, Way::SocketIo("websocket"));
}

#[test]
fn a_socketio_device_lives_over_web_socket_on_three_cores() {
    let handed_over = whole_life(3, Way::SocketIo("websocket"));
    assert!(handed_over > 0, "connections went home to other cores");
}

#[test]
fn a_lua_device_lives_under_tls_on_one_core() {
    whole_life(1, Way::Mqtts);
}

#[test]
fn a_lua_device_lives_under_tls_on_three_cores() {
    let handed_over = whole_life(3, Way::Mqtts);
    assert!(handed_over > 0, "connections went home to other cores, with their keys");
}

#[test]
fn a_lua_device_lives_over_web_socket_under_tls_on_three_cores() {
    let handed_over = whole_life(3, Way::Wss);
    assert!(handed_over > 0, "connections went home to other cores, with their keys");
}

#[test]
fn a_socketio_device_lives_over_polling_on_one_core() {
    whole_life(1, Way::SocketIo("polling"));
}

#[test]
fn a_socketio_device_lives_over_polling_on_three_cores() {
    whole_life(3, Way::SocketIo("polling"));
}

#[test]
fn a_socketio_device_upgrades_and_lives_on_one_core() {
    whole_life(1, Way::SocketIo("default"));
}

#[test]
fn a_socketio_device_upgrades_and_lives_on_three_cores() {
    whole_life(3, Way::SocketIo("default"));
}

#[test]
fn a_socketio_device_upgrades_and_lives_under_tls_on_three_cores() {
    whole_life(3, Way::SocketIoTls("default"));
}

fn whole_life(cores: usize, way: Way) -> u64 {
    let gateway = Gateway::start(cores, "triggers_per_second_per_agent = 100");
    let device_key = gateway.add_key("alpha", "commands,triggers");
    let alpha = Agent::new(gateway.http, "alpha", &gateway.add_key("alpha", "agent,operator"));
    let beta = Agent::new(gateway.http, "beta", &gateway.add_key("beta", "agent"));
    wait_for("the running gateway knows the new keys", SOON, || {
        (beta.get("/devices").status == 200 && alpha.get("/devices").status == 200).then_some(())
    });
    let mut devices = way.start(&gateway, &device_key);
    let names: Vec<String> = (0..DEVICES).map(|n| format!("pico-{n}")).collect();
    for name in &names {
        devices.connect(name);
    }

    shows_the_tools(&alpha, &names, way);
    carries_commands(&alpha, &mut devices);
    runs_once_however_often_it_is_asked(&alpha, &mut devices);
    carries_triggers(&alpha, &mut devices);
    keeps_agents_apart(&alpha, &beta);
    assert!(devices.others("error").is_empty(), "{:?}", devices.others("error"));
    goes_at_once_and_comes_back(&alpha, devices, || way.start(&gateway, &device_key));

    let handed_over = metric(&alpha.text("/metrics"), "gateway_handed_over_total");
    assert_eq!(gateway.stop(), Some(0));
    handed_over
}

fn shows_the_tools(alpha: &Agent, names: &[String], way: Way) {
    let tools = wait_for("every device's tools", SOON, || {
        let tools = alpha.tools();
        (tools.len() == names.len() * 5).then_some(tools)
    });
    assert!(tools.contains(&"device__pico_0__read_temp".to_owned()), "{tools:?}");
    assert!(tools.contains(&"device__pico_0__is_online".to_owned()), "{tools:?}");
    let device = alpha.get("/devices/pico-0").json;
    assert_eq!(device["status"], "online");
    assert_eq!(device["group"], "test-group");
    assert_eq!(device["transport"], way.transport());
    let connected = format!("gateway_connections{{transport=\"{}\"}} {DEVICES}", way.transport());
    assert!(alpha.text("/metrics").contains(&connected), "{connected}");
    assert_eq!(device["commands"], json!(["read_temp", "echo", "fail", "sleep"]));
    assert_eq!(device["manifest"]["commands"][0]["timeoutMs"], 5000);
}

fn carries_commands(alpha: &Agent, devices: &mut LuaDevices) {
    let answer = alpha.call("pico-0", "read_temp", &json!({"unit": "c"}));
    assert_eq!((answer.status, &answer.json["status"]), (200, &json!("done")), "{}", answer.json);
    assert_eq!(answer.json["data"], json!({"t": 22.5, "unit": "c"}));
    let seen = devices.wait("command", "pico-0");
    assert_eq!(seen["payload"], json!({"unit": "c"}), "the device saw what the agent sent");

    let called = alpha.tool("device__pico_0__read_temp", &json!({"unit": "f"}));
    assert_eq!((called.status, &called.json["data"]["unit"]), (200, &json!("f")), "{}", called.json);
    assert_eq!(
        alpha.tool("device__pico_0__is_online", &Value::Null).json["data"],
        json!({"status": "online"})
    );
    let unknown = alpha.tool("device__pico_0__no_such", &Value::Null);
    assert_eq!((unknown.status, &unknown.json["code"]), (404, &json!("tool-unknown")));

    let bad = alpha.call("pico-0", "read_temp", &json!({"unit": "kelvin"}));
    assert_eq!((bad.status, &bad.json["code"]), (422, &json!("invalid-arguments")), "{}", bad.json);
    assert_eq!(bad.json["errors"][0]["pointer"], "/unit");
    assert_eq!(bad.json["outcome"], "not_sent");

    let failed = alpha.call("pico-0", "fail", &Value::Null);
    assert_eq!((failed.status, &failed.json["code"]), (502, &json!("device-error")));
    assert_eq!(failed.json["detail"], "the sensor is broken");

    let unknown = alpha.call("pico-0", "no_such", &Value::Null);
    assert_eq!((unknown.status, &unknown.json["code"]), (404, &json!("command-unknown")));
    let unknown = alpha.call("nobody", "echo", &Value::Null);
    assert_eq!((unknown.status, &unknown.json["code"]), (404, &json!("device-unknown")));

    let text = json!({"text": "naïve \u{1f321} \"quoted\"", "list": [1, 2.5, null, true]});
    assert_eq!(alpha.call("pico-1", "echo", &text).json["data"], text);

    let late = alpha
        .call_with("pico-2", &json!({"command": "sleep", "payload": {"seconds": 60}, "timeoutMs": 1000}));
    assert_eq!((late.status, &late.json["code"]), (504, &json!("device-timeout")));
    assert_eq!(late.json["outcome"], "unknown");
}

/// Four times the same request with one idempotency key, two of them while the first is running: one run, one answer.
fn runs_once_however_often_it_is_asked(alpha: &Agent, devices: &mut LuaDevices) {
    let body = json!({"command": "sleep", "payload": {"seconds": 0.5}});
    let answers: Vec<_> = std::thread::scope(|scope| {
        let repeats: Vec<_> =
            (0..3).map(|_| scope.spawn(|| alpha.repeat("pico-4", &body, "key-1"))).collect();
        repeats.into_iter().map(|repeat| repeat.join().expect("an answer")).collect()
    });
    let again = alpha.repeat("pico-4", &body, "key-1");
    assert_eq!(again.status, 200, "{}", again.json);
    for answer in &answers {
        assert_eq!(answer.json["commandId"], again.json["commandId"], "one command");
    }
    devices.wait("command", "pico-4");
    assert!(devices.others("command").iter().all(|seen| seen["name"] != "pico-4"), "it ran once");
    let other = alpha.repeat("pico-4", &json!({"command": "echo", "payload": 1}), "key-1");
    assert_eq!((other.status, &other.json["code"]), (422, &json!("idempotency-key-reused")));
}

fn carries_triggers(alpha: &Agent, devices: &mut LuaDevices) {
    let events = alpha.events(None);
    let ack = devices.trigger("pico-3", "too_hot", &json!({"v": 1}));
    assert_eq!(ack["received"], true, "{ack}");
    let event = events.wait("trigger");
    assert_eq!(event.data["triggerId"], ack["triggerId"], "one trigger has one name on both sides");
    assert_eq!(event.data["triggerName"], "too_hot");
    assert_eq!(event.data["deviceName"], "pico-3");
    assert_eq!(event.data["payload"], json!({"v": 1}));
    let again = alpha.events(Some("0"));
    assert_eq!(again.wait("device_connected").data["metadata"], json!({}));
    assert_eq!(again.wait("trigger").id, event.id, "a later reader reads the same");
}

fn keeps_agents_apart(alpha: &Agent, beta: &Agent) {
    assert_eq!(beta.get("/devices").json, json!({"devices": []}));
    assert_eq!(beta.tools(), Vec::<String>::new());
    assert_eq!(beta.call("pico-0", "echo", &Value::Null).status, 404);
    let foreign = beta.get_path("/v1/agents/alpha/devices");
    let unknown = beta.get_path("/v1/agents/nobody/devices");
    assert_eq!((foreign.status, &foreign.json), (404, &unknown.json), "foreign is unknown");
    assert!(
        beta.events(Some("0")).next(Duration::from_millis(300)).is_none(),
        "no event of alpha's reaches beta"
    );
    assert_eq!(alpha.get("/devices").status, 200);
}

fn goes_at_once_and_comes_back(alpha: &Agent, devices: LuaDevices, again: impl Fn() -> LuaDevices) {
    let events = alpha.events(None);
    devices.kill();
    wait_for("the tools of the killed devices are gone at once", Duration::from_secs(1), || {
        alpha.tools().iter().all(|tool| tool.ends_with("__is_online")).then_some(())
    });
    assert_eq!(alpha.status("pico-0"), "offline");
    assert!(
        events.wait("device_disconnected").data["deviceName"].as_str().expect("a name").starts_with("pico-")
    );
    assert_eq!(
        alpha.tool("device__pico_0__is_online", &Value::Null).json["data"],
        json!({"status": "offline"})
    );
    let offline = alpha.call("pico-0", "echo", &Value::Null);
    assert_eq!((offline.status, &offline.json["code"]), (503, &json!("device-offline")));
    assert_eq!(offline.json["outcome"], "not_sent");

    let mut devices = again();
    devices.connect("pico-0");
    wait_for("the tools are back", SOON, || {
        alpha.tools().contains(&"device__pico_0__echo".to_owned()).then_some(())
    });
    assert_eq!(alpha.call("pico-0", "echo", &json!({"back": true})).json["data"], json!({"back": true}));
}

fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
    let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or_else(|| panic!("{name} in {text}"));
    value.parse::<f64>().expect("a number") as u64
}
