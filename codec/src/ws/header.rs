//! The frame header (RFC 6455, 5.2).
//!
//! It owns which headers are legal, and judges each of its bytes as soon as it is there: a session learns from two
//! to fourteen bytes what is promised, before it has stored anything of it. It never looks at a payload, and does not
//! know who must mask.
//!
//! ```text
//!    0               1               2 ...                       ... 14 at most
//!   +-+-+-+-+-------+-+-------------+---------------------+---------------+
//!   |F|R|R|R| op-   |M| length      | length, if 126 (16  | masking key,  | payload
//!   |I|S|S|S| code  |A| (7 bits)    | bits) or 127 (64)   | if MASK is 1  |
//!   |N|V|V|V|       |S|             |                     |               |
//!   +-+-+-+-+-------+-+-------------+---------------------+---------------+
//! ```

use super::{Control, Data, Malformed, OpCode};
use crate::cursor::Cursor;
use crate::limits::{WS_CONTROL_BYTES_MAX, WS_HEADER_BYTES_MAX};

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const MASK: u8 = 0x80;
/// The length is in the next 16 bits.
const LENGTH_16: u8 = 126;
/// The length is in the next 64 bits.
const LENGTH_64: u8 = 127;

/// What the first bytes of a frame say of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// The last fragment of its message (which may be the first).
    pub fin: bool,
    /// What the payload is. Never one of the reserved ones when it was decoded.
    pub opcode: OpCode,
    /// The key by which the payload is masked, if it is.
    pub key: Option<[u8; 4]>,
    /// Length of the payload: less than 2^63.
    pub payload_bytes: u64,
}

/// Reads the header at the start of `bytes`, and tells how many bytes it takes; `Ok(None)` means that it is not whole yet.
///
/// # Errors
///
/// [`Malformed::ReservedBits`], [`Malformed::ReservedOpcode`] and [`Malformed::ControlFragmented`] at the first byte;
/// [`Malformed::ControlTooLong`] at the second; [`Malformed::LengthTopBit`] at the third;
/// [`Malformed::LengthNotMinimal`] at the last byte of the length.
///
/// # Example
///
/// ```
/// use codec::ws::{Malformed, decode};
///
/// assert_eq!(decode(&[0x82]), Ok(None));
/// assert_eq!(decode(&[0x82, 0x7f, 0x80]), Err(Malformed::LengthTopBit));
/// let (header, header_bytes) = decode(&[0x82, 0x7e, 0x01, 0x00]).unwrap().unwrap();
/// assert_eq!((header.payload_bytes, header_bytes), (256, 4));
/// ```
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let Some(first) = cursor.u8() else { return Ok(None) };
    let (fin, opcode) = (first & FIN != 0, opcode(first)?);
    let Some(second) = cursor.u8() else { return Ok(None) };
    let Some(payload_bytes) = length(second & !MASK, opcode, &mut cursor)? else {
        return Ok(None);
    };
    let mut key = None;
    if second & MASK != 0 {
        let Some(bytes) = cursor.array() else { return Ok(None) };
        key = Some(bytes);
    }
    let header_bytes = bytes.len() - cursor.rest().len();
    Ok(Some((FrameHeader { fin, opcode, key, payload_bytes }, header_bytes)))
}

/// Judges the first byte.
#[inline]
fn opcode(first: u8) -> Result<OpCode, Malformed> {
    if first & RSV != 0 {
        return Err(Malformed::ReservedBits);
    }
    let control = match first & 0x0f {
        0 => return Ok(OpCode::Data(Data::Continue)),
        1 => return Ok(OpCode::Data(Data::Text)),
        2 => return Ok(OpCode::Data(Data::Binary)),
        8 => Control::Close,
        9 => Control::Ping,
        10 => Control::Pong,
        _ => return Err(Malformed::ReservedOpcode),
    };
    if first & FIN == 0 { Err(Malformed::ControlFragmented) } else { Ok(OpCode::Control(control)) }
}

/// Reads the length, whose first seven bits are `short`.
#[inline]
fn length(short: u8, opcode: OpCode, cursor: &mut Cursor<'_>) -> Result<Option<u64>, Malformed> {
    if short < LENGTH_16 {
        return Ok(Some(u64::from(short)));
    }
    if matches!(opcode, OpCode::Control(_)) {
        return Err(Malformed::ControlTooLong);
    }
    let (bytes, least) = if short == LENGTH_16 {
        (cursor.u16().map(u64::from), u64::from(LENGTH_16))
    } else {
        if cursor.rest().first().is_some_and(|&first| first & 0x80 != 0) {
            return Err(Malformed::LengthTopBit);
        }
        (cursor.array().map(u64::from_be_bytes), 1 << 16)
    };
    match bytes {
        Some(bytes) if bytes < least => Err(Malformed::LengthNotMinimal),
        bytes => Ok(bytes),
    }
}

impl FrameHeader {
    /// Appends the header, its length in the shortest form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        debug_assert!(self.payload_bytes >> 63 == 0, "no frame is so long");
        debug_assert!(
            matches!(self.opcode, OpCode::Data(_))
                || self.fin && self.payload_bytes <= WS_CONTROL_BYTES_MAX as u64,
            "control frames are short and whole"
        );
        let from = out.len();
        let masked = if self.key.is_some() { MASK } else { 0 };
        out.push(if self.fin { FIN } else { 0 } | u8::from(self.opcode));
        match self.payload_bytes {
            short @ 0..126 => out.push(masked | short as u8),
            bytes @ 126..0x1_0000 => {
                out.push(masked | LENGTH_16);
                out.extend_from_slice(&(bytes as u16).to_be_bytes());
            }
            bytes => {
                out.push(masked | LENGTH_64);
                out.extend_from_slice(&bytes.to_be_bytes());
            }
        }
        out.extend_from_slice(self.key.as_ref().map_or(&[], |key| key));
        debug_assert!(out.len() - from <= WS_HEADER_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_all_first_bytes_before_any_length() {
        let legal: Vec<u8> = (0..=255).filter(|&first| decode(&[first]).is_ok()).collect();
        assert_eq!(legal, [0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8a]);
    }

    #[test]
    fn names_opcodes_as_the_library_does() {
        for first in (0x80..=0x8f).filter(|&first| decode(&[first]).is_ok()) {
            let (header, _) = decode(&[first, 0]).unwrap().unwrap();
            assert_eq!(header.opcode, OpCode::from(first & 0x0f));
        }
    }

    #[test]
    fn writes_and_reads_the_boundaries_of_lengths() {
        for (payload_bytes, header_bytes) in
            [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10), (1 << 32, 10), ((1 << 63) - 1, 10)]
        {
            for key in [None, Some([1, 2, 3, 4])] {
                let header =
                    FrameHeader { fin: true, opcode: OpCode::Data(Data::Binary), key, payload_bytes };
                let mut bytes = Vec::new();
                header.encode(&mut bytes);
                let expected_bytes = header_bytes + key.map_or(0, |key| key.len());
                assert_eq!(bytes.len(), expected_bytes);
                assert_eq!(decode(&bytes), Ok(Some((header, expected_bytes))));
            }
        }
    }
}
