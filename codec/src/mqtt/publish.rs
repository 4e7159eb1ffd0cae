//! PUBLISH: an application message (3.3).
//!
//! It owns the flags, topic name, packet identifier and payload of one message, and the way to write a message from
//! parts without assembling it first. It never looks into a payload.
//!
//! ```text
//! | 0011 DUP QoS QoS RETAIN | remaining length | topic name | packet id (QoS > 0) | payload to the end |
//! ```

use core::fmt;

use super::{Malformed, Misuse, PacketId, QoS, header, text};
use crate::cursor::Cursor;

/// A received message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Topic name: not empty, no wildcard, no control character, at most 65 535 bytes.
    pub topic: &'a str,
    /// The application message; may be empty.
    pub payload: &'a [u8],
    /// Quality of service.
    pub qos: QoS,
    /// The sender may have sent this before; never set at QoS 0.
    pub dup: bool,
    /// The sender asks to keep the message for later subscribers.
    pub retain: bool,
    /// Present exactly when `qos` is not [`QoS::AtMostOnce`].
    pub id: Option<PacketId>,
}

/// All of a message to be sent but its topic and payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublishHead {
    /// Quality of service.
    pub qos: QoS,
    /// This is another attempt [MQTT-3.3.1-1]; never at QoS 0.
    pub dup: bool,
    /// The message is a retained one [MQTT-3.3.1-8].
    pub retain: bool,
    /// Present exactly when `qos` is not [`QoS::AtMostOnce`].
    pub id: Option<PacketId>,
}

impl PublishHead {
    /// The first byte of the packet.
    #[inline]
    fn first_byte(self) -> Result<u8, Misuse> {
        let acknowledged = self.qos != QoS::AtMostOnce;
        if self.id.is_some() != acknowledged || (self.dup && !acknowledged) {
            return Err(Misuse::Delivery);
        }
        Ok(0x30 | u8::from(self.dup) << 3 | self.qos.number() << 1 | u8::from(self.retain))
    }
}

impl<'a> Publish<'a> {
    /// Reads what stands behind the fixed header; `flags` were checked there.
    #[inline]
    pub(super) fn decode(flags: u8, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let qos = QoS::new(flags >> 1 & 0b11).ok_or(Malformed::PublishQos)?;
        let topic = text::topic_name(&mut cursor)?;
        let id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(PacketId::decode(&mut cursor)?),
        };
        let (dup, retain) = (flags & 0b1000 != 0, flags & 0b0001 != 0);
        Ok(Self { topic, payload: cursor.rest(), qos, dup, retain, id })
    }

    /// Appends the message.
    ///
    /// # Errors
    ///
    /// Those of [`encode_publish`].
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Misuse> {
        encode_publish(out, self.head(), &[self.topic], &[self.payload])
    }

    /// All of it but topic and payload.
    pub fn head(&self) -> PublishHead {
        PublishHead { qos: self.qos, dup: self.dup, retain: self.retain, id: self.id }
    }
}

impl fmt::Debug for Publish<'_> {
    /// Shows how long the payload is, not what it says: devices send their keys in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("dup", &self.dup)
            .field("retain", &self.retain)
            .field("id", &self.id)
            .finish()
    }
}

/// Appends a message whose topic and payload are the given parts, one after the other.
///
/// The joined topic must be a valid topic name; it is the caller's own text, so this is only asserted in debug builds.
///
/// # Errors
///
/// [`Misuse`] when `head` contradicts itself or the topic or the packet is too long; nothing was appended.
///
/// # Example
///
/// ```
/// use codec::mqtt::{PublishHead, QoS, encode_publish};
///
/// let mut out = Vec::new();
/// let head = PublishHead { qos: QoS::AtMostOnce, dup: false, retain: false, id: None };
/// encode_publish(&mut out, head, &["lamps/", "7"], &[b"{\"on\":", b"true}"]).unwrap();
/// assert_eq!(out, b"\x30\x14\x00\x07lamps/7{\"on\":true}");
/// ```
#[inline]
pub fn encode_publish(
    out: &mut Vec<u8>,
    head: PublishHead,
    topic_parts: &[&str],
    payload_parts: &[&[u8]],
) -> Result<(), Misuse> {
    debug_assert!(text::is_topic_name(topic_parts), "no topic name: {topic_parts:?}");
    let topic_bytes = topic_parts.iter().map(|part| part.len()).sum();
    let payload_bytes: usize = payload_parts.iter().map(|part| part.len()).sum();
    let id_bytes = if head.id.is_some() { 2 } else { 0 };
    let remaining_bytes = header::sayable(text::field_bytes(topic_bytes)? + id_bytes + payload_bytes)?;
    header::write(out, head.first_byte()?, remaining_bytes);
    out.reserve(remaining_bytes);
    text::write_length(out, topic_bytes);
    for part in topic_parts {
        out.extend_from_slice(part.as_bytes());
    }
    if let Some(id) = head.id {
        out.extend_from_slice(&id.to_wire());
    }
    for part in payload_parts {
        out.extend_from_slice(part);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_MOST_ONCE: PublishHead =
        PublishHead { qos: QoS::AtMostOnce, dup: false, retain: false, id: None };

    #[test]
    fn refuses_to_write_what_contradicts_itself() {
        let id = PacketId::new(1);
        for head in [
            PublishHead { id, ..AT_MOST_ONCE },
            PublishHead { dup: true, ..AT_MOST_ONCE },
            PublishHead { qos: QoS::AtLeastOnce, ..AT_MOST_ONCE },
            PublishHead { qos: QoS::ExactlyOnce, dup: true, ..AT_MOST_ONCE },
        ] {
            let mut out = Vec::new();
            assert_eq!(encode_publish(&mut out, head, &["a"], &[]), Err(Misuse::Delivery));
            assert!(out.is_empty());
        }
    }

    #[test]
    fn refuses_a_topic_whose_length_would_be_cut() {
        let part = "a".repeat(40_000);
        let mut out = Vec::new();
        let answer = encode_publish(&mut out, AT_MOST_ONCE, &[&part, &part], &[]);
        assert_eq!((answer, out.len()), (Err(Misuse::FieldTooLong), 0));
    }

    #[test]
    fn debug_output_keeps_the_payload_to_itself() {
        let publish = Publish::decode(0, b"\x00\x01asecret").unwrap();
        let shown = format!("{publish:?}");
        assert!(!shown.contains("secret") && shown.contains("payload_bytes: 6"), "{shown}");
    }
}
