//! The payload of an EVENT and of an ACK: an array.
//!
//! It owns where the arguments lie within it, so that they can be passed on as they were spelled.

use super::Malformed;
use crate::json::{self, Kind, Raw};

/// Names that no event on the wire may have.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// The arguments of an acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arguments<'a> {
    array: Raw<'a>,
}

impl<'a> Arguments<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Malformed> {
        let array = json::value(text.as_bytes())?;
        if array.kind() == Kind::Array { Ok(Self { array }) } else { Err(Malformed::PayloadKind) }
    }

    pub(super) fn array(&self) -> Raw<'a> {
        self.array
    }

    /// Each argument.
    pub fn iter(&self) -> json::Elements<'a> {
        self.array.elements()
    }

    /// The arguments as they are spelled, with the commas between them; empty if there are none.
    pub fn list(&self) -> &'a str {
        inside(self.array).trim_ascii()
    }
}

/// The name of an event and its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call<'a> {
    array: Raw<'a>,
    name: Raw<'a>,
}

impl<'a> Call<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Malformed> {
        let Arguments { array } = Arguments::read(text)?;
        let name = array.elements().next().filter(|name| name.kind() == Kind::String);
        let name = name.ok_or(Malformed::EventName)?;
        if RESERVED.iter().any(|reserved| name.is_text(reserved)) {
            return Err(Malformed::ReservedName);
        }
        Ok(Self { array, name })
    }

    pub(super) fn array(&self) -> Raw<'a> {
        self.array
    }

    /// The event's name: a string.
    pub fn name(&self) -> Raw<'a> {
        self.name
    }

    /// Each argument.
    pub fn iter(&self) -> impl Iterator<Item = Raw<'a>> + use<'a> {
        self.array.elements().skip(1)
    }

    /// The first argument; the only one of most events.
    pub fn first(&self) -> Option<Raw<'a>> {
        self.iter().next()
    }

    /// The arguments as they are spelled, with the commas between them; empty if there are none.
    pub fn list(&self) -> &'a str {
        let behind_name = inside(self.array).trim_ascii_start().get(self.name.as_str().len()..);
        behind_name.unwrap_or_default().trim_ascii_start().strip_prefix(',').unwrap_or_default().trim_ascii()
    }
}

/// What stands between the brackets.
fn inside(array: Raw<'_>) -> &str {
    let text = array.as_str();
    text.get(1..text.len() - 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_arguments_wherever_the_blanks_are() {
        for (text, list) in [
            (r#"["a"]"#, ""),
            (r#" [ "a" ] "#, ""),
            (r#"["a",1,{"b":[2]}]"#, r#"1,{"b":[2]}"#),
            (r#"[ "a" , 1 , 2 ]"#, "1 , 2"),
            (r#"["a,b","c]"]"#, r#""c]""#),
        ] {
            assert_eq!(Call::read(text).unwrap().list(), list, "{text}");
        }
        for (text, list) in [("[]", ""), ("[ ]", ""), ("[ 1, [2] ]", "1, [2]")] {
            assert_eq!(Arguments::read(text).unwrap().list(), list, "{text}");
        }
    }
}
