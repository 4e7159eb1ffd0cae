//! The grammar of JSON, as functions that walk over it.
//!
//! Each function takes the document and the place where its piece begins, and answers with the place behind it, or
//! with the first rule that is broken. The document's UTF-8 was checked before, so bytes above 0x7F need no look
//! here. Nothing is kept, copied or unescaped; nesting is a counter and one bit a level, never a recursion.
//!
//! ```text
//!             +--------- ',' (in an object: name ':') ------+
//!             v                                             |
//!  start -> VALUE -- string, number, literal, {} [] ----> ENDED -- '}' ']' --+
//!             ^  |                                         ^ |               |
//!             +--+ '[' or '{' name ':'                     +-|---------------+
//!                                                            v nothing is open
//!                                                           done
//! ```

use super::Malformed;
use super::word::{self, first_mark, stops};
use crate::limits::JSON_DEPTH_MAX;

/// Stands behind the last byte: no token is spelled so.
const END: u8 = 0;

#[inline(always)]
fn peek(bytes: &[u8], at: usize) -> u8 {
    match bytes.get(at) {
        Some(&byte) => byte,
        None => END,
    }
}

/// Walks over white space: space, tab, line feed and carriage return, and nothing else (RFC 8259, 2).
#[inline(always)]
pub(super) fn blank(bytes: &[u8], mut at: usize) -> usize {
    while is_blank(peek(bytes, at)) {
        at += 1;
    }
    at
}

#[inline(always)]
fn is_blank(byte: u8) -> bool {
    byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The next token behind white space: its place and its first byte.
#[inline(always)]
pub(super) fn token(bytes: &[u8], at: usize) -> (usize, u8) {
    let at = blank(bytes, at);
    (at, peek(bytes, at))
}

/// Walks over this byte, which may stand behind white space.
#[inline(always)]
pub(super) fn expect(bytes: &[u8], mut at: usize, byte: u8) -> Result<usize, Malformed> {
    if peek(bytes, at) != byte {
        at = blank(bytes, at);
        if peek(bytes, at) != byte {
            return Err(unexpected(bytes, at));
        }
    }
    Ok(at + 1)
}

/// Names the error where nothing fits.
#[cold]
pub(super) fn unexpected(bytes: &[u8], at: usize) -> Malformed {
    if at < bytes.len() { Malformed::Unexpected } else { Malformed::Truncated }
}

/// The containers that are open around the place we are at: how many, and which of them are objects.
#[derive(Default)]
struct Open {
    depth: u32,
    /// One bit a level, the innermost lowest; set for an object.
    objects: u64,
    /// What closes the innermost.
    closer: u8,
}

const _: () = assert!(JSON_DEPTH_MAX <= u64::BITS);

impl Open {
    #[inline(always)]
    fn push(&mut self, closer: u8) -> Result<(), Malformed> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(Malformed::TooDeep);
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u64::from(closer == b'}');
        self.closer = closer;
        Ok(())
    }

    #[inline(always)]
    fn pop(&mut self) {
        debug_assert!(self.depth > 0);
        self.depth -= 1;
        self.objects >>= 1;
        self.closer = if self.objects & 1 == 1 { b'}' } else { b']' };
    }
}

/// Walks over one value, whatever is nested in it, from its first byte.
pub(super) fn value(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    match peek(bytes, at) {
        b'{' | b'[' => container(bytes, at),
        b'"' => string(bytes, at + 1),
        b'0'..=b'9' => number(bytes, at),
        byte => rarer(bytes, at, byte),
    }
}

/// Walks over the next piece of a document that was validated: a string, number or literal, or one byte of anything
/// else.
pub(super) fn piece(bytes: &[u8], at: usize, byte: u8) -> Result<usize, Malformed> {
    match byte {
        b'"' => string(bytes, at + 1),
        b'0'..=b'9' => number(bytes, at),
        b'-' | b't' | b'f' | b'n' => rarer(bytes, at, byte),
        _ => Ok(at + 1),
    }
}

/// Walks over an array or object from its bracket.
fn container(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    let mut open = Open::default();
    loop {
        // The order is that of frequency, and the blank that many writers put before a value costs no test of its own.
        match peek(bytes, at) {
            b'"' => at = string(bytes, at + 1)?,
            b'0'..=b'9' => at = number(bytes, at)?,
            b'{' => {
                open.push(b'}')?;
                at = blank(bytes, at + 1);
                if peek(bytes, at) != b'}' {
                    at = name(bytes, at)?;
                    continue;
                }
            }
            b'[' => {
                open.push(b']')?;
                at = blank(bytes, at + 1);
                if peek(bytes, at) != b']' {
                    continue;
                }
            }
            byte if is_blank(byte) => {
                at += 1;
                continue;
            }
            byte => at = rarer(bytes, at, byte)?,
        }
        at = match ended(bytes, at, &mut open)? {
            Next::Value(at) => at,
            Next::Nothing(at) => return Ok(at),
        };
    }
}

