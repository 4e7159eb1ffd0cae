//! Frames that we write.
//!
//! It owns how a payload becomes one frame: from parts, or from bytes that already stand at the end of the output. It
//! never fragments a message, and masks only what plays the client.

use super::{FrameHeader, OpCode, apply_mask};

/// Appends a whole message in one frame, unmasked, as a server speaks. The parts of its payload are written one after
/// the other.
///
/// ```
/// use codec::ws::{Data, OpCode, encode_frame};
///
/// let mut out = Vec::new();
/// encode_frame(&mut out, OpCode::Data(Data::Text), &[b"Hel", b"lo"]);
/// assert_eq!(out, b"\x81\x05Hello");
/// ```
pub fn encode_frame(out: &mut Vec<u8>, opcode: OpCode, parts: &[&[u8]]) {
    let payload_bytes = parts.iter().map(|part| part.len() as u64).sum();
    FrameHeader { fin: true, opcode, key: None, payload_bytes }.encode(out);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Makes one frame, unmasked, of everything in `out` from the byte `from` on: so a protocol that knows nothing of frames
/// can append to `out` first. The payload moves to make room for two to ten bytes. From nothing comes no frame.
///
/// ```
/// use codec::ws::{Data, OpCode, wrap};
///
/// let mut out = b"before".to_vec();
/// let from = out.len();
/// out.extend_from_slice(&[0xd0, 0x00]); // a PINGRESP
/// wrap(&mut out, from, OpCode::Data(Data::Binary));
/// assert_eq!(out, b"before\x82\x02\xd0\x00");
/// ```
pub fn wrap(out: &mut Vec<u8>, from: usize, opcode: OpCode) {
    debug_assert!(from <= out.len(), "what is wrapped was written");
    let end = out.len();
    let payload_bytes = end.saturating_sub(from);
    if payload_bytes == 0 {
        return;
    }
    FrameHeader { fin: true, opcode, key: None, payload_bytes: payload_bytes as u64 }.encode(out);
    let header_bytes = out.len() - end;
    if let Some(frame) = out.get_mut(from..) {
        frame.rotate_right(header_bytes);
    }
}

/// Appends a frame, masked by `key`: for clients, and for tests of servers.
pub fn encode_masked(out: &mut Vec<u8>, fin: bool, opcode: OpCode, key: [u8; 4], payload: &[u8]) {
    FrameHeader { fin, opcode, key: Some(key), payload_bytes: payload.len() as u64 }.encode(out);
    let from = out.len();
    out.extend_from_slice(payload);
    if let Some(payload) = out.get_mut(from..) {
        apply_mask(payload, key, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::Data;

    #[test]
    fn wraps_what_it_would_have_framed() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let (mut framed, mut wrapped) = (b"before".to_vec(), b"before".to_vec());
            wrapped.extend_from_slice(&payload);
            wrap(&mut wrapped, 6, OpCode::Data(Data::Binary));
            if length > 0 {
                encode_frame(&mut framed, OpCode::Data(Data::Binary), &[&payload]);
            }
            assert_eq!(framed, wrapped, "{length}");
        }
    }
}
