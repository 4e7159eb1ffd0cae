//! The fixed header: which packet is coming and how long it is (2.2).
//!
//! It owns the table of the sixteen packet types with their legal flags, and the remaining length. It never waits for
//! a packet to be whole: from two to five bytes it says what a peer has promised, so that a session can refuse a type
//! or a size before it has stored anything of it.

use super::{Malformed, Misuse};
use crate::limits::{MQTT_LENGTH_BYTES_MAX, MQTT_REMAINING_BYTES_MAX};

/// The fourteen control packet types with their numbers on the wire (2.2.1, table 2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Client to server: asks for a connection (3.1).
    Connect = 1,
    /// Server to client: the answer to CONNECT (3.2).
    ConnAck = 2,
    /// Either way: an application message (3.3).
    Publish = 3,
    /// Either way: acknowledges a QoS 1 PUBLISH (3.4).
    PubAck = 4,
    /// Either way: a QoS 2 PUBLISH was received (3.5).
    PubRec = 5,
    /// Either way: a QoS 2 PUBLISH may be released (3.6).
    PubRel = 6,
    /// Either way: a QoS 2 PUBLISH is complete (3.7).
    PubComp = 7,
    /// Client to server: asks for messages (3.8).
    Subscribe = 8,
    /// Server to client: the answer to SUBSCRIBE (3.9).
    SubAck = 9,
    /// Client to server: asks for no more messages (3.10).
    Unsubscribe = 10,
    /// Server to client: the answer to UNSUBSCRIBE (3.11).
    UnsubAck = 11,
    /// Client to server: are you there? (3.12)
    PingReq = 12,
    /// Server to client: yes (3.13).
    PingResp = 13,
    /// Client to server: goodbye (3.14).
    Disconnect = 14,
}

/// The first two to five bytes of a packet, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FixedHeader {
    /// What is coming.
    pub kind: Kind,
    /// The low four bits of the first byte; legal for `kind`.
    pub flags: u8,
    /// Declared bytes behind this header: 0 to 268 435 455.
    pub remaining_bytes: usize,
    /// Bytes this header takes itself: 2 to 5.
    pub header_bytes: usize,
}

impl FixedHeader {
    /// Bytes of the whole packet, header included.
    #[inline]
    pub fn packet_bytes(&self) -> usize {
        self.header_bytes + self.remaining_bytes
    }
}

/// Reads the fixed header at the start of `bytes`; `Ok(None)` means that it is not whole yet.
///
/// Type and flags are judged as soon as the first byte is there, the length when it ends, and packets of one size
/// only are held to it; nothing behind the header is looked at.
///
/// # Errors
///
/// [`Malformed::Kind`], [`Malformed::HeaderFlags`], [`Malformed::PublishQos`], [`Malformed::DupAtMostOnce`],
/// [`Malformed::RemainingLength`], [`Malformed::FixedLength`].
///
/// # Example
///
/// ```
/// use codec::mqtt::{Kind, Malformed, peek};
///
/// let promised = peek(&[0x10, 0xff, 0xff, 0xff, 0x7f]).unwrap().unwrap();
/// assert_eq!((promised.kind, promised.remaining_bytes), (Kind::Connect, 268_435_455));
/// assert_eq!(peek(&[0x10, 0xff]), Ok(None));
/// assert_eq!(peek(&[0x1f]), Err(Malformed::HeaderFlags));
/// ```
#[inline]
pub fn peek(bytes: &[u8]) -> Result<Option<FixedHeader>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let kind = kind(first)?;
    let Some((remaining_bytes, length_bytes)) = remaining_length(rest)? else {
        return Ok(None);
    };
    if only_remaining_bytes(kind).is_some_and(|only| only != remaining_bytes) {
        return Err(Malformed::FixedLength);
    }
    Ok(Some(FixedHeader { kind, flags: first & 0x0f, remaining_bytes, header_bytes: 1 + length_bytes }))
}

/// The table of packet types and their legal flags (tables 2.1 and 2.2).
#[inline]
fn kind(first: u8) -> Result<Kind, Malformed> {
    let (kind, legal_flags) = match first >> 4 {
        1 => (Kind::Connect, 0b0000),
        2 => (Kind::ConnAck, 0b0000),
        3 => return publish_flags(first).map(|()| Kind::Publish),
        4 => (Kind::PubAck, 0b0000),
        5 => (Kind::PubRec, 0b0000),
        6 => (Kind::PubRel, 0b0010),
        7 => (Kind::PubComp, 0b0000),
        8 => (Kind::Subscribe, 0b0010),
        9 => (Kind::SubAck, 0b0000),
        10 => (Kind::Unsubscribe, 0b0010),
        11 => (Kind::UnsubAck, 0b0000),
        12 => (Kind::PingReq, 0b0000),
        13 => (Kind::PingResp, 0b0000),
        14 => (Kind::Disconnect, 0b0000),
        _ => return Err(Malformed::Kind),
    };
    if first & 0x0f == legal_flags { Ok(kind) } else { Err(Malformed::HeaderFlags) }
}

