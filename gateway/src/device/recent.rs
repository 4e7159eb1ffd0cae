//! Triggers a device sent a moment ago, to recognise a repeat.
//!
//! Owns the rule of contract section 16: a PUBLISH with DUP is a repeat only if the same packet id *and* the same hash of
//! topic and payload came on this or the immediately preceding connection; one that carries a `triggerId` of the device's
//! own is a repeat if that came there before. In doubt it is delivered: clients restart
//! their packet ids on a persistent session, so an id alone says nothing.

use codec::mqtt::PacketId;
use std::collections::VecDeque;

/// As many as a device may have unacknowledged at once; an older one was acknowledged and will not be repeated.
pub const RECENT_MAX: usize = 64;

/// The last triggers of this and the preceding connection.
#[derive(Debug, Default)]
pub struct Recent {
    seen: VecDeque<Seen>,
    connection: u32,
}

#[derive(Debug)]
struct Seen {
    /// None for one of QoS 0, which has only its given name.
    id: Option<PacketId>,
    connection: u32,
    hash: u64,
    /// The hash of the name that the device gave it.
    given: Option<u64>,
}

impl Recent {
    /// A new connection begins: what came before the preceding one is forgotten.
    pub fn next_connection(&mut self) {
        self.connection = self.connection.wrapping_add(1);
        let preceding = self.connection.wrapping_sub(1);
        self.seen.retain(|seen| seen.connection == preceding);
        self.seen.shrink_to_fit();
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whether this came before; the caller asks only when DUP is set.
    pub fn contains(&self, id: PacketId, hash: u64) -> bool {
        self.seen.iter().any(|seen| seen.id == Some(id) && seen.hash == hash)
    }

    /// Whether one to which the device gave this name came before, DUP or not: a name is given once.
    pub fn contains_given(&self, given: u64) -> bool {
        self.seen.iter().any(|seen| seen.given == Some(given))
    }

    /// Remembers one, unless there is nothing to know it by; the oldest goes.
    pub fn insert(&mut self, id: Option<PacketId>, hash: u64, given: Option<u64>) {
        if id.is_none() && given.is_none() {
            return;
        }
        if self.seen.len() == RECENT_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(Seen { id, connection: self.connection, hash, given });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).expect("not zero")
    }

    #[test]
    fn knows_a_repeat_by_id_and_hash_together() {
        let mut recent = Recent::default();
        recent.insert(Some(id(7)), 70, None);
        assert!(recent.contains(id(7), 70));
        assert!(!recent.contains(id(7), 71));
        assert!(!recent.contains(id(8), 70));
    }

    #[test]
    fn remembers_the_preceding_connection_and_no_earlier_one() {
        let mut recent = Recent::default();
        recent.insert(Some(id(7)), 70, None);
        recent.next_connection();
        assert!(recent.contains(id(7), 70));
        recent.next_connection();
        assert!(!recent.contains(id(7), 70));
    }

    #[test]
    fn knows_a_name_that_the_device_gave_also_at_qos_0() {
        let mut recent = Recent::default();
        recent.insert(None, 70, Some(5));
        recent.insert(None, 71, None);
        assert!(recent.contains_given(5) && !recent.contains_given(6));
        assert_eq!(recent.seen.len(), 1, "what nobody could know again is not remembered");
        recent.next_connection();
        assert!(recent.contains_given(5));
        recent.next_connection();
        assert!(!recent.contains_given(5));
    }

    #[test]
    fn holds_no_more_than_its_ceiling() {
        let mut recent = Recent::default();
        for n in 1..=200 {
            recent.insert(Some(id(n)), u64::from(n), None);
        }
        assert!(!recent.contains(id(136), 136));
        assert!(recent.contains(id(137), 137));
    }
}
