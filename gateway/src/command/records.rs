//! Commands that have ended, remembered for a while, so that one can still ask how they went.
//!
//! Owns a ring with two ceilings, in commands and in bytes; the oldest gives way. Texts lie in a ring of bytes of their own,
//! so that remembering allocates nothing in the steady state. It never holds a command under way, and it is gone with
//! the process: a history that outlives it is the durable store's business.

use super::id::CommandId;
use super::outcome::Outcome;
use super::story::{State, Story, Times};
use crate::auth::Agent;
use engine::Key;
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of texts for which there is room from the start.
const TEXT_BYTES_AT_FIRST: usize = 1 << 20;
/// Records for which there is room from the start.
const RECORDS_AT_FIRST: usize = 4096;

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Record {
    /// Whose it was.
    pub agent: Arc<Agent>,
    /// The row of the device that was asked.
    pub device: Key,
    /// Its id.
    pub id: CommandId,
    /// How it ended.
    pub state: State,
    /// The same, with the reason.
    pub outcome: Outcome,
    /// How often it was said.
    pub attempts: u32,
    /// When it was asked.
    pub asked_at: Instant,
    /// When.
    pub times: Times,
}

/// A record's place in the ring of texts.
#[derive(Clone, Copy, Debug)]
struct Texts {
    /// Where it begins, counted from the first byte that ever was in the ring.
    at: u64,
    device_bytes: u32,
    command_bytes: u32,
    text_bytes: u32,
}

/// One core's memory.
#[derive(Debug)]
pub struct Records {
    ring: VecDeque<(Record, Texts)>,
    texts: VecDeque<u8>,
    /// Bytes that have left the ring of texts.
    texts_gone: u64,
    /// Records that have left the ring.
    gone: u64,
    index: HashMap<Key, u64, BuildHasherDefault<SipHasher13>>,
    records_max: usize,
    bytes_max: usize,
}

