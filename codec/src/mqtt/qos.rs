//! The three qualities of service (4.3).
//!
//! It owns their numbers. It never knows what they oblige anybody to do; a session does.

/// How often a message may arrive. The order is that of the assurance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum QoS {
    /// QoS 0: never acknowledged, so at most once (4.3.1).
    AtMostOnce = 0,
    /// QoS 1: acknowledged by PUBACK, so at least once (4.3.2).
    AtLeastOnce = 1,
    /// QoS 2: PUBREC, PUBREL, PUBCOMP, so exactly once (4.3.3).
    ExactlyOnce = 2,
}

impl QoS {
    /// The quality with this number; the fourth two-bit number, 3, is none.
    #[inline]
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// The number on the wire: 0, 1 or 2.
    #[inline]
    pub const fn number(self) -> u8 {
        self as u8
    }
}
