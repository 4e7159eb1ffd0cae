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
    /// The name that we gave it, if the device gave none.
    ours: u128,
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

    /// The name that this was given when it came before, so that its repeat is acknowledged under the same; the caller
    /// asks only when DUP is set. The repeat counts as having come on this connection, should it be repeated once more.
    pub fn find(&mut self, id: PacketId, hash: u64) -> Option<u128> {
        self.find_by(|seen| seen.id == Some(id) && seen.hash == hash)
    }

    /// Whether one to which the device gave this name came before, DUP or not: a name is given once.
    pub fn contains_given(&mut self, given: u64) -> bool {
        self.find_by(|seen| seen.given == Some(given)).is_some()
    }

    fn find_by(&mut self, is_it: impl Fn(&Seen) -> bool) -> Option<u128> {
        let seen = self.seen.iter_mut().find(|seen| is_it(seen))?;
        seen.connection = self.connection;
        Some(seen.ours)
    }

    /// Remembers one, unless there is nothing to know it by; the oldest goes.
    pub fn insert(&mut self, id: Option<PacketId>, hash: u64, given: Option<u64>, ours: u128) {
        if id.is_none() && given.is_none() {
            return;
        }
        if self.seen.len() == RECENT_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(Seen { id, connection: self.connection, hash, given, ours });
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
        recent.insert(Some(id(7)), 70, None, 1);
        assert!(recent.find(id(7), 70).is_some());
        assert!(recent.find(id(7), 71).is_none());
        assert!(recent.find(id(8), 70).is_none());
    }

    #[test]
    fn a_repeat_has_the_name_of_the_first() {
        let mut recent = Recent::default();
        recent.insert(Some(id(7)), 70, None, 0xabc);
        recent.insert(Some(id(8)), 80, None, 0xdef);
        recent.next_connection();
        assert_eq!((recent.find(id(7), 70), recent.find(id(8), 80)), (Some(0xabc), Some(0xdef)));
    }

    #[test]
    fn remembers_the_preceding_connection_and_no_earlier_one() {
        let mut recent = Recent::default();
        recent.insert(Some(id(7)), 70, None, 1);
        recent.insert(Some(id(8)), 80, None, 2);
        recent.next_connection();
        assert!(recent.find(id(7), 70).is_some());
        recent.next_connection();
        assert!(recent.find(id(7), 70).is_some(), "it was repeated on the preceding connection");
        assert!(recent.find(id(8), 80).is_none());
    }

    #[test]
    fn knows_a_name_that_the_device_gave_also_at_qos_0() {
        let mut recent = Recent::default();
        recent.insert(None, 70, Some(5), 0);
        recent.insert(None, 71, None, 1);
        assert!(recent.contains_given(5) && !recent.contains_given(6));
        assert_eq!(recent.seen.len(), 1, "what nobody could know again is not remembered");
        recent.next_connection();
        recent.next_connection();
        assert!(!recent.contains_given(5));
    }

    #[test]
    fn a_repeat_is_known_as_long_as_each_connection_repeats_it() {
        let mut recent = Recent::default();
        recent.insert(Some(id(7)), 70, Some(5), 1);
        for _ in 0..3 {
            recent.next_connection();
            assert!(recent.find(id(7), 70).is_some());
        }
        for _ in 0..3 {
            recent.next_connection();
            assert!(recent.contains_given(5));
        }
    }

    #[test]
    fn holds_no_more_than_its_ceiling() {
        let mut recent = Recent::default();
        for n in 1..=200 {
            recent.insert(Some(id(n)), u64::from(n), None, 1);
        }
        assert!(recent.find(id(136), 136).is_none());
        assert!(recent.find(id(137), 137).is_some());
    }
}
