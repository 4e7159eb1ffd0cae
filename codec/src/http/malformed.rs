//! What can be wrong with the bytes of an HTTP message.
//!
//! It owns the list of rules, one variant each with its clause. It never decides which status code an answer carries.

use core::fmt;

/// Why bytes are no HTTP/1.1 message that we read. The connection must be closed after the answer: where the next
/// message would begin is not known, or not to be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// The first line is not `method SP request-target SP HTTP-version` (RFC 9112, 3).
    RequestLine,
    /// The method is longer than `HTTP_METHOD_BYTES_MAX` (RFC 9112, 3: "A server that receives a method longer than any
    /// that it implements SHOULD respond with a 501 (Not Implemented) status code").
    MethodTooLong,
    /// The target is neither a path, nor an absolute `http` URI, nor the `*` of OPTIONS, or holds a character that no URI
    /// has (RFC 9112, 3.2).
    Target,
    /// "A server that receives a request-target longer than any URI it wishes to parse MUST respond with a 414 (URI
    /// Too Long) status code" (RFC 9112, 3): longer than `HTTP_TARGET_BYTES_MAX`.
    TargetTooLong,
    /// A version other than HTTP/1.0 and HTTP/1.1 (RFC 9110, 15.6.6).
    Version,
    /// The connection preface of HTTP/2 (RFC 9113, 3.4), which is not spoken here.
    Http2Preface,
    /// The first line of a response is not `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112, 4).
    StatusLine,
    /// A head longer than `HTTP_HEAD_BYTES_MAX` (RFC 6585, 5).
    HeadTooLarge,
    /// More header fields than `HTTP_HEADERS_MAX` (RFC 6585, 5).
    TooManyHeaders,
    /// A line that ends in LF alone. "A recipient MAY recognize a single LF as a line terminator" (RFC 9112, 2.2): we do
    /// not, for others do not.
    BareLineFeed,
    /// "A sender MUST NOT generate a bare CR (a CR character not immediately followed by LF) within any protocol
    /// elements other than the content" (RFC 9112, 2.2).
    BareCarriageReturn,
    /// A field name that is no token, or a line without a colon (RFC 9112, 5).
    HeaderName,
    /// "No whitespace is allowed between the field name and colon. [...] A server MUST reject, with a response status
    /// code of 400 (Bad Request), any received request message that contains whitespace between a header field name and
    /// colon" (RFC 9112, 5.1).
    SpaceBeforeColon,
    /// "A server that receives an obs-fold in a request message [...] MUST either reject the message by sending a 400
    /// (Bad Request) [...] or replace each received obs-fold with one or more SP octets" (RFC 9112, 5.2).
    FoldedLine,
    /// A control character in a field value (RFC 9110, 5.5).
    HeaderValue,
    /// "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host
    /// header field" (RFC 9112, 3.2).
    HostMissing,
    /// The same sentence: "and to any request message that contains more than one Host header field line".
    HostRepeated,
    /// The same sentence: "or a Host header field with an invalid field value".
    Host,
    /// A Content-Length that is not digits and nothing else (RFC 9112, 6.3, 5: "the message framing is invalid").
    ContentLength,
    /// More than one Content-Length, equal or not (RFC 9112, 6.3, 5; a list of equal values MAY be rejected).
    ContentLengthRepeated,
    /// A Content-Length that no integer of 64 bits holds (RFC 9110, 8.6: "a recipient MUST anticipate potentially large
    /// decimal numerals").
    ContentLengthOverflow,
    /// A transfer coding other than exactly one `chunked`, or any in a request of HTTP/1.0 (RFC 9112, 6.1).
    TransferEncoding,
    /// Transfer-Encoding and Content-Length in one message. "Such a message might indicate an attempt to perform request
    /// smuggling or response splitting and ought to be handled as an error" (RFC 9112, 6.3, 3).
    LengthAndEncoding,
    /// "A server that receives an Expect field value containing a member other than 100-continue MAY respond with a
    /// 417 (Expectation Failed) status code" (RFC 9110, 10.1.1).
    Expectation,
    /// The size of a chunk is not one hexadecimal digit or more (RFC 9112, 7.1).
    ChunkSize,
    /// The size of a chunk does not fit. "Recipients MUST anticipate potentially large hexadecimal numerals and prevent
    /// parsing errors due to integer conversion overflows" (RFC 9112, 7.1).
    ChunkSizeOverflow,
    /// What follows the size of a chunk is no chunk extension (RFC 9112, 7.1.1).
    ChunkExtension,
    /// The content of a chunk is not followed by CRLF (RFC 9112, 7.1).
    ChunkEnd,
    /// A line of a trailer section is no field line (RFC 9112, 7.1.2).
    Trailer,
    /// A line that is not content is longer than `HTTP_CHUNK_LINE_BYTES_MAX` (RFC 9112, 7.1.1).
    ChunkLineTooLong,
    /// All that is not content is more than `HTTP_CHUNK_OVERHEAD_BYTES_MAX` (RFC 9112, 7.1.1).
    ChunkOverhead,
    /// The chunks promise more content than the caller takes (RFC 9110, 15.5.14).
    BodyTooLarge,
    /// A percent sign without two hexadecimal digits (RFC 3986, 2.1).
    PercentEncoding,
    /// What was percent-encoded is ill-formed UTF-8 (RFC 3986, 2.5; RFC 3629, 3).
    IllFormedUtf8,
    /// `%00`: no name here holds the null character (RFC 3986, 7.3).
    NullCharacter,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed HTTP message: {self:?}")
    }
}

impl core::error::Error for Malformed {}
