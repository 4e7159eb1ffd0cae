//! A device whose every packet the test decides: blocking MQTT over a socket, the codec for grammar and nothing else.

use codec::mqtt::{
    Connect, ConnectCode, Packet, PacketId, PublishHead, QoS, decode, encode_publish, encode_subscribe,
};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came from the gateway.
#[derive(Debug)]
pub enum Word {
    /// CONNACK.
    Connack { session_present: bool, code: ConnectCode },
    /// A message on one of the device's topics, by its suffix; `id` when it wants a PUBACK.
    Message { suffix: String, json: Value, id: Option<PacketId>, dup: bool },
    /// PUBACK of one of ours.
    Puback(PacketId),
    /// SUBACK, UNSUBACK or PINGRESP.
    Other,
    /// The gateway closed the connection.
    Closed,
}

/// A command that came.
pub struct Order {
    pub json: Value,
    pub id: Option<PacketId>,
    pub dup: bool,
}

/// A connection of a device.
pub struct Device {
    stream: TcpStream,
    prefix: String,
    received: Vec<u8>,
    out: Vec<u8>,
}

impl Device {
    /// Connects and says CONNECT; nothing is awaited.
    pub fn connect(address: SocketAddr, agent: &str, name: &str, key: &str, clean_session: bool) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        stream.set_nodelay(true).expect("a socket");
        let prefix = format!("lua/devices/{agent}/{name}/");
        let mut device = Self { stream, prefix, received: Vec::new(), out: Vec::new() };
        let (client_id, username) = (format!("lua-{agent}-{name}"), format!("{agent}:{name}"));
        let connect = Connect {
            client_id: &client_id,
            clean_session,
            keep_alive_s: 60,
            will: None,
            username: Some(&username),
            password: Some(key.as_bytes()),
        };
        connect.encode(&mut device.out).expect("a CONNECT");
        device
    }

    /// Subscribes to what the Python client does and sends both status messages, like it without waiting.
    pub fn describe(&mut self, key: &str, commands: &Value, first_id: u16) {
        let topics: Vec<String> = ["command", "connected", "trigger_ack", "trigger_result", "error"]
            .iter()
            .map(|suffix| format!("{}{suffix}", self.prefix))
            .collect();
        let filters: Vec<(&str, QoS)> =
            topics.iter().map(|topic| (topic.as_str(), QoS::AtLeastOnce)).collect();
        encode_subscribe(&mut self.out, id(first_id), &filters).expect("a SUBSCRIBE");
        self.publish("status", &json!({"status": "online", "timestamp": "x"}), Some(first_id + 1), false);
        let status = json!({"status": "online", "apiKey": key, "group": null, "commands": commands});
        self.publish("status", &status, Some(first_id + 2), false);
    }

    /// Subscribes to commands alone.
    pub fn listen(&mut self, packet: u16) {
        let topic = format!("{}command", self.prefix);
        encode_subscribe(&mut self.out, id(packet), &[(topic.as_str(), QoS::AtLeastOnce)])
            .expect("a SUBSCRIBE");
    }

    /// Waits until it is described: its commands are tools.
    pub fn settle_in(&mut self) {
        self.wait("connected", |word| match word {
            Word::Message { suffix, .. } if suffix == "connected" => Some(()),
            _ => None,
        });
    }

    /// Waits for the next command.
    pub fn next_command(&mut self) -> Order {
        self.wait("a command", |word| match word {
            Word::Message { suffix, json, id, dup } if suffix == "command" => {
                Some(Order { json: json.clone(), id: *id, dup: *dup })
            }
            _ => None,
        })
    }

    /// Answers a command, and acknowledges it.
    pub fn answer(&mut self, order: &Order, success: bool, word: &Value) {
        self.respond(order.json["commandId"].as_str().expect("an id"), success, word);
        if let Some(id) = order.id {
            self.puback(id);
        }
        self.flush();
    }

    /// Publishes a response to any id.
    pub fn respond(&mut self, command_id: &str, success: bool, word: &Value) {
        let member = if success { "data" } else { "error" };
        let response = json!({"commandId": command_id, "success": success, member: word});
        self.publish("response", &response, Some(9_999), false);
        self.flush();
    }

    /// Queues a PUBLISH: QoS 1 with an id, else QoS 0.
    pub fn publish(&mut self, suffix: &str, json: &Value, packet: Option<u16>, dup: bool) {
        let qos = if packet.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let head = PublishHead { qos, dup, retain: false, id: packet.map(id) };
        let text = json.to_string();
        encode_publish(&mut self.out, head, &[&self.prefix, suffix], &[text.as_bytes()]).expect("a PUBLISH");
    }

    /// Queues a PUBACK.
    pub fn puback(&mut self, id: PacketId) {
        codec::mqtt::encode_puback(&mut self.out, id);
    }

    /// Queues any bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes what is queued. `false`: the connection is gone.
    pub fn flush(&mut self) -> bool {
        let sent = self.stream.write_all(&self.out).is_ok();
        self.out.clear();
        sent
    }

    /// The next word, if one comes within `within`.
    pub fn hear(&mut self, within: Duration) -> Option<Word> {
        self.flush();
        loop {
            if let Some((packet, bytes)) = decode(&self.received).expect("the gateway speaks MQTT") {
                let word = self.word(&packet);
                self.received.drain(..bytes);
                return Some(word);
            }
            let mut buffer = [0; 16 * 1024];
            self.stream.set_read_timeout(Some(within.max(Duration::from_millis(1)))).expect("a socket");
            match self.stream.read(&mut buffer) {
                Ok(0) => return Some(Word::Closed),
                Ok(bytes) => self.received.extend_from_slice(&buffer[..bytes]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return None;
                }
                Err(_) => return Some(Word::Closed),
            }
        }
    }

    /// Waits for a word that `wanted` takes; others are passed over.
    pub fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&Word) -> Option<T>) -> T {
        loop {
            let word = self.hear(super::SOON).unwrap_or_else(|| panic!("waited in vain for {what}"));
            if let Some(found) = wanted(&word) {
                return found;
            }
            assert!(!matches!(word, Word::Closed), "closed before {what}");
        }
    }

    fn word(&self, packet: &Packet<'_>) -> Word {
        match packet {
            Packet::ConnAck(connack) => {
                Word::Connack { session_present: connack.session_present, code: connack.code }
            }
            Packet::Publish(publish) => Word::Message {
                suffix: publish.topic.strip_prefix(&self.prefix).expect("own topics only").to_owned(),
                json: serde_json::from_slice(publish.payload).expect("JSON"),
                id: publish.id,
                dup: publish.dup,
            },
            Packet::PubAck(id) => Word::Puback(*id),
            Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => Word::Other,
            unexpected => panic!("no server says {unexpected:?}"),
        }
    }
}

/// A packet id.
pub fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not zero")
}
