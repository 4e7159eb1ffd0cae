//! One object, read for the members that somebody asks for by name.
//!
//! The whole document is walked once, so that a document that is answered for is a valid one to its last byte. Names
//! are compared after unescaping, with the names asked for and among themselves: a key that comes twice is refused,
//! because two readers of it (a schema check here, a device there) might each believe the other one.
//!
//! It keeps the names that nobody asked for on the stack: a few in place, which is what documents have; from there on
//! in a table for as many as are allowed, sorted once at the end, so that no choice of names makes it slow.

use core::cmp::Ordering;

use super::raw::{finish, is_escaped, utf8};
use super::{Kind, Malformed, Raw, scan, text};
use crate::limits::{JSON_KEYS_MAX, JSON_NUMBER_BYTES_MAX};

/// Names nobody asked for that are compared one by one.
const STRANGERS_FEW: usize = 16;

/// Validates a document whose value is an object, and finds the members of these names in it.
///
/// One pass over the bytes, no allocation. Everything in the document is checked as [`validate`](super::validate)
/// does; the object itself is held to the rules for documents that we read: no duplicate key, at most
/// [`JSON_KEYS_MAX`] members, no number among them longer than [`JSON_NUMBER_BYTES_MAX`] bytes. Values within the members
/// only pass through; the depth of each is counted from itself.
///
/// The names must differ from each other.
pub fn members<'a, const N: usize>(
    bytes: &'a [u8],
    names: [&str; N],
) -> Result<[Option<Raw<'a>>; N], Malformed> {
    members_of(utf8(bytes)?, names)
}

/// The same for text.
pub(super) fn members_of<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Result<[Option<Raw<'a>>; N], Malformed> {
    let mut found = [None; N];
    let mut walk = Walk::enter(text)?;
    let mut strangers = [Key::default(); STRANGERS_FEW];
    let mut count = 0;
    while let Some((key, value)) = walk.member()? {
        if settle(&names, &mut found, key, value)? {
            continue;
        }
        let Some((before, [free, ..])) = strangers.split_at_mut_checked(count) else {
            many(&mut walk, &names, &mut found, &strangers, key)?;
            break;
        };
        if before.iter().any(|other| key.same(other)) {
            return Err(Malformed::DuplicateKey);
        }
        *free = key;
        count += 1;
    }
    Ok(found)
}

/// Reads on where `members_of` has run out of room for strangers, `one_more` being the first that did not fit.
#[inline(never)]
fn many<'a>(
    walk: &mut Walk<'a>,
    names: &[&str],
    found: &mut [Option<Raw<'a>>],
    few: &[Key<'a>; STRANGERS_FEW],
    one_more: Key<'a>,
) -> Result<(), Malformed> {
    let mut strangers = [Key::default(); JSON_KEYS_MAX];
    let mut count = 0;
    let mut keep = |key| {
        *strangers.get_mut(count).ok_or(Malformed::TooManyKeys)? = key;
        count += 1;
        Ok(())
    };
    few.iter().chain([&one_more]).try_for_each(|&key| keep(key))?;
    while let Some((key, value)) = walk.member()? {
        if !settle(names, found, key, value)? {
            keep(key)?;
        }
    }
    let strangers = strangers.get_mut(..count).unwrap_or_default();
    strangers.sort_unstable_by(Key::order);
    if strangers.array_windows().any(|[one, next]| one.same(next)) {
        return Err(Malformed::DuplicateKey);
    }
    Ok(())
}

/// Puts a member where it was asked for; `false` if nobody did.
#[inline(always)]
fn settle<'a>(
    names: &[&str],
    found: &mut [Option<Raw<'a>>],
    key: Key<'a>,
    value: Raw<'a>,
) -> Result<bool, Malformed> {
    if value.as_bytes().len() > JSON_NUMBER_BYTES_MAX && value.kind() == Kind::Number {
        return Err(Malformed::NumberTooLong);
    }
    for (name, slot) in names.iter().zip(found) {
        if key.is(name) {
            return match slot.replace(value) {
                None => Ok(true),
                Some(_) => Err(Malformed::DuplicateKey),
            };
        }
    }
    Ok(false)
}

/// A member's name as the document spells it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Key<'a> {
    /// What stands between the quotation marks.
    inner: &'a str,
    escaped: bool,
}

