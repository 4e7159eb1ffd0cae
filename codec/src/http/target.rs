//! The text of a request target: its forms, its path, its query, and percent-encoding (RFC 9112, 3.2; RFC 3986).
//!
//! It never resolves dots, never joins slashes and knows no route: two spellings of a path are two paths, and decoding
//! is done segment by segment, after the path was split, so that `%2F` never becomes a slash that separates.

use super::{Malformed, Method};

/// The parts of a request target.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// What an absolute target names; it wins over Host (RFC 9112, 3.2.2).
    pub(super) authority: Option<&'a str>,
}

/// Takes a target apart: origin-form, absolute-form ("a server MUST accept the absolute-form in requests", RFC 9112,
/// 3.2.2), or the asterisk-form of OPTIONS (3.2.4).
pub(super) fn split(target: &str, method: Method) -> Result<Target<'_>, Malformed> {
    // "#" would begin a fragment, which is never sent; what is not ASCII would have to be percent-encoded.
    let is_uri = |all, byte: u8| all & byte.is_ascii_graphic() & (byte != b'#');
    if !target.bytes().fold(true, is_uri) {
        return Err(Malformed::Target);
    }
    let (local, authority) = match target.as_bytes() {
        [b'/', ..] => (target, None),
        b"*" if method == Method::Options => (target, None),
        _ => absolute(target).ok_or(Malformed::Target)?,
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (local, None),
    };
    // "If the target URI's path component is empty, the client MUST send "/" as the path".
    let path = if path.is_empty() { "/" } else { path };
    Ok(Target { path, query, authority })
}

/// Path with query, and authority, of an absolute target.
fn absolute(target: &str) -> Option<(&str, Option<&str>)> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority_bytes = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, local) = rest.split_at(authority_bytes);
    let valid = !authority.is_empty() && host(authority.as_bytes()).is_ok();
    valid.then_some((local, Some(authority)))
}

/// Checks the value of Host: `uri-host [ ":" port ]` (RFC 9110, 7.2), without user information (4.2.4).
pub(super) fn host(value: &[u8]) -> Result<&str, Malformed> {
    // unreserved, percent-encoded, sub-delims, and what an address in brackets and a port are made of.
    let is_valid = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'[' | b']')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
    };
    if !value.iter().all(is_valid) {
        return Err(Malformed::Host);
    }
    core::str::from_utf8(value).map_err(|_| Malformed::Host)
}

/// Decodes one segment of a path (RFC 3986, 2.1), into `scratch` where it holds a percent sign.
///
/// Refused are broken percent-encoding, what is not UTF-8 then, and `%00`.
///
/// ```
/// let mut scratch = String::new();
/// assert_eq!(codec::http::percent_decode("caf%C3%A9%2F1", &mut scratch), Ok("café/1"));
/// ```
pub fn percent_decode<'s>(segment: &'s str, scratch: &'s mut String) -> Result<&'s str, Malformed> {
    decode(segment, scratch, false)
}

/// Appends a name as one segment of a path, with everything but unreserved characters encoded (RFC 3986, 2.3).
///
/// ```
/// let mut path = String::from("/");
/// codec::http::percent_encode(&mut path, "a/b é~");
/// assert_eq!(path, "/a%2Fb%20%C3%A9~");
/// ```
pub fn percent_encode(path: &mut String, name: &str) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or_default();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte))
            }
            other => path.extend(['%', digit(other >> 4), digit(other & 15)]),
        }
    }
}

/// Decodes a name or value of a query, where `+` stands for a space as forms and their libraries write it (WHATWG
/// URL, 5.1), into `scratch` where it must be. Refuses what [`percent_decode`] does.
pub fn query_decode<'s>(part: &'s str, scratch: &'s mut String) -> Result<&'s str, Malformed> {
    decode(part, scratch, true)
}

/// The names and values of a query, in order, as they came: see [`query_decode`]. A part without `=` has an empty
/// value; empty parts are left out.
///
/// ```
/// let pairs: Vec<_> = codec::http::query_pairs("a=1&b&&c=x=y").collect();
/// assert_eq!(pairs, [("a", "1"), ("b", ""), ("c", "x=y")]);
/// ```
pub fn query_pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn decode<'s>(text: &'s str, scratch: &'s mut String, plus_is_space: bool) -> Result<&'s str, Malformed> {
    let is_encoded = |byte| byte == b'%' || (plus_is_space && byte == b'+');
    if !text.bytes().any(is_encoded) {
        return Ok(text);
    }
    let mut decoded = core::mem::take(scratch).into_bytes();
    decoded.clear();
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| is_encoded(byte)) {
        let (plain, encoded) = rest.split_at(at);
        decoded.extend_from_slice(plain);
        rest = match encoded {
            [b'%', high, low, behind @ ..] => {
                decoded.push(octet(*high, *low)?);
                behind
            }
            [b'+', behind @ ..] => {
                decoded.push(b' ');
                behind
            }
            _ => return Err(Malformed::PercentEncoding),
        };
    }
    decoded.extend_from_slice(rest);
    *scratch = String::from_utf8(decoded).map_err(|_| Malformed::IllFormedUtf8)?;
    Ok(scratch)
}

/// The octet that two hexadecimal digits stand for; not zero.
fn octet(high: u8, low: u8) -> Result<u8, Malformed> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(Malformed::PercentEncoding) };
    match (high << 4 | low) as u8 {
        0 => Err(Malformed::NullCharacter),
        octet => Ok(octet),
    }
}
