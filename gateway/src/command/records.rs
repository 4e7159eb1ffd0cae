//! Commands that have ended, remembered for a while, so that one can still ask how they went.
//!
//! Owns a ring for each agent, and two ceilings on all of them, in commands and in bytes: the oldest of the agent that holds
//! the most gives way, so that a busy agent never costs another one what it wanted remembered. Texts lie in a ring of bytes of
//! their own, so that remembering allocates nothing in the steady state. It never holds a command under way, and it is gone
//! with the process: a history that outlives it is the durable store's business.

use super::id::CommandId;
use super::outcome::Outcome;
use super::shares::Shares;
use super::story::{State, Story, Times};
use crate::auth::Agent;
use engine::Key;
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of texts for which there is room from the start, for the first agent.
const TEXT_BYTES_AT_FIRST: usize = 1 << 20;
/// Records for which there is room from the start, for the first agent.
const RECORDS_AT_FIRST: usize = 4096;
/// A ring that holds less than one in so many of what it has room for gives the rest back: room that was another's share.
const SLACK: usize = 8;

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

/// A record's place in its agent's ring of texts.
#[derive(Clone, Copy, Debug)]
struct Texts {
    /// Where it begins, counted from the first byte that ever was in the ring.
    at: u64,
    device_bytes: u32,
    command_bytes: u32,
    text_bytes: u32,
}

/// One agent's part of the memory.
#[derive(Debug)]
struct Part {
    ring: VecDeque<(Record, Texts)>,
    texts: VecDeque<u8>,
    /// Bytes that have left the ring of texts.
    texts_gone: u64,
    /// Records that have left the ring.
    gone: u64,
}

/// One core's memory.
pub struct Records {
    parts: Shares<Part>,
    /// The part of a command, and its number there.
    index: HashMap<Key, (Key, u64), BuildHasherDefault<SipHasher13>>,
    text_bytes: usize,
    records_max: usize,
    bytes_max: usize,
    /// Room for the first agent, and for the next one when it has gone.
    spare: Option<Part>,
}

