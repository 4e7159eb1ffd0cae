//! What can be wrong with the bytes of a WebSocket frame, or of the key in a handshake.
//!
//! It owns the list of rules, one variant each with its clause; all clauses are of RFC 6455. It never decides which
//! close code a peer is told, nor when a connection ends: that belongs to a session.

use core::fmt;

/// Why bytes are no WebSocket frame. The connection must be failed (7.1.7): where the next frame would begin is not
/// known, or not to be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Malformed {
    /// "If a nonzero value is received and none of the negotiated extensions defines the meaning of such a nonzero
    /// value, the receiving endpoint MUST _Fail the WebSocket Connection_" (5.2): one of RSV1, RSV2, RSV3 is set, and
    /// no extension is ever negotiated here.
    ReservedBits,
    /// "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_" (5.2): 3 to 7
    /// or 11 to 15.
    ReservedOpcode,
    /// "All control frames [...] MUST NOT be fragmented" (5.5): FIN is clear.
    ControlFragmented,
    /// "All control frames MUST have a payload length of 125 bytes or less" (5.5).
    ControlTooLong,
    /// "In all cases, the minimal number of bytes MUST be used to encode the length" (5.2).
    LengthNotMinimal,
    /// "The following 8 bytes interpreted as a 64-bit unsigned integer (the most significant bit MUST be 0) are the
    /// payload length" (5.2).
    LengthTopBit,
    /// "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer [...] representing a
    /// status code" (5.5.1): the body of a close frame is one byte.
    CloseBody,
    /// A status code that no endpoint may send: "reserved values MUST NOT be set as a status code in a Close control
    /// frame by an endpoint" (7.4.1, for 1004, 1005, 1006 and 1015), "status codes in the range 0-999 are not used", or
    /// one of 1016 to 2999, which nothing has defined, or beyond 4999 (7.4.2).
    CloseCode,
    /// "Following the 2-byte integer, the body MAY contain UTF-8-encoded data with value /reason/" (5.5.1): it is
    /// something else.
    CloseReason,
    /// "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact, a
    /// valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_" (8.1).
    IllFormedText,
    /// "A |Sec-WebSocket-Key| header field with a base64-encoded [...] value that, when decoded, is 16 bytes in length"
    /// (4.2.1, 5): it is not.
    Key,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed WebSocket frame: {self:?}")
    }
}

impl core::error::Error for Malformed {}
