//! Base64 (RFC 4648, 4), the spelling of binary messages in a payload.
//!
//! It owns the alphabet, the padding and the rule that bytes have one spelling (3.5). It never skips white space or line
//! ends, and knows no other alphabet.

use super::Malformed;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Stands for bytes that are no digit.
const NONE: u8 = 0xff;

static VALUES: [u8; 256] = values();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn values() -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        table[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    table
}

fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(NONE)
}

/// Base64 that was validated: its length, its digits, its padding, and that its last digit says nothing more than the
/// bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Base64<'a> {
    /// With its padding.
    text: &'a str,
}

impl<'a> Base64<'a> {
    /// Validates base64.
    ///
    /// # Errors
    ///
    /// [`Malformed::Base64`].
    pub fn new(text: &'a str) -> Result<Self, Malformed> {
        let bytes = text.as_bytes();
        let digits = bytes.strip_suffix(b"==").or_else(|| bytes.strip_suffix(b"=")).unwrap_or(bytes);
        let unused_bits = match (digits.len() % 4, bytes.len() - digits.len()) {
            (0, 0) => 0,
            (2, 2) => 0b1111,
            (3, 1) => 0b11,
            _ => return Err(Malformed::Base64),
        };
        // No early exit: most are right, and so the compiler may look at many at once.
        let wrong = digits.iter().fold(false, |wrong, &digit| wrong | (value(digit) == NONE));
        let last = digits.last().map_or(0, |&last| value(last));
        if wrong || last & unused_bits != 0 { Err(Malformed::Base64) } else { Ok(Self { text }) }
    }

    /// As it is spelled, with its padding.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// How many bytes it stands for.
    pub fn decoded_bytes(&self) -> usize {
        self.text.trim_end_matches('=').len() * 3 / 4
    }

    /// Appends the bytes that it stands for.
    pub fn decode(&self, out: &mut Vec<u8>) {
        out.reserve(self.decoded_bytes());
        let digits = self.text.trim_end_matches('=').as_bytes();
        let (groups, rest) = digits.as_chunks::<4>();
        for group in groups {
            let [a, b, c, d] = group.map(|digit| u32::from(value(digit)));
            let [_, x, y, z] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
            out.extend_from_slice(&[x, y, z]);
        }
        match rest {
            [a, b] => out.push(value(*a) << 2 | value(*b) >> 4),
            [a, b, c] => {
                out.push(value(*a) << 2 | value(*b) >> 4);
                out.push(value(*b) << 4 | value(*c) >> 2);
            }
            _ => {}
        }
    }
}

/// Appends bytes in base64, with padding.
///
/// ```
/// let mut out = Vec::new();
/// codec::engineio::encode_base64(&mut out, &[1, 2, 3, 4]);
/// assert_eq!(out, b"AQIDBA==");
/// ```
pub fn encode_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    let digit = |bits: u32| ALPHABET.get((bits & 63) as usize).copied().unwrap_or(b'=');
    let (groups, rest) = bytes.as_chunks::<3>();
    for &[x, y, z] in groups {
        let bits = u32::from_be_bytes([0, x, y, z]);
        out.extend_from_slice(&[digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)]);
    }
    match *rest {
        [x] => {
            let bits = u32::from(x) << 4;
            out.extend_from_slice(&[digit(bits >> 6), digit(bits), b'=', b'=']);
        }
        [x, y] => {
            let bits = u32::from_be_bytes([0, 0, x, y]) << 2;
            out.extend_from_slice(&[digit(bits >> 12), digit(bits >> 6), digit(bits), b'=']);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_the_examples_of_the_standard() {
        // RFC 4648, 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            let mut out = Vec::new();
            encode_base64(&mut out, bytes.as_bytes());
            assert_eq!(out, text.as_bytes());
            let read = Base64::new(text).unwrap();
            let mut back = Vec::new();
            read.decode(&mut back);
            assert_eq!((back, read.decoded_bytes()), (bytes.as_bytes().to_vec(), bytes.len()));
        }
    }

    #[test]
    fn knows_one_spelling_only() {
        for text in
            ["Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "=", "====", "Zm 9v", "Zm9v\n", "Zm-v", "Zg==Zg=="]
        {
            assert_eq!(Base64::new(text), Err(Malformed::Base64), "{text:?}");
        }
    }
}
