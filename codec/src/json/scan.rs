//! The grammar of JSON, as functions that walk over it.
//!
//! Each function takes the document and the place where its piece begins, and answers with the place behind it, or
//! with the first rule that is broken. The document's UTF-8 was checked before, so bytes above 0x7F need no look
//! here. Nothing is kept, copied or unescaped; nesting is a counter and one bit a level, never a recursion.
//!
//! ```text
//!              +--------- ',' (in an object: key ':') -------+
//!              v                                             |
//!   start -> VALUE -- string, number, literal, {} [] ----> ENDED -- '}' ']' --+
//!              ^  |                                         ^ |               |
//!              +--+ '[' or '{' key ':'                      +-|---------------+
//!                                                             v  nothing is open
//!                                                            done
//! ```

use super::Malformed;
use crate::limits::JSON_DEPTH_MAX;

/// The containers that are open around the place we are at: how many, and which of them are objects.
#[derive(Default)]
struct Open {
    depth: u32,
    /// One bit a level, the innermost lowest; set for an object.
    objects: u64,
}

const _: () = assert!(JSON_DEPTH_MAX <= u64::BITS);

impl Open {
    #[inline]
    fn push(&mut self, object: bool) -> Result<(), Malformed> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(Malformed::TooDeep);
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u64::from(object);
        Ok(())
    }

    #[inline]
    fn pop(&mut self) {
        debug_assert!(self.depth > 0);
        self.depth -= 1;
        self.objects >>= 1;
    }

    #[inline]
    fn is_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// Walks over one value, whatever is nested in it, from its first byte.
pub(super) fn value(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let mut open = Open::default();
    loop {
        at = match bytes.get(at) {
            Some(b'"') => string(bytes, at + 1)?,
            Some(b'-' | b'0'..=b'9') => number(bytes, at)?,
            Some(b'{') => {
                open.push(true)?;
                at = blank(bytes, at + 1);
                if bytes.get(at) != Some(&b'}') {
                    at = key(bytes, at)?;
                    continue;
                }
                open.pop();
                at + 1
            }
            Some(b'[') => {
                open.push(false)?;
                at = blank(bytes, at + 1);
                if bytes.get(at) != Some(&b']') {
                    continue;
                }
                open.pop();
                at + 1
            }
            Some(b't') => literal(bytes, at, b"true")?,
            Some(b'f') => literal(bytes, at, b"false")?,
            Some(b'n') => literal(bytes, at, b"null")?,
            Some(_) => return Err(Malformed::Unexpected),
            None => return Err(Malformed::Truncated),
        };
        at = match ended(bytes, at, &mut open)? {
            Next::Value(at) => at,
            Next::Nothing(at) => return Ok(at),
        };
    }
}

/// What follows a value that has ended.
enum Next {
    /// Another value, which begins here.
    Value(usize),
    /// Nothing that belongs to the outermost value, which ended here.
    Nothing(usize),
}

/// Walks from behind a value over the brackets that close with it, up to the next value of the container around it.
#[inline(always)]
fn ended(bytes: &[u8], mut at: usize, open: &mut Open) -> Result<Next, Malformed> {
    while open.depth > 0 {
        at = blank(bytes, at);
        match bytes.get(at) {
            Some(b',') if open.is_object() => return Ok(Next::Value(key(bytes, blank(bytes, at + 1))?)),
            Some(b',') => return Ok(Next::Value(blank(bytes, at + 1))),
            Some(b'}') if open.is_object() => open.pop(),
            Some(b']') if !open.is_object() => open.pop(),
            Some(_) => return Err(Malformed::Unexpected),
            None => return Err(Malformed::Truncated),
        }
        at += 1;
    }
    Ok(Next::Nothing(at))
}

/// Walks over a member's name and its colon to the first byte of its value.
#[inline(always)]
fn key(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match bytes.get(at) {
        Some(b'"') => colon(bytes, string(bytes, at + 1)?),
        Some(_) => Err(Malformed::Unexpected),
        None => Err(Malformed::Truncated),
    }
}

/// Walks over the colon behind a member's name, and the blanks around it.
#[inline(always)]
pub(super) fn colon(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let at = blank(bytes, at);
    match bytes.get(at) {
        Some(b':') => Ok(blank(bytes, at + 1)),
        Some(_) => Err(Malformed::Unexpected),
        None => Err(Malformed::Truncated),
    }
}

/// Walks over white space (RFC 8259, 2: space, tab, line feed, carriage return and nothing else).
#[inline(always)]
pub(super) fn blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn literal(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Malformed> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.starts_with(word) {
        Ok(at + word.len())
    } else if word.starts_with(rest) {
        Err(Malformed::Truncated)
    } else {
        Err(Malformed::Unexpected)
    }
}

/// Walks over a number: `[ "-" ] int [ "." digits ] [ ( "e" / "E" ) [ "-" / "+" ] digits ]` (RFC 8259, 6).
#[inline(always)]
fn number(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    let whole = at;
    at = digits(bytes, at)?;
    if bytes.get(whole) == Some(&b'0') && at - whole > 1 {
        return Err(Malformed::Number);
    }
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'-' | b'+') = bytes.get(at) {
            at += 1;
        }
        at = digits(bytes, at)?;
    }
    Ok(at)
}

