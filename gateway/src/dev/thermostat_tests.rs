//! The demo device against a gateway that is played by the test.

#![allow(clippy::disallowed_methods, reason = "stopping waits, so it needs a thread")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use codec::mqtt::{ConnAck, ConnectCode, Packet, PacketId, PublishHead, decode, encode_publish};
use serde_json::{Value, json};

use super::*;

/// One connection of the device, seen from the gateway.
struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What the device said, as far as a test looks at it.
#[derive(Debug, PartialEq)]
enum Said {
    Connect { client_id: String, username: String, password: String, will: Value },
    Subscribe(Vec<String>),
    Publish { topic: String, qos: u8, retain: bool, payload: Vec<u8> },
    PubAck(u16),
    Disconnect,
    Other,
}

impl Peer {
    fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, received: Vec::new() }
    }

    /// Waits for the next packet.
    fn hear(&mut self) -> Said {
        loop {
            if let Some((packet, taken)) = decode(&self.received).unwrap() {
                let said = said(packet);
                self.received.drain(..taken);
                return said;
            }
            let mut scratch = [0; 4096];
            let length = self.stream.read(&mut scratch).expect("the device speaks in time");
            assert!(length > 0, "the device hung up");
            self.received.extend_from_slice(&scratch[..length]);
        }
    }

    /// Waits for the next message on the device's topic `suffix`, and answers its payload.
    fn hear_on(&mut self, suffix: &str) -> Vec<u8> {
        loop {
            if let Said::Publish { topic, payload, .. } = self.hear()
                && topic == format!("lua/devices/demo/thermostat/{suffix}")
            {
                return payload;
            }
        }
    }

    fn connack(&mut self, code: ConnectCode) {
        let mut out = Vec::new();
        ConnAck { session_present: false, code }.encode(&mut out);
        self.stream.write_all(&out).unwrap();
    }

    fn command(&mut self, command: &Value) -> Value {
        let mut out = Vec::new();
        let head = PublishHead { qos: QoS::AtLeastOnce, dup: false, retain: false, id: PacketId::new(7) };
        let payload = command.to_string();
        encode_publish(&mut out, head, &["lua/devices/demo/thermostat/command"], &[payload.as_bytes()])
            .unwrap();
        self.stream.write_all(&out).unwrap();
        serde_json::from_slice(&self.hear_on("response")).unwrap()
    }
}

fn said(packet: Packet<'_>) -> Said {
    match packet {
        Packet::Connect(connect) => Said::Connect {
            client_id: connect.client_id.to_owned(),
            username: connect.username.unwrap().to_owned(),
            password: String::from_utf8(connect.password.unwrap().to_vec()).unwrap(),
            will: serde_json::from_slice(connect.will.unwrap().payload).unwrap(),
        },
        Packet::Subscribe(subscribe) => {
            Said::Subscribe(subscribe.filters().map(|(filter, _)| filter.to_owned()).collect())
        }
        Packet::Publish(publish) => Said::Publish {
            topic: publish.topic.to_owned(),
            qos: publish.qos.number(),
            retain: publish.retain,
            payload: publish.payload.to_vec(),
        },
        Packet::PubAck(id) => Said::PubAck(id.value()),
        Packet::Disconnect => Said::Disconnect,
        _ => Said::Other,
    }
}

fn start() -> (TcpListener, Thermostat) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, Thermostat::start(address, "demo", "api_x", Arc::default()).unwrap())
}

#[test]
fn introduces_itself_as_the_python_client_does() {
    let (listener, thermostat) = start();
    let mut peer = Peer::accept(&listener);
    let Said::Connect { client_id, username, password, will } = peer.hear() else { panic!("no CONNECT") };
    assert_eq!(
        (client_id.as_str(), username.as_str(), password.as_str()),
        ("lua-demo-thermostat", "demo:thermostat", "api_x")
    );
    assert_eq!(will["status"], "offline");
    peer.connack(ConnectCode::Accepted);
    let Said::Subscribe(filters) = peer.hear() else { panic!("no SUBSCRIBE") };
    assert_eq!(filters.len(), 5);
    assert!(filters.iter().all(|filter| filter.starts_with("lua/devices/demo/thermostat/")));
    let Said::Publish { qos: 1, retain: true, payload, .. } = peer.hear() else { panic!("no first status") };
    let first: Value = serde_json::from_slice(&payload).unwrap();
    assert!(first["status"] == "online" && first.get("apiKey").is_none());
    let Said::Publish { qos: 1, retain: false, payload, .. } = peer.hear() else {
        panic!("no second status")
    };
    let second: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!((&second["apiKey"], &second["group"]), (&json!("api_x"), &Value::Null));
    assert_eq!(second["commands"].as_array().unwrap().len(), 2);
    assert_eq!(peer.hear_on("heartbeat"), b"");
    thermostat.join();
}

#[test]
fn answers_commands_and_a_repeated_one_alike() {
    let (listener, thermostat) = start();
    let mut peer = Peer::accept(&listener);
    peer.connack(ConnectCode::Accepted);
    peer.hear_on("heartbeat");
    let answer = peer.command(&json!({"commandId": "c1", "command": "read_temperature", "timeout": 5000}));
    assert_eq!(
        (&answer["commandId"], &answer["success"], &answer["data"]["unit"]),
        (&json!("c1"), &json!(true), &json!("c"))
    );
    peer.command(&json!({"commandId": "c2", "command": "set_target", "payload": {"celsius": 10}}));
    let trigger: Value = serde_json::from_slice(&peer.hear_on("trigger")).unwrap_or_default();
    assert_eq!(trigger["triggerName"], "too_hot");
    let again = peer.command(&json!({"commandId": "c1", "command": "read_temperature"}));
    assert_eq!(again, answer);
    let no = peer.command(&json!({"commandId": "c\"3", "command": "dance"}));
    assert_eq!(no, json!({"commandId": "c\"3", "success": false, "error": "Unknown command: dance"}));
    thermostat.join();
}

#[test]
fn says_good_bye_when_it_is_stopped() {
    let (listener, thermostat) = start();
    let mut peer = Peer::accept(&listener);
    peer.connack(ConnectCode::Accepted);
    peer.hear_on("heartbeat");
    let stopper = thread::spawn(move || thermostat.join());
    let status: Value = serde_json::from_slice(&peer.hear_on("status")).unwrap();
    assert_eq!(status["status"], "offline");
    assert_eq!(peer.hear(), Said::Disconnect);
    stopper.join().unwrap();
}

#[test]
fn comes_back_after_a_loss_and_after_a_refusal() {
    let (listener, thermostat) = start();
    let mut refused = Peer::accept(&listener);
    refused.connack(ConnectCode::ServerUnavailable);
    let mut lost = Peer::accept(&listener);
    lost.connack(ConnectCode::Accepted);
    lost.hear_on("heartbeat");
    drop(lost);
    let mut back = Peer::accept(&listener);
    assert!(matches!(back.hear(), Said::Connect { .. }));
    thermostat.join();
}
