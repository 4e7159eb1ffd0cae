//! The fields that packets are made of: UTF-8 strings, topic names, topic filters and binary data (1.5.3, 4.7).
//!
//! It owns what makes a string acceptable anywhere in MQTT, and the same fields on their way out. It never knows
//! which packet a field stands in; whether a filter's wildcards are well placed is asked in `filter`.

use super::{Malformed, Misuse};
use crate::cursor::Cursor;
use crate::limits::MQTT_FIELD_BYTES_MAX;

/// Length-prefixed bytes of any value, such as a password or a will's payload.
#[inline]
pub(super) fn binary<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Malformed> {
    let length = cursor.u16().ok_or(Malformed::Truncated)?;
    cursor.take(usize::from(length)).ok_or(Malformed::Truncated)
}

/// A UTF-8 string without U+0000. A byte order mark is text like any other and stays [MQTT-1.5.3-3].
#[inline]
pub(super) fn string<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Malformed> {
    let bytes = binary(cursor)?;
    let text = utf8(bytes)?;
    if any_unusual(0, bytes) && bytes.contains(&0) { Err(Malformed::NullCharacter) } else { Ok(text) }
}

/// The last of U+0000 to U+001F.
const HIGHEST_CONTROL: u8 = 0x1f;

/// U+0001 to U+001F and U+007F to U+009F may end a connection (1.5.3), and nobody who means well writes them in a topic:
/// they are there to break a log or a terminal. The names in CONNECT are left to whoever can refuse them with a code.
#[cold]
fn check_controls(text: &str) -> Result<(), Malformed> {
    match text.chars().find(|character| character.is_control()) {
        Some('\0') => Err(Malformed::NullCharacter),
        Some(_) => Err(Malformed::ControlCharacter),
        None => Ok(()),
    }
}

/// A topic name: at least one character, no wildcard.
#[inline]
pub(super) fn topic_name<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Malformed> {
    let bytes = binary(cursor)?;
    let text = utf8(bytes)?;
    // Letters, digits, `/`, `-` and `_` lie above `+`, `#` and the controls.
    if bytes.is_empty() || any_unusual(b'+', bytes) {
        check_unusual_topic(text)?;
    }
    Ok(text)
}

#[cold]
fn check_unusual_topic(text: &str) -> Result<(), Malformed> {
    if text.is_empty() {
        return Err(Malformed::TopicEmpty);
    }
    check_controls(text)?;
    if text.contains(['#', '+']) { Err(Malformed::TopicWildcard) } else { Ok(()) }
}

/// A topic filter: at least one character, no control character; its wildcards are not looked at.
#[inline]
pub(super) fn topic_filter<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, Malformed> {
    let text = string(cursor)?;
    if any_unusual(HIGHEST_CONTROL, text.as_bytes()) {
        check_controls(text)?;
    }
    if text.is_empty() { Err(Malformed::FilterEmpty) } else { Ok(text) }
}

#[inline]
fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    core::str::from_utf8(bytes).map_err(|_| Malformed::IllFormedUtf8)
}

/// Whether any byte is `highest` or below, or no printable ASCII above it: then somebody has to look closer. A block of
/// sixteen is a few vector instructions for the compiler; the last block overlaps the one before it, so that no single
/// bytes are left over.
#[inline]
fn any_unusual(highest: u8, bytes: &[u8]) -> bool {
    let is_unusual = |byte: u8| (byte <= highest) | (byte >= 0x7f);
    let in_block = |block: &[u8; 16]| block.iter().fold(false, |found, &byte| found | is_unusual(byte));
    match bytes.last_chunk::<16>() {
        Some(last) => in_block(last) || bytes.as_chunks::<16>().0.iter().any(in_block),
        None => bytes.iter().any(|&byte| is_unusual(byte)),
    }
}

