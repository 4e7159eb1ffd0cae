//! Real clients against the broker: the interoperability scenarios played by paho-mqtt, over TCP, WebSocket and TLS, and MQTT.js.

mod support;

use std::process::Command;

use support::{Server, client_file, node_modules, python_environment, run};

/// How many scenarios the script has.
const SCENARIOS: usize = 15;

fn broker() -> Server {
    Server::start("mqtt", &["--ws", "127.0.0.1:0", "--tls", "127.0.0.1:0"])
}

fn play_all_scenarios(server: &Server, name: &str, transport: &str) {
    let address = server.address(name);
    let printed = run(Command::new(python_environment().join("bin/python"))
        .arg(client_file("interoperability.py"))
        .args([&address.ip().to_string(), &address.port().to_string(), transport]));
    assert_eq!(printed.lines().count(), SCENARIOS, "{printed}");
}

#[test]
fn paho_plays_every_scenario_over_tcp() {
    play_all_scenarios(&broker(), "mqtt", "tcp");
}

#[test]
fn paho_plays_every_scenario_over_websocket() {
    play_all_scenarios(&broker(), "ws", "websockets");
}

#[test]
fn paho_plays_every_scenario_over_tls() {
    play_all_scenarios(&broker(), "mqtts", "tls");
}

#[test]
fn mqttjs_hears_what_it_says() {
    let server = broker();
    for name in ["mqtt", "ws"] {
        let url = format!("{name}://{}", server.address(name));
        let printed = run(Command::new("node")
            .arg(client_file("echo_mqttjs.cjs"))
            .arg(url)
            .env("NODE_PATH", node_modules()));
        assert_eq!(printed, "js/0 0 100000\njs/1 1 100000\njs/2 2 100000\n");
    }
}
