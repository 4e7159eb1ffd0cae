//! UNSUBSCRIBE: a client asks for no more messages (3.10).
//!
//! It owns the list of filters; they are not empty and well-formed text, and nothing more is known of them.
//!
//! ```text
//! | 1010 0010 | remaining length | packet id | filter | filter | ...
//! ```

use core::fmt;

use super::{Malformed, Misuse, PacketId, header, text};
use crate::cursor::Cursor;

/// A received request to stop, with at least one filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// What the UNSUBACK must repeat [MQTT-3.10.4-4].
    pub id: PacketId,
    /// Every byte of it was accepted by [`text::topic_filter`].
    filters: &'a [u8],
}

impl<'a> Unsubscribe<'a> {
    /// Reads what stands behind the fixed header.
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let id = PacketId::decode(&mut cursor)?;
        let filters = cursor.rest();
        if filters.is_empty() {
            return Err(Malformed::UnsubscribeWithoutFilter);
        }
        while !cursor.is_empty() {
            text::topic_filter(&mut cursor)?;
        }
        Ok(Self { id, filters })
    }

    /// The filters in their order.
    #[inline]
    pub fn filters(&self) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        let mut cursor = Cursor::new(self.filters);
        // `decode` walked the same bytes to their end, so the first error is the end.
        core::iter::from_fn(move || text::topic_filter(&mut cursor).ok())
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        header::write(out, 0xa2, 2 + self.filters.len());
        out.extend_from_slice(&self.id.to_wire());
        out.extend_from_slice(self.filters);
    }
}

impl fmt::Debug for Unsubscribe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsubscribe ")?;
        f.debug_list().entry(&self.id.value()).entries(self.filters()).finish()
    }
}

/// Appends an UNSUBSCRIBE for the given filters, of which there must be at least one; each must be fit to be a
/// filter. Both are only asserted in debug builds.
///
/// # Errors
///
/// [`Misuse`] when a filter or the packet is too long; nothing was appended.
pub fn encode_unsubscribe(out: &mut Vec<u8>, id: PacketId, filters: &[&str]) -> Result<(), Misuse> {
    debug_assert!(!filters.is_empty(), "at least one filter [MQTT-3.10.3-2]");
    let remaining_bytes =
        filters.iter().try_fold(2, |sum, filter| Ok(sum + text::field_bytes(filter.len())?))?;
    header::write(out, 0xa2, header::sayable(remaining_bytes)?);
    out.extend_from_slice(&id.to_wire());
    for filter in filters {
        debug_assert!(text::is_topic_filter(filter), "no topic filter: {filter:?}");
        text::write(out, filter.as_bytes());
    }
    Ok(())
}
