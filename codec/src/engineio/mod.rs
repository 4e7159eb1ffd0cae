//! Engine.IO 4: packets, and the payloads of HTTP long-polling.
//!
//! Over WebSocket a text message is one packet and a binary message is one binary message packet, without a type. Over HTTP
//! a body is a payload: packets in text, separated by [`ENGINEIO_SEPARATOR`](crate::limits::ENGINEIO_SEPARATOR), binary
//! ones in base64.
//!
//! ```text
//!   WebSocket:  |4hello|          |01 02 03 04|           HTTP:  4hello \x1e bAQIDBA== \x1e 2
//!                 type   data       no type                       packet      binary        packet
//! ```
//!
//! It never allocates while decoding, never remembers (which packet may come when, and how long a session may be silent,
//! are the session's rules), and does not look into a message.
//!
//! ```
//! use codec::engineio::{self, Packet};
//!
//! let packets: Vec<_> = engineio::payload(b"4hello\x1e2")?.collect::<Result<_, _>>()?;
//! assert_eq!(packets, [Packet::Message("hello"), Packet::Ping("")]);
//! # Ok::<(), engineio::Malformed>(())
//! ```

mod base64;
mod malformed;
mod open;
mod packet;
mod payload;

pub use base64::{Base64, encode_base64};
pub use malformed::Malformed;
pub use open::{Open, decode_open};
pub use packet::{Packet, decode};
pub use payload::{Payload, payload};
