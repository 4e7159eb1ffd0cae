//! Heads that we write.
//!
//! It owns their spelling: first line, fields, framing, empty line. Callers give meaning, and no bytes that could end a
//! line: a CR, LF or NUL in what they give is their mistake, caught in debug builds and written as a space in
//! release builds, so that no value, wherever it came from, can split an answer in two.

use super::Framing;

/// Appends the head of a response: status line, the given fields, the field that frames the body, the empty line.
///
/// [`Framing::None`] writes no framing field: for 1xx, 204 and 304, which have no body (RFC 9112, 6.3, 1), and for
/// bodies that end with the connection (6.3, 8), where the caller writes `Connection: close` among the fields.
///
/// ```
/// use codec::http::{Framing, encode_response};
///
/// let mut out = Vec::new();
/// encode_response(&mut out, 200, &[("Content-Type", "application/json")], Framing::Length(2));
/// out.extend_from_slice(b"{}");
/// assert_eq!(out, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
/// ```
pub fn encode_response(out: &mut Vec<u8>, status: u16, fields: &[(&str, &str)], framing: Framing) {
    debug_assert!((100..=599).contains(&status), "no status code: {status}");
    debug_assert!(
        framing == Framing::None || !matches!(status, 100..200 | 204 | 304),
        "{status} has no body"
    );
    out.extend_from_slice(b"HTTP/1.1 ");
    encode_number(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    encode_fields(out, fields, framing);
}

/// Appends the head of a request; for clients, and for tests of servers.
pub fn encode_request(
    out: &mut Vec<u8>,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    framing: Framing,
) {
    encode_text(out, method);
    out.push(b' ');
    encode_text(out, target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    encode_fields(out, fields, framing);
}

fn encode_fields(out: &mut Vec<u8>, fields: &[(&str, &str)], framing: Framing) {
    for (name, value) in fields {
        encode_text(out, name);
        out.extend_from_slice(b": ");
        encode_text(out, value);
        out.extend_from_slice(b"\r\n");
    }
    match framing {
        Framing::None => {}
        Framing::Length(bytes) => {
            out.extend_from_slice(b"Content-Length: ");
            encode_number(out, bytes);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

fn encode_text(out: &mut Vec<u8>, text: &str) {
    let ends_line = |byte: &u8| matches!(byte, b'\r' | b'\n' | b'\0');
    if text.as_bytes().iter().any(ends_line) {
        debug_assert!(false, "a line end within a head: {text:?}");
        out.extend(text.bytes().map(|byte| if ends_line(&byte) { b' ' } else { byte }));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

fn encode_number(out: &mut Vec<u8>, number: u64) {
    if number > 9 {
        encode_number(out, number / 10);
    }
    out.push(b'0' + (number % 10) as u8);
}

/// The reason phrase of a status code (RFC 9110, 15; RFC 6585); empty for codes that nobody here sends.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{encode_number, encode_response};
    use crate::http::Framing;

    #[test]
    fn writes_numbers_in_full() {
        for number in [0, 9, 10, 99, 100, u64::MAX] {
            let mut out = Vec::new();
            encode_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "a line end within a head"))]
    fn lets_no_value_split_the_answer() {
        let mut out = Vec::new();
        encode_response(&mut out, 302, &[("Location", "/x\r\nSet-Cookie: a\n\0")], Framing::Length(0));
        assert_eq!(out, b"HTTP/1.1 302 Found\r\nLocation: /x  Set-Cookie: a  \r\nContent-Length: 0\r\n\r\n");
    }
}
