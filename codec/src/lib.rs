//! The grammar of the wire: bytes in, borrowed views out, and back again.
//!
//! This crate knows how a packet, a value or a request head is *spelled*. Every format offers the same pair:
//! `decode(&[u8]) -> Result<Option<(View<'_>, usize)>, Malformed>`, where `Ok(None)` means "need more bytes" and the
//! `usize` says how many bytes the view took, and an `encode` that appends to a `Vec<u8>`.
//!
//! It never does any of this: allocate while decoding, remember anything between two calls, read a clock, open a
//! socket, start a thread, log, or know what a topic, an event or a path *means*. Rules that need a memory of the
//! conversation (first packet, packet ids in flight, keep alive) belong to the sessions of the crate `transports`.
//!
//! Input is hostile until it is decoded: no function here panics on any bytes, and errors are small `Copy` values.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod cursor;
pub mod engineio;
pub mod http;
pub mod json;
pub mod limits;
pub mod mqtt;
pub mod socketio;
pub mod ws;
