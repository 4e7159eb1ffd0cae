//! Which rule a head has broken, once it is known that it has broken one.
//!
//! `httparse` tells that a line is wrong; peers and operators want to know why. It is read a second time here, line by
//! line, until the first mistake. Only refused heads come this way, so it is written for clarity.

use super::Malformed;
use crate::limits::HTTP_TARGET_BYTES_MAX;

/// What is wrong with the head of a request that `httparse` has refused.
pub(super) fn request(head: &[u8], error: httparse::Error) -> Malformed {
    if head.starts_with(b"PRI * HTTP/2.0\r\n") {
        return Malformed::Http2Preface;
    }
    first_line(head, error, Malformed::RequestLine)
}

/// What is wrong with the head of a response that `httparse` has refused.
pub(super) fn response(head: &[u8], error: httparse::Error) -> Malformed {
    first_line(head, error, Malformed::StatusLine)
}

fn first_line(head: &[u8], error: httparse::Error, first_line: Malformed) -> Malformed {
    match error {
        httparse::Error::TooManyHeaders => Malformed::TooManyHeaders,
        httparse::Error::Version => Malformed::Version,
        httparse::Error::Token | httparse::Error::Status => first_line,
        httparse::Error::NewLine | httparse::Error::HeaderName | httparse::Error::HeaderValue => {
            fields(head).unwrap_or(first_line)
        }
    }
}

/// The first mistake in the lines behind the first, if there is one.
fn fields(head: &[u8]) -> Option<Malformed> {
    head.split_inclusive(|&byte| byte == b'\n').skip(1).find_map(|line| field_line(line).err())
}

/// Checks one line with its line end, or the empty one: `field-name ":" OWS field-value OWS` (RFC 9112, 5).
pub(super) fn field_line(line: &[u8]) -> Result<(), Malformed> {
    let Some(line) = line.strip_suffix(b"\r\n") else { return Err(Malformed::BareLineFeed) };
    if line.is_empty() {
        return Ok(());
    }
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(Malformed::FoldedLine);
    }
    let Some((name, value)) = memchr::memchr(b':', line).and_then(|at| line.split_at_checked(at)) else {
        return Err(Malformed::HeaderName);
    };
    match name {
        [.., b' ' | b'\t'] => return Err(Malformed::SpaceBeforeColon),
        _ if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) => {
            return Err(Malformed::HeaderName);
        }
        _ => {}
    }
    match value.iter().find(|&&byte| byte.is_ascii_control() && byte != b'\t') {
        None => Ok(()),
        Some(b'\r') => Err(Malformed::BareCarriageReturn),
        Some(_) => Err(Malformed::HeaderValue),
    }
}

/// Whether a byte may stand in a token (RFC 9110, 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Refuses a first line whose target, as far as it is here, is too long.
pub(super) fn target_length(line: &[u8]) -> Result<(), Malformed> {
    let target = line.split(|&byte| byte == b' ' || byte == b'\n').nth(1).unwrap_or_default();
    if target.len() > HTTP_TARGET_BYTES_MAX { Err(Malformed::TargetTooLong) } else { Ok(()) }
}