/// PUBLISH flags are DUP, QoS, QoS, RETAIN; six of the sixteen combinations are illegal (3.3.1).
#[inline]
fn publish_flags(first: u8) -> Result<(), Malformed> {
    match (first & 0b1000 != 0, first >> 1 & 0b11) {
        (_, 3) => Err(Malformed::PublishQos),
        (true, 0) => Err(Malformed::DupAtMostOnce),
        _ => Ok(()),
    }
}

/// Seven bits a byte, least significant group first; longer forms than needed are legal in 3.1.1. Answers the length
/// and the bytes it took, or `None` while it has not ended.
#[inline]
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut remaining_bytes = 0;
    for (position, &byte) in bytes.iter().take(MQTT_LENGTH_BYTES_MAX).enumerate() {
        remaining_bytes |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok(Some((remaining_bytes, position + 1)));
        }
    }
    if bytes.len() < MQTT_LENGTH_BYTES_MAX { Ok(None) } else { Err(Malformed::RemainingLength) }
}

/// The one remaining length of kinds that have no other.
#[inline]
fn only_remaining_bytes(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Connect | Kind::Publish | Kind::Subscribe | Kind::SubAck | Kind::Unsubscribe => None,
        Kind::ConnAck | Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp | Kind::UnsubAck => {
            Some(2)
        }
        Kind::PingReq | Kind::PingResp | Kind::Disconnect => Some(0),
    }
}

/// Hands `remaining_bytes` back if a fixed header can say it.
///
/// # Errors
///
/// [`Misuse::PacketTooLong`].
#[inline]
pub(super) fn sayable(remaining_bytes: usize) -> Result<usize, Misuse> {
    if remaining_bytes > MQTT_REMAINING_BYTES_MAX { Err(Misuse::PacketTooLong) } else { Ok(remaining_bytes) }
}

/// Appends a fixed header in its shortest form; `remaining_bytes` is [`sayable`].
#[inline]
pub(super) fn write(out: &mut Vec<u8>, first: u8, remaining_bytes: usize) {
    debug_assert!(remaining_bytes <= MQTT_REMAINING_BYTES_MAX, "the caller checked it with sayable");
    out.push(first);
    let mut rest = remaining_bytes;
    while rest > 0x7f {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(remaining_bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, 0x30, sayable(remaining_bytes).unwrap());
        out
    }

    #[test]
    fn judges_all_first_bytes_before_any_length() {
        let legal: Vec<u8> = (0..=255).filter(|&first| peek(&[first]).is_ok()).collect();
        let expected = [
            0x10, 0x20, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x3a, 0x3b, 0x3c, 0x3d, 0x40, 0x50, 0x62, 0x70,
            0x82, 0x90, 0xa2, 0xb0, 0xc0, 0xd0, 0xe0,
        ];
        assert_eq!(legal, expected);
    }

    #[test]
    fn reads_the_boundaries_of_table_2_4() {
        for (remaining_bytes, header_bytes) in [
            (0, 2),
            (127, 2),
            (128, 3),
            (16_383, 3),
            (16_384, 4),
            (2_097_151, 4),
            (2_097_152, 5),
            (268_435_455, 5),
        ] {
            let bytes = written(remaining_bytes);
            assert_eq!(bytes.len(), header_bytes);
            let header = peek(&bytes).unwrap().unwrap();
            assert_eq!((header.remaining_bytes, header.header_bytes), (remaining_bytes, header_bytes));
            assert_eq!(header.packet_bytes(), header_bytes + remaining_bytes);
        }
    }

    #[test]
    fn refuses_a_fifth_length_byte_at_the_fourth() {
        assert_eq!(peek(&[0x10, 0x80, 0x80, 0x80]), Ok(None));
        assert_eq!(peek(&[0x10, 0x80, 0x80, 0x80, 0x80]), Err(Malformed::RemainingLength));
        assert_eq!(peek(&[0x10, 0xff, 0xff, 0xff, 0xff, 0x01]), Err(Malformed::RemainingLength));
    }

    #[test]
    fn accepts_a_length_longer_than_needed() {
        let header = peek(&[0xc0, 0x80, 0x80, 0x00]).unwrap().unwrap();
        assert_eq!((header.kind, header.remaining_bytes, header.header_bytes), (Kind::PingReq, 0, 4));
    }

    #[test]
    fn refuses_a_fixed_size_packet_of_another_size_at_its_header() {
        assert_eq!(peek(&[0xc0, 0x01]), Err(Malformed::FixedLength));
        assert_eq!(peek(&[0x40, 0xff, 0xff, 0xff, 0x7f]), Err(Malformed::FixedLength));
        assert_eq!(peek(&[0x20, 0x03]), Err(Malformed::FixedLength));
    }

    #[test]
    fn knows_the_longest_packet() {
        assert_eq!(sayable(MQTT_REMAINING_BYTES_MAX), Ok(268_435_455));
        assert_eq!(sayable(MQTT_REMAINING_BYTES_MAX + 1), Err(Misuse::PacketTooLong));
    }
}
