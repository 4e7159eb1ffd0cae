//! A value that somebody is going to read whole: into a tree, or against a schema.
//!
//! Passing a payload through needs no more than its grammar. Reading one does: a reader that builds a tree pays for
//! each node, and two readers of a duplicate key may each believe the other one, which would carry a payload past a
//! schema check. So everything that is said of an object read by name is checked here at every depth, over a value
//! that was validated before.
//!
//! It never builds the tree. Names of open objects are remembered as places in the text, in room that the caller keeps,
//! and sorted once when their object closes, so that no choice of names makes it slow.

use super::members::Key;
use super::{Malformed, Raw, scan};
use crate::limits::{JSON_KEYS_MAX, JSON_NODES_MAX, JSON_NUMBER_BYTES_MAX};

/// Room for the names of the objects that are open, used again for each value.
#[derive(Debug, Default)]
pub struct Names {
    /// Inside of a name: where it begins and ends in the text.
    places: Vec<(usize, usize)>,
    /// For each open array or object, how many names there were before it.
    opened: Vec<usize>,
}

impl Raw<'_> {
    /// Checks a value that is going to be read whole: no duplicate key in any object (compared after unescaping), at
    /// most [`JSON_KEYS_MAX`] keys in each, at most [`JSON_NODES_MAX`] values in all, no number longer than
    /// [`JSON_NUMBER_BYTES_MAX`] bytes.
    ///
    /// ```
    /// use codec::json::{self, Malformed, Names};
    ///
    /// let payload = json::value(br#"{"limit": {"watts": 1, "w\u0061tts": 9}}"#)?;
    /// assert_eq!(payload.check_whole(&mut Names::default()), Err(Malformed::DuplicateKey));
    /// # Ok::<(), Malformed>(())
    /// ```
    pub fn check_whole(&self, names: &mut Names) -> Result<(), Malformed> {
        names.places.clear();
        names.opened.clear();
        let text = self.as_str();
        let bytes = text.as_bytes();
        let mut nodes = 0;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let from = at;
            at = scan::piece(bytes, from, byte)?;
            match byte {
                b'{' | b'[' => names.opened.push(names.places.len()),
                b'}' | b']' => names.close(text)?,
                b'"' if is_name(bytes, at) => {
                    names.note((from + 1, at - 1))?;
                    continue;
                }
                b'-' | b'0'..=b'9' if at - from > JSON_NUMBER_BYTES_MAX => {
                    return Err(Malformed::NumberTooLong);
                }
                _ => {}
            }
            // What begins a value is what is neither punctuation nor blank.
            nodes += usize::from(!matches!(byte, b',' | b':' | b'}' | b']' | 0..=b' '));
            if nodes > JSON_NODES_MAX {
                return Err(Malformed::TooManyNodes);
            }
        }
        debug_assert!(names.opened.is_empty(), "the value was validated");
        Ok(())
    }
}

/// Whether the string that ends here is a name: only a name is followed by a colon.
fn is_name(bytes: &[u8], at: usize) -> bool {
    scan::token(bytes, at).1 == b':'
}

impl Names {
    /// Remembers a name of the innermost object.
    fn note(&mut self, place: (usize, usize)) -> Result<(), Malformed> {
        let before = self.opened.last().copied().unwrap_or_default();
        if self.places.len() - before == JSON_KEYS_MAX {
            return Err(Malformed::TooManyKeys);
        }
        self.places.push(place);
        Ok(())
    }

    /// Checks and forgets the names of the innermost object; an array has none.
    fn close(&mut self, text: &str) -> Result<(), Malformed> {
        let before = self.opened.pop().unwrap_or_default();
        let key = |&(from, to): &(usize, usize)| Key::new(text.get(from..to).unwrap_or_default());
        let places = self.places.get_mut(before..).unwrap_or_default();
        if places.len() > 1 {
            places.sort_unstable_by(|one, other| key(one).order(&key(other)));
            if places.array_windows().any(|[one, next]| key(one).same(&key(next))) {
                return Err(Malformed::DuplicateKey);
            }
        }
        self.places.truncate(before);
        Ok(())
    }
}
