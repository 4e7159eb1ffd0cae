//! SUBSCRIBE: a client asks for messages (3.8).
//!
//! It owns the list of filters and their options. Filters are not empty and well-formed text; whether their wildcards
//! are well placed is answered filter by filter in a SUBACK, so it is asked in [`filter`](super::filter).
//!
//! ```text
//! | 1000 0010 | remaining length | packet id | filter, 000000 QoS QoS | filter, 000000 QoS QoS | ...
//! ```

use core::fmt;

use super::{Malformed, Misuse, PacketId, QoS, header, text};
use crate::cursor::Cursor;

/// A received request for messages, with at least one filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// What the SUBACK must repeat [MQTT-3.8.4-2].
    pub id: PacketId,
    /// Every byte of it was accepted by [`next_pair`].
    pairs: &'a [u8],
}

impl<'a> Subscribe<'a> {
    /// Reads what stands behind the fixed header.
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let id = PacketId::decode(&mut cursor)?;
        let pairs = cursor.rest();
        if pairs.is_empty() {
            return Err(Malformed::SubscribeWithoutFilter);
        }
        while !cursor.is_empty() {
            next_pair(&mut cursor)?;
        }
        Ok(Self { id, pairs })
    }

    /// The filters with the highest quality of service the client wants for each, in their order.
    #[inline]
    pub fn filters(&self) -> impl Iterator<Item = (&'a str, QoS)> + Clone + use<'a> {
        let mut cursor = Cursor::new(self.pairs);
        // `decode` walked the same bytes to their end, so the first error is the end.
        core::iter::from_fn(move || next_pair(&mut cursor).ok())
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        header::write(out, 0x82, 2 + self.pairs.len());
        out.extend_from_slice(&self.id.to_wire());
        out.extend_from_slice(self.pairs);
    }
}

#[inline]
fn next_pair<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, QoS), Malformed> {
    let filter = text::topic_filter(cursor)?;
    let options = cursor.u8().ok_or(Malformed::Truncated)?;
    // The six reserved bits are zero exactly when the whole byte is a quality of service.
    let qos = QoS::new(options).ok_or(Malformed::SubscribeOptions)?;
    Ok((filter, qos))
}

impl fmt::Debug for Subscribe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscribe ")?;
        f.debug_map().entry(&"id", &self.id.value()).entries(self.filters()).finish()
    }
}

/// Appends a SUBSCRIBE for the given filters, of which there must be at least one; each must be fit to be a filter.
/// Both are only asserted in debug builds.
///
/// # Errors
///
/// [`Misuse`] when a filter or the packet is too long; nothing was appended.
pub fn encode_subscribe(out: &mut Vec<u8>, id: PacketId, filters: &[(&str, QoS)]) -> Result<(), Misuse> {
    debug_assert!(!filters.is_empty(), "at least one filter [MQTT-3.8.3-3]");
    let remaining_bytes =
        filters.iter().try_fold(2, |sum, (filter, _)| Ok(sum + text::field_bytes(filter.len())? + 1))?;
    header::write(out, 0x82, header::sayable(remaining_bytes)?);
    out.extend_from_slice(&id.to_wire());
    for (filter, qos) in filters {
        debug_assert!(text::is_topic_filter(filter), "no topic filter: {filter:?}");
        text::write(out, filter.as_bytes());
        out.push(qos.number());
    }
    Ok(())
}
