//! The head of a response, as far as a client of our own and the tests need it.
//!
//! As strict as the head of a request, and for the same reason. It never follows a redirect and knows no caching.

use core::mem::MaybeUninit;

use super::framing::{Fields, Framing};
use super::head::{check_line_ends, head_end};
use super::{Headers, Malformed, blame};
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};

/// How the body of a response is framed, if the request was not a HEAD (RFC 9112, 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResponseBody {
    /// There is none: 1xx, 204 and 304.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks: see [`Chunked`](super::Chunked).
    Chunked,
    /// All that comes until the connection ends.
    UntilClose,
}

/// The head of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseHead<'a> {
    /// The status code, 100 to 999.
    pub status: u16,
    /// All header fields, those that were understood here included.
    pub headers: Headers<'a>,
    /// How the body is framed.
    pub body: ResponseBody,
    /// Whether the server lets the connection be used again (RFC 9112, 9.3).
    pub keep_alive: bool,
}

/// Decodes the head of a response that `bytes` begin with, and tells how many bytes it takes. `Ok(None)`: it is not
/// whole yet.
pub fn decode_response(bytes: &[u8]) -> Result<Option<(ResponseHead<'_>, usize)>, Malformed> {
    let end = head_end(bytes, 0);
    if end.unwrap_or(bytes.len()) > HTTP_HEAD_BYTES_MAX {
        return Err(Malformed::HeadTooLarge);
    }
    let Some((head, _)) = end.and_then(|end| bytes.split_at_checked(end)) else { return Ok(None) };
    if head.starts_with(b"\r") || head.starts_with(b"\n") {
        // Only before a request is an empty line forgiven (RFC 9112, 2.2); `httparse` would skip it here, too.
        return Err(Malformed::StatusLine);
    }
    let mut fields = [const { MaybeUninit::uninit() }; HTTP_HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let whole = match parser.parse_response_with_uninit_headers(&mut parsed, head, &mut fields) {
        Ok(httparse::Status::Complete(bytes)) => bytes == head.len(),
        Ok(httparse::Status::Partial) => false,
        Err(error) => return Err(blame::response(head, error)),
    };
    let (Some(status @ 100..), Some(minor), true) = (parsed.code, parsed.version, whole) else {
        return Err(Malformed::StatusLine);
    };
    check_line_ends(head)?;
    let first_line_bytes = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let headers = Headers::new(head.get(first_line_bytes..).unwrap_or_default());
    let mut fields = Fields::default();
    for field in parsed.headers.iter() {
        fields.note(field.name, field.value)?;
    }
    let body = match fields.framing()? {
        _ if matches!(status, 100..200 | 204 | 304) => ResponseBody::None,
        None | Some(Framing::None) => ResponseBody::UntilClose,
        Some(Framing::Length(bytes)) => ResponseBody::Length(bytes),
        Some(Framing::Chunked) => ResponseBody::Chunked,
    };
    let keep_alive = fields.persists(minor == 1) && body != ResponseBody::UntilClose;
    Ok(Some((ResponseHead { status, headers, body, keep_alive }, head.len())))
}
