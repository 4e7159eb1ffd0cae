//! Text that comes in pieces (RFC 6455, 5.6, 8.1).
//!
//! It owns when text is found to be ill-formed: at the first byte that no continuation could mend, not at the end of the
//! message. It never remembers anything: the caller keeps the text together and knows how much of it was checked.

use super::Malformed;

/// Checks the text so far, of which the first `checked` bytes were found to be whole characters before; answers how
/// many are now. Up to three bytes at the end, the beginning of a character, may be left out of the count; a message is
/// well-formed when at its end none are.
///
/// # Errors
///
/// [`Malformed::IllFormedText`]: nothing that may follow can make it UTF-8.
///
/// # Example
///
/// ```
/// use codec::ws::{Malformed, check_text};
///
/// let text = "h\u{e9}".as_bytes();
/// assert_eq!(check_text(&text[..2], 0), Ok(1));
/// assert_eq!(check_text(text, 1), Ok(3));
/// assert_eq!(check_text(b"h\xe9l", 1), Err(Malformed::IllFormedText));
/// ```
pub fn check_text(bytes: &[u8], checked: usize) -> Result<usize, Malformed> {
    let unchecked = bytes.get(checked..).unwrap_or_default();
    match core::str::from_utf8(unchecked) {
        Ok(_) => Ok(bytes.len()),
        Err(error) if error.error_len().is_none() => Ok(checked + error.valid_up_to()),
        Err(_) => Err(Malformed::IllFormedText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the bytes one by one; where they are refused, or how many are checked in the end.
    fn bytewise(bytes: &[u8]) -> Result<usize, usize> {
        let mut checked = 0;
        for here in 1..=bytes.len() {
            checked = check_text(&bytes[..here], checked).map_err(|_| here)?;
        }
        Ok(checked)
    }

    #[test]
    fn every_character_may_be_cut_anywhere() {
        for text in
            ["\u{0}", "\u{7f}\u{80}", "\u{7ff}\u{800}", "\u{ffff}\u{10000}\u{10ffff}", "\u{d7ff}\u{e000}"]
        {
            assert_eq!(bytewise(text.as_bytes()), Ok(text.len()));
        }
    }

    #[test]
    fn refuses_at_the_first_byte_that_cannot_be_mended() {
        for (bytes, at) in [
            (&b"a\x80"[..], 2),
            (b"a\xc0", 2),
            (b"a\xc1", 2),
            (b"\xe0\x80", 2),
            (b"\xed\xa0", 2),
            (b"\xf0\x80", 2),
            (b"\xf4\x90", 2),
            (b"\xf5", 1),
            (b"\xff", 1),
            (b"\xf0\x9f\x92a", 4),
            (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80", 13),
        ] {
            assert_eq!(bytewise(bytes), Err(at), "{bytes:02x?}");
        }
    }
}
