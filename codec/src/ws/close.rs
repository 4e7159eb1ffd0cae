//! The body of a close frame (RFC 6455, 5.5.1, 7.4).
//!
//! It owns which status codes may cross the wire. It never decides which of them a broken rule deserves.

use super::{CloseCode, Control, FrameHeader, Malformed, OpCode};
use crate::limits::WS_REASON_BYTES_MAX;

/// What a close frame says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Close<'a> {
    /// The status code, if there is one.
    pub code: Option<CloseCode>,
    /// The reason; often empty. "This data is not necessarily human readable" (5.5.1).
    pub reason: &'a str,
}

/// Reads the unmasked payload of a close frame.
///
/// # Errors
///
/// [`Malformed::CloseBody`], [`Malformed::CloseCode`], [`Malformed::CloseReason`].
///
/// # Example
///
/// ```
/// use codec::ws::{CloseCode, Malformed, decode_close};
///
/// let close = decode_close(b"\x03\xe8bye").unwrap();
/// assert_eq!((close.code, close.reason), (Some(CloseCode::Normal), "bye"));
/// assert_eq!(decode_close(b"").unwrap().code, None);
/// assert_eq!(decode_close(&1005_u16.to_be_bytes()), Err(Malformed::CloseCode));
/// ```
pub fn decode_close(payload: &[u8]) -> Result<Close<'_>, Malformed> {
    match payload.split_first_chunk() {
        Some((code, reason)) => {
            let code = u16::from_be_bytes(*code);
            if !may_cross_the_wire(code) {
                return Err(Malformed::CloseCode);
            }
            let reason = core::str::from_utf8(reason).map_err(|_| Malformed::CloseReason)?;
            Ok(Close { code: Some(CloseCode::from(code)), reason })
        }
        None if payload.is_empty() => Ok(Close { code: None, reason: "" }),
        None => Err(Malformed::CloseBody),
    }
}

/// Appends an unmasked close frame. A reason of more than [`WS_REASON_BYTES_MAX`] bytes is cut at a character; without a
/// code there is no reason.
pub fn encode_close(out: &mut Vec<u8>, close: Close<'_>) {
    let code = close.code.map(u16::from);
    debug_assert!(code.is_none_or(may_cross_the_wire), "{code:?} is never sent");
    let (reason, _) = close.reason.split_at(close.reason.floor_char_boundary(WS_REASON_BYTES_MAX));
    let payload_bytes = code.map_or(0, |_| 2 + reason.len()) as u64;
    FrameHeader { fin: true, opcode: OpCode::Control(Control::Close), key: None, payload_bytes }.encode(out);
    if let Some(code) = code {
        out.extend_from_slice(&code.to_be_bytes());
        out.extend_from_slice(reason.as_bytes());
    }
}

/// 1000 to 1003 and 1007 to 1011 are defined in 7.4.1, 1012 to 1014 in the registry it set up (11.7); 3000 to 4999 are
/// free for libraries and applications (7.4.2).
fn may_cross_the_wire(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(code: Option<CloseCode>, reason: &str) -> Vec<u8> {
        let mut out = Vec::new();
        encode_close(&mut out, Close { code, reason });
        out
    }

    #[test]
    fn writes_what_it_reads() {
        assert_eq!(written(None, "unheard"), [0x88, 0]);
        assert_eq!(written(Some(CloseCode::Away), ""), [0x88, 2, 0x03, 0xe9]);
        let bytes = written(Some(CloseCode::Protocol), "why");
        assert_eq!(decode_close(&bytes[2..]), Ok(Close { code: Some(CloseCode::Protocol), reason: "why" }));
    }

    #[test]
    fn cuts_a_long_reason_at_a_character() {
        let long = "\u{e9}".repeat(62);
        let bytes = written(Some(CloseCode::Normal), &long);
        assert_eq!((bytes[1], bytes.len()), (124, 126));
        assert_eq!(decode_close(&bytes[2..]).unwrap().reason, &long[..122]);
    }

    #[test]
    fn keeps_to_the_codes_of_the_registry() {
        let legal = |code: u16| decode_close(&code.to_be_bytes()).is_ok();
        let gaps: Vec<u16> = (1..=u16::MAX).filter(|&code| legal(code) != legal(code - 1)).collect();
        assert_eq!(gaps, [1000, 1004, 1007, 1015, 3000, 5000]);
        assert!(!legal(0));
    }
}
