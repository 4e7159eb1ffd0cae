//! PINGREQ, PINGRESP and DISCONNECT: the three packets that are only a fixed header (3.12, 3.13, 3.14).
//!
//! It owns their two bytes each; reading them is done when their header was read.

/// Appends a PINGREQ (3.12).
#[inline]
pub fn encode_pingreq(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xc0, 0]);
}

/// Appends a PINGRESP (3.13).
#[inline]
pub fn encode_pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xd0, 0]);
}

/// Appends a DISCONNECT (3.14).
#[inline]
pub fn encode_disconnect(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xe0, 0]);
}
