//! Engine.IO: whatever is accepted has one spelling, and base64 says the bytes that it was made of.
//!
//! The second opinion on base64 is a decoder of one line, which is slow and has no rules.

use codec::engineio::{Base64, Packet, decode, decode_open, encode_base64, payload};

/// Reads the bytes as a message and as a payload.
pub fn check(bytes: &[u8]) {
    if let Ok(packet) = decode(bytes) {
        assert!(!matches!(packet, Packet::Binary(_)), "binary messages have no type over WebSocket");
        assert_eq!(written(&packet), bytes, "a packet has one spelling");
        if let Packet::Open(data) = packet
            && let Ok(open) = decode_open(data)
        {
            assert!(open.sid.len() <= data.len());
        }
    }
    check_payload(bytes);
    check_base64(bytes);
}

fn check_payload(bytes: &[u8]) {
    let Ok(packets) = payload(bytes) else {
        assert!(std::str::from_utf8(bytes).is_err());
        return;
    };
    let (mut again, mut whole) = (Vec::new(), true);
    for (position, packet) in packets.enumerate() {
        let Ok(packet) = packet else {
            whole = false;
            break;
        };
        if position > 0 {
            again.push(0x1e);
        }
        again.extend(written(&packet));
    }
    assert!(bytes.starts_with(&again), "what was read before the fault is what stands there");
    assert_eq!(whole, again == bytes && !bytes.is_empty());
}

fn check_base64(bytes: &[u8]) {
    let mut spelled = Vec::new();
    encode_base64(&mut spelled, bytes);
    let text = std::str::from_utf8(&spelled).expect("base64 is ASCII");
    let mut back = Vec::new();
    Base64::new(text).expect("we read what we write").decode(&mut back);
    assert_eq!(back, bytes);
    if let Some(base64) = std::str::from_utf8(bytes).ok().and_then(|text| Base64::new(text).ok()) {
        let mut decoded = Vec::new();
        base64.decode(&mut decoded);
        assert_eq!((decoded.len(), &decoded), (base64.decoded_bytes(), &slowly(base64.as_str())));
    }
}

/// Bit by bit.
fn slowly(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = text
        .chars()
        .filter_map(|digit| ALPHABET.find(digit))
        .flat_map(|value| (0..6).rev().map(move |bit| (value >> bit & 1) as u8))
        .collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit)).collect()
}

fn written(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(&mut out);
    out
}
