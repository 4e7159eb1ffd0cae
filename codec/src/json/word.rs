//! Eight bytes looked at together, in plain integer arithmetic.
//!
//! The question answers with *marks*: the highest bit of every byte for which it is true. What lies above the lowest
//! mark may be marked falsely (a subtraction borrows from the byte above), but the lowest is always right, and no
//! marks means that there is none. So a run of unknown length is measured without a branch for each of its bytes.

/// Bytes in a word.
pub(super) const BYTES: usize = 8;

const ONES: u64 = u64::MAX / 0xFF;
const HIGH_BITS: u64 = ONES << 7;

/// The word that begins here, its first byte lowest; `None` near the end.
#[inline(always)]
pub(super) fn load(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// The place within its word of the lowest mark.
#[inline(always)]
pub(super) fn first_mark(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Marks quotation marks, reverse solidi and control characters.
#[inline(always)]
pub(super) fn stops(word: u64) -> u64 {
    // Exclusive or with 2 brings the quotation mark, 0x22, next to the control characters: all are below 0x21 then.
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let solidus = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quote_or_control | solidus) & !word & HIGH_BITS
}

/// What a hexadecimal digit stands for; 0xFF for all other bytes.
#[inline(always)]
pub(super) fn hex_digit(byte: u8) -> u8 {
    HEX_DIGITS.get(usize::from(byte)).copied().unwrap_or(u8::MAX)
}

static HEX_DIGITS: [u8; 256] = hex_digits();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn hex_digits() -> [u8; 256] {
    let mut table = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{BYTES, first_mark, hex_digit, load, stops};

    /// Asks about every byte at every place, before neighbours that are no answer themselves.
    fn agrees(marks: fn(u64) -> u64, is_marked: fn(u8) -> bool, filler: u8) {
        for byte in 0..=u8::MAX {
            for place in 0..BYTES {
                for behind in [filler, 0x00, 0xFF, byte] {
                    let mut bytes = [behind; BYTES];
                    bytes[..place].fill(filler);
                    bytes[place] = byte;
                    let expected = bytes.iter().position(|&byte| is_marked(byte));
                    let marks = marks(u64::from_le_bytes(bytes));
                    assert_eq!((marks != 0).then(|| first_mark(marks)), expected, "{bytes:x?}");
                }
            }
        }
    }

    #[test]
    fn finds_the_first_stop_of_every_word() {
        agrees(stops, |byte| byte < b' ' || byte == b'"' || byte == b'\\', b'x');
        agrees(stops, |byte| byte < b' ' || byte == b'"' || byte == b'\\', 0x80);
    }

    #[test]
    fn loads_whole_words_only() {
        let bytes = b"12345678";
        assert_eq!(load(bytes, 0), Some(u64::from_le_bytes(*bytes)));
        assert_eq!(load(bytes, 1), None);
        assert_eq!(load(bytes, 9), None);
    }

    #[test]
    fn knows_every_hexadecimal_digit() {
        for byte in 0..=u8::MAX {
            let expected = char::from(byte).to_digit(16).map_or(0xFF, |digit| digit as u8);
            assert_eq!(hex_digit(byte), expected);
        }
    }
}
