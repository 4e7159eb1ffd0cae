//! PUBACK, PUBREC, PUBREL, PUBCOMP and UNSUBACK: the five packets that hold nothing but a packet identifier
//! (3.4, 3.5, 3.6, 3.7, 3.11).
//!
//! It owns their one shape. It never knows which identifiers wait for which of them.
//!
//! ```text
//! | type, 0000 (PUBREL: 0010) | 2 | packet id |
//! ```

use super::{Malformed, PacketId};
use crate::cursor::Cursor;

/// Reads what stands behind the fixed header of any of the five.
#[inline]
pub(super) fn decode(body: &[u8]) -> Result<PacketId, Malformed> {
    let mut cursor = Cursor::new(body);
    let id = PacketId::decode(&mut cursor)?;
    if cursor.is_empty() { Ok(id) } else { Err(Malformed::FixedLength) }
}

/// Appends a PUBACK: the QoS 1 message `id` was taken over (3.4).
#[inline]
pub fn encode_puback(out: &mut Vec<u8>, id: PacketId) {
    encode(out, 0x40, id);
}

/// Appends a PUBREC: the QoS 2 message `id` was received (3.5).
#[inline]
pub fn encode_pubrec(out: &mut Vec<u8>, id: PacketId) {
    encode(out, 0x50, id);
}

/// Appends a PUBREL: the QoS 2 message `id` is released (3.6).
#[inline]
pub fn encode_pubrel(out: &mut Vec<u8>, id: PacketId) {
    encode(out, 0x62, id);
}

/// Appends a PUBCOMP: the QoS 2 message `id` is complete (3.7).
#[inline]
pub fn encode_pubcomp(out: &mut Vec<u8>, id: PacketId) {
    encode(out, 0x70, id);
}

/// Appends an UNSUBACK: the UNSUBSCRIBE `id` was done (3.11).
#[inline]
pub fn encode_unsuback(out: &mut Vec<u8>, id: PacketId) {
    encode(out, 0xb0, id);
}

#[inline]
fn encode(out: &mut Vec<u8>, first: u8, id: PacketId) {
    let [high, low] = id.to_wire();
    out.extend_from_slice(&[first, 2, high, low]);
}
