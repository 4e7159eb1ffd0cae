//! WebSocket (RFC 6455): frame headers, masking, close bodies, text that comes in pieces, and the key of a handshake.
//!
//! A frame is never held here as a whole: its header is decoded from the first bytes, and its payload is unmasked where
//! it lies, as much of it as has come, however large the frame will be. So nothing is copied, and nothing waits.
//!
//! It never allocates while decoding, never remembers a message (which frame may follow which is the session's rule),
//! never negotiates an extension, and writes no masked frame but for clients and tests. The names of opcodes and of close
//! codes are those of the `tungstenite` crate, whose parser is not used: it lets pass what a server must refuse.
//!
//! ```
//! use codec::ws::{self, Data, OpCode};
//!
//! // 5.7: "A single-frame masked text message"
//! let mut bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! let (header, header_bytes) = ws::decode(&bytes)?.expect("the header is whole");
//! assert_eq!((header.fin, header.opcode, header.payload_bytes), (true, OpCode::Data(Data::Text), 5));
//! let payload = &mut bytes[header_bytes..];
//! ws::apply_mask(payload, header.key.expect("a client masks"), 0);
//! assert_eq!(payload, b"Hello");
//! # Ok::<(), ws::Malformed>(())
//! ```

mod accept;
mod close;
mod encode;
mod header;
mod malformed;
mod mask;
mod text;

pub use accept::accept_key;
pub use close::{Close, decode_close, encode_close};
pub use encode::{encode_frame, encode_masked, wrap};
pub use header::{FrameHeader, decode};
pub use malformed::Malformed;
pub use mask::apply_mask;
pub use text::check_text;
pub use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
