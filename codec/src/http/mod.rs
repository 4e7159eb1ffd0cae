//! HTTP/1.1 (RFC 9110, RFC 9112): heads of requests and responses, the framing of bodies, and the text of targets.
//!
//! Lines are split by the `httparse` crate; what they mean for the framing of a message is decided here, strictly: a
//! head that two readers could understand differently is no head. So Content-Length with Transfer-Encoding, two lengths,
//! a space before a colon, folded lines, a line feed without its carriage return and all their kin are refused by
//! name, because each of them has smuggled a request past some server.
//!
//! It never reads a body that nobody bounded, never allocates while decoding, never keeps a byte, knows no route and
//! writes no status code of its own accord; which answer a [`Malformed`] gets is the session's to say.
//!
//! ```
//! use codec::http::{self, Framing, Method};
//!
//! let bytes = b"POST /v1/x?a=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}";
//! let (head, head_bytes) = http::decode(bytes)?.expect("the head is whole");
//! assert_eq!((head.method, head.path, head.query), (Method::Post, "/v1/x", Some("a=1")));
//! assert_eq!((head.framing, &bytes[head_bytes..]), (Framing::Length(2), &b"{}"[..]));
//! # Ok::<(), http::Malformed>(())
//! ```

mod blame;
mod chunked;
mod encode;
mod framing;
mod head;
mod headers;
mod malformed;
mod response;
mod target;

pub use chunked::{Chunked, join_chunks};
pub use encode::{encode_request, encode_response, reason};
pub use framing::Framing;
pub use head::{Head, Method, Version, check_beginning, decode, decode_head, head_end};
pub use headers::Headers;
pub use malformed::Malformed;
pub use response::{ResponseBody, ResponseHead, decode_response};
pub use target::{percent_decode, percent_encode, query_decode, query_pairs};
