//! A validated value as a flat run of pieces, for readers that look for something at any depth.
//!
//! It owns one walk without recursion and without memory: what is open is the reader's affair. It never validates, and
//! tells neither commas nor colons nor white space.

use super::members::Key;
use super::{Raw, scan};

/// One piece of a value.
#[derive(Clone, Copy)]
pub(crate) enum Piece<'a> {
    /// An array or object begins.
    Open,
    /// The innermost array or object ends.
    Close,
    /// The name of a member; its value follows.
    Name(Key<'a>),
    /// A string, number or literal, as it is spelled.
    Scalar(&'a str),
}

/// The pieces of a value, made by [`Raw::pieces`].
pub(crate) struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Raw<'a> {
    /// Everything in the value, in order.
    pub(crate) fn pieces(&self) -> Pieces<'a> {
        Pieces { text: self.as_str(), at: 0 }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let bytes = self.text.as_bytes();
        loop {
            let from = self.at;
            let byte = *bytes.get(from)?;
            // A value was validated, so that every piece has an end.
            self.at = scan::piece(bytes, from, byte).ok()?;
            return Some(match byte {
                b'{' | b'[' => Piece::Open,
                b'}' | b']' => Piece::Close,
                b',' | b':' | 0..=b' ' => continue,
                // Only a name is followed by a colon.
                b'"' if scan::token(bytes, self.at).1 == b':' => {
                    Piece::Name(Key::new(self.text.get(from + 1..self.at - 1)?))
                }
                _ => Piece::Scalar(self.text.get(from..self.at)?),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn tells_everything_but_punctuation() {
        let value = json::value(br#" { "a" : [ 1 , "x:y" ] , "b\u0063" : { } } "#).unwrap();
        let told: Vec<String> = value
            .pieces()
            .map(|piece| match piece {
                Piece::Open => "open".to_owned(),
                Piece::Close => "close".to_owned(),
                Piece::Name(key) => format!("name {}", if key.is("bc") { "bc" } else { "other" }),
                Piece::Scalar(text) => text.to_owned(),
            })
            .collect();
        assert_eq!(
            told,
            ["open", "name other", "open", "1", "\"x:y\"", "close", "name bc", "open", "close", "close"]
        );
    }
}
