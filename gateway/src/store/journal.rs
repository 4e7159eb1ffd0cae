//! The agents' logs in memory: numbered events, a ceiling on each, the oldest dropped first.
//!
//! Owns the numbering (a cursor is given out once and never again for the same agent) and every ceiling on what is
//! kept. Triggers have a ring of their own: what else happens to an agent's devices never pushes one out, while a trigger that
//! is dropped takes along what is older than the next one. It never waits, never knows a reader and never loses an event
//! silently: what was dropped is reported as a gap to whoever asks for it.
//!
//! ```text
//!   cursors   1  2  3  4  5  6  7  8  9      one numbering, in the order of what happened
//!   triggers     2     4        7            each ring drops its oldest
//!   the rest                 6     8  9      (1, 3 and 5 were dropped)
//!   read(after = 0)  ->  gap 1..=1, then 2; read(after = 2)  ->  gap 3..=3, then 4; read(after = 4)  ->  gap 5..=5, then the rest
//! ```
//!
//! A log as a whole is dropped when there are too many agents, the one that was longest without an event first. Its
//! numbers are not used again: later logs start above the highest number ever dropped so.

use super::record::{Event, EventKind, Gap};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The bytes of the events that are no triggers: one in so many of those that triggers may take.
const OTHERS_SHARE: usize = 4;

/// What an event costs beside its JSON, in bytes: two allocations, their headers, the place in the log.
pub const EVENT_OVERHEAD_BYTES: usize = 96;

/// The part of the largest log that is dropped at once when there are too many bytes in all: one in so many. Finding the
/// largest costs a look at every log, so it is not done for each event.
const LARGEST_SHARE: usize = 8;

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalLimits {
    /// Triggers kept for one agent, and as many other events.
    pub events_per_agent_max: usize,
    /// Bytes of triggers kept for one agent, and a quarter of them for other events; each event counts as its JSON and
    /// [`EVENT_OVERHEAD_BYTES`]. The newest of either is kept even if it alone is larger.
    pub bytes_per_agent_max: usize,
    /// Agents with a log.
    pub agents_max: usize,
    /// Bytes kept for all agents together.
    pub bytes_total_max: usize,
}

impl Default for JournalLimits {
    /// 10,000 events or 64 MiB an agent; 10,000 agents or 1 GiB in all.
    fn default() -> Self {
        JournalLimits {
            events_per_agent_max: 10_000,
            bytes_per_agent_max: 64 << 20,
            agents_max: 10_000,
            bytes_total_max: 1 << 30,
        }
    }
}

/// What a read found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// The events, oldest first, their cursors without a hole.
    pub events: Vec<Arc<Event>>,
    /// What was asked for, would come before them, and is not kept.
    pub gap: Option<Gap>,
    /// The cursor to go on from.
    pub next: u64,
}

impl Batch {
    /// True if there is nothing to tell the reader.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.gap.is_none()
    }
}

/// One agent's events. Never empty: it begins with its first event and the newest is always kept.
#[derive(Debug, Default)]
struct Log {
    triggers: Ring,
    others: Ring,
    /// The newest event's cursor.
    last: u64,
    /// When it got its newest event, on the journal's own clock of appends.
    stamp: u64,
}

/// One of a log's rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Which {
    Triggers,
    Others,
}

/// Events of which only the newest are kept.
#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

/// All agents' logs.
#[derive(Debug)]
pub struct Journal {
    limits: JournalLimits,
    logs: BTreeMap<Arc<str>, Log>,
    /// The logs by the age of their newest event.
    by_stamp: BTreeMap<u64, Arc<str>>,
    /// Appends so far.
    stamp: u64,
    /// No log that begins now may use a number up to this one.
    floor: u64,
    bytes: usize,
    dropped: u64,
}

