//! WebSocket from outside: bytes and moments in, events and bytes out.
//!
//! Owns the proof that every rule holds. It never looks into a session; what is written is read back with the codec, as a
//! client would.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod differential;
mod handshake;
mod kit;
mod messages;
mod rules;
mod streams;
