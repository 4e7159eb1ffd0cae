//! SUBACK: a server's answer to SUBSCRIBE, one code for each filter in the same order (3.9).
//!
//! It owns the return codes. It never chooses one.

use core::fmt;

use super::{Malformed, PacketId, QoS, header};
use crate::cursor::Cursor;

const FAILURE: u8 = 0x80;

/// A received answer to a request for messages, with at least one code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// The identifier of the SUBSCRIBE.
    pub id: PacketId,
    /// Every byte of it is a [`SubscribeCode`].
    codes: &'a [u8],
}

/// What became of one filter (3.9.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SubscribeCode {
    /// Subscribed; messages come with at most this quality of service.
    Granted(QoS),
    /// Not subscribed.
    Failure,
}

impl SubscribeCode {
    #[inline]
    fn new(code: u8) -> Option<Self> {
        match code {
            FAILURE => Some(Self::Failure),
            _ => QoS::new(code).map(Self::Granted),
        }
    }

    #[inline]
    fn number(self) -> u8 {
        match self {
            Self::Granted(qos) => qos.number(),
            Self::Failure => FAILURE,
        }
    }
}

impl<'a> SubAck<'a> {
    /// Reads what stands behind the fixed header.
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let id = PacketId::decode(&mut cursor)?;
        let codes = cursor.rest();
        if codes.is_empty() {
            return Err(Malformed::SubAckWithoutCode);
        }
        if codes.iter().any(|&code| SubscribeCode::new(code).is_none()) {
            return Err(Malformed::SubAckCode);
        }
        Ok(Self { id, codes })
    }

    /// What became of each filter, in the order of the SUBSCRIBE.
    #[inline]
    pub fn codes(&self) -> impl Iterator<Item = SubscribeCode> + Clone + use<'a> {
        self.codes.iter().filter_map(|&code| SubscribeCode::new(code))
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        header::write(out, 0x90, 2 + self.codes.len());
        out.extend_from_slice(&self.id.to_wire());
        out.extend_from_slice(self.codes);
    }
}

impl fmt::Debug for SubAck<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubAck ")?;
        f.debug_map().entry(&"id", &self.id.value()).entry(&"codes", &self.codes).finish()
    }
}

/// Appends a SUBACK with a code for each filter of the SUBSCRIBE `id`, in its order [MQTT-3.8.4-5]; at least one,
/// which is only asserted in debug builds. It always fits: a code is shorter than the filter it answers.
pub fn encode_suback(out: &mut Vec<u8>, id: PacketId, codes: &[SubscribeCode]) {
    debug_assert!(!codes.is_empty(), "a code for each filter [MQTT-3.8.4-5]");
    header::write(out, 0x90, 2 + codes.len());
    out.extend_from_slice(&id.to_wire());
    out.extend(codes.iter().map(|code| code.number()));
}
