//! Conversations, sans I/O: one session per protocol, fed with received bytes and a moment, answering with events
//! and with bytes appended to a buffer.
//!
//! This crate owns the *rules of a conversation*: who may say what and when, what must be answered, in which order,
//! how long silence may last. It never opens, reads or closes a socket, never reads a clock, never rolls dice, never
//! logs, and knows neither devices nor agents: those who do are its tenants. Grammar, the shape of a single packet or
//! frame, is `codec`'s.
//!
//! ```text
//!   received bytes --> Input --> Session::next --> Event<'b>, or Violation
//!                                Session::<order> --> bytes appended to `out`
//!   a moment       ------------> Session::handle_timeout      Session::next_timeout --> a moment
//! ```
//!
//! A session has four kinds of methods and no other: `next` pulls one event out of the received bytes; *orders*
//! (publish, acknowledge, respond) say something to the peer; `handle_timeout` tells that time has passed;
//! `next_timeout` says when that will matter. An event borrows from the received bytes, not from the session, so
//! the session can be given orders while its event is being handled.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

pub mod engineio;
pub mod http;
pub mod input;
pub mod mqtt;
#[cfg(planted)]
pub mod planted;
pub mod socketio;
pub mod sse;
pub mod ws;
