//! The agents' logs in memory: numbered events, a ceiling on each, the oldest dropped first.
//!
//! Owns the numbering (a cursor is given out once and never again for the same agent) and every ceiling on what is
//! kept. It never waits, never knows a reader and never loses an event silently: what was dropped is reported as a gap
//! to whoever asks for it.
//!
//! ```text
//!   cursors   1 ........ a  a+1 ................. last
//!             [ dropped   ][ kept, oldest first   ]
//!   read(after = 0)  ->  gap 1..=a, then the events from a + 1
//! ```
//!
//! A log as a whole is dropped when there are too many agents, the one that was longest without an event first. Its
//! numbers are not used again: later logs start above the highest number ever dropped so.

use super::record::{Event, EventKind, Gap};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What an event costs beside its JSON, in bytes: two allocations, their headers, the place in the log.
pub const EVENT_OVERHEAD_BYTES: usize = 96;

/// The part of the largest log that is dropped at once when there are too many bytes in all: one in so many. Finding the
/// largest costs a look at every log, so it is not done for each event.
const LARGEST_SHARE: usize = 8;

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalLimits {
    /// Events kept for one agent.
    pub events_per_agent_max: usize,
    /// Bytes kept for one agent; each event counts as its JSON and [`EVENT_OVERHEAD_BYTES`]. The newest event is kept
    /// even if it alone is larger.
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
    events: VecDeque<Arc<Event>>,
    /// The newest event's cursor.
    last: u64,
    bytes: usize,
    /// When it got its newest event, on the journal's own clock of appends.
    stamp: u64,
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
        log.push(Event { cursor, kind, json: json.into() });
        self.bytes += json.len() + EVENT_OVERHEAD_BYTES;
        while log.events.len() > 1
            && (log.events.len() > self.limits.events_per_agent_max
                || log.bytes > self.limits.bytes_per_agent_max)
        {
            self.bytes -= log.drop_oldest();
            self.dropped += 1;
        }
        self.make_room();
        self.check_invariants(agent);
        cursor
    }

    /// The events behind `after`: at most `events_max` of them with at most `bytes_max` bytes of JSON, at least one if
    /// there is one.
    ///
    /// An `after` above the newest cursor was not given out by this journal: all of its numbers above are reported as
    /// a gap, and the reader starts with the oldest event there is.
    pub fn read(&self, agent: &str, after: u64, events_max: usize, bytes_max: usize) -> Batch {
        let Some(log) = self.logs.get(agent) else {
            return beyond(after, self.floor);
        };
        let first = log.first();
        let (gap, start) = if after > log.last {
            (Some(Gap { from: log.last + 1, to: after }), 0)
        } else if after + 1 < first {
            (Some(Gap { from: after + 1, to: first - 1 }), 0)
        } else {
            (None, (after + 1 - first) as usize)
        };
        let mut events = Vec::new();
        let mut bytes = 0;
        for event in log.events.range(start..).take(events_max.max(1)) {
            bytes += event.json.len();
            if bytes > bytes_max && !events.is_empty() {
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
            let divisible = self.logs.values_mut().filter(|log| log.events.len() > 1);
            if let Some(largest) = divisible.max_by_key(|log| log.bytes) {
                let target = largest.bytes - largest.bytes / LARGEST_SHARE;
                self.dropped += 1;
                self.bytes -= largest.drop_oldest();
                while largest.bytes > target && largest.events.len() > 1 {
                    self.dropped += 1;
                    self.bytes -= largest.drop_oldest();
                }
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
        self.bytes -= log.bytes;
        self.dropped += log.events.len() as u64;
        self.floor = self.floor.max(log.last);
    }

    fn check_invariants(&self, agent: &Arc<str>) {
        debug_assert_eq!(self.logs.len(), self.by_stamp.len());
        debug_assert!(self.logs.get(agent).is_some_and(|log| {
            log.first() + log.events.len() as u64 == log.last + 1 && log.bytes <= self.bytes
        }));
    }
}

impl Log {
    /// The oldest kept event's cursor.
    fn first(&self) -> u64 {
        self.last + 1 - self.events.len() as u64
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.json.len() + EVENT_OVERHEAD_BYTES;
        self.events.push_back(Arc::new(event));
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
mod tests {
    use super::*;

    const COST: usize = EVENT_OVERHEAD_BYTES + 2;

    fn journal(events: usize, bytes: usize, agents: usize, total: usize) -> Journal {
        Journal::new(JournalLimits {
            events_per_agent_max: events,
            bytes_per_agent_max: bytes,
            agents_max: agents,
            bytes_total_max: total,
        })
    }

    fn fill(journal: &mut Journal, agent: &str, events: usize) {
        let agent: Arc<str> = agent.into();
        for _ in 0..events {
            journal.append(&agent, EventKind::Trigger, b"{}");
        }
    }

    fn cursors(batch: &Batch) -> Vec<u64> {
        batch.events.iter().map(|event| event.cursor).collect()
    }

    #[test]
    fn numbers_each_agents_events_from_one() {
        let mut journal = Journal::new(JournalLimits::default());
        fill(&mut journal, "a", 3);
        fill(&mut journal, "b", 1);
        assert_eq!((journal.last("a"), journal.last("b"), journal.last("c")), (3, 1, 0));
        let batch = journal.read("a", 1, 100, 1000);
        assert_eq!((cursors(&batch), batch.gap, batch.next), (vec![2, 3], None, 3));
    }

    #[test]
    fn reads_no_more_than_asked_but_always_one() {
        let mut journal = Journal::new(JournalLimits::default());
        fill(&mut journal, "a", 9);
        assert_eq!(cursors(&journal.read("a", 0, 4, 1000)), [1, 2, 3, 4]);
        assert_eq!(cursors(&journal.read("a", 0, 100, 6)), [1, 2, 3]);
        assert_eq!(cursors(&journal.read("a", 0, 0, 0)), [1]);
    }

    #[test]
    fn reports_what_the_event_ceiling_dropped_as_a_gap() {
        let mut journal = journal(3, usize::MAX, 9, usize::MAX);
        fill(&mut journal, "a", 5);
        let batch = journal.read("a", 0, 100, 1000);
        assert_eq!((cursors(&batch), batch.gap), (vec![3, 4, 5], Some(Gap { from: 1, to: 2 })));
        assert_eq!(journal.read("a", 2, 100, 1000).gap, None);
        assert_eq!(journal.dropped(), 2);
    }

    #[test]
    fn keeps_the_newest_event_though_it_is_larger_than_the_byte_ceiling() {
        let mut journal = journal(10, 200, 9, usize::MAX);
        fill(&mut journal, "a", 2);
        journal.append(&"a".into(), EventKind::Trigger, &[b' '; 500]);
        let batch = journal.read("a", 0, 100, 10);
        assert_eq!((cursors(&batch), batch.gap), (vec![3], Some(Gap { from: 1, to: 2 })));
        assert_eq!(journal.bytes(), 500 + EVENT_OVERHEAD_BYTES);
    }

    #[test]
    fn starts_a_reader_with_a_strange_cursor_at_the_oldest_event() {
        let mut journal = Journal::new(JournalLimits::default());
        let empty = journal.read("a", 7, 10, 1000);
        assert_eq!((empty.gap, empty.next), (Some(Gap { from: 1, to: 7 }), 0));
        fill(&mut journal, "a", 2);
        let batch = journal.read("a", u64::MAX, 10, 1000);
        assert_eq!(cursors(&batch), [1, 2]);
        assert_eq!((batch.gap, batch.next), (Some(Gap { from: 3, to: u64::MAX }), 2));
    }

    #[test]
    fn one_agent_more_than_allowed_drops_the_log_longest_without_an_event() {
        let mut journal = journal(10, usize::MAX, 2, usize::MAX);
        fill(&mut journal, "a", 3);
        fill(&mut journal, "b", 1);
        fill(&mut journal, "a", 1);
        fill(&mut journal, "c", 1);
        assert_eq!(journal.agents(), 2);
        assert_eq!(cursors(&journal.read("a", 0, 10, 1000)), [1, 2, 3, 4]);
        let lost = journal.read("b", 0, 10, 1000);
        assert_eq!((lost.gap, lost.next), (Some(Gap { from: 1, to: 1 }), 1));
    }

    #[test]
    fn a_log_that_comes_back_never_repeats_a_number() {
        let mut journal = journal(10, usize::MAX, 1, usize::MAX);
        fill(&mut journal, "a", 5);
        fill(&mut journal, "b", 1);
        fill(&mut journal, "a", 1);
        let batch = journal.read("a", 5, 10, 1000);
        assert!(batch.events[0].cursor > 5);
        assert_eq!(batch.gap.map(|gap| gap.from), (batch.events[0].cursor > 6).then_some(6));
    }

    #[test]
    fn the_ceiling_on_all_bytes_holds_for_one_agent_alone() {
        let mut journal = journal(usize::MAX, usize::MAX, 9, 16 * COST);
        fill(&mut journal, "a", 16);
        assert_eq!(journal.dropped(), 0);
        fill(&mut journal, "a", 1);
        assert_eq!(
            journal.read("a", 0, 100, 1000).gap,
            Some(Gap { from: 1, to: 3 }),
            "an eighth of 17, rounded up"
        );
    }

    #[test]
    fn too_many_bytes_in_all_are_paid_for_by_the_largest_log() {
        let mut journal = journal(usize::MAX, usize::MAX, 9, 20 * COST);
        fill(&mut journal, "quiet", 4);
        fill(&mut journal, "loud", 100);
        fill(&mut journal, "quiet", 1);
        assert_eq!(cursors(&journal.read("quiet", 0, 100, 1000)), [1, 2, 3, 4, 5]);
        assert!(journal.bytes() <= 20 * COST);
        assert_eq!(journal.last("loud"), 100);
    }

    #[test]
    fn logs_of_one_large_event_each_give_way_longest_unused_first() {
        let mut journal = journal(9, usize::MAX, 9, 2 * COST);
        for agent in ["a", "b", "c"] {
            fill(&mut journal, agent, 1);
        }
        assert_eq!((journal.agents(), journal.last("a")), (2, 1));
        assert!(journal.read("a", 0, 9, 9).events.is_empty());
    }
}
