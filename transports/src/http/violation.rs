//! Which rule an HTTP peer broke, and what it is told.
//!
//! Owns the table of rules: name, status code, and the sentence that helps to mend it. A violation ends the
//! conversation: what follows a request that could not be framed may be the attack itself, so nothing after it is
//! read. It never closes a connection, and never repeats a byte of the peer's.

use super::response::{Exchange, Response};
use codec::http::{self, Malformed};
use std::fmt;

/// The peer broke a rule of the conversation: write [`Violation::answer`], flush, close.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The bytes are no request of HTTP/1.1; the variant inside names the clause.
    Malformed(Malformed),
    /// "A server that receives a method longer than any that it implements SHOULD respond with a 501 (Not
    /// Implemented) status code" (RFC 9112, 3).
    MethodTooLong,
    /// "A server that receives a request-target longer than any URI it wishes to parse MUST respond with a 414 (URI
    /// Too Long) status code" (RFC 9112, 3).
    TargetTooLong,
    /// "The 505 (HTTP Version Not Supported) status code indicates that the server does not support, or refuses to
    /// support, the major version of HTTP that was used in the request message" (RFC 9110, 15.6.6). The preface of
    /// HTTP/2 is one of them.
    Version,
    /// "The 431 status code indicates that the server is unwilling to process the request because its header fields
    /// are too large" (RFC 6585, 5): the head is too long.
    HeadTooLarge,
    /// The same: "It can be used both when the set of request header fields in total is too large, and when a single
    /// header field is at fault"; there are too many fields.
    TooManyHeaders,
    /// "A server that receives an Expect field value containing a member other than 100-continue MAY respond with a 417
    /// (Expectation Failed) status code" (RFC 9110, 10.1.1).
    Expectation,
    /// "The 413 (Content Too Large) status code indicates that the server is refusing to process a request because
    /// the request content is larger than the server is willing or able to process" (RFC 9110, 15.5.14).
    BodyTooLarge,
    /// "A server ought to limit the total length of chunk extensions received in a request to an amount reasonable
    /// for the services provided" (RFC 9112, 7.1.1), and that of sizes and trailers with it.
    ChunkOverhead,
    /// "The 408 (Request Timeout) status code indicates that the server did not receive a complete request message
    /// within the time that it was prepared to wait" (RFC 9110, 15.5.9): the head was not whole in time.
    HeadTimeout,
    /// The same of a body: it was not whole in time.
    BodyTimeout,
    /// The same of a body that trickles: it would be whole in time perhaps, but is slower than anybody needs to be.
    BodyTooSlow,
    /// Nothing came, and nothing is answered: "A client, server, or proxy MAY close the transport connection at any
    /// time" (RFC 9112, 9.5).
    Silence,
    /// The reader of a stream talks on: "A client that receives a "close" connection option MUST cease sending
    /// requests on that connection" (RFC 9112, 9.6).
    StreamInput,
}

impl Violation {
    /// The status code of the answer; none when nothing is said.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Malformed(_) => Some(400),
            Self::HeadTimeout | Self::BodyTimeout | Self::BodyTooSlow => Some(408),
            Self::BodyTooLarge | Self::ChunkOverhead => Some(413),
            Self::TargetTooLong => Some(414),
            Self::Expectation => Some(417),
            Self::HeadTooLarge | Self::TooManyHeaders => Some(431),
            Self::MethodTooLong => Some(501),
            Self::Version => Some(505),
            Self::Silence | Self::StreamInput => None,
        }
    }

    /// A stable name for metrics and logs, in snake case.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::MethodTooLong => "method_too_long",
            Self::TargetTooLong => "target_too_long",
            Self::Version => "version",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::Expectation => "expectation",
            Self::BodyTooLarge => "body_too_large",
            Self::ChunkOverhead => "chunk_overhead",
            Self::HeadTimeout => "head_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooSlow => "body_too_slow",
            Self::Silence => "silence",
            Self::StreamInput => "stream_input",
        }
    }

    /// Appends the answer: `application/problem+json` (RFC 9457) with `Connection: close`; nothing where
    /// [`Violation::status`] is none.
    pub fn answer(&self, out: &mut Vec<u8>) {
        let Some(status) = self.status() else { return };
        let body = format!(
            r#"{{"type":"about:blank","title":"{}","status":{status},"detail":"{}","code":"{}","retryable":{}}}"#,
            http::reason(status),
            self.detail(),
            self.name().replace('_', "-"),
            status == 408,
        );
        let content_type = "application/problem+json";
        Response { status, content_type, headers: &[], body: &[body.as_bytes()] }.write(Exchange::LAST, out);
    }

    /// What went wrong, in a sentence that holds no byte of the peer's.
    fn detail(&self) -> &'static str {
        match self {
            Self::Malformed(malformed) => blame(*malformed),
            Self::MethodTooLong => "No method has so long a name.",
            Self::TargetTooLong => "The request target is too long.",
            Self::Version => "This server speaks version 1.1 of HTTP.",
            Self::HeadTooLarge => "The request head is too long.",
            Self::TooManyHeaders => "The request head has too many fields.",
            Self::Expectation => "The only expectation this server can meet is 100-continue.",
            Self::BodyTooLarge => "The request body is longer than this server accepts.",
            Self::ChunkOverhead => "The chunks of the request body have too much around their content.",
            Self::HeadTimeout => "The request head did not arrive in time.",
            Self::BodyTimeout => "The request body did not arrive in time.",
            Self::BodyTooSlow => "The request body arrives too slowly.",
            Self::Silence | Self::StreamInput => "",
        }
    }
}

impl From<Malformed> for Violation {
    /// What has a status code of its own is a rule of its own; everything else is a bad request.
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::MethodTooLong => Self::MethodTooLong,
            Malformed::TargetTooLong => Self::TargetTooLong,
            Malformed::Version | Malformed::Http2Preface => Self::Version,
            Malformed::HeadTooLarge => Self::HeadTooLarge,
            Malformed::TooManyHeaders => Self::TooManyHeaders,
            Malformed::Expectation => Self::Expectation,
            Malformed::BodyTooLarge => Self::BodyTooLarge,
            Malformed::ChunkOverhead => Self::ChunkOverhead,
            broken => Self::Malformed(broken),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => malformed.fmt(f),
            rule => f.write_str(rule.name()),
        }
    }
}

impl std::error::Error for Violation {}

/// Which part of a malformed request is wrong.
fn blame(malformed: Malformed) -> &'static str {
    match malformed {
        Malformed::RequestLine | Malformed::Target => "The request line is malformed.",
        Malformed::HostMissing | Malformed::HostRepeated | Malformed::Host => {
            "A request has exactly one Host field, and it names a host."
        }
        Malformed::ContentLength
        | Malformed::ContentLengthRepeated
        | Malformed::ContentLengthOverflow
        | Malformed::TransferEncoding
        | Malformed::LengthAndEncoding => {
            "The length of a request is either one Content-Length, a number, or one Transfer-Encoding, chunked."
        }
        Malformed::ChunkSize
        | Malformed::ChunkSizeOverflow
        | Malformed::ChunkExtension
        | Malformed::ChunkEnd
        | Malformed::Trailer
        | Malformed::ChunkLineTooLong => "The chunks of the request body are malformed.",
        _ => "The request head is malformed.",
    }
}
