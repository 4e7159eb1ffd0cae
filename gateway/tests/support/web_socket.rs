//! A WebSocket by hand: the handshake as the clients write it, frames that may be spoiled, and what comes back.
//!
//! Owns no rule: a test of bad frames must not depend on a library that would refuse to make them.

use super::SOON;
use super::raw::{AT_ONCE, Raw};
use codec::ws::{Control, Data, OpCode, decode, encode_masked};
use std::net::SocketAddr;

pub const BINARY: OpCode = OpCode::Data(Data::Binary);
pub const TEXT: OpCode = OpCode::Data(Data::Text);
pub const CONTINUE: OpCode = OpCode::Data(Data::Continue);
pub const PING: OpCode = OpCode::Control(Control::Ping);
pub const PONG: OpCode = OpCode::Control(Control::Pong);
pub const CLOSE: OpCode = OpCode::Control(Control::Close);

/// A request as the Python client writes it.
pub const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Origin: http://gateway\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Websocket-Version: 13\r\n\
    Sec-Websocket-Protocol: mqtt\r\n\r\n";

/// Says a request and gives the head of the answer.
pub fn ask(address: SocketAddr, request: &str) -> (Raw, String) {
    let mut raw = Raw::sending(address, request.as_bytes());
    let head = head(&mut raw);
    (raw, head)
}

/// Waits for the head of an answer and takes it.
pub fn head(raw: &mut Raw) -> String {
    let end = raw.hear(SOON, |received| received.windows(4).position(|bytes| bytes == b"\r\n\r\n"));
    let end = end.unwrap_or_else(|| panic!("no head came but {:?}", String::from_utf8_lossy(&raw.received)));
    String::from_utf8(raw.take(end + 4)).expect("text")
}

/// A connection behind the handshake.
pub fn upgraded(address: SocketAddr) -> Raw {
    let (raw, head) = ask(address, REQUEST);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    raw
}

/// One masked frame.
pub fn part(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_masked(&mut bytes, fin, opcode, [0x37, 0xfa, 0x21, 0x3d], payload);
    bytes
}

/// A whole message in one masked frame.
pub fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    part(true, opcode, payload)
}

/// Waits for the next frame and takes it whole.
pub fn next_frame(raw: &mut Raw) -> (OpCode, Vec<u8>) {
    let whole = |received: &[u8]| {
        let (header, header_bytes) = decode(received).expect("the gateway speaks WebSocket")?;
        assert_eq!((header.fin, header.key), (true, None), "whole and unmasked");
        let bytes = header_bytes + header.payload_bytes as usize;
        (received.len() >= bytes).then_some((header.opcode, header_bytes, bytes))
    };
    let found = raw.hear(SOON, whole);
    let (opcode, header_bytes, bytes) = found.unwrap_or_else(|| panic!("no frame but {:02x?}", raw.received));
    (opcode, raw.take(bytes).split_off(header_bytes))
}

/// Asserts that it is told this code, and nothing else, and hung up on at once.
#[track_caller]
pub fn must_be_told(raw: &mut Raw, what: &str, code: u16) {
    let [high, low] = code.to_be_bytes();
    let heard = raw.closed_within(AT_ONCE);
    assert_eq!(heard.as_deref(), Some(&[0x88, 2, high, low][..]), "{what}: {code} was expected");
}
