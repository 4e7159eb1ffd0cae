//! HTTP/1.1 (RFC 9110, RFC 9112): the server's side of one connection.
//!
//! Owns the conversation: one request after the other, whole, and its answer; what may be kept and how long it may
//! take; what a peer is told that breaks a rule. It never routes, never knows a key, a path or a media type, never opens a body
//! that was not asked for, and keeps no byte: what is not whole stays in the input.

mod body;
mod limits;
mod request;
mod response;
mod session;
mod violation;

pub use codec::http::{Headers, Malformed, Method, percent_decode, query_decode, query_pairs};
pub use limits::Limits;
pub use request::Request;
pub use response::{After, Response};
pub use session::{Event, Session};
pub use violation::Violation;
