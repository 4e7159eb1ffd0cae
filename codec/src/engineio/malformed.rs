//! What can be wrong with an Engine.IO packet.
//!
//! It owns the list of rules. It never decides how a peer is told: a session does.

use core::fmt;

/// Why bytes are no Engine.IO packet. The session must be closed: "If the server receives an invalid packet, it must
/// close the session".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Malformed {
    /// A packet has no type ("Packet encoding": "`<packet type>[<data>]`"): nothing stands between two separators, or in
    /// a message.
    Empty,
    /// The type is none of 0 to 6 ("Packet encoding", table of types), nor `b` in a payload.
    Kind,
    /// Text is UTF-8 ("Packet encoding").
    IllFormedUtf8,
    /// A close, upgrade or noop packet carries data, which none of them has ("Packet encoding", table of types).
    Surplus,
    /// What follows `b` is not base64 with its padding (RFC 4648, 4), spelled in the one way there is (3.5).
    Base64,
    /// The data of an open packet is not an object with its members ("Handshake").
    Open,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed Engine.IO packet: {self:?}")
    }
}

impl core::error::Error for Malformed {}
