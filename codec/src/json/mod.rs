//! JSON (RFC 8259): validation and member scanning without building a tree.
//!
//! Payloads pass through this product as the bytes that a peer sent. So a document is walked once: its grammar, its
//! UTF-8, its depth and its escapes are checked, and the few members that the caller asks for by name come back as
//! [`Raw`] slices of the input. [`members`] reads one object, [`Raw::members`] and [`Raw::elements`] go one level
//! deeper, [`value`] and [`validate`] check what only passes through, and [`Raw::check_whole`] what will be read whole.
//!
//! It never allocates while reading, never recurses, never converts a number unasked (`1e999` is a fine number, it
//! passes as text), never repairs (no BOM, no comments, no `NaN`, no trailing comma), and it knows the meaning of no
//! member name. Stricter than the grammar where the grammar leaves holes: invalid UTF-8, escapes of lone surrogates
//! and nesting below [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX) are refused everywhere; duplicate keys, more than
//! [`JSON_KEYS_MAX`](crate::limits::JSON_KEYS_MAX) keys and numbers longer than
//! [`JSON_NUMBER_BYTES_MAX`](crate::limits::JSON_NUMBER_BYTES_MAX) in each object that is read.
//!
//! ```
//! use codec::json::{self, Kind};
//!
//! let answer = br#"{"commandId": "c-7", "success": true, "data": {"celsius": 21.50}}"#;
//! let [id, success, data] = json::members(answer, ["commandId", "success", "data"])?;
//! assert_eq!(id.and_then(|id| id.plain_str()), Some("c-7"));
//! assert_eq!(success.and_then(|success| success.as_bool()), Some(true));
//! assert_eq!(data.map(|data| data.as_bytes()), Some(&br#"{"celsius": 21.50}"#[..]));
//! # Ok::<(), json::Malformed>(())
//! ```

mod members;
mod pieces;
mod raw;
mod scan;
mod text;
mod whole;
mod word;

use core::fmt;

pub use members::members;
pub(crate) use pieces::Piece;
pub use raw::{Elements, Kind, Raw, validate, value};
pub use text::encode_str;
pub use whole::Names;

/// Why bytes are not a JSON document, or not one that we read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// The document ends inside a value, or holds none (RFC 8259, 2).
    Truncated,
    /// Something follows the one value of the document (RFC 8259, 2: `JSON-text = ws value ws`).
    Surplus,
    /// A byte that the grammar does not allow at its place: no value, comma, colon or bracket fits (RFC 8259, 2-5).
    Unexpected,
    /// A number with a leading zero, or without a digit where one must be (RFC 8259, 6).
    Number,
    /// "Text exchanged between systems that are not part of a closed ecosystem MUST be encoded using UTF-8"
    /// (RFC 8259, 8.1), and ill-formed UTF-8 is none (RFC 3629, 3: no overlong forms, no surrogates).
    IllFormedUtf8,
    /// "All Unicode characters may be placed within the quotation marks, except for the characters that MUST be
    /// escaped: quotation mark, reverse solidus, and the control characters (U+0000 through U+001F)" (RFC 8259, 7).
    ControlCharacter,
    /// A reverse solidus followed by something that is no escape, or `\u` by fewer than four hexadecimal digits
    /// (RFC 8259, 7).
    Escape,
    /// A `\u` escape of half a surrogate pair (RFC 8259, 8.2): no UTF-8 text can hold what it stands for.
    LoneSurrogate,
    /// Nested deeper than `JSON_DEPTH_MAX` (RFC 8259, 9: "An implementation may set limits on the maximum depth").
    TooDeep,
    /// The value whose members are asked for is no object.
    NotAnObject,
    /// Two members of an object that we read have the same name, compared after unescaping (RFC 8259, 4: "The names
    /// within an object SHOULD be unique").
    DuplicateKey,
    /// An object that we read has more than `JSON_KEYS_MAX` members.
    TooManyKeys,
    /// A number in an object that we read is longer than `JSON_NUMBER_BYTES_MAX`.
    NumberTooLong,
    /// A value that we read whole holds more than `JSON_NODES_MAX` values.
    TooManyNodes,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed JSON: {self:?}")
    }
}

impl core::error::Error for Malformed {}
