//! The devices of one core.
//!
//! Owns the rows and the index that finds them by (agent, name). Never knows a connection's bytes, and never another
//! core's devices: whoever wants a whole fleet asks every core by mail ([`crate::agent::gather`]).

use super::row::Row;
use super::talk::{Spare, Talk};
use crate::auth::Agent;
use engine::{Key, Slots};
use hashbrown::{HashMap, HashTable};
use siphasher::sip::SipHasher13;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Instant;

/// One core's rows.
#[derive(Default)]
pub struct Registry {
    rows: Slots<Row>,
    index: HashTable<Key>,
    /// What agents said of devices that they made known.
    declared: HashMap<Key, Declared, BuildHasherDefault<SipHasher13>>,
    by_agent: HashMap<Arc<str>, Vec<Key>, BuildHasherDefault<SipHasher13>>,
    spare: Spare,
}

/// What an agent said of a device when it made it known.
#[derive(Default)]
struct Declared {
    description: Option<Box<str>>,
    group: Option<Box<str>>,
}

impl Registry {
    /// How many devices are known.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row at `key`, if it is still that device's.
    pub fn get(&self, key: Key) -> Option<&Row> {
        self.rows.get(key)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Row> {
        self.rows.get_mut(key)
    }

    /// The words of a device, in both directions; it has a place for them from now on, until [`Registry::hush`].
    pub fn talk(&mut self, key: Key) -> Option<&mut Talk> {
        Some(self.spare.place(&mut self.rows.get_mut(key)?.talk))
    }

    /// Takes the place for words back from a device that has none; to be called when some have been said.
    pub fn hush(&mut self, key: Key, now: Instant) {
        if let Some(row) = self.rows.get_mut(key) {
            self.spare.reclaim(&mut row.talk, now);
        }
    }

    /// Finds a device. `hash` is the home hash of the two names.
    pub fn find(&self, hash: u64, agent: &str, name: &str) -> Option<Key> {
        self.index
            .find(hash, |&key| {
                self.rows
                    .get(key)
                    .is_some_and(|row| row.hash == hash && &*row.name == name && row.agent.name() == agent)
            })
            .copied()
    }

    /// Adds a device that was not there.
    pub fn insert(&mut self, hash: u64, agent: &Arc<Agent>, name: &str) -> Key {
        debug_assert!(self.find(hash, agent.name(), name).is_none(), "a device has one row");
        let key = self.rows.insert(Row::new(agent.clone(), name, hash));
        let rows = &self.rows;
        self.index.insert_unique(hash, key, |&key| rows.get(key).map_or(0, |row| row.hash));
        self.by_agent.entry(agent.name_shared().clone()).or_default().push(key);
        agent.count_list_change();
        key
    }

    /// Forgets a device, and gives back what was known of it.
    pub fn remove(&mut self, key: Key) -> Option<Row> {
        let row = self.rows.remove(key)?;
        row.agent.count_list_change();
        if let Ok(entry) = self.index.find_entry(row.hash, |&found| found == key) {
            entry.remove();
        }
        self.declared.remove(&key);
        if let Some(keys) = self.by_agent.get_mut(row.agent.name()) {
            keys.retain(|&other| other != key);
            if keys.is_empty() {
                self.by_agent.remove(row.agent.name());
            }
        }
        Some(row)
    }

    /// What its agent said of a device when it made it known.
    pub fn description(&self, key: Key) -> Option<&str> {
        self.declared.get(&key)?.description.as_deref()
    }

    /// Remembers what the agent says of a device. What it does not say stays as it was.
    pub fn declare(&mut self, key: Key, description: Option<Box<str>>, group: Option<Box<str>>) {
        let Some(row) = self.rows.get_mut(key).filter(|_| description.is_some() || group.is_some()) else {
            return;
        };
        let declared = self.declared.entry(key).or_default();
        declared.description = description.or(declared.description.take());
        if group.is_some() {
            row.group.clone_from(&group);
            declared.group = group;
        }
    }

    /// The device names its group, or none: then it is in the one that its agent has declared.
    pub fn name_group(&mut self, key: Key, group: Option<Box<str>>) {
        let declared = self.declared.get(&key).and_then(|declared| declared.group.as_ref());
        if let Some(row) = self.rows.get_mut(key) {
            row.group = group.or_else(|| declared.cloned());
        }
    }

    /// How many devices of one agent are known.
    pub fn count_of(&self, agent: &str) -> usize {
        self.by_agent.get(agent).map_or(0, Vec::len)
    }

    /// The devices of one agent on this core, in no order.
    pub fn of_agent(&self, agent: &str) -> impl Iterator<Item = (Key, &Row)> {
        let keys = self.by_agent.get(agent).into_iter().flatten();
        keys.filter_map(|&key| Some((key, self.rows.get(key)?)))
    }

    /// Every device of this core, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Row)> {
        self.rows.iter()
    }

    /// Asserts what must be true between any two turns; for the simulator and for tests.
    pub fn check_invariants(&self) {
        assert_eq!(self.rows.len(), self.index.len(), "each row is in the index once");
        let listed: usize = self.by_agent.values().map(Vec::len).sum();
        assert_eq!(self.rows.len(), listed, "each row is in its agent's list once");
        assert!(self.declared.keys().all(|&key| self.rows.contains(key)), "only devices are declared");
        for (key, row) in self.rows.iter() {
            assert_eq!(
                self.find(row.hash, row.agent.name(), &row.name),
                Some(key),
                "the index finds the row"
            );
            assert_eq!(row.status.is_here(), row.seat.is_some(), "presence is the connection");
            if let Some(talk) = &row.talk {
                assert!(
                    row.seat.is_some() || row.kept.is_some() || !talk.is_busy(),
                    "a command waits for a connection or for a session"
                );
            }
        }
    }
}