impl<'a> Key<'a> {
    /// The key with this between its quotation marks.
    pub(super) fn new(inner: &'a str) -> Self {
        Self { inner, escaped: is_escaped(inner) }
    }

    /// Whether the key stands for this name.
    #[inline(always)]
    pub(crate) fn is(&self, name: &str) -> bool {
        if self.escaped { text::unescaped(self.inner).eq(name.chars()) } else { self.inner == name }
    }

    /// The order of the names that two keys stand for.
    #[inline]
    pub(super) fn order(&self, other: &Key<'_>) -> Ordering {
        if self.escaped || other.escaped {
            text::unescaped(self.inner).cmp(text::unescaped(other.inner))
        } else {
            self.inner.cmp(other.inner)
        }
    }

    /// Whether two keys stand for the same name.
    #[inline]
    pub(super) fn same(&self, other: &Key<'_>) -> bool {
        if self.escaped || other.escaped { self.order(other).is_eq() } else { self.inner == other.inner }
    }
}

/// A walk over the members of the document's object.
struct Walk<'a> {
    text: &'a str,
    /// Where the next member begins or the white space before it; `None` behind the last.
    next: Option<usize>,
    count: usize,
}

impl<'a> Walk<'a> {
    /// Steps over the opening brace.
    fn enter(text: &'a str) -> Result<Self, Malformed> {
        let bytes = text.as_bytes();
        let (at, byte) = scan::token(bytes, 0);
        if byte != b'{' {
            let nothing = at == bytes.len();
            return Err(if nothing { Malformed::Truncated } else { Malformed::NotAnObject });
        }
        let (at, byte) = scan::token(bytes, at + 1);
        let mut walk = Self { text, next: Some(at), count: 0 };
        if byte == b'}' {
            walk.leave(at + 1)?;
        }
        Ok(walk)
    }

    /// The next member.
    #[inline(always)]
    fn member(&mut self) -> Result<Option<(Key<'a>, Raw<'a>)>, Malformed> {
        let Some(at) = self.next else { return Ok(None) };
        if self.count == JSON_KEYS_MAX {
            return Err(Malformed::TooManyKeys);
        }
        self.count += 1;
        let bytes = self.text.as_bytes();
        let (key, behind) = self.key(at)?;
        let start = scan::blank(bytes, scan::expect(bytes, behind, b':')?);
        let end = scan::value(bytes, start)?;
        match scan::token(bytes, end) {
            (at, b',') => self.next = Some(at + 1),
            (at, b'}') => self.leave(at + 1)?,
            (at, _) => return Err(scan::unexpected(bytes, at)),
        }
        Ok(Some((key, Raw::new(self.text, start, end))))
    }

    /// The name that begins here, and the place behind it.
    #[inline(always)]
    fn key(&self, at: usize) -> Result<(Key<'a>, usize), Malformed> {
        let bytes = self.text.as_bytes();
        let from = scan::expect(bytes, at, b'"')?;
        let stop = scan::plain(bytes, from);
        let escaped = bytes.get(stop) != Some(&b'"');
        let behind = if escaped { scan::escaped(bytes, stop)? } else { stop + 1 };
        let inner = self.text.get(from..behind - 1).unwrap_or_default();
        Ok((Key { inner, escaped }, behind))
    }

    /// Steps behind the closing brace, where the document must end.
    fn leave(&mut self, at: usize) -> Result<(), Malformed> {
        self.next = None;
        finish(self.text.as_bytes(), at)
    }
}