impl Journal {
    /// An empty journal.
    pub fn new(limits: JournalLimits) -> Journal {
        Journal {
            limits,
            logs: BTreeMap::new(),
            by_stamp: BTreeMap::new(),
            stamp: 0,
            floor: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    /// Appends one event and returns its cursor, the next one of its agent.
    pub fn append(&mut self, agent: &Arc<str>, kind: EventKind, json: &[u8]) -> u64 {
        self.stamp += 1;
        let floor = self.floor;
        let log = self.logs.entry(Arc::clone(agent)).or_insert_with(|| Log { last: floor, ..Log::default() });
        self.by_stamp.remove(&log.stamp);
        self.by_stamp.insert(self.stamp, Arc::clone(agent));
        log.stamp = self.stamp;
        log.last += 1;
        let cursor = log.last;
        let JournalLimits { events_per_agent_max, bytes_per_agent_max, .. } = self.limits;
        let event = Event { cursor, kind, json: json.into() };
        self.bytes += event.json.len() + EVENT_OVERHEAD_BYTES;
        let (ring, bytes_max) = match kind {
            EventKind::Trigger => (Which::Triggers, bytes_per_agent_max),
            EventKind::DeviceConnected
            | EventKind::DeviceDisconnected
            | EventKind::DeviceConflict
            | EventKind::Manifest
            | EventKind::Command => (Which::Others, bytes_per_agent_max / OTHERS_SHARE),
        };
        log.ring(ring).push(event);
        let before = log.len();
        while log.ring(ring).exceeds(events_per_agent_max, bytes_max) {
            self.bytes -= log.drop_oldest(ring);
        }
        self.dropped += (before - log.len()) as u64;
        self.make_room();
        self.check_invariants(agent);
        cursor
    }

    /// The events behind `after`, up to the next that is not kept: at most `events_max` of them with at most `bytes_max` bytes
    /// of JSON, at least one if there is one.
    ///
    /// An `after` above the newest cursor was not given out by this journal: all of its numbers above are reported as
    /// a gap, and the reader starts with the oldest event there is.
    pub fn read(&self, agent: &str, after: u64, events_max: usize, bytes_max: usize) -> Batch {
        let Some(log) = self.logs.get(agent) else {
            return beyond(after, self.floor);
        };
        let is_strange = after > log.last;
        let mut rest = log.behind(if is_strange { 0 } else { after }).peekable();
        let first = rest.peek().map_or(log.last + 1, |event| event.cursor);
        let gap = match is_strange {
            true => Some(Gap { from: log.last + 1, to: after }),
            false => (after + 1 < first).then(|| Gap { from: after + 1, to: first - 1 }),
        };
        let mut events: Vec<Arc<Event>> = Vec::new();
        let mut bytes = 0;
        for (event, cursor) in rest.zip(first..).take(events_max.max(1)) {
            bytes += event.json.len();
            if event.cursor != cursor || (bytes > bytes_max && !events.is_empty()) {
                break;
            }
            events.push(Arc::clone(event));
        }
        let next = events.last().map_or(log.last, |event| event.cursor);
        Batch { events, gap, next }
    }

    /// The cursor of the agent's newest event; of an agent without one, the number below its first.
    pub fn last(&self, agent: &str) -> u64 {
        self.logs.get(agent).map_or(self.floor, |log| log.last)
    }

    /// Agents with a log.
    pub fn agents(&self) -> usize {
        self.logs.len()
    }

    /// Bytes kept, of all agents.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Events dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Drops whole logs, longest unused first, while there are too many; then, while there are too many bytes in all, a
    /// part of the largest log, so that an agent which stores little never pays for one which stores much.
    fn make_room(&mut self) {
        while self.logs.len() > self.limits.agents_max.max(1) {
            self.drop_longest_unused();
        }
        while self.bytes > self.limits.bytes_total_max {
            let divisible = self.logs.values_mut().filter(|log| log.len() > 1);
            if let Some(largest) = divisible.max_by_key(|log| log.bytes()) {
                let (before, target) = (largest.len(), largest.bytes() - largest.bytes() / LARGEST_SHARE);
                self.bytes -= largest.drop_one();
                while largest.bytes() > target && largest.len() > 1 {
                    self.bytes -= largest.drop_one();
                }
                self.dropped += (before - largest.len()) as u64;
            } else if self.logs.len() > 1 {
                self.drop_longest_unused();
            } else {
                break;
            }
        }
    }

    fn drop_longest_unused(&mut self) {
        let Some((_, agent)) = self.by_stamp.pop_first() else {
            return;
        };
        let Some(log) = self.logs.remove(&agent) else {
            return;
        };
        self.bytes -= log.bytes();
        self.dropped += log.len() as u64;
        self.floor = self.floor.max(log.last);
    }

    fn check_invariants(&self, agent: &Arc<str>) {
        debug_assert_eq!(self.logs.len(), self.by_stamp.len());
        debug_assert!(
            self.logs
                .get(agent)
                .is_some_and(|log| { log.newest() == Some(log.last) && log.bytes() <= self.bytes })
        );
    }
}

impl Log {
    fn len(&self) -> usize {
        self.triggers.events.len() + self.others.events.len()
    }

    fn bytes(&self) -> usize {
        self.triggers.bytes + self.others.bytes
    }

    /// The newest kept event's cursor.
    fn newest(&self) -> Option<u64> {
        let newest = |ring: &Ring| ring.events.back().map(|event| event.cursor);
        newest(&self.triggers).max(newest(&self.others))
    }

    /// The kept events behind `after`, in the order of what happened.
    fn behind(&self, after: u64) -> impl Iterator<Item = &Arc<Event>> {
        let mut triggers = self.triggers.behind(after).peekable();
        let mut others = self.others.behind(after).peekable();
        std::iter::from_fn(move || match (triggers.peek(), others.peek()) {
            (Some(trigger), Some(other)) if other.cursor < trigger.cursor => others.next(),
            (Some(_), _) => triggers.next(),
            (None, _) => others.next(),
        })
    }

    fn ring(&mut self, ring: Which) -> &mut Ring {
        match ring {
            Which::Triggers => &mut self.triggers,
            Which::Others => &mut self.others,
        }
    }

    /// Drops events of a log that has more than one, and returns what they cost: the oldest of the ring that takes the most
    /// bytes, but never the newest of all.
    fn drop_one(&mut self) -> usize {
        let last = self.last;
        let holds_last = |ring: &Ring| ring.oldest().is_none_or(|oldest| oldest == last);
        let from_triggers = match (holds_last(&self.triggers), holds_last(&self.others)) {
            (false, false) => self.triggers.bytes >= self.others.bytes,
            (is_last, _) => !is_last,
        };
        self.drop_oldest(if from_triggers { Which::Triggers } else { Which::Others })
    }

    /// Drops the oldest event of a ring and returns what it cost. With a trigger goes what is not newer than it, so that whoever is
    /// far behind is told one gap and not one for each event between two triggers.
    fn drop_oldest(&mut self, ring: Which) -> usize {
        let cost = self.ring(ring).drop_oldest();
        match ring {
            Which::Others => cost,
            Which::Triggers => {
                let oldest = self.triggers.oldest().unwrap_or(self.last);
                cost + self.others.drop_below(oldest)
            }
        }
    }
}

impl Ring {
    fn push(&mut self, event: Event) {
        self.bytes += event.json.len() + EVENT_OVERHEAD_BYTES;
        self.events.push_back(Arc::new(event));
    }

    fn behind(&self, after: u64) -> impl Iterator<Item = &Arc<Event>> {
        self.events.range(self.events.partition_point(|event| event.cursor <= after)..)
    }

    /// The oldest kept event's cursor.
    fn oldest(&self) -> Option<u64> {
        self.events.front().map(|event| event.cursor)
    }

    /// Whether it has too many events, or too many bytes; the newest may have as many as it likes.
    fn exceeds(&self, events_max: usize, bytes_max: usize) -> bool {
        self.events.len() > 1 && (self.events.len() > events_max || self.bytes > bytes_max)
    }

    /// Drops what is older than `cursor` and returns what it cost.
    fn drop_below(&mut self, cursor: u64) -> usize {
        let mut cost = 0;
        while self.oldest().is_some_and(|oldest| oldest < cursor) {
            cost += self.drop_oldest();
        }
        cost
    }

    /// Drops the oldest event and returns what it cost.
    fn drop_oldest(&mut self) -> usize {
        let cost = self.events.pop_front().map_or(0, |event| event.json.len() + EVENT_OVERHEAD_BYTES);
        self.bytes -= cost;
        cost
    }
}

/// What a read of an agent without a log finds, when its first event will be `floor + 1`.
fn beyond(after: u64, floor: u64) -> Batch {
    let gap = match after.cmp(&floor) {
        std::cmp::Ordering::Less => Some(Gap { from: after + 1, to: floor }),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(Gap { from: floor + 1, to: after }),
    };
    Batch { events: Vec::new(), gap, next: floor }
}

#[cfg(test)]
#[path = "journal/tests.rs"]
mod tests;