/// Walks over one digit or more.
#[inline(always)]
fn digits(bytes: &[u8], from: usize) -> Result<usize, Malformed> {
    let mut at = from;
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    if at > from {
        Ok(at)
    } else if at < bytes.len() {
        Err(Malformed::Number)
    } else {
        Err(Malformed::Truncated)
    }
}

/// Walks over a string from behind its opening quotation mark to behind its closing one.
#[inline(always)]
pub(super) fn string(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let stop = plain(bytes, at);
    match bytes.get(stop) {
        Some(b'"') => Ok(stop + 1),
        _ => uncommon(bytes, stop),
    }
}

/// The rest of a string from the first byte that is neither plain nor the closing quotation mark.
fn uncommon(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(bytes, at + 1)?,
            Some(_) => return Err(Malformed::ControlCharacter),
            None => return Err(Malformed::Truncated),
        }
        at = plain(bytes, at);
    }
}

/// Bytes that are looked at together once a string has shown to be long.
const BLOCK_BYTES: usize = 32;

/// Walks over bytes that stand for themselves, to the first quotation mark, reverse solidus or control character.
#[inline(always)]
pub(super) fn plain(bytes: &[u8], mut at: usize) -> usize {
    // Most names and short strings end within two words; only behind them are blocks worth their set-up.
    for _ in 0..2 {
        match word(bytes, at).map(stops) {
            Some(0) => at += 8,
            Some(stops) => return at + first(stops),
            None => return plain_tail(bytes, at),
        }
    }
    plain_long(bytes, at)
}

fn plain_long(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK_BYTES>()) {
        // No early exit: so the compiler makes vector instructions of it.
        if block.iter().fold(false, |found, &byte| found | is_stop(byte)) {
            break;
        }
        at += BLOCK_BYTES;
    }
    while let Some(word) = word(bytes, at) {
        match stops(word) {
            0 => at += 8,
            stops => return at + first(stops),
        }
    }
    plain_tail(bytes, at)
}

#[inline]
fn plain_tail(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at)
        && !is_stop(byte)
    {
        at += 1;
    }
    at
}

#[inline(always)]
fn is_stop(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk::<8>()
        .map(|chunk| u64::from_le_bytes(*chunk))
}

const LOW_BITS: u64 = u64::MAX / 0xFF;
const HIGH_BITS: u64 = LOW_BITS << 7;

/// Marks the bytes of a word at which a plain run stops, each by its highest bit.
///
/// Subtracting borrows from the byte above where one is found, so marks above the lowest may be false; the lowest is
/// always right, and zero means that there is none.
#[inline(always)]
fn stops(word: u64) -> u64 {
    let quote = word ^ (LOW_BITS * b'"' as u64);
    let solidus = word ^ (LOW_BITS * b'\\' as u64);
    let control = word.wrapping_sub(LOW_BITS * b' ' as u64);
    let quote = quote.wrapping_sub(LOW_BITS) & !quote;
    let solidus = solidus.wrapping_sub(LOW_BITS) & !solidus;
    (quote | solidus | (control & !word)) & HIGH_BITS
}

/// The place within a word of the lowest mark.
#[inline(always)]
fn first(stops: u64) -> usize {
    (stops.trailing_zeros() / 8) as usize
}

/// Walks over an escape from behind its reverse solidus.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => match hex4(bytes, at + 1)? {
            0xD800..=0xDBFF => low_surrogate(bytes, at + 5),
            0xDC00..=0xDFFF => Err(Malformed::LoneSurrogate),
            _ => Ok(at + 5),
        },
        Some(_) => Err(Malformed::Escape),
        None => Err(Malformed::Truncated),
    }
}

/// Walks over the escape that must follow the one of a high surrogate.
fn low_surrogate(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\\'), Some(b'u')) => match hex4(bytes, at + 2)? {
            0xDC00..=0xDFFF => Ok(at + 6),
            _ => Err(Malformed::LoneSurrogate),
        },
        (None, _) | (Some(b'\\'), None) => Err(Malformed::Truncated),
        (Some(_), _) => Err(Malformed::LoneSurrogate),
    }
}

/// Reads four hexadecimal digits.
pub(super) fn hex4(bytes: &[u8], at: usize) -> Result<u16, Malformed> {
    let mut number = 0;
    for place in at..at + 4 {
        let digit = match bytes.get(place) {
            Some(digit @ b'0'..=b'9') => digit - b'0',
            Some(digit @ b'a'..=b'f') => digit - b'a' + 10,
            Some(digit @ b'A'..=b'F') => digit - b'A' + 10,
            Some(_) => return Err(Malformed::Escape),
            None => return Err(Malformed::Truncated),
        };
        number = number << 4 | u16::from(digit);
    }
    Ok(number)
}
