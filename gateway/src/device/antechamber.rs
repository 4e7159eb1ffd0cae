//! The antechamber: claims that wait for the gatekeeper's word, by the device they are for.
//!
//! Owns the order in which claims of one name came home. Two claims of one name are served in that order, the newest wins, and
//! nobody is held up by one that came before him: when a claim is admitted, the older ones that still wait are history, as
//! if they had been seated and taken over since. Whoever leaves is forgotten.

use engine::Key;
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::hash::BuildHasherDefault;

/// Claims that wait, by the hash of their device.
#[derive(Debug, Default)]
pub struct Antechamber {
    rooms: HashMap<u64, Vec<Key>, BuildHasherDefault<SipHasher13>>,
}

impl Antechamber {
    /// A claim on the device with this hash begins to wait.
    pub fn enter(&mut self, device: u64, conn: Key) {
        self.rooms.entry(device).or_default().push(conn);
    }

    /// A claim waits no longer: it was refused, or its connection is gone.
    pub fn leave(&mut self, device: u64, conn: Key) {
        let Some(room) = self.rooms.get_mut(&device) else { return };
        room.retain(|waiting| *waiting != conn);
        if room.is_empty() {
            self.rooms.remove(&device);
        }
    }

    /// A claim is admitted, whether it waited or not. The answer is who came before it and still waits: all of them are
    /// forgotten here.
    pub fn admitted(&mut self, device: u64, conn: Key) -> Vec<Key> {
        let Some(room) = self.rooms.get_mut(&device) else { return Vec::new() };
        let before = room.iter().position(|waiting| *waiting == conn).unwrap_or(room.len());
        let elders = room.drain(..before).collect();
        self.leave(device, conn);
        elders
    }

    /// How many devices have claims that wait.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: u32) -> Key {
        Key { index, generation: 1 }
    }

    #[test]
    fn an_admitted_claim_makes_history_of_those_before_it_only() {
        let mut chamber = Antechamber::default();
        for n in 1..=4 {
            chamber.enter(7, key(n));
        }
        chamber.enter(8, key(9));
        chamber.leave(7, key(2));
        assert_eq!(chamber.admitted(7, key(3)), [key(1)]);
        assert_eq!(chamber.admitted(7, key(5)), [key(4)], "one that never waited is newer than all that do");
        assert_eq!(chamber.len(), 1);
        chamber.leave(8, key(9));
        assert!(chamber.is_empty() && chamber.admitted(8, key(9)).is_empty());
    }
}
