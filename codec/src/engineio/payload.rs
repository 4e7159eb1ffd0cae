//! The payload of a long-polling request or answer: packets and their separators.
//!
//! It owns where a packet ends in a body. How many packets a body may hold follows from how long it may be, which is a
//! session's limit.

use super::packet::decode_text;
use super::{Base64, Malformed, Packet};
use crate::limits::ENGINEIO_SEPARATOR;

/// The packets of a payload, in order; made by [`payload`]. Each is decoded when it is asked for, and the first that is
/// malformed is the last.
#[derive(Clone, Debug)]
pub struct Payload<'a> {
    /// What is left; `None` behind the last packet.
    rest: Option<&'a str>,
}

/// Reads a body. Its text is checked as a whole, its packets one by one.
///
/// # Errors
///
/// [`Malformed::IllFormedUtf8`] here; what can be wrong with a packet, [`Malformed::Empty`] and [`Malformed::Base64`]
/// from the iterator. An empty body has one packet, which has no type.
///
/// # Example
///
/// ```
/// use codec::engineio::{Packet, payload};
///
/// let mut packets = payload(b"4a\x1ebAQIDBA==")?;
/// assert_eq!(packets.next(), Some(Ok(Packet::Message("a"))));
/// let Some(Ok(Packet::Binary(binary))) = packets.next() else { panic!("a binary packet follows") };
/// let mut bytes = Vec::new();
/// binary.decode(&mut bytes);
/// assert_eq!(bytes, [1, 2, 3, 4]);
/// assert_eq!(packets.next(), None);
/// # Ok::<(), codec::engineio::Malformed>(())
/// ```
pub fn payload(body: &[u8]) -> Result<Payload<'_>, Malformed> {
    let text = core::str::from_utf8(body).map_err(|_| Malformed::IllFormedUtf8)?;
    Ok(Payload::of(text))
}

impl<'a> Payload<'a> {
    /// The packets of a body, or of what [`Payload::rest`] left of one.
    pub fn of(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }

    /// What stands behind the packets that were asked for: nothing behind the last, or behind a malformed one.
    pub fn rest(&self) -> Option<&'a str> {
        self.rest
    }
}

impl<'a> Iterator for Payload<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let (packet, behind) = match memchr::memchr(ENGINEIO_SEPARATOR, rest.as_bytes()) {
            // The separator is ASCII, so there is a character's boundary on either side.
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
            None => (rest, None),
        };
        let decoded = match packet.strip_prefix('b') {
            Some(base64) => Base64::new(base64).map(Packet::Binary),
            None => decode_text(packet),
        };
        if decoded.is_ok() {
            self.rest = behind;
        }
        Some(decoded)
    }
}