/// What follows a value.
enum Next {
    /// A comma, and with it another value of the same container; in an object its name was walked over.
    Value(usize),
    /// Nothing that belongs to the outermost container: it has ended here.
    Nothing(usize),
}

/// Walks from behind a value over the brackets that close with it.
#[inline(always)]
fn ended(bytes: &[u8], mut at: usize, open: &mut Open) -> Result<Next, Malformed> {
    loop {
        let byte = peek(bytes, at);
        at += 1;
        if byte == b',' {
            return Ok(Next::Value(if open.closer == b'}' { name(bytes, at)? } else { at }));
        } else if byte == open.closer {
            open.pop();
            if open.depth == 0 {
                return Ok(Next::Nothing(at));
            }
        } else if !is_blank(byte) {
            return Err(unexpected(bytes, at - 1));
        }
    }
}

/// Walks over a member's name and its colon.
#[inline(always)]
fn name(bytes: &[u8], at: usize) -> Result<usize, Malformed> {
    let inside = expect(bytes, at, b'"')?;
    expect(bytes, string(bytes, inside)?, b':')
}

/// Walks over a negative number or a literal.
#[inline(always)]
fn rarer(bytes: &[u8], at: usize, byte: u8) -> Result<usize, Malformed> {
    match byte {
        b'-' => number(bytes, at + 1),
        b't' => literal(bytes, at, b"true"),
        b'f' => literal(bytes, at, b"false"),
        b'n' => literal(bytes, at, b"null"),
        _ => Err(unexpected(bytes, at)),
    }
}

#[inline(always)]
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

/// Walks over a number from behind its minus: `int [ "." digits ] [ ( "e" / "E" ) [ "-" / "+" ] digits ]`
/// (RFC 8259, 6).
#[inline(always)]
fn number(bytes: &[u8], from: usize) -> Result<usize, Malformed> {
    let mut at = digits(bytes, from)?;
    if at > from + 1 && peek(bytes, from) == b'0' {
        return Err(Malformed::Number);
    }
    if peek(bytes, at) == b'.' {
        at = digits(bytes, at + 1)?;
    }
    if let b'e' | b'E' = peek(bytes, at) {
        at += 1;
        if let b'-' | b'+' = peek(bytes, at) {
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
    while peek(bytes, at).is_ascii_digit() {
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
    if peek(bytes, stop) == b'"' { Ok(stop + 1) } else { escaped(bytes, stop) }
}

/// The rest of a string from the first byte that is neither plain nor the closing quotation mark.
pub(super) fn escaped(bytes: &[u8], mut at: usize) -> Result<usize, Malformed> {
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = plain(bytes, escape(bytes, at + 1)?),
            Some(_) => return Err(Malformed::ControlCharacter),
            None => return Err(Malformed::Truncated),
        }
    }
}

/// Walks over bytes that stand for themselves, to the first quotation mark, reverse solidus or control character.
#[inline(always)]
pub(super) fn plain(bytes: &[u8], mut at: usize) -> usize {
    // Most strings end within two words; only behind them are blocks worth their set-up.
    for _ in 0..2 {
        match word::load(bytes, at).map(stops) {
            Some(0) => at += word::BYTES,
            Some(marks) => return at + first_mark(marks),
            None => break,
        }
    }
    plain_long(bytes, at)
}

/// Bytes that are looked at together once a string has shown to be long.
const BLOCK_BYTES: usize = 32;

fn plain_long(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK_BYTES>()) {
        // No early exit: so the compiler makes vector instructions of it.
        if block.iter().fold(false, |found, &byte| found | is_stop(byte)) {
            break;
        }
        at += BLOCK_BYTES;
    }
    while let Some(marks) = word::load(bytes, at).map(stops) {
        if marks != 0 {
            return at + first_mark(marks);
        }
        at += word::BYTES;
    }
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

/// Walks over an escape from behind its reverse solidus.
#[inline(always)]
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
    match bytes.get(at..).unwrap_or_default() {
        [b'\\', b'u', ..] => match hex4(bytes, at + 2)? {
            0xDC00..=0xDFFF => Ok(at + 6),
            _ => Err(Malformed::LoneSurrogate),
        },
        [] | [b'\\'] => Err(Malformed::Truncated),
        [_, ..] => Err(Malformed::LoneSurrogate),
    }
}

/// Reads four hexadecimal digits.
#[inline(always)]
pub(super) fn hex4(bytes: &[u8], at: usize) -> Result<u16, Malformed> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(digits) = rest.first_chunk::<4>() else {
        let cut = rest.iter().all(u8::is_ascii_hexdigit);
        return Err(if cut { Malformed::Truncated } else { Malformed::Escape });
    };
    let [a, b, c, d] = digits.map(|digit| u16::from(word::hex_digit(digit)));
    // A digit is below 16; whatever is none has a higher bit.
    if a | b | c | d > 0xF {
        return Err(Malformed::Escape);
    }
    Ok(a << 12 | b << 8 | c << 4 | d)
}
