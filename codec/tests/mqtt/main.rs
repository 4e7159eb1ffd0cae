//! MQTT 3.1.1 from outside: the vectors, round trips of generated packets, and the crate mqttbytes as a second opinion.
//!
//! It owns what the three have in common: what must hold for whatever is accepted.

mod differential;
mod round_trip;
mod sample;
mod vectors;
mod view;

use codec::mqtt::{Packet, decode, peek};

/// Fails unless `packet`, read from the first `consumed` bytes, is what these bytes say and can be said again.
fn assert_faithful(bytes: &[u8], packet: &Packet<'_>, consumed: usize) {
    let read = bytes.get(..consumed).expect("no more bytes are taken than there are");
    let mut written = Vec::new();
    packet.encode(&mut written).expect("what was decoded can be written");
    assert_eq!(
        decode(&written),
        Ok(Some((*packet, written.len()))),
        "written {written:02x?} from {read:02x?}"
    );
    // Only the remaining length may have been longer than needed; all behind it is the same.
    assert_eq!(body(read), body(&written));
    assert!(read.len() >= written.len() && read.len() <= written.len() + 3);
}

fn body(packet: &[u8]) -> &[u8] {
    let header = peek(packet).expect("a packet").expect("a whole one");
    packet.get(header.header_bytes..).expect("a body")
}