/// Bytes a field takes on the wire, its length included.
///
/// # Errors
///
/// [`Misuse::FieldTooLong`] when 16 bits cannot say its length.
#[inline]
pub(super) fn field_bytes(content_bytes: usize) -> Result<usize, Misuse> {
    if content_bytes > MQTT_FIELD_BYTES_MAX { Err(Misuse::FieldTooLong) } else { Ok(2 + content_bytes) }
}

/// Appends a field whose length was checked by [`field_bytes`].
#[inline]
pub(super) fn write(out: &mut Vec<u8>, content: &[u8]) {
    write_length(out, content.len());
    out.extend_from_slice(content);
}

/// Appends only the length of a field, for content that is appended in parts.
#[inline]
pub(super) fn write_length(out: &mut Vec<u8>, content_bytes: usize) {
    debug_assert!(content_bytes <= MQTT_FIELD_BYTES_MAX, "the caller checked it with field_bytes");
    out.extend_from_slice(&(content_bytes as u16).to_be_bytes());
}

/// Whether the joined parts are a topic name; for assertions about our own text.
pub(super) fn is_topic_name(parts: &[&str]) -> bool {
    let is_forbidden = |character: char| character.is_control() || matches!(character, '#' | '+');
    parts.iter().any(|part| !part.is_empty()) && !parts.iter().any(|part| part.contains(is_forbidden))
}

/// Whether this text may stand where a topic filter is expected; for assertions about our own text.
pub(super) fn is_topic_filter(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, content);
        out
    }

    #[test]
    fn finds_a_forbidden_byte_at_every_place_of_every_length() {
        for length in 1..80 {
            assert!(topic_name(&mut Cursor::new(&field(&vec![b'a'; length]))).is_ok());
            for place in 0..length {
                for (byte, error) in [
                    (0, Malformed::NullCharacter),
                    (1, Malformed::ControlCharacter),
                    (0x1f, Malformed::ControlCharacter),
                    (0x7f, Malformed::ControlCharacter),
                    (b'#', Malformed::TopicWildcard),
                    (b'+', Malformed::TopicWildcard),
                    (0x80, Malformed::IllFormedUtf8),
                ] {
                    let mut content = vec![b'a'; length];
                    content[place] = byte;
                    let bytes = field(&content);
                    assert_eq!(topic_name(&mut Cursor::new(&bytes)), Err(error), "{length} {place}");
                    let text = string(&mut Cursor::new(&bytes));
                    let free = !matches!(byte, 0 | 0x80);
                    assert_eq!(text.is_ok(), free, "{length} {place}");
                    let filter = topic_filter(&mut Cursor::new(&bytes));
                    let free = byte == b'#' || byte == b'+';
                    assert_eq!(filter.is_ok(), free, "{length} {place}");
                }
            }
        }
    }

    #[test]
    fn tells_the_last_control_characters_from_other_text() {
        let read = |text: &str| topic_filter(&mut Cursor::new(&field(text.as_bytes()))).map(str::len);
        for control in ["\u{80}", "\u{9f}", "caf\u{e9}\u{85}"] {
            assert_eq!(read(control), Err(Malformed::ControlCharacter), "{control:?}");
        }
        for text in [" ", "~", "\u{a0}", "caf\u{e9}", "\u{feff}", "\u{10ffff}"] {
            assert_eq!(read(text), Ok(text.len()), "{text:?}");
        }
    }

    #[test]
    fn stops_at_the_end_of_the_packet() {
        assert_eq!(binary(&mut Cursor::new(&[])), Err(Malformed::Truncated));
        assert_eq!(binary(&mut Cursor::new(&[0])), Err(Malformed::Truncated));
        assert_eq!(binary(&mut Cursor::new(&[0, 2, b'a'])), Err(Malformed::Truncated));
        assert_eq!(binary(&mut Cursor::new(&[0xff, 0xff, b'a'])), Err(Malformed::Truncated));
    }

    #[test]
    fn measures_fields_up_to_the_longest() {
        assert_eq!(field_bytes(0), Ok(2));
        assert_eq!(field_bytes(65_535), Ok(65_537));
        assert_eq!(field_bytes(65_536), Err(Misuse::FieldTooLong));
    }
}
