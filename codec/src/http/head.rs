//! The head of a request.
//!
//! It owns the way from bytes to a [`Head`]: where the head ends, its lines (split by `httparse`), and what its fields
//! say together. The view borrows from the bytes and nothing else, so it may be kept as long as they are. It never
//! waits, and never reads past the head.

use core::mem::MaybeUninit;

use super::framing::{Fields, Framing};
use super::target::{self, Target};
use super::{Headers, Malformed, blame};
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_METHOD_BYTES_MAX, HTTP_TARGET_BYTES_MAX};

/// A method (RFC 9110, 9), as far as anybody here tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// `GET` (RFC 9110, 9.3.1).
    Get,
    /// `HEAD` (RFC 9110, 9.3.2).
    Head,
    /// `POST` (RFC 9110, 9.3.3).
    Post,
    /// `PUT` (RFC 9110, 9.3.4).
    Put,
    /// `DELETE` (RFC 9110, 9.3.5).
    Delete,
    /// `OPTIONS` (RFC 9110, 9.3.7).
    Options,
    /// `PATCH` (RFC 5789).
    Patch,
    /// Any other token. Methods are case-sensitive (RFC 9110, 9.1), so `get` is one of them.
    Other,
}

impl Method {
    fn of(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// A version (RFC 9112, 2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Version {
    /// HTTP/1.0: a connection ends with its first answer unless both sides say otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// The head of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head<'a> {
    /// What is to be done.
    pub method: Method,
    /// The request target as it came.
    pub target: &'a str,
    /// The path of the target, percent-encoded as it came: it begins with `/`, or is the `*` of OPTIONS
    /// (RFC 9112, 3.2).
    pub path: &'a str,
    /// What stood behind the `?` of the target, as it came.
    pub query: Option<&'a str>,
    /// The authority that the target names, else the Host field (RFC 9112, 3.3); may be empty.
    pub host: &'a str,
    /// The version spoken.
    pub version: Version,
    /// All header fields, those that were understood here included.
    pub headers: Headers<'a>,
    /// How the body is framed.
    pub framing: Framing,
    /// Whether the peer lets the connection be used again (RFC 9112, 9.3).
    pub keep_alive: bool,
    /// Whether the peer waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    pub expect_continue: bool,
}

/// Where the head ends: behind its empty line. `scanned` bytes at the front were looked at in an earlier call, without
/// finding the end, and are not looked at again, so that a head that comes byte by byte costs no more than one that
/// comes at once.
///
/// An end is also seen where line feeds stand alone; such a head is refused when it is decoded.
pub fn head_end(bytes: &[u8], scanned: usize) -> Option<usize> {
    // The line feed of the last line may have been seen already, and what follows it may not.
    let from = scanned.saturating_sub(2);
    let rest = bytes.get(from..)?;
    memchr::memchr_iter(b'\n', rest).find_map(|at| match rest.get(at + 1..)? {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

/// Decodes the head that `bytes` begin with, and tells how many bytes it takes. `Ok(None)`: it is not whole yet, and
/// nothing is wrong so far.
///
/// One empty line before it belongs to it (RFC 9112, 2.2).
pub fn decode(bytes: &[u8]) -> Result<Option<(Head<'_>, usize)>, Malformed> {
    match head_end(bytes, 0).and_then(|end| bytes.split_at_checked(end)) {
        Some((head, _)) => Ok(Some((decode_head(head)?, head.len()))),
        None => check_beginning(bytes).map(|()| None),
    }
}

/// Refuses the beginning of a head that can become none, whatever follows; cheap, however often it is asked.
pub fn check_beginning(bytes: &[u8]) -> Result<(), Malformed> {
    let line = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let method = line.get(..HTTP_METHOD_BYTES_MAX + 1).unwrap_or(line);
    match method.iter().position(|&byte| !blame::is_token(byte)) {
        Some(at) if method.get(at) != Some(&b' ') && line != b"\r" => return Err(Malformed::RequestLine),
        None if method.len() > HTTP_METHOD_BYTES_MAX => return Err(Malformed::MethodTooLong),
        Some(_) | None => {}
    }
    if bytes.len() > HTTP_TARGET_BYTES_MAX && memchr::memchr(b'\n', line).is_none() {
        blame::target_length(line)?;
    }
    if bytes.len() > HTTP_HEAD_BYTES_MAX {
        return Err(Malformed::HeadTooLarge);
    }
    Ok(())
}

/// Decodes a head whose end is known: `head` ends where [`head_end`] says.
pub fn decode_head(head: &[u8]) -> Result<Head<'_>, Malformed> {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    if head.len() > HTTP_HEAD_BYTES_MAX {
        // The line is to blame if it alone is too long.
        blame::target_length(head)?;
        return Err(Malformed::HeadTooLarge);
    }
    let mut fields = [const { MaybeUninit::uninit() }; HTTP_HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    let whole = match parsed.parse_with_uninit_headers(head, &mut fields) {
        Ok(httparse::Status::Complete(bytes)) => bytes == head.len(),
        Ok(httparse::Status::Partial) => false,
        Err(error) => return Err(blame::request(head, error)),
    };
    let (Some(method), Some(target), Some(minor), true) = (parsed.method, parsed.path, parsed.version, whole)
    else {
        return Err(Malformed::RequestLine);
    };
    if method.len() > HTTP_METHOD_BYTES_MAX {
        return Err(Malformed::MethodTooLong);
    }
    if target.len() > HTTP_TARGET_BYTES_MAX {
        return Err(Malformed::TargetTooLong);
    }
    check_line_ends(head)?;
    let first_line_bytes = method.len() + target.len() + "  HTTP/1.1\r\n".len();
    let headers = Headers::new(head.get(first_line_bytes..).unwrap_or_default());
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    understand(Method::of(method), target, version, parsed.headers, headers)
}

/// Refuses a head in which a line feed stands alone. (A carriage return alone `httparse` refuses.)
pub(super) fn check_line_ends(head: &[u8]) -> Result<(), Malformed> {
    let next = head.get(1..).unwrap_or_default();
    // No early exit: so the compiler makes vector instructions of it.
    let alone = |found, (before, byte): (&u8, &u8)| found | ((*byte == b'\n') & (*before != b'\r'));
    let is_bare = head.iter().zip(next).fold(head.starts_with(b"\n"), alone);
    if is_bare { Err(Malformed::BareLineFeed) } else { Ok(()) }
}

/// Puts together what the first line and the fields say.
fn understand<'a>(
    method: Method,
    target: &'a str,
    version: Version,
    parsed: &[httparse::Header<'a>],
    headers: Headers<'a>,
) -> Result<Head<'a>, Malformed> {
    let mut fields = Fields::default();
    let mut host = None;
    let mut expect_continue = false;
    for field in parsed {
        if fields.note(field.name, field.value)? {
            continue;
        }
        if field.name.eq_ignore_ascii_case("host") {
            if host.replace(target::host(field.value)?).is_some() {
                return Err(Malformed::HostRepeated);
            }
        } else if field.name.eq_ignore_ascii_case("expect") {
            if !field.value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Malformed::Expectation);
            }
            expect_continue = true;
        }
    }
    let framing = fields.framing()?.unwrap_or(Framing::None);
    match version {
        Version::Http11 if host.is_none() => return Err(Malformed::HostMissing),
        Version::Http10 if framing == Framing::Chunked => return Err(Malformed::TransferEncoding),
        Version::Http10 | Version::Http11 => {}
    }
    let Target { path, query, authority } = target::split(target, method)?;
    Ok(Head {
        method,
        target,
        path,
        query,
        host: authority.or(host).unwrap_or_default(),
        version,
        headers,
        framing,
        keep_alive: fields.persists(version == Version::Http11),
        // "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation."
        expect_continue: expect_continue && version == Version::Http11,
    })
}
