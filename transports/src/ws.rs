//! WebSocket (RFC 6455): the server's side of one connection.
//!
//! Owns the rules that need a memory of the conversation: who masks, which frame may follow which, how much may be
//! promised, how a connection ends. It never negotiates an extension, never compresses, never fragments what it says,
//! never pings by itself, and keeps no byte: what is not whole stays in the input.
//!
//! # Two ways of use
//!
//! ```text
//!   [`Stream`]   frames are a byte stream, for MQTT       payload is handed on as it comes, frames are forgotten
//!   [`Session`]  frames are messages, for Engine.IO       whole messages, text that was checked as it came
//! ```
//!
//! Both read through one mechanism, which joins payload where it lies. The received bytes always look like this:
//!
//! ```text
//!   |  plain: unmasked payload, joined  |  gap: headers that were read  |  raw: frames as they came  |
//! ```
//!
//! A payload is unmasked in place; where a header or a control frame stood between two pieces, the second moves to the
//! first, and the gap grows. A message in one frame never moves. When the gap has grown large (see `joint`), the plain
//! bytes move to it once, so that fragments cost a bounded number of moves for each byte received, and a connection
//! never holds much more than its payload.
//!
//! # The handshake
//!
//! [`Handshake::check`] judges a request of the HTTP session; [`Handshake::accept`] writes the 101. From there on the
//! bytes belong to a [`Stream`] or a [`Session`].
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//! use transports::{http, input::Input, ws::{Event, Handshake, Limits, Session}};
//!
//! let now = Instant::now();
//! let mut bytes = *b"GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
//!     \x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
//! let (mut input, mut out) = (Input::new(&mut bytes), Vec::new());
//! let mut http = http::Session::new(Arc::new(http::Limits::default()), now);
//! let Ok(Some(http::Event::Request(request))) = http.next(&mut input, &mut out, now) else { panic!("it is whole") };
//! Handshake::check(&request).unwrap().accept(None, &mut out);
//! assert!(out.ends_with(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
//!
//! out.clear();
//! let mut session = Session::new(Arc::new(Limits::default()));
//! let Ok(Some(Event::Text(text))) = session.next(&mut input, &mut out, now) else { panic!("a message came") };
//! session.send_text(&[b"You said ", text.as_bytes()], &mut out);
//! assert_eq!(out, b"\x81\x0eYou said Hello");
//! ```

mod handshake;
mod joint;
mod limits;
mod session;
mod stream;
mod violation;

pub use codec::ws::{CloseCode, Malformed};
pub use handshake::{Handshake, Refusal};
pub use limits::Limits;
pub use session::{Event, Session};
pub use stream::{End, Stream};
pub use violation::Violation;
