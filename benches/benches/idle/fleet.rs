//! A fleet of devices on real sockets, in one thread.
//!
//! Owns the sockets and the order of the log-ins: a batch speaks, then each of it is heard to the end. It waits for words, with
//! a deadline, and never for time to pass.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use benches::device::{introduce, introduce_over_socketio, topic_prefix};
use codec::mqtt::{Packet, decode};
use codec::ws::{Data, OpCode, encode_masked};

/// Devices that log in at the same time.
const BATCH: usize = 50;
/// The longest silence of the gateway while a device logs in.
const PATIENCE: Duration = Duration::from_secs(30);
/// What masks a frame; any key costs the same.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// How devices connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// MQTT over TCP.
    Mqtt,
    /// MQTT over WebSocket.
    MqttWs,
    /// Socket.IO over WebSocket.
    SocketIo,
}

/// See the file's head.
pub(crate) struct Fleet {
    way: Way,
    gateway: SocketAddr,
    devices: Vec<TcpStream>,
}

impl Fleet {
    /// Nobody yet.
    pub(crate) fn new(way: Way, gateway: SocketAddr) -> Self {
        Self { way, gateway, devices: Vec::new() }
    }

    /// Connects devices until there are so many; all of them are described then.
    pub(crate) fn grow_to(&mut self, devices: usize) {
        while self.devices.len() < devices {
            let (first, last) = (self.devices.len(), devices.min(self.devices.len() + BATCH));
            for number in first..last {
                self.devices.push(self.way.speak(self.gateway, &name(number)));
            }
            for (number, device) in self.devices.iter_mut().enumerate().skip(first) {
                self.way.hear(device, &name(number));
            }
        }
    }
}

/// Names as long as names are.
fn name(number: usize) -> String {
    format!("pico-kitchen-{number:06}")
}

impl Way {
    /// The path and the sub-protocol of its WebSocket.
    fn socket(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Mqtt => None,
            Self::MqttWs => Some(("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n")),
            Self::SocketIo => Some(("/socket.io/?EIO=4&transport=websocket", "")),
        }
    }

    /// Connects and says everything up to the first silence.
    fn speak(self, gateway: SocketAddr, name: &str) -> TcpStream {
        let mut device = TcpStream::connect(gateway).expect("the gateway accepts");
        device.set_read_timeout(Some(PATIENCE)).expect("a deadline");
        let mut words = Vec::new();
        if let Some((path, protocol)) = self.socket() {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n"
            );
            words.extend_from_slice(request.as_bytes());
        }
        let mut introduction = Vec::new();
        match self {
            Self::Mqtt => introduce(name, false, &mut words).expect("an introduction"),
            Self::MqttWs => {
                introduce(name, false, &mut introduction).expect("an introduction");
                encode_masked(&mut words, true, OpCode::Data(Data::Binary), MASK, &introduction);
            }
            Self::SocketIo => {
                introduce_over_socketio(name, &mut introduction);
                encode_masked(&mut words, true, OpCode::Data(Data::Text), MASK, &introduction);
            }
        }
        device.write_all(&words).expect("the gateway listens");
        device
    }

    /// Reads to the end of the log-in, the word `connected`.
    fn hear(self, device: &mut TcpStream, name: &str) {
        let (mut received, mut words, mut upgraded) = (Vec::new(), Words::default(), self == Self::Mqtt);
        while !words.are_all(self) {
            let mut some = [0; 1024];
            let bytes =
                device.read(&mut some).unwrap_or_else(|error| panic!("{name} hears nothing: {error}"));
            assert!(bytes > 0, "{name} was hung up on after {words:?}");
            received.extend_from_slice(&some[..bytes]);
            if !upgraded && let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                assert!(received.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&received));
                received.drain(..end + 4);
                upgraded = true;
            }
            if upgraded {
                self.read(&mut received, name, &mut words);
            }
        }
    }

    fn read(self, received: &mut Vec<u8>, name: &str, words: &mut Words) {
        if self == Self::Mqtt {
            return words.hear_mqtt(received, name);
        }
        while let Some((header, header_bytes)) =
            codec::ws::decode(received).expect("the gateway speaks WebSocket")
        {
            let bytes = header_bytes + header.payload_bytes as usize;
            if received.len() < bytes {
                return;
            }
            let mut frame: Vec<u8> = received.drain(..bytes).skip(header_bytes).collect();
            match self {
                Self::SocketIo => words.hear_message(&frame),
                Self::Mqtt | Self::MqttWs => words.hear_mqtt(&mut frame, name),
            }
        }
    }
}

/// What a device has heard of its log-in.
#[derive(Debug, Default)]
struct Words {
    heard: usize,
    connected: bool,
}

impl Words {
    /// Over MQTT five packets, over Socket.IO three messages; the last of either says `connected`.
    fn are_all(&self, way: Way) -> bool {
        self.connected && self.heard == if way == Way::SocketIo { 3 } else { 5 }
    }

    fn hear_mqtt(&mut self, received: &mut Vec<u8>, name: &str) {
        while let Some((packet, bytes)) = decode(received).expect("the gateway speaks MQTT") {
            if let Packet::Publish(publish) = packet {
                assert_eq!(publish.topic.strip_prefix(&topic_prefix(name)), Some("connected"));
                self.connected = true;
            }
            received.drain(..bytes);
            self.heard += 1;
        }
    }

    fn hear_message(&mut self, message: &[u8]) {
        self.heard += 1;
        self.connected |= message == br#"42/devices,["connected",{}]"#;
    }
}
