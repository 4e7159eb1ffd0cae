//! One connection.
//!
//! Owns what a connection is for: requests, a session's WebSocket, or one that wants to become it.

use engine::Key;
use transports::{http, ws};

/// The other end of a connection.
#[derive(Debug)]
pub(super) enum Peer {
    /// Requests, one after the other.
    Http {
        /// The protocol's side.
        session: http::Session,
        /// The client whose poll waits for words.
        polls: Option<Key>,
    },
    /// A WebSocket.
    WebSocket {
        /// The protocol's side.
        session: ws::Session,
        /// Whose it is.
        client: Key,
    },
}

impl Peer {
    /// The protocol's side of a WebSocket, and whose it is.
    pub(super) fn websocket(&mut self) -> Option<(&mut ws::Session, Key)> {
        match self {
            Self::WebSocket { session, client } => Some((session, *client)),
            Self::Http { .. } => None,
        }
    }
}
