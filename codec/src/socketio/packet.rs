//! One packet ("Packet encoding").
//!
//! It owns the seven types and the parts of a packet. An EVENT and a BINARY_EVENT are one thing here, with or without
//! attachments to come; so are the two kinds of ACK.

use super::placeholder;
use super::{Arguments, Call, Malformed};
use crate::json::{self, Kind, Raw};
use crate::limits::{
    SOCKETIO_ACK_ID_DIGITS_MAX, SOCKETIO_ACK_ID_MAX, SOCKETIO_ATTACHMENTS_MAX, SOCKETIO_NAMESPACE_BYTES_MAX,
};

/// The namespace of a packet that names none.
pub(super) const MAIN: &str = "/";

/// A packet, borrowed from its message. Every namespace begins with a slash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// `0`: a client asks to be connected to a namespace, or a server says that it is.
    Connect {
        /// Which.
        namespace: &'a str,
        /// The client's credentials, or the server's session id: an object.
        data: Option<Raw<'a>>,
    },
    /// `1`: a namespace is left.
    Disconnect {
        /// Which.
        namespace: &'a str,
    },
    /// `2` and `5`: something happened.
    Event(Event<'a>),
    /// `3` and `6`: an event was heard.
    Ack(Ack<'a>),
    /// `4`: a namespace is refused.
    ConnectError {
        /// Which.
        namespace: &'a str,
        /// Why: an object or a string.
        data: Raw<'a>,
    },
}

/// An EVENT or BINARY_EVENT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// Where.
    pub namespace: &'a str,
    /// The peer wants an ACK with this id.
    pub id: Option<u64>,
    /// Binary messages that follow, up to [`SOCKETIO_ATTACHMENTS_MAX`].
    pub attachments: u8,
    /// What happened.
    pub call: Call<'a>,
}

/// An ACK or BINARY_ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack<'a> {
    /// Where.
    pub namespace: &'a str,
    /// The id of the event that was heard.
    pub id: u64,
    /// Binary messages that follow, up to [`SOCKETIO_ATTACHMENTS_MAX`].
    pub attachments: u8,
    /// What there is to say of it.
    pub arguments: Arguments<'a>,
}

/// Reads the packet that a text message of Engine.IO is.
///
/// # Errors
///
/// A [`Malformed`] by the first rule that is broken, from left to right.
///
/// # Example
///
/// ```
/// use codec::socketio::{Malformed, Packet, decode};
///
/// assert_eq!(decode(b"1/devices,"), Ok(Packet::Disconnect { namespace: "/devices" }));
/// assert_eq!(decode(b"45"), Err(Malformed::PayloadKind));
/// assert_eq!(decode(b"2"), Err(Malformed::PayloadMissing));
/// ```
pub fn decode(message: &[u8]) -> Result<Packet<'_>, Malformed> {
    let text = core::str::from_utf8(message).map_err(|_| Malformed::IllFormedUtf8)?;
    let mut characters = text.chars();
    let kind = characters.next().ok_or(Malformed::Empty)?;
    let rest = characters.as_str();
    match kind {
        '0' => {
            let (namespace, rest) = namespace(rest)?;
            Ok(Packet::Connect { namespace, data: optional(rest)? })
        }
        '1' => match namespace(rest)? {
            (namespace, "") => Ok(Packet::Disconnect { namespace }),
            (_, _) => Err(Malformed::PayloadSurplus),
        },
        '2' => event(0, rest),
        '3' => ack(0, rest),
        '4' => {
            let (namespace, rest) = namespace(rest)?;
            let data = present(rest).and_then(|rest| Ok(json::value(rest.as_bytes())?))?;
            match data.kind() {
                Kind::Object | Kind::String => Ok(Packet::ConnectError { namespace, data }),
                Kind::Null | Kind::Bool | Kind::Number | Kind::Array => Err(Malformed::PayloadKind),
            }
        }
        '5' => attachments(rest).and_then(|(count, rest)| event(count, rest)),
        '6' => attachments(rest).and_then(|(count, rest)| ack(count, rest)),
        _ => Err(Malformed::Kind),
    }
}

fn event(attachments: u8, rest: &str) -> Result<Packet<'_>, Malformed> {
    let (namespace, rest) = namespace(rest)?;
    let (id, rest) = id(rest)?;
    let call = Call::read(present(rest)?)?;
    if attachments > 0 {
        placeholder::check(call.array(), attachments)?;
    }
    Ok(Packet::Event(Event { namespace, id, attachments, call }))
}

fn ack(attachments: u8, rest: &str) -> Result<Packet<'_>, Malformed> {
    let (namespace, rest) = namespace(rest)?;
    let (id, rest) = id(rest)?;
    let id = id.ok_or(Malformed::IdMissing)?;
    let arguments = Arguments::read(present(rest)?)?;
    if attachments > 0 {
        placeholder::check(arguments.array(), attachments)?;
    }
    Ok(Packet::Ack(Ack { namespace, id, attachments, arguments }))
}

/// The object of a CONNECT, which may be left out.
fn optional(rest: &str) -> Result<Option<Raw<'_>>, Malformed> {
    if rest.is_empty() {
        return Ok(None);
    }
    let data = json::value(present(rest)?.as_bytes())?;
    if data.kind() == Kind::Object { Ok(Some(data)) } else { Err(Malformed::PayloadKind) }
}

/// What must not be left out. A blank before it would be an id of zero to the reference implementation.
fn present(rest: &str) -> Result<&str, Malformed> {
    match rest.bytes().next() {
        None => Err(Malformed::PayloadMissing),
        Some(byte) if byte.is_ascii_whitespace() => Err(json::Malformed::Unexpected.into()),
        Some(_) => Ok(rest),
    }
}

/// `<number>-`; a binary packet has one attachment at least.
fn attachments(rest: &str) -> Result<(u8, &str), Malformed> {
    let (number, rest) = digits(rest);
    let rest = rest.strip_prefix('-').ok_or(Malformed::Attachments)?;
    if number.is_empty() || number.starts_with('0') {
        return Err(Malformed::Attachments);
    }
    match number.parse() {
        Ok(count) if count <= SOCKETIO_ATTACHMENTS_MAX => Ok((count, rest)),
        Ok(_) | Err(_) => Err(Malformed::TooManyAttachments),
    }
}

/// `[<namespace>,]`: it begins with a slash; the comma may be left out where nothing follows.
fn namespace(rest: &str) -> Result<(&str, &str), Malformed> {
    if !rest.starts_with('/') {
        return Ok((MAIN, rest));
    }
    let (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
    if namespace.len() > SOCKETIO_NAMESPACE_BYTES_MAX {
        return Err(Malformed::NamespaceTooLong);
    }
    Ok((namespace, rest))
}

/// `[<id>]`.
fn id(rest: &str) -> Result<(Option<u64>, &str), Malformed> {
    let (number, rest) = digits(rest);
    if number.is_empty() {
        return Ok((None, rest));
    }
    if number.len() > SOCKETIO_ACK_ID_DIGITS_MAX || is_padded(number) {
        return Err(Malformed::Id);
    }
    match number.parse() {
        Ok(id) if id <= SOCKETIO_ACK_ID_MAX => Ok((Some(id), rest)),
        Ok(_) | Err(_) => Err(Malformed::Id),
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Whether a number begins with a zero that says nothing.
fn is_padded(number: &str) -> bool {
    number.len() > 1 && number.starts_with('0')
}
