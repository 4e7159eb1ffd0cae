//! The MQTT session from outside: bytes and moments in, events and bytes out.
//!
//! Owns the proof that every rule holds. It never looks into the session; what the session writes is read back with
//! the codec, as a client would.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod conversations;
mod kit;
mod models;
mod resumption;
mod rules_after_login;
mod rules_before_login;
