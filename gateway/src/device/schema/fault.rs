//! Why a schema is refused, in a code for programs and a bounded sentence for people.
//!
//! Owns the codes and the way in which text from strangers is cut; it never decides what is refused.

use std::fmt::{self, Write};

/// Bytes of a fault's sentence.
pub(super) const DETAIL_BYTES_MAX: usize = 256;

/// What is wrong with a schema.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FaultKind {
    /// It is no JSON that we read (syntax, depth, a key that comes twice).
    Json,
    /// It is no JSON object.
    NotAnObject,
    /// Its top level does not say `"type": "object"`.
    Type,
    /// A `$ref` leaves the schema, or leads nowhere; or an identifier within it changes what references mean.
    Reference,
    /// A `$ref` leads back to itself without descending into the payload: a check would never end.
    Recursion,
    /// Checking one value could take too many steps.
    TooCostly,
    /// A pattern is no regular expression, needs backtracking, or compiles to too many bytes.
    Pattern,
    /// It breaks another rule of JSON Schema.
    Invalid,
}

impl FaultKind {
    /// The code in messages to devices and on their page.
    pub const fn code(self) -> &'static str {
        match self {
            FaultKind::Json => "INVALID_JSON",
            FaultKind::NotAnObject => "SCHEMA_NOT_AN_OBJECT",
            FaultKind::Type => "SCHEMA_TYPE_NOT_OBJECT",
            FaultKind::Reference => "SCHEMA_REFERENCE",
            FaultKind::Recursion => "SCHEMA_RECURSION",
            FaultKind::TooCostly => "SCHEMA_TOO_COSTLY",
            FaultKind::Pattern => "SCHEMA_PATTERN",
            FaultKind::Invalid => "SCHEMA_INVALID",
        }
    }
}

/// Why a schema is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchemaFault {
    kind: FaultKind,
    detail: Box<str>,
}

impl SchemaFault {
    pub(super) fn new(kind: FaultKind, detail: &str) -> SchemaFault {
        SchemaFault { kind, detail: bounded(DETAIL_BYTES_MAX, format_args!("{detail}")).into() }
    }

    /// What is wrong.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The code in messages to devices and on their page.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for SchemaFault {}

/// What stands for the rest of a text that was cut.
const ELLIPSIS: &str = "…";

/// The text of the arguments, cut at `bytes_max`: a sentence about a megabyte costs no megabyte.
pub(super) fn bounded(bytes_max: usize, arguments: fmt::Arguments<'_>) -> String {
    let mut text = Bounded { text: String::new(), bytes_max };
    // The error is our own way to stop the formatting early.
    let _ = text.write_fmt(arguments);
    text.text
}

/// Text that stops growing at a ceiling.
struct Bounded {
    text: String,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = self.bytes_max - self.text.len();
        if piece.len() <= room {
            self.text.push_str(piece);
            return Ok(());
        }
        self.text.push_str(&piece[..piece.floor_char_boundary(room)]);
        let end = self.text.floor_char_boundary(self.bytes_max - ELLIPSIS.len());
        self.text.truncate(end);
        self.text.push_str(ELLIPSIS);
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_text_between_characters() {
        assert_eq!(bounded(10, format_args!("{}", "1234567890")), "1234567890");
        assert_eq!(bounded(10, format_args!("{}", "12345678901")), "1234567…");
        assert_eq!(bounded(10, format_args!("{}{}", "123456", "äöü")), "123456…");
        assert!(bounded(256, format_args!("{}", "x".repeat(1 << 20))).len() <= 256);
    }
}
