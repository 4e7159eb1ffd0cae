//! One packet in text ("Packet encoding").
//!
//! It owns the seven types and their digits. It never knows who may send which.

use super::{Base64, Malformed};

/// A packet, borrowed from its message or payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// `0`: the server begins the session; the data is a JSON object.
    Open(&'a str),
    /// `1`: the session ends.
    Close,
    /// `2`: are you there? The data (`probe`, or nothing) comes back in the pong.
    Ping(&'a str),
    /// `3`: I am.
    Pong(&'a str),
    /// `4`: a message of the layer above.
    Message(&'a str),
    /// `5`: the session has its new transport from here on.
    Upgrade,
    /// `6`: nothing; it ends a poll.
    Noop,
    /// `b`, in a payload only: a binary message. Over WebSocket a binary message has no type.
    Binary(Base64<'a>),
}

/// Reads the packet that a text message of a WebSocket is.
///
/// # Errors
///
/// [`Malformed::Empty`], [`Malformed::Kind`] (a `b` too, which has no place here), [`Malformed::IllFormedUtf8`],
/// [`Malformed::Surplus`].
///
/// # Example
///
/// ```
/// use codec::engineio::{Malformed, Packet, decode};
///
/// assert_eq!(decode(b"2probe"), Ok(Packet::Ping("probe")));
/// assert_eq!(decode(b"bAQIDBA=="), Err(Malformed::Kind));
/// ```
pub fn decode(message: &[u8]) -> Result<Packet<'_>, Malformed> {
    decode_text(core::str::from_utf8(message).map_err(|_| Malformed::IllFormedUtf8)?)
}

/// The same for text.
pub(super) fn decode_text(text: &str) -> Result<Packet<'_>, Malformed> {
    let mut characters = text.chars();
    let kind = characters.next().ok_or(Malformed::Empty)?;
    let data = characters.as_str();
    let bare = |packet| if data.is_empty() { Ok(packet) } else { Err(Malformed::Surplus) };
    match kind {
        '0' => Ok(Packet::Open(data)),
        '1' => bare(Packet::Close),
        '2' => Ok(Packet::Ping(data)),
        '3' => Ok(Packet::Pong(data)),
        '4' => Ok(Packet::Message(data)),
        '5' => bare(Packet::Upgrade),
        '6' => bare(Packet::Noop),
        _ => Err(Malformed::Kind),
    }
}

impl Packet<'_> {
    /// Appends the packet, as it stands in a payload and, unless it is binary, in a text message.
    ///
    /// ```
    /// let mut out = Vec::new();
    /// codec::engineio::Packet::Pong("probe").encode(&mut out);
    /// assert_eq!(out, b"3probe");
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (kind, data) = match self {
            Packet::Open(data) => (b'0', *data),
            Packet::Close => (b'1', ""),
            Packet::Ping(data) => (b'2', *data),
            Packet::Pong(data) => (b'3', *data),
            Packet::Message(data) => (b'4', *data),
            Packet::Upgrade => (b'5', ""),
            Packet::Noop => (b'6', ""),
            Packet::Binary(base64) => (b'b', base64.as_str()),
        };
        out.push(kind);
        out.extend_from_slice(data.as_bytes());
    }
}
