//! A table with a ceiling: the oldest entry gives way to a new one.
//!
//! Owns entries by 128-bit names, which are keyed hashes of what they stand for, so that nobody can choose them and a long
//! name costs no more than a short one. It never looks at a clock and never decides what an entry means.

use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;

/// Stale places of the order that are put up with before they are cleared away.
const SLACK: usize = 64;

/// Entries by name, bounded in number.
#[derive(Debug)]
pub(super) struct Bounded<V> {
    entries: HashMap<u128, (u64, V), BuildHasherDefault<SipHasher13>>,
    /// Names in the order in which they were written, and when; a name that was written again stands there twice.
    order: VecDeque<(u128, u64)>,
    written: u64,
    entries_max: usize,
}

impl<V> Bounded<V> {
    /// A table of at most `entries_max` entries, and at least one.
    pub(super) fn new(entries_max: usize) -> Self {
        Self {
            entries: HashMap::default(),
            order: VecDeque::new(),
            written: 0,
            entries_max: entries_max.max(1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, name: u128) -> Option<&V> {
        self.entries.get(&name).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, name: u128) -> Option<&mut V> {
        self.entries.get_mut(&name).map(|(_, value)| value)
    }

    /// Writes an entry, which is the youngest from now on.
    pub(super) fn insert(&mut self, name: u128, value: V) {
        self.written += 1;
        self.entries.insert(name, (self.written, value));
        self.order.push_back((name, self.written));
        while self.entries.len() > self.entries_max {
            self.drop_oldest();
        }
        if self.order.len() > 2 * self.entries.len() + SLACK {
            let entries = &self.entries;
            self.order.retain(|(name, written)| entries.get(name).is_some_and(|(last, _)| last == written));
        }
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, name: u128) {
        self.entries.remove(&name);
    }

    fn drop_oldest(&mut self) {
        while let Some((name, written)) = self.order.pop_front() {
            if self.entries.get(&name).is_some_and(|(last, _)| *last == written) {
                self.entries.remove(&name);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_a_written_one_is_young_again() {
        let mut table = Bounded::new(3);
        for name in 1..=3 {
            table.insert(name, name);
        }
        table.insert(1, 10);
        table.insert(4, 4);
        assert_eq!(
            (table.get(1), table.get(2), table.get(3), table.get(4)),
            (Some(&10), None, Some(&3), Some(&4))
        );
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn rewriting_one_entry_for_ever_keeps_the_order_short() {
        let mut table = Bounded::new(10);
        for n in 0..10_000 {
            table.insert(n % 3, n);
        }
        assert!(table.order.len() <= 2 * 3 + SLACK + 1);
        assert_eq!(table.len(), 3);
    }
}