impl Records {
    /// An empty memory with these ceilings.
    pub fn new(records_max: usize, bytes_max: usize) -> Self {
        let room = records_max.min(RECORDS_AT_FIRST);
        Self {
            parts: Shares::default(),
            index: HashMap::with_capacity_and_hasher(room + 1, BuildHasherDefault::default()),
            text_bytes: 0,
            records_max,
            bytes_max,
            spare: Some(Part::with_room(room + 1, bytes_max.min(TEXT_BYTES_AT_FIRST))),
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes of their texts.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Remembers a command. One whose texts alone are more than is kept in all is not remembered.
    pub fn insert(&mut self, record: Record, device: &str, command: &str, text: &[u8]) {
        let parts = [device.as_bytes(), command.as_bytes(), text];
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if self.records_max == 0 || bytes > self.bytes_max {
            return;
        }
        let Self { parts: shares, spare, .. } = self;
        let room = || spare.take().unwrap_or_else(|| Part::with_room(0, 0));
        let member = shares.join(record.agent.name_shared(), room);
        while self.index.len() >= self.records_max || self.text_bytes + bytes > self.bytes_max {
            let Some(heaviest) = self.parts.heaviest(Some(member)) else { break };
            self.forget_oldest_of(heaviest, member);
        }
        let entry = record.id.entry;
        if let Some(part) = self.parts.get_mut(member) {
            let number = part.push(record, parts);
            self.index.insert(entry, (member, number));
            self.text_bytes += bytes;
            self.parts.add(member, self.weight(bytes));
        }
    }

    /// The record of a command, if it is remembered.
    pub fn find(&self, id: CommandId) -> Option<&Record> {
        let (part, place) = self.place(id)?;
        part.ring.get(place).map(|(record, _)| record)
    }

    /// The same, to change it.
    pub fn find_mut(&mut self, id: CommandId) -> Option<&mut Record> {
        let (_, place) = self.place(id)?;
        let (member, _) = *self.index.get(&id.entry)?;
        self.parts.get_mut(member)?.ring.get_mut(place).map(|(record, _)| record)
    }

    /// Tells a record's story.
    pub fn tell<T>(&self, id: CommandId, told: impl FnOnce(&Record, Story<'_>) -> T) -> Option<T> {
        self.place(id).and_then(|(part, place)| part.tell_at(place, told))
    }

    /// Tells the stories of an agent's commands, the newest first, until `told` has heard enough and says `false`.
    pub fn tell_all(&self, agent: &str, mut told: impl FnMut(&Record, Story<'_>) -> bool) {
        let Some(part) = self.parts.find(agent) else { return };
        for place in (0..part.ring.len()).rev() {
            if part.tell_at(place, &mut told) == Some(false) {
                return;
            }
        }
    }

    fn place(&self, id: CommandId) -> Option<(&Part, usize)> {
        let &(member, number) = self.index.get(&id.entry)?;
        let part = self.parts.get(member)?;
        let place = usize::try_from(number - part.gone).ok()?;
        part.ring.get(place).is_some_and(|(record, _)| record.id == id).then_some((part, place))
    }

    /// What a record of so many bytes weighs: as much of the commands as of the bytes that there may be.
    fn weight(&self, bytes: usize) -> u64 {
        (self.bytes_max / self.records_max.max(1) + bytes).max(1) as u64
    }

    /// Forgets the oldest record of a member, and the member if it was the last one, unless it is `stays`.
    fn forget_oldest_of(&mut self, member: Key, stays: Key) {
        let Some(part) = self.parts.get_mut(member) else { return };
        let Some((entry, bytes)) = part.forget_oldest() else { return };
        let is_over = part.ring.is_empty() && member != stays;
        self.index.remove(&entry);
        self.text_bytes -= bytes;
        self.parts.take(member, self.weight(bytes));
        if is_over {
            let part = self.parts.leave(member);
            self.spare = self.spare.take().or(part);
        }
    }
}

impl Part {
    fn with_room(records: usize, text_bytes: usize) -> Self {
        Self {
            ring: VecDeque::with_capacity(records),
            texts: VecDeque::with_capacity(text_bytes),
            texts_gone: 0,
            gone: 0,
        }
    }

    /// Adds a record with its device's name, its command's name and its text, and says its number.
    fn push(&mut self, record: Record, parts: [&[u8]; 3]) -> u64 {
        let at = self.texts_gone + self.texts.len() as u64;
        let [device_bytes, command_bytes, text_bytes] = parts.map(|part| part.len() as u32);
        parts.iter().for_each(|part| self.texts.extend(part.iter()));
        self.ring.push_back((record, Texts { at, device_bytes, command_bytes, text_bytes }));
        self.gone + self.ring.len() as u64 - 1
    }

    /// The entry that the oldest record had while it was pending, and the bytes that have gone with it.
    fn forget_oldest(&mut self) -> Option<(Key, usize)> {
        let (record, texts) = self.ring.pop_front()?;
        let bytes = (texts.device_bytes + texts.command_bytes + texts.text_bytes) as usize;
        self.texts.drain(..bytes);
        self.texts_gone += bytes as u64;
        self.gone += 1;
        give_room_back(&mut self.ring, RECORDS_AT_FIRST);
        give_room_back(&mut self.texts, TEXT_BYTES_AT_FIRST);
        Some((record.id.entry, bytes))
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
}

/// Gives room back that is no longer used, down to what there may be from the start.
fn give_room_back<T>(ring: &mut VecDeque<T>, at_first: usize) {
    if ring.capacity() > at_first && ring.len() < ring.capacity() / SLACK {
        ring.shrink_to(at_first.max(ring.len() * 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(index: u32) -> Record {
        record_of("alpha", index)
    }

    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn record_of(agent: &str, index: u32) -> Record {
        Record {
            agent: Agent::for_tests(agent),
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
        let room = |part: &Part| (part.ring.capacity(), part.texts.capacity());
        let (before, index) = (room(records.spare.as_ref().expect("room")), records.index.capacity());
        for index in 0..10_000 {
            records.insert(record(index), "device", "read", b"{\"a\":1}");
        }
        assert_eq!(records.parts.find("alpha").map(room), Some(before));
        assert_eq!(records.index.capacity(), index);
    }

    #[test]
    fn a_busy_agent_forgets_its_own_and_nobody_elses() {
        let mut records = Records::new(100, 10_000);
        (0..20).for_each(|n| records.insert(record_of("quiet", n), "d", "c", b"remember me"));
        (100..5000).for_each(|n| records.insert(record_of("busy", n), "d", "c", b""));
        (5000..6000).for_each(|n| records.insert(record_of("wordy", n), "d", "c", &[b'x'; 900]));
        let of = |agent: &str| {
            let mut indices = Vec::new();
            records.tell_all(agent, |record, _| {
                indices.push(record.id.entry.index);
                true
            });
            indices
        };
        assert_eq!(of("quiet"), (0..20).rev().collect::<Vec<_>>());
        assert_eq!((of("busy")[0], of("wordy")[0]), (4999, 5999), "each remembers its newest");
        assert!(records.len() <= 100 && records.text_bytes() <= 10_000);
    }

    #[test]
    fn an_agent_of_which_nothing_is_remembered_leaves_nothing_behind() {
        let mut records = Records::new(3, 1000);
        (0..100).for_each(|n| records.insert(record_of(&n.to_string(), n), "d", "c", b"x"));
        assert_eq!((records.len(), records.parts.len()), (3, 3));
        assert_eq!(records.text_bytes(), 9);
    }

    #[test]
    fn room_that_was_a_large_share_is_given_back() {
        let mut records = Records::new(20_000, 64 << 20);
        (0..20_000).for_each(|n| records.insert(record_of("first", n), "d", "c", &[b'x'; 1000]));
        (20_000..60_000).for_each(|n| {
            let agent = format!("a{}", n % 100);
            records.insert(record_of(&agent, n), "d", "c", &[b'x'; 1000]);
        });
        let first = records.parts.find("first").expect("it has its share");
        assert!(first.ring.len() < 600, "{}", first.ring.len());
        assert!(first.ring.capacity() <= 2 * RECORDS_AT_FIRST && first.texts.capacity() <= 8 << 20);
    }
}
