//! HTTP/1.1 (RFC 9110, RFC 9112): the server's side of one connection.
//!
//! Owns the rules that need a memory of the conversation: one request after the other, whole, and its answer; how many
//! bytes may wait and how long they may take; what a peer is told that breaks a rule. It never routes, never knows a
//! key or the meaning of a path, never decompresses, offers no HTTP/2, and keeps no byte: what is not whole stays in
//! the input.
//!
//! # The conversation
//!
//! ```text
//!   peer                       session                        tenant
//!     | head, body ------------->| Event::Request ------------->|
//!     | next request ----------->|  waits in the input          |
//!     |<----------------- answer |<------------------ respond() |   After::KeepAlive: offer the input again
//!     |                          | Event::Request ------------->|
//!     |<------- head without end |<------------- begin_stream() |   the tenant appends, see `sse`
//!     |                          |                              |
//!     | head of a large body --->| Event::Promised ------------>|   nothing is kept of the body yet
//!     |<----------- 100 Continue |<-------------------- admit() |   if the peer waits for that
//!     | body ------------------->| Event::Request ------------->|
//! ```
//!
//! The states are drawn in `session`. A broken rule is a [`Violation`], which names the clause and knows its answer;
//! nothing behind it is read, for it may be what the peer wants to be taken for a second request.
//!
//! # What the tenant must do
//!
//! - Call [`Session::next`] until it answers `Ok(None)`, and offer the rest again with more bytes behind it. A carry of
//!   [`Limits::request_bytes_max`] never overflows before the session has refused.
//! - Stop reading from the peer from [`Event::Request`] or [`Event::Promised`] until it has given an order, then offer
//!   the rest again.
//! - Call [`Session::handle_timeout`] when [`Session::next_timeout`] has come; it moves with bytes and with orders.
//! - On a [`Violation`]: write [`Violation::answer`], flush, close. On [`After::Close`]: flush, close.
//!
//! # Example
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//! use transports::{http::{After, Event, Limits, Method, Response, Session}, input::Input};
//!
//! let now = Instant::now();
//! let mut session = Session::new(Arc::new(Limits::default()), now);
//! let mut received = *b"POST /v1/x?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n";
//! let mut input = Input::new(&mut received);
//! let mut out = Vec::new();
//!
//! let Ok(Some(Event::Request(request))) = session.next(&mut input, &mut out, now) else { panic!("it is whole") };
//! assert_eq!((request.method, request.path, request.query), (Method::Post, "/v1/x", Some("a=1")));
//! assert_eq!(session.next(&mut input, &mut out, now), Ok(None)); // first the answer
//!
//! let body: [&[u8]; 3] = [b"{\"echo\":", request.body, b"}"];
//! let answer = Response { status: 200, content_type: "application/json", headers: &[], body: &body };
//! assert_eq!(session.respond(answer, &mut out, now), After::KeepAlive);
//! assert_eq!(out, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"echo\":{}}");
//!
//! assert_eq!(session.next(&mut input, &mut out, now), Ok(None)); // half a head
//! assert_eq!(input.len(), 16);                                   // stays where it is
//! assert!(session.next_timeout().is_some());                     // and has ten seconds to become whole
//! ```

mod body;
mod limits;
mod request;
mod response;
mod session;
mod violation;

pub use codec::http::{
    Headers, Malformed, Method, Version, percent_decode, percent_encode, query_decode, query_pairs,
};
pub use limits::Limits;
pub use request::{Kept, Request};
pub use response::{After, Response};
pub use session::{Event, Session};
pub use violation::Violation;
