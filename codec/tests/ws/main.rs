//! WebSocket frames from outside: the vectors, round trips of generated frames, and the crate tungstenite as a second
//! opinion.
//!
//! It owns what the three have in common: how bytes are shown, and what must hold for whatever is accepted.

mod differential;
mod notation;
mod round_trip;
mod vectors;

use codec::ws::{FrameHeader, apply_mask, decode};

/// The payload behind a header, as much of it as is here, unmasked.
fn payload(header: &FrameHeader, behind: &[u8]) -> Vec<u8> {
    let here = usize::try_from(header.payload_bytes).map_or(behind.len(), |bytes| bytes.min(behind.len()));
    let mut payload = behind[..here].to_vec();
    if let Some(key) = header.key {
        apply_mask(&mut payload, key, 0);
    }
    payload
}

/// Fails unless `header`, read from the first `consumed` bytes, is all that these bytes say: there is one spelling.
fn assert_faithful(bytes: &[u8], header: &FrameHeader, consumed: usize) {
    let mut written = Vec::new();
    header.encode(&mut written);
    assert_eq!(written, bytes[..consumed], "{header:?}");
    assert_eq!(decode(&written), Ok(Some((*header, consumed))));
}
