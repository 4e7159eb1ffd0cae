//! The number that ties an acknowledgement to what it acknowledges (2.3.1).
//!
//! It owns the rule that the number is never zero. It never knows which numbers are in use; a session does.

use core::num::NonZeroU16;

use super::Malformed;
use crate::cursor::Cursor;

/// A packet identifier: 1 to 65 535 [MQTT-2.3.1-1].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The smallest identifier.
    pub const MIN: Self = Self(NonZeroU16::MIN);

    /// The identifier `value`, or `None` for 0, which is no identifier.
    #[inline]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number on the wire.
    #[inline]
    pub const fn value(self) -> u16 {
        self.0.get()
    }

    /// The identifier that follows; 1 follows 65 535.
    #[inline]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(value) => Self(value),
            None => Self::MIN,
        }
    }

    /// Takes an identifier.
    #[inline]
    pub(super) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let value = cursor.u16().ok_or(Malformed::Truncated)?;
        Self::new(value).ok_or(Malformed::PacketIdZero)
    }

    /// The identifier as it stands in a packet.
    #[inline]
    pub(super) fn to_wire(self) -> [u8; 2] {
        self.value().to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::PacketId;

    #[test]
    fn skips_zero_when_it_wraps() {
        let last = PacketId::new(u16::MAX).unwrap();
        assert_eq!(last.next(), PacketId::MIN);
        assert_eq!(PacketId::MIN.next().value(), 2);
        assert_eq!(PacketId::new(0), None);
    }

    #[test]
    fn costs_nothing_when_it_is_absent() {
        assert_eq!(size_of::<Option<PacketId>>(), size_of::<u16>());
    }
}
