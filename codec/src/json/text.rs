//! The text of strings: unescaping what was validated, comparing names, and escaping what we write.
//!
//! Reading assumes text that `scan` has accepted; given anything else it stays within the text and stops early.
//! Writing makes text that is safe to embed: also in a line of a log or of an event stream, and in a script.

use core::iter;

use super::scan::hex4;

/// The characters that the inside of a validated string stands for.
pub(super) fn unescaped(inner: &str) -> impl Iterator<Item = char> + '_ {
    let mut rest = inner;
    iter::from_fn(move || {
        let (character, length) = match rest.strip_prefix('\\') {
            Some(escape) => escaped(escape).map(|(character, length)| (character, length + 1))?,
            None => rest.chars().next().map(|character| (character, character.len_utf8()))?,
        };
        rest = rest.get(length..)?;
        Some(character)
    })
}

/// Appends the characters that the inside of a validated string stands for.
pub(super) fn unescape(inner: &str, out: &mut String) {
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let Some((character, length)) = escaped(escape) else {
            return;
        };
        out.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// The character that an escape stands for and its length in bytes, both without the reverse solidus.
fn escaped(escape: &str) -> Option<(char, usize)> {
    let bytes = escape.as_bytes();
    let character = match bytes.first()? {
        b'b' => '\u{8}',
        b'f' => '\u{C}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escaped(bytes),
        itself => char::from(*itself),
    };
    Some((character, 1))
}

/// The same for `uXXXX` and `uXXXX\uXXXX`.
fn unicode_escaped(bytes: &[u8]) -> Option<(char, usize)> {
    let first = hex4(bytes, 1).ok()?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, "uXXXX".len()));
    }
    let pair = [first, hex4(bytes, r"uXXXX\u".len()).ok()?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    Some((character, r"uXXXX\uXXXX".len()))
}

/// Appends `s` as a JSON string, with its quotation marks.
///
/// Escaped are what RFC 8259, 7 demands (quotation mark, reverse solidus, control characters) and U+2028 and U+2029,
/// which some readers of lines and scripts take for ends of lines.
///
/// ```
/// let mut out = Vec::new();
/// codec::json::encode_str(&mut out, "a \"b\"\n");
/// assert_eq!(out, br#""a \"b\"\n""#);
/// ```
pub fn encode_str(out: &mut Vec<u8>, s: &str) {
    out.reserve(s.len() + 2);
    out.push(b'"');
    let mut rest = s.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| may_need_escape(byte)) {
        let (plain, suspect) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = encode_suspect(out, suspect);
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// First byte of U+2028 and U+2029 (E2 80 A8 and E2 80 A9), and of much that needs no escape.
const SEPARATOR_LEAD: u8 = 0xE2;

fn may_need_escape(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\' || byte == SEPARATOR_LEAD
}

/// Writes what stands first in `suspect`, escaped if it must be, and returns what follows it.
fn encode_suspect<'s>(out: &mut Vec<u8>, suspect: &'s [u8]) -> &'s [u8] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let (escape, rest): (&[u8], _) = match suspect {
        [] => return suspect,
        [SEPARATOR_LEAD, 0x80, 0xA8, rest @ ..] => (br"\u2028", rest),
        [SEPARATOR_LEAD, 0x80, 0xA9, rest @ ..] => (br"\u2029", rest),
        [b'"', rest @ ..] => (br#"\""#, rest),
        [b'\\', rest @ ..] => (br"\\", rest),
        [b'\n', rest @ ..] => (br"\n", rest),
        [b'\r', rest @ ..] => (br"\r", rest),
        [b'\t', rest @ ..] => (br"\t", rest),
        [control @ 0..=0x1F, rest @ ..] => {
            let digit = |number: u8| HEX.get(usize::from(number)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control & 0xF)]);
            (b"", rest)
        }
        [itself, rest @ ..] => {
            out.push(*itself);
            (b"", rest)
        }
    };
    out.extend_from_slice(escape);
    rest
}

#[cfg(test)]
mod tests {
    use super::{encode_str, unescape, unescaped};

    fn encoded(s: &str) -> String {
        let mut out = Vec::new();
        encode_str(&mut out, s);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_what_the_grammar_demands_and_line_separators() {
        assert_eq!(encoded(""), r#""""#);
        assert_eq!(encoded("a\"b\\c/"), r#""a\"b\\c/""#);
        assert_eq!(encoded("\n\r\t\u{0}\u{8}\u{1f}"), r#""\n\r\t\u0000\u0008\u001f""#);
        assert_eq!(encoded("\u{2028}\u{2029}"), r#""\u2028\u2029""#);
    }

    #[test]
    fn leaves_all_other_characters_alone() {
        let neighbours = "\u{2027}\u{202a}\u{20ac}\u{7f}é日🦀";
        assert_eq!(encoded(neighbours), format!("\"{neighbours}\""));
    }

    #[test]
    fn unescapes_every_escape() {
        let inner = r#"\"\\\/\b\f\n\r\t\u00e9\uD83e\udd80x"#;
        let expected = "\"\\/\u{8}\u{c}\n\r\té🦀x";
        let mut text = String::from("kept ");
        unescape(inner, &mut text);
        assert_eq!(text, format!("kept {expected}"));
        assert_eq!(unescaped(inner).collect::<String>(), expected);
    }

    #[test]
    fn stops_within_text_that_was_never_validated() {
        for broken in [r"ab\", r"ab\u", r"ab\u12", r"ab\ud800", r"ab\ud800\u0041", r"ab\é"] {
            let mut text = String::new();
            unescape(broken, &mut text);
            assert!(text.starts_with("ab"));
            assert!(unescaped(broken).count() <= broken.len());
        }
    }
}
