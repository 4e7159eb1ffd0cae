//! What a client said, as far as its tenant has to know.
//!
//! Owns the list of events. It never holds bytes of its own: everything is borrowed from the received ones.

use codec::engineio::Base64;
use std::fmt;

/// What a client said; it borrows from the received bytes (`'b`), not from the session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event<'b> {
    /// A message in text.
    Text(&'b str),
    /// A binary message.
    Binary(Binary<'b>),
    /// The session has its WebSocket: what waited is in the output, and polls are refused from now on.
    Upgraded,
    /// The client ended the session.
    Closed,
}

/// A binary message as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Binary<'b> {
    /// Over a WebSocket.
    Raw(&'b [u8]),
    /// Over polling.
    Spelled(Base64<'b>),
}

impl Binary<'_> {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Spelled(base64) => base64.decoded_bytes(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends its bytes.
    pub fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Raw(raw) => bytes.extend_from_slice(raw),
            Self::Spelled(base64) => base64.decode(bytes),
        }
    }
}

impl fmt::Debug for Event<'_> {
    /// Shows how long a message is, not what it says: devices send their keys in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(binary) => write!(f, "Binary({} bytes)", binary.len()),
            Self::Upgraded => f.write_str("Upgraded"),
            Self::Closed => f.write_str("Closed"),
        }
    }
}
