//! The device as `socket.io-client` is one: Socket.IO over a WebSocket.
//!
//! Owns its words and checks the answers. Nothing in here is measured.

use benches::device::introduce_over_socketio;
use codec::json::members;
use codec::ws::{Data, OpCode, encode_masked};
use engine::net::fake::{Client, ClientRead};

use crate::house::{DEVICE, House};
use crate::peers::{DATA, TRIGGER};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const PING: &str = "2";
const PONG: &[u8] = b"3";
const EVENT: &str = "42/devices,";

/// A connected and described device.
pub(crate) struct SocketIoDevice {
    wire: Client,
    received: Vec<u8>,
    said: Vec<u8>,
}

impl SocketIoDevice {
    /// Connects and describes itself.
    pub(crate) fn join(house: &mut House) -> Self {
        let mut device = Self { wire: house.connect_web_device(), received: Vec::new(), said: Vec::new() };
        device.said.extend_from_slice(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        device.send();
        house.rest();
        device.receive();
        let end = device.received.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("an upgrade");
        assert!(device.received.starts_with(b"HTTP/1.1 101 "));
        device.received.drain(..end + 4);
        let mut introduction = Vec::new();
        introduce_over_socketio(DEVICE, &mut introduction);
        device.say(&introduction);
        house.rest();
        let heard = device.hear();
        assert_eq!(heard.iter().map(|word| &word[..2]).collect::<Vec<_>>(), ["0{", "40", "42"], "{heard:?}");
        device
    }

    /// `heartbeat`.
    pub(crate) fn beat(&mut self) {
        self.say(b"42/devices,[\"heartbeat\",{}]");
    }

    /// `trigger`, which wants to be acknowledged.
    pub(crate) fn fire(&mut self) {
        self.say(&[b"42/devices,7[\"trigger\",", TRIGGER, b"]"].concat());
    }

    /// Answers the command that has come.
    pub(crate) fn answer(&mut self) {
        let heard = self.hear();
        let [command] = &heard[..] else { panic!("one command: {heard:?}") };
        let payload =
            command.strip_prefix(r#"42/devices,["command","#).and_then(|rest| rest.strip_suffix(']'));
        let [Some(id)] = members(payload.expect("a command").as_bytes(), ["commandId"]).expect("JSON") else {
            panic!("an id")
        };
        let response =
            format!(r#"{EVENT}["response",{{"commandId":{},"success":true,"data":{DATA}}}]"#, id.as_str());
        self.say(response.as_bytes());
    }

    /// The messages that have come since. A ping of Engine.IO is answered, and none of them.
    pub(crate) fn hear(&mut self) -> Vec<String> {
        self.receive();
        let mut heard = Vec::new();
        let mut rest = &self.received[..];
        while let Some((header, header_bytes)) =
            codec::ws::decode(rest).expect("the gateway speaks WebSocket")
        {
            let (message, behind) = rest[header_bytes..].split_at(header.payload_bytes as usize);
            heard.push(String::from_utf8(message.to_vec()).expect("text"));
            rest = behind;
        }
        assert!(rest.is_empty(), "the gateway sends whole frames");
        self.received.clear();
        let messages = heard.len();
        heard.retain(|message| message != PING);
        if heard.len() < messages {
            self.say(PONG);
        }
        heard
    }

    fn say(&mut self, message: &[u8]) {
        encode_masked(&mut self.said, true, OpCode::Data(Data::Text), MASK, message);
        self.send();
    }

    fn send(&mut self) {
        assert_eq!(self.wire.write(&self.said), self.said.len(), "the pipe has room");
        self.said.clear();
    }

    fn receive(&mut self) {
        while let ClientRead::Bytes(_) = self.wire.read(&mut self.received, usize::MAX) {}
    }
}
