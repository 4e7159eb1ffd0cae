//! Words that wait for a poll: a payload that grows, and what becomes of it when a WebSocket takes over.
//!
//! Owns the separators. Never knows what is said, nor whether anybody listens.

use codec::engineio::{Packet, payload};
use codec::limits::ENGINEIO_SEPARATOR;
use codec::ws::{Data, OpCode, encode_frame};

/// Puts a packet behind the others of a payload.
pub(super) fn enqueue(queue: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if !queue.is_empty() {
        queue.push(ENGINEIO_SEPARATOR);
    }
    write(queue);
}

/// Says over a WebSocket what waited for a poll.
pub(super) fn reframe(queue: &[u8], out: &mut Vec<u8>) {
    if queue.is_empty() {
        return;
    }
    let mut bytes = Vec::new();
    for packet in payload(queue).into_iter().flatten() {
        debug_assert!(packet.is_ok(), "we wrote it");
        bytes.clear();
        match packet {
            Ok(Packet::Binary(base64)) => {
                base64.decode(&mut bytes);
                encode_frame(out, OpCode::Data(Data::Binary), &[&bytes]);
            }
            Ok(packet) => {
                packet.encode(&mut bytes);
                encode_frame(out, OpCode::Data(Data::Text), &[&bytes]);
            }
            Err(_) => {}
        }
    }
}
