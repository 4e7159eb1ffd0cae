//! What can be wrong with a Socket.IO packet.
//!
//! It owns the list of rules. It never decides how a peer is told: a session does. Headings are those of the protocol's
//! page, revision 5.

use crate::json;
use core::fmt;

/// Why bytes are no Socket.IO packet: "an invalid packet [...] the connection is closed".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Malformed {
    /// The message is empty: it has not even a type ("Packet encoding, Format").
    Empty,
    /// The type is none of 0 to 6 ("Packet encoding, Available packet types").
    Kind,
    /// Text is UTF-8 ("Packet encoding").
    IllFormedUtf8,
    /// The number of attachments of a BINARY_EVENT or BINARY_ACK is no number from 1 on, followed by `-` ("Packet encoding, Format").
    Attachments,
    /// More attachments than `SOCKETIO_ATTACHMENTS_MAX`.
    TooManyAttachments,
    /// A namespace longer than `SOCKETIO_NAMESPACE_BYTES_MAX`.
    NamespaceTooLong,
    /// An acknowledgement id with a leading zero, or larger than `SOCKETIO_ACK_ID_MAX`.
    Id,
    /// An ACK or BINARY_ACK says not what it acknowledges ("Acknowledgement").
    IdMissing,
    /// The payload is no JSON.
    Json(json::Malformed),
    /// An EVENT, ACK or CONNECT_ERROR, or a binary one, without a payload ("Sending and receiving data": "must contain a
    /// payload").
    PayloadMissing,
    /// A DISCONNECT with a payload ("Disconnection from a namespace").
    PayloadSurplus,
    /// The payload is of another kind: it is an object for CONNECT, an object or a string for CONNECT_ERROR, an array for
    /// EVENT and ACK ("Packet encoding, Format").
    PayloadKind,
    /// The payload of an EVENT does not begin with the event's name, which is a string ("Sending and receiving data").
    EventName,
    /// The name of an event that each side makes up for itself: `connect`, `connect_error`, `disconnect`,
    /// `disconnecting`, `newListener`, `removeListener` (reserved by both reference implementations).
    ReservedName,
    /// A placeholder without the number of an attachment that the packet has ("Packet encoding, Examples").
    Placeholder,
}

impl From<json::Malformed> for Malformed {
    fn from(malformed: json::Malformed) -> Self {
        Self::Json(malformed)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed Socket.IO packet: {self:?}")
    }
}

impl core::error::Error for Malformed {}
