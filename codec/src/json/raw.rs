//! One validated value, borrowed from the document that holds it.
//!
//! A [`Raw`] can only be made by walking over it, so what it answers needs no second check: its bytes may be passed
//! on inside another document as they are. It never owns, converts only what it is asked for, and goes no deeper
//! than one level a call.

use super::{Malformed, members, scan, text};

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, of any size and precision.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One validated value without the white space around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Raw<'a> {
    /// Never empty, and exactly one value.
    text: &'a str,
}

/// Checks that `bytes` are one JSON document: a value with nothing but white space around it.
///
/// For what only passes through: grammar, UTF-8, depth and surrogates are checked, but neither duplicate keys nor the
/// ceilings of documents that we read.
pub fn validate(bytes: &[u8]) -> Result<(), Malformed> {
    value(bytes).map(drop)
}

/// The one value of a JSON document, checked as [`validate`] does.
///
/// ```
/// use codec::json::{self, Kind};
///
/// let event = json::value(br#" ["trigger", {"id": 1}] "#)?;
/// let kinds: Vec<Kind> = event.elements().map(|element| element.kind()).collect();
/// assert_eq!(kinds, [Kind::String, Kind::Object]);
/// # Ok::<(), json::Malformed>(())
/// ```
pub fn value(bytes: &[u8]) -> Result<Raw<'_>, Malformed> {
    let text = utf8(bytes)?;
    let start = scan::blank(bytes, 0);
    let end = scan::value(bytes, start)?;
    finish(bytes, end)?;
    Ok(Raw::new(text, start, end))
}

/// The document as text. It is looked at as a whole, which is faster than character by character within strings.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    core::str::from_utf8(bytes).map_err(|_| Malformed::IllFormedUtf8)
}

/// Checks that nothing but white space follows.
pub(super) fn finish(bytes: &[u8], at: usize) -> Result<(), Malformed> {
    if scan::blank(bytes, at) == bytes.len() { Ok(()) } else { Err(Malformed::Surplus) }
}

impl<'a> Raw<'a> {
    /// The value that `scan` found between two places of `text`.
    #[inline]
    pub(super) fn new(text: &'a str, start: usize, end: usize) -> Self {
        debug_assert!(start < end);
        let text = text.get(start..end);
        debug_assert!(text.is_some(), "the scanner stops at ASCII only");
        Self { text: text.unwrap_or("null") }
    }

    /// The value as the peer spelled it.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The value as the peer spelled it, as text: a string keeps its quotation marks and escapes.
    #[inline]
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// What the value is.
    #[inline]
    pub fn kind(&self) -> Kind {
        match self.text.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(_) | None => Kind::Null,
        }
    }

    /// `true` or `false`; `None` for any other kind.
    #[inline]
    pub fn as_bool(&self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A number that is spelled as a whole one and fits; `None` for `-1`, `1.0`, `1e3` and any other kind.
    #[inline]
    pub fn as_u64(&self) -> Option<u64> {
        self.text.parse().ok()
    }

    /// A string that holds no escape, without its quotation marks; `None` for any other.
    #[inline]
    pub fn plain_str(&self) -> Option<&'a str> {
        self.inner().filter(|inner| !is_escaped(inner))
    }

    /// The text of a string, unescaped into `scratch` where it holds an escape; `None` for any other kind.
    ///
    /// ```
    /// let mut scratch = String::new();
    /// let name = codec::json::value(br#""caf\u00e9""#)?;
    /// assert_eq!(name.text(&mut scratch), Some("café"));
    /// # Ok::<(), codec::json::Malformed>(())
    /// ```
    pub fn text<'s>(&self, scratch: &'s mut String) -> Option<&'s str>
    where
        'a: 's,
    {
        let inner = self.inner()?;
        if !is_escaped(inner) {
            return Some(inner);
        }
        scratch.clear();
        text::unescape(inner, scratch);
        Some(scratch)
    }

    /// Whether this is a string that stands for `expected`, however it is escaped.
    pub fn is_text(&self, expected: &str) -> bool {
        self.inner().is_some_and(|inner| {
            inner == expected && !is_escaped(inner)
                || is_escaped(inner) && text::unescaped(inner).eq(expected.chars())
        })
    }

    /// The elements of an array, in order; none for any other kind.
    pub fn elements(&self) -> Elements<'a> {
        let rest = match self.kind() {
            Kind::Array => Some(1),
            Kind::Null | Kind::Bool | Kind::Number | Kind::String | Kind::Object => None,
        };
        Elements { text: self.text, rest }
    }

    /// The named members of an object, under the rules of [`members`](super::members()).
    pub fn members<const N: usize>(&self, names: [&str; N]) -> Result<[Option<Raw<'a>>; N], Malformed> {
        members::members_of(self.text, names)
    }

    /// What stands between the quotation marks of a string.
    #[inline]
    fn inner(&self) -> Option<&'a str> {
        self.text.strip_prefix('"')?.strip_suffix('"')
    }
}

/// Whether the inside of a string holds an escape.
#[inline]
pub(super) fn is_escaped(inner: &str) -> bool {
    memchr::memchr(b'\\', inner.as_bytes()).is_some()
}

/// The elements of a validated array, made by [`Raw::elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    text: &'a str,
    /// Where the next element or the closing bracket comes; `None` at the end.
    rest: Option<usize>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let bytes = self.text.as_bytes();
        let (start, byte) = scan::token(bytes, self.rest.take()?);
        if byte == b']' {
            return None;
        }
        let end = scan::value(bytes, start);
        debug_assert!(end.is_ok(), "the array was validated");
        let end = end.ok()?;
        let (behind, byte) = scan::token(bytes, end);
        self.rest = (byte == b',').then_some(behind + 1);
        Some(Raw::new(self.text, start, end))
    }
}