impl Records {
    /// An empty memory with these ceilings.
    pub fn new(records_max: usize, bytes_max: usize) -> Self {
        let room = records_max.min(RECORDS_AT_FIRST);
        Self {
            ring: VecDeque::with_capacity(room + 1),
            texts: VecDeque::with_capacity(bytes_max.min(TEXT_BYTES_AT_FIRST)),
            texts_gone: 0,
            gone: 0,
            index: HashMap::with_capacity_and_hasher(room + 1, BuildHasherDefault::default()),
            records_max,
            bytes_max,
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Bytes of their texts.
    pub fn text_bytes(&self) -> usize {
        self.texts.len()
    }

    /// Remembers a command. One whose texts alone are more than is kept in all is not remembered.
    pub fn insert(&mut self, record: Record, device: &str, command: &str, text: &[u8]) {
        let parts = [device.as_bytes(), command.as_bytes(), text];
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if self.records_max == 0 || bytes > self.bytes_max {
            return;
        }
        while self.ring.len() >= self.records_max || self.texts.len() + bytes > self.bytes_max {
            self.forget_oldest();
        }
        let at = self.texts_gone + self.texts.len() as u64;
        let [device_bytes, command_bytes, text_bytes] = parts.map(|part| part.len() as u32);
        parts.iter().for_each(|part| self.texts.extend(part.iter()));
        self.index.insert(record.id.entry, self.gone + self.ring.len() as u64);
        self.ring.push_back((record, Texts { at, device_bytes, command_bytes, text_bytes }));
        debug_assert_eq!(self.ring.len(), self.index.len());
    }

    /// The record of a command, if it is remembered.
    pub fn find(&self, id: CommandId) -> Option<&Record> {
        let place = self.place(id)?;
        self.ring.get(place).map(|(record, _)| record)
    }

    /// The same, to change it.
    pub fn find_mut(&mut self, id: CommandId) -> Option<&mut Record> {
        let place = self.place(id)?;
        self.ring.get_mut(place).map(|(record, _)| record)
    }

    /// Tells a record's story.
    pub fn tell<T>(&self, id: CommandId, told: impl FnOnce(&Record, Story<'_>) -> T) -> Option<T> {
        self.place(id).and_then(|place| self.tell_at(place, told))
    }

    /// Tells the stories of an agent's commands, the newest first, until `told` has heard enough and says `false`.
    pub fn tell_all(&self, agent: &str, mut told: impl FnMut(&Record, Story<'_>) -> bool) {
        for place in (0..self.ring.len()).rev() {
            let own = self.ring.get(place).is_some_and(|(record, _)| record.agent.name() == agent);
            if own && self.tell_at(place, &mut told) == Some(false) {
                return;
            }
        }
    }

    fn tell_at<T>(&self, place: usize, told: impl FnOnce(&Record, Story<'_>) -> T) -> Option<T> {
        let (record, texts) = self.ring.get(place)?;
        let start = (texts.at - self.texts_gone) as usize;
        let mut at = start;
        let mut cut = |bytes: u32| {
            let begin = at;
            at += bytes as usize;
            self.texts.range(begin..at).copied().collect::<Vec<u8>>()
        };
        let names = [cut(texts.device_bytes), cut(texts.command_bytes)];
        let text = cut(texts.text_bytes);
        let names = names.map(|name| String::from_utf8(name).expect("written from a str"));
        let Record { id, state, attempts, times, outcome, .. } = *record;
        let story = Story {
            id,
            device: &names[0],
            command: &names[1],
            state,
            attempts,
            times,
            outcome: Some(outcome),
            text: &text,
        };
        Some(told(record, story))
    }

    fn place(&self, id: CommandId) -> Option<usize> {
        let number = *self.index.get(&id.entry)?;
        let place = usize::try_from(number - self.gone).ok()?;
        self.ring.get(place).is_some_and(|(record, _)| record.id == id).then_some(place)
    }

    fn forget_oldest(&mut self) {
        let Some((record, texts)) = self.ring.pop_front() else { return };
        self.index.remove(&record.id.entry);
        let bytes = (texts.device_bytes + texts.command_bytes + texts.text_bytes) as usize;
        self.texts.drain(..bytes);
        self.texts_gone += bytes as u64;
        self.gone += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn record(index: u32) -> Record {
        Record {
            agent: Agent::for_tests("alpha"),
            device: Key { index: 0, generation: 0 },
            id: CommandId { core: 0, entry: Key { index, generation: 7 }, epoch: 1, nonce: u64::from(index) },
            state: State::Done,
            outcome: Outcome::Done,
            attempts: 1,
            asked_at: Instant::now(),
            times: Times::default(),
        }
    }

    fn texts(records: &Records, index: u32) -> Option<(String, Vec<u8>)> {
        records.tell(record(index).id, |_, story| (story.device.to_owned(), story.text.to_vec()))
    }

    #[test]
    fn tells_what_it_remembers_and_forgets_the_oldest() {
        let mut records = Records::new(3, 1000);
        for index in 0..5 {
            records.insert(record(index), &format!("d{index}"), "read", format!("{index}").as_bytes());
        }
        assert_eq!(records.len(), 3);
        assert_eq!(texts(&records, 1), None);
        for index in 2..5 {
            assert_eq!(texts(&records, index), Some((format!("d{index}"), format!("{index}").into_bytes())));
        }
        let mut newest = Vec::new();
        records.tell_all("alpha", |record, _| {
            newest.push(record.id.entry.index);
            newest.len() < 2
        });
        assert_eq!(newest, [4, 3]);
    }

    #[test]
    fn texts_are_bounded_in_bytes() {
        let mut records = Records::new(100, 100);
        for index in 0..50 {
            records.insert(record(index), "device", "read", &[b'x'; 20]);
            assert!(records.text_bytes() <= 100);
        }
        assert_eq!(records.len(), 3);
        records.insert(record(99), "device", "read", &[b'x'; 200]);
        assert_eq!((records.len(), texts(&records, 99)), (3, None), "what is larger than all is not kept");
        assert!(texts(&records, 49).is_some());
    }

    #[test]
    fn an_id_with_another_nonce_finds_nothing() {
        let mut records = Records::new(10, 1000);
        records.insert(record(1), "d", "c", b"");
        let forged = CommandId { nonce: 99, ..record(1).id };
        assert!(records.find(forged).is_none() && records.find(record(1).id).is_some());
        records.find_mut(record(1).id).expect("it is there").times.late_ms = Some(5);
        assert_eq!(records.find(record(1).id).expect("it is there").times.late_ms, Some(5));
    }

    #[test]
    fn remembering_allocates_nothing_once_there_is_room() {
        let mut records = Records::new(8, 1000);
        let room =
            |records: &Records| (records.ring.capacity(), records.texts.capacity(), records.index.capacity());
        let before = room(&records);
        for index in 0..10_000 {
            records.insert(record(index), "device", "read", b"{\"a\":1}");
        }
        assert_eq!(room(&records), before);
    }
}
