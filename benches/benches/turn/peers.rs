//! The two who speak with the house: a device as the Python client is one, and an agent that asks over HTTP.
//!
//! Owns their words and checks the answers, so that what is measured is known to have happened. Nothing in here is
//! measured.

use benches::device::{AGENT, AGENT_SECRET, introduce, topic_prefix};
use codec::json::members;
use codec::mqtt::{
    Packet, PacketId, PublishHead, QoS, decode, encode_pingreq, encode_puback, encode_publish,
};
use engine::net::fake::{Client, ClientRead};

use crate::house::{DEVICE, House};

/// What the device tells with a trigger.
pub(crate) const TRIGGER: &[u8] = br#"{"triggerName":"too_hot","payload":{"celsius":31.5,"target":21.0}}"#;
/// What it answers to a command.
pub(crate) const DATA: &str = r#"{"temperature":21.5,"unit":"c"}"#;

/// A connected and described device.
pub(crate) struct Device {
    wire: Client,
    prefix: String,
    received: Vec<u8>,
    said: Vec<u8>,
    next_id: PacketId,
}

impl Device {
    /// Connects and describes itself; `hears_pong` as the MicroPython client does.
    pub(crate) fn join(house: &mut House, hears_pong: bool) -> Self {
        let wire = house.connect_device();
        let mut device = Self {
            wire,
            prefix: topic_prefix(DEVICE),
            received: Vec::new(),
            said: Vec::new(),
            // The introduction has used two.
            next_id: PacketId::MIN.next().next(),
        };
        introduce(DEVICE, hears_pong, &mut device.said).expect("an introduction");
        device.send();
        house.rest();
        assert_eq!(device.hear(), ["connack", "suback", "puback", "puback", "connected"]);
        device
    }

    /// `heartbeat`, at QoS 0.
    pub(crate) fn beat(&mut self) {
        self.publish("heartbeat", b"", QoS::AtMostOnce);
        self.send();
    }

    /// PINGREQ.
    pub(crate) fn ping(&mut self) {
        encode_pingreq(&mut self.said);
        self.send();
    }

    /// `trigger`, at QoS 1.
    pub(crate) fn fire(&mut self) {
        self.publish("trigger", TRIGGER, QoS::AtLeastOnce);
        self.send();
    }

    /// Acknowledges and answers the command that has come.
    pub(crate) fn answer(&mut self) {
        self.receive();
        let Ok(Some((Packet::Publish(command), bytes))) = decode(&self.received) else { panic!("a command") };
        assert_eq!((command.topic.rsplit('/').next(), bytes), (Some("command"), self.received.len()));
        let id = command.id.expect("QoS 1");
        let [Some(command_id)] = members(command.payload, ["commandId"]).expect("JSON") else {
            panic!("an id")
        };
        let response = format!(r#"{{"commandId":{},"success":true,"data":{DATA}}}"#, command_id.as_str());
        self.received.clear();
        encode_puback(&mut self.said, id);
        self.publish("response", response.as_bytes(), QoS::AtLeastOnce);
        self.send();
    }

    /// What has come since: the kinds of packets, and of messages the last level of their topic.
    pub(crate) fn hear(&mut self) -> Vec<String> {
        self.receive();
        let mut heard = Vec::new();
        let mut rest = &self.received[..];
        while let Some((packet, bytes)) = decode(rest).expect("the gateway speaks MQTT") {
            heard.push(match packet {
                Packet::Publish(publish) => publish.topic.replace(&self.prefix, ""),
                other => format!("{:?}", other.kind()).to_lowercase(),
            });
            rest = &rest[bytes..];
        }
        assert!(rest.is_empty(), "the gateway sends whole packets");
        self.received.clear();
        heard
    }

    fn publish(&mut self, suffix: &str, payload: &[u8], qos: QoS) {
        let next = self.next_id.next();
        let id = (qos != QoS::AtMostOnce).then(|| std::mem::replace(&mut self.next_id, next));
        let head = PublishHead { qos, dup: false, retain: false, id };
        encode_publish(&mut self.said, head, &[&self.prefix, suffix], &[payload]).expect("a PUBLISH");
    }

    fn send(&mut self) {
        assert_eq!(self.wire.write(&self.said), self.said.len(), "the pipe has room");
        self.said.clear();
    }

    fn receive(&mut self) {
        while let ClientRead::Bytes(_) = self.wire.read(&mut self.received, usize::MAX) {}
    }
}

/// An agent with a connection that it keeps.
pub(crate) struct Agent {
    wire: Client,
    received: Vec<u8>,
}

impl Agent {
    /// Connects and shows its key once.
    pub(crate) fn join(house: &mut House) -> Self {
        let mut agent = Self { wire: house.connect_agent(), received: Vec::new() };
        let request =
            format!("GET /v1/key HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {AGENT_SECRET}\r\n\r\n");
        agent.wire.write(request.as_bytes());
        house.rest();
        agent.hear_ok("");
        agent
    }

    /// Asks the device for a command; `payload` is JSON.
    pub(crate) fn ask(&mut self, command: &str, payload: &str) {
        let body = format!(r#"{{"command":"{command}","payload":{payload}}}"#);
        let request = format!(
            "POST /v1/agents/{AGENT}/devices/{DEVICE}/commands HTTP/1.1\r\nHost: gateway\r\n\
             Authorization: Bearer {AGENT_SECRET}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(self.wire.write(request.as_bytes()), request.len(), "the pipe has room");
    }

    /// The device's answer has come.
    pub(crate) fn hear_done(&mut self) {
        self.hear_ok(DATA);
    }

    fn hear_ok(&mut self, data: &str) {
        while let ClientRead::Bytes(_) = self.wire.read(&mut self.received, usize::MAX) {}
        let answer = String::from_utf8_lossy(&self.received);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(data), "{answer}");
        self.received.clear();
    }
}
