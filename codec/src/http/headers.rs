//! The header fields of a head that was checked.
//!
//! A [`Headers`] is nothing but the lines themselves, found again by looking at them: so a view of a head is small, borrows
//! from the received bytes alone, and costs nothing for fields that nobody reads. It never joins lines, never
//! decodes a value, and answers sensibly, if not usefully, for bytes that never were a head.

use core::str;

/// Header fields, in the order in which they came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Whole lines with their line ends, up to the empty line or beyond it.
    lines: &'a [u8],
}

impl<'a> Headers<'a> {
    /// The fields in `lines`: of a head that was decoded before, what follows its first line.
    pub fn new(lines: &'a [u8]) -> Self {
        Self { lines }
    }

    /// The lines, as they came.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.lines
    }

    /// Every field: its name as it came, and its value without the white space around it (RFC 9112, 5.1).
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.fields().map(|(name, value)| (str::from_utf8(name).unwrap_or_default(), value))
    }

    /// The value of the first field of this name, in any case of letters (RFC 9110, 5.1).
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The same as text; `None` also when it is not UTF-8 (RFC 9110, 5.5 calls the rest opaque).
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.first(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// The values of all fields of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Whether one of the lists in the fields of this name has this member, in any case of letters
    /// (RFC 9110, 5.6.1): `Connection: keep-alive, Upgrade` has `upgrade`.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).any(|value| list_has(value, token))
    }

    fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.lines;
        core::iter::from_fn(move || {
            let (line, behind) = rest.split_at_checked(memchr::memchr(b'\n', rest)? + 1)?;
            rest = behind;
            let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
            Some((name, value.get(1..)?.trim_ascii()))
        })
    }
}

/// Whether a comma-separated list has this member (RFC 9110, 5.6.1).
pub(super) fn list_has(list: &[u8], token: &str) -> bool {
    list.split(|&byte| byte == b',').any(|member| member.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

impl core::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Names only: values hold secrets.
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Headers;

    const LINES: &[u8] = b"Host: a\r\nX-One:1\r\nx-one: \t2 \r\nConnection: keep-alive\r\n\
        CONNECTION: Upgrade , x\r\nX-Empty:\r\nX-Bytes: \xFF\r\n\r\nnot: a field\r\n";

    #[test]
    fn finds_fields_in_any_case_and_trims_values() {
        let headers = Headers::new(LINES);
        assert_eq!(headers.text("host"), Some("a"));
        assert_eq!(headers.all("X-ONE").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(headers.first("x-empty"), Some(&b""[..]));
        assert_eq!(headers.first("x-bytes"), Some(&b"\xFF"[..]));
        assert_eq!(headers.text("x-bytes"), None);
        assert_eq!(headers.text("x-on"), None);
    }

    #[test]
    fn ends_at_the_empty_line() {
        let headers = Headers::new(LINES);
        assert_eq!(headers.iter().count(), 7);
        assert_eq!(headers.first("not"), None);
    }

    #[test]
    fn finds_members_of_lists_over_several_lines() {
        let headers = Headers::new(LINES);
        assert!(headers.has_token("connection", "upgrade"));
        assert!(headers.has_token("Connection", "Keep-Alive"));
        assert!(!headers.has_token("connection", "up"));
        assert!(!headers.has_token("x-empty", "x"));
    }

    #[test]
    fn answers_for_bytes_that_never_were_a_head() {
        for lines in [&b""[..], b"\n", b"x", b"x\r\n", b":\n", b"::\n\n:"] {
            assert!(Headers::new(lines).iter().count() <= 1);
        }
    }

    #[test]
    fn shows_no_values_when_printed() {
        let shown = format!("{:?}", Headers::new(b"Authorization: Bearer secret\r\n\r\n"));
        assert_eq!(shown, r#"["Authorization"]"#);
    }
}
