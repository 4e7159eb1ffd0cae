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
    let mut strangers = [""; STRANGERS_FEW];
    let mut count = 0;
    while let Some((key, value)) = walk.member()? {
        if settle(&names, &mut found, key, value)? {
            continue;
        }
        let Some((before, [free, ..])) = strangers.split_at_mut_checked(count) else {
            many(&mut walk, &names, &mut found, &strangers, key)?;
            break;
        };
        if before.iter().any(|other| same(key, other)) {
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
    few: &[&'a str; STRANGERS_FEW],
    one_more: &'a str,
) -> Result<(), Malformed> {
    let mut strangers = [""; JSON_KEYS_MAX];
    let mut free = strangers.iter_mut();
    for (slot, &key) in free.by_ref().zip(few) {
        *slot = key;
    }
    let mut count = few.len();
    let mut stranger = Some(one_more);
    loop {
        if let Some(key) = stranger {
            *free.next().ok_or(Malformed::TooManyKeys)? = key;
            count += 1;
        }
        let Some((key, value)) = walk.member()? else { break };
        stranger = (!settle(names, found, key, value)?).then_some(key);
    }
    let strangers = strangers.get_mut(..count).unwrap_or_default();
    strangers.sort_unstable_by(|one, other| order(one, other));
    if strangers.array_windows().any(|[one, next]| same(one, next)) {
        return Err(Malformed::DuplicateKey);
    }
    Ok(())
}

/// Puts a member where it was asked for; `false` if nobody did.
#[inline(always)]
fn settle<'a>(
    names: &[&str],
    found: &mut [Option<Raw<'a>>],
    key: &str,
    value: Raw<'a>,
) -> Result<bool, Malformed> {
    if value.kind() == Kind::Number && value.as_bytes().len() > JSON_NUMBER_BYTES_MAX {
        return Err(Malformed::NumberTooLong);
    }
    for (name, slot) in names.iter().zip(found) {
        if is_name(key, name) {
            return match slot.replace(value) {
                None => Ok(true),
                Some(_) => Err(Malformed::DuplicateKey),
            };
        }
    }
    Ok(false)
}

/// Whether a key as spelled in the document stands for this name.
#[inline(always)]
fn is_name(key: &str, name: &str) -> bool {
    if is_escaped(key) {
        text::unescaped(key).eq(name.chars())
    } else {
        key == name
    }
}

/// Whether two keys as spelled in the document stand for the same name.
fn same(one: &str, other: &str) -> bool {
    one == other || order(one, other).is_eq()
}

/// The order of the names that two keys stand for.
fn order(one: &str, other: &str) -> Ordering {
    if is_escaped(one) || is_escaped(other) {
        text::unescaped(one).cmp(text::unescaped(other))
    } else {
        one.cmp(other)
    }
}

/// A walk over the members of the document's object.
struct Walk<'a> {
    text: &'a str,
    /// Where the next member's name begins; `None` behind the last.
    next: Option<usize>,
    count: usize,
}

impl<'a> Walk<'a> {
    /// Steps over the opening brace.
    fn enter(text: &'a str) -> Result<Self, Malformed> {
        let bytes = text.as_bytes();
        let at = scan::blank(bytes, 0);
        match bytes.get(at) {
            Some(b'{') => {}
            Some(_) => return Err(Malformed::NotAnObject),
            None => return Err(Malformed::Truncated),
        }
        let at = scan::blank(bytes, at + 1);
        let mut walk = Self {
            text,
            next: Some(at),
            count: 0,
        };
        if bytes.get(at) == Some(&b'}') {
            walk.leave(at + 1)?;
        }
        Ok(walk)
    }

    /// The next member: its name as spelled, without the quotation marks, and its value.
    #[inline(always)]
    fn member(&mut self) -> Result<Option<(&'a str, Raw<'a>)>, Malformed> {
        let Some(at) = self.next else { return Ok(None) };
        if self.count == JSON_KEYS_MAX {
            return Err(Malformed::TooManyKeys);
        }
        self.count += 1;
        let bytes = self.text.as_bytes();
        let key_end = match bytes.get(at) {
            Some(b'"') => scan::string(bytes, at + 1)?,
            Some(_) => return Err(Malformed::Unexpected),
            None => return Err(Malformed::Truncated),
        };
        let key = self.text.get(at + 1..key_end - 1).unwrap_or_default();
        let start = scan::colon(bytes, key_end)?;
        let end = scan::value(bytes, start)?;
        let behind = scan::blank(bytes, end);
        match bytes.get(behind) {
            Some(b',') => self.next = Some(scan::blank(bytes, behind + 1)),
            Some(b'}') => self.leave(behind + 1)?,
            Some(_) => return Err(Malformed::Unexpected),
            None => return Err(Malformed::Truncated),
        }
        Ok(Some((key, Raw::new(self.text, start, end))))
    }

    /// Steps behind the closing brace, where the document must end.
    fn leave(&mut self, at: usize) -> Result<(), Malformed> {
        self.next = None;
        finish(self.text.as_bytes(), at)
    }
}
