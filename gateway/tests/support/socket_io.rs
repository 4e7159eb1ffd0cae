//! Socket.IO by hand, over a WebSocket: requests as clients write them, and what comes back, packet by packet.
//!
//! Owns no rule: a test of bad packets must not depend on a library that would refuse to make them.

use super::raw::Raw;
use super::web_socket::{TEXT, ask, frame, next_frame};
use serde_json::Value;
use std::net::SocketAddr;

/// The fields that ask for a WebSocket.
pub const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// A request to `/socket.io/`, with more fields.
pub fn get(query: &str, more: &str) -> String {
    format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: gateway\r\n{more}\r\n")
}

/// A session over a WebSocket, opened: the open packet is taken.
pub fn opened(address: SocketAddr) -> Raw {
    let (mut raw, head) = ask(address, &get("EIO=4&transport=websocket", UPGRADE));
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let (opcode, open) = next_frame(&mut raw);
    assert_eq!((opcode, open[0]), (TEXT, b'0'));
    raw
}

/// Says one packet.
pub fn say(raw: &mut Raw, packet: &str) {
    raw.send(&frame(TEXT, packet.as_bytes()));
}

/// Waits for the next packet.
pub fn hear(raw: &mut Raw) -> String {
    String::from_utf8(next_frame(raw).1).expect("text")
}

/// Waits for the next packet, which is an event of the namespace: its name and its only argument.
#[track_caller]
pub fn hear_event(raw: &mut Raw) -> (String, Value) {
    let packet = hear(raw);
    let event = packet.strip_prefix("42/devices,").unwrap_or_else(|| panic!("no event but {packet}"));
    let (name, argument): (String, Value) = serde_json::from_str(event).expect("a name and one argument");
    (name, argument)
}
