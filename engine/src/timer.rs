//! Deadlines: a lazy hashed wheel for what has a row of its own anyway, and alarms for all the rest.
//!
//! Owns which deadlines have passed, to the tick of 100 ms. It never reads a clock (the core tells it the time once per
//! turn) and never calls anybody: what is due is handed out one by one, so that whoever is called may set and clear
//! deadlines at will.
//!
//! ```text
//!                     one bucket per tick, 4096 of them, then round again
//!   set(row, later) -> one store; the row stays where it hangs, and is hung further on when its bucket comes by
//!   set(row, sooner) -> the row is taken out and hung at the new tick
//!
//!   [ 17 ] [ 18 ] [ 19 ] ... [ 4095 ] [ 0 ] [ 1 ] ...            [due] -> pop_due, pop_due, ...
//!      ^       \_ row 4 <-> row 9                                  ^
//!      now                                                         |
//!      sweep(now): every bucket passed by is emptied: hung further on, dropped if cleared, or -+
//! ```
//!
//! Nothing rings early; lateness is at most the rounding up to a tick plus the time until the core takes its next
//! turn. A sweep costs one look per bucket passed by and one per row hanging there, at most one revolution of
//! buckets however far the clock jumped.

use std::time::{Duration, Instant};

use crate::slots::{Key, Slots};

/// The length of a tick: the coarseness of every deadline.
pub const TICK: Duration = Duration::from_millis(100);

/// How many ticks the wheel knows apart; a deadline farther away is passed by once per revolution (409.6 s).
pub const BUCKETS: u32 = 4096;

const TICK_NS: u32 = TICK.subsec_nanos();
const TICKS_PER_SECOND: u64 = (1_000_000_000 / TICK_NS) as u64;
const _: () =
    assert!(TICK.as_secs() == 0 && 1_000_000_000 % TICK_NS == 0, "a second is a whole number of ticks");

/// The bucket of what is due and not handed out yet.
const DUE: u32 = BUCKETS;
/// The deadline of a row that has none, and the end of a chain.
const NONE: u32 = u32::MAX;
/// The last tick that can be asked for, thirteen years after the start.
const LAST_TICK: u32 = u32::MAX - 1;

const _: () =
    assert!(BUCKETS.is_power_of_two() && BUCKETS == 64 * 64, "the map of buckets has two levels of 64");
const _: () = assert!(size_of::<Entry>() == 16, "a million timers are 16 MB");

/// Moments and ticks, counted from one fixed moment.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    base: Instant,
}

impl Ticks {
    /// Ticks that count from `base`, the earliest moment that will be asked about.
    pub const fn new(base: Instant) -> Ticks {
        Ticks { base }
    }

    /// The tick that runs at `now`: rounded down, so that a deadline is not seen as passed too early.
    pub fn running(self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.base);
        clamp(passed.as_secs(), passed.subsec_nanos() / TICK_NS)
    }

    /// The tick at which a deadline `at` has passed: rounded up.
    pub fn deadline(self, at: Instant) -> u32 {
        let ahead = at.saturating_duration_since(self.base);
        clamp(ahead.as_secs(), ahead.subsec_nanos().div_ceil(TICK_NS))
    }

    /// The moment at which `tick` begins.
    pub fn start_of(self, tick: u32) -> Instant {
        self.base + TICK * tick
    }
}

fn clamp(seconds: u64, ticks: u32) -> u32 {
    let ticks = seconds.saturating_mul(TICKS_PER_SECOND).saturating_add(u64::from(ticks));
    ticks.min(u64::from(LAST_TICK)) as u32
}

/// One row of the wheel.
#[derive(Clone, Copy)]
struct Entry {
    /// Neighbours in the ring of the bucket; both the row itself when it is alone there.
    next: u32,
    prev: u32,
    /// The tick at which it is due; [`NONE`] when it has no deadline.
    deadline: u32,
    /// Where it hangs; [`NONE`] when nowhere.
    bucket: u32,
}

const UNHUNG: Entry = Entry { next: NONE, prev: NONE, deadline: NONE, bucket: NONE };

/// The wheel: at most one deadline per row of a table that it is aligned with, sixteen bytes each.
pub struct Wheel {
    ticks: Ticks,
    /// Every bucket up to and including the one of this tick has been swept.
    swept: u32,
    entries: Vec<Entry>,
    /// The first row of each bucket's ring, the due ones last; [`NONE`] when empty.
    heads: Vec<u32>,
    occupied: Occupied,
}

impl Wheel {
    /// An empty wheel whose tick 0 begins at `base`.
    pub fn new(base: Instant) -> Wheel {
        Wheel {
            ticks: Ticks::new(base),
            swept: 0,
            entries: Vec::new(),
            heads: vec![NONE; BUCKETS as usize + 1],
            occupied: Occupied::default(),
        }
    }

    /// How moments and ticks convert on this wheel.
    pub fn ticks(&self) -> Ticks {
        self.ticks
    }

    /// Gives row `index` the deadline `tick` instead of any it had; a tick that has passed is due at the next one.
    pub fn set(&mut self, index: u32, tick: u32) {
        if self.entries.len() <= index as usize {
            self.entries.resize(index as usize + 1, UNHUNG);
        }
        let tick = tick.clamp(self.swept + 1, LAST_TICK);
        let visit = self.swept + 1;
        let entry = &mut self.entries[index as usize];
        entry.deadline = tick;
        if entry.bucket < DUE {
            let ticks_until_visit = entry.bucket.wrapping_sub(visit) % BUCKETS;
            if ticks_until_visit <= tick - visit {
                return; // Its bucket comes by in time; there it will be hung further on.
            }
        }
        self.unhang(index);
        self.hang(index, tick % BUCKETS);
    }

    /// Takes the deadline of row `index` away; a row that never had one is fine.
    pub fn clear(&mut self, index: u32) {
        let Some(entry) = self.entries.get_mut(index as usize) else {
            return;
        };
        entry.deadline = NONE;
        if entry.bucket == DUE {
            self.unhang(index);
        }
    }

    /// Like [`Wheel::clear`], and leaves nothing behind to be swept: for deadlines that are seldom reached.
    pub fn take_down(&mut self, index: u32) {
        if let Some(entry) = self.entries.get_mut(index as usize) {
            entry.deadline = NONE;
            self.unhang(index);
        }
    }

    /// The tick at which row `index` is due.
    pub fn deadline(&self, index: u32) -> Option<u32> {
        let entry = self.entries.get(index as usize)?;
        (entry.deadline != NONE).then_some(entry.deadline)
    }

    /// Moves the wheel on to `now_tick`; what is due by then waits for [`Wheel::pop_due`].
    pub fn sweep(&mut self, now_tick: u32) {
        let now_tick = now_tick.min(LAST_TICK - 1);
        if now_tick <= self.swept {
            return;
        }
        let first = self.swept + 1;
        let passed_by = (now_tick - self.swept).min(BUCKETS);
        self.swept = now_tick;
        for tick in first..first + passed_by {
            self.empty(tick % BUCKETS);
        }
    }

    /// Hands out one row that is due; it has no deadline any more.
    ///
    /// In the order of the ticks while sweeps are less than a revolution apart, and within a tick in the order of hanging.
    /// A row whose deadline is set or cleared while it waits here is not handed out.
    pub fn pop_due(&mut self) -> Option<u32> {
        let index = self.heads[DUE as usize];
        if index == NONE {
            return None;
        }
        self.unhang(index);
        self.entries[index as usize].deadline = NONE;
        Some(index)
    }

    /// [`Wheel::sweep`] and then every [`Wheel::pop_due`], for a caller that needs no wheel meanwhile.
    pub fn advance(&mut self, now_tick: u32, due: &mut dyn FnMut(u32)) {
        self.sweep(now_tick);
        while let Some(index) = self.pop_due() {
            due(index);
        }
    }

    /// The moment before which nothing is due: exact, or early where a deadline was put off, cleared, or lies more
    /// than a revolution ahead. `None`: nothing hangs here at all.
    pub fn next_due(&self) -> Option<Instant> {
        if self.heads[DUE as usize] != NONE {
            return Some(self.ticks.start_of(self.swept));
        }
        let visit = self.swept + 1;
        let bucket = self.occupied.first_from(visit % BUCKETS)?;
        let ticks_until_visit = bucket.wrapping_sub(visit) % BUCKETS;
        Some(self.ticks.start_of(visit.saturating_add(ticks_until_visit)))
    }

    /// Takes every row out of a bucket and hangs it where it belongs at the tick swept to.
    fn empty(&mut self, bucket: u32) {
        let first = std::mem::replace(&mut self.heads[bucket as usize], NONE);
        if first == NONE {
            return;
        }
        self.occupied.remove(bucket);
        let mut index = first;
        loop {
            let entry = self.entries[index as usize];
            self.entries[index as usize] = Entry { deadline: entry.deadline, ..UNHUNG };
            if entry.deadline <= self.swept {
                self.hang(index, DUE);
            } else if entry.deadline != NONE {
                self.hang(index, entry.deadline % BUCKETS);
            }
            if entry.next == first {
                return;
            }
            index = entry.next;
        }
    }

    /// Puts an unhung row at the end of a bucket's ring.
    fn hang(&mut self, index: u32, bucket: u32) {
        debug_assert_eq!(self.entries[index as usize].bucket, NONE);
        let head = self.heads[bucket as usize];
        let (next, prev) = if head == NONE {
            self.heads[bucket as usize] = index;
            self.occupied.add(bucket);
            (index, index)
        } else {
            let last = std::mem::replace(&mut self.entries[head as usize].prev, index);
            self.entries[last as usize].next = index;
            (head, last)
        };
        let entry = &mut self.entries[index as usize];
        (entry.next, entry.prev, entry.bucket) = (next, prev, bucket);
    }

    /// Takes a row out of its bucket's ring, if it is in one; its deadline stays.
    fn unhang(&mut self, index: u32) {
        let entry = self.entries[index as usize];
        if entry.bucket == NONE {
            return;
        }
        if entry.next == index {
            self.heads[entry.bucket as usize] = NONE;
            self.occupied.remove(entry.bucket);
        } else {
            self.entries[entry.prev as usize].next = entry.next;
            self.entries[entry.next as usize].prev = entry.prev;
            let head = &mut self.heads[entry.bucket as usize];
            if *head == index {
                *head = entry.next;
            }
        }
        self.entries[index as usize] = Entry { deadline: entry.deadline, ..UNHUNG };
    }
}

/// Which buckets hold a row: one bit each, and one bit per word of those, so that an idle core finds the next one at once.
struct Occupied {
    words: [u64; 64],
    summary: u64,
}

impl Default for Occupied {
    fn default() -> Self {
        Occupied { words: [0; 64], summary: 0 }
    }
}

impl Occupied {
    fn add(&mut self, bucket: u32) {
        if bucket < BUCKETS {
            self.words[bucket as usize / 64] |= 1 << (bucket % 64);
            self.summary |= 1 << (bucket / 64);
        }
    }

    fn remove(&mut self, bucket: u32) {
        if bucket < BUCKETS {
            let word = &mut self.words[bucket as usize / 64];
            *word &= !(1 << (bucket % 64));
            if *word == 0 {
                self.summary &= !(1 << (bucket / 64));
            }
        }
    }

    /// The first occupied bucket from `start` on, once around.
    fn first_from(&self, start: u32) -> Option<u32> {
        let (word, bit) = (start / 64, start % 64);
        let here = self.words[word as usize] & (u64::MAX << bit);
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros());
        }
        // Turned so that the word after `start`'s comes first and `start`'s own, whose upper bits are clear, last.
        let turned = self.summary.rotate_right((word + 1) % 64);
        if turned == 0 {
            return None;
        }
        let word = (word + 1 + turned.trailing_zeros()) % 64;
        Some(word * 64 + self.words[word as usize].trailing_zeros())
    }
}

/// The name of a free alarm; it outlives the alarm harmlessly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Alarm(Key);

/// Alarms that belong to no row of anyone: each says its token once when its time has come, unless it is disarmed.
pub struct Alarms<T: Copy> {
    tokens: Slots<T>,
    wheel: Wheel,
}

impl<T: Copy> Alarms<T> {
    /// No alarms, on a clock whose tick 0 begins at `base`.
    pub fn new(base: Instant) -> Alarms<T> {
        Alarms { tokens: Slots::new(), wheel: Wheel::new(base) }
    }

    /// An alarm that says `token` at `at`, or up to a tick later.
    pub fn arm(&mut self, at: Instant, token: T) -> Alarm {
        let key = self.tokens.insert(token);
        self.wheel.set(key.index, self.wheel.ticks().deadline(at));
        Alarm(key)
    }

    /// Silences an alarm for good; `false` when it has been handed out, or disarmed, before.
    pub fn disarm(&mut self, alarm: Alarm) -> bool {
        if self.tokens.remove(alarm.0).is_none() {
            return false;
        }
        self.wheel.take_down(alarm.0.index);
        true
    }

    /// Moves the clock on to `now`; what is due by then waits for [`Alarms::pop_due`].
    pub fn sweep(&mut self, now: Instant) {
        self.wheel.sweep(self.wheel.ticks().running(now));
    }

    /// Hands out the token of one alarm that is due; an alarm disarmed while it waits is not handed out.
    pub fn pop_due(&mut self) -> Option<T> {
        let index = self.wheel.pop_due()?;
        let token = self.tokens.key_at(index).and_then(|key| self.tokens.remove(key));
        debug_assert!(token.is_some(), "a row hangs on the wheel exactly as long as its alarm lives");
        token
    }

    /// [`Alarms::sweep`] and then every [`Alarms::pop_due`], for a caller that needs no alarm meanwhile.
    pub fn advance(&mut self, now: Instant, rang: &mut dyn FnMut(T)) {
        self.sweep(now);
        while let Some(token) = self.pop_due() {
            rang(token);
        }
    }

    /// The moment before which no alarm is due; see [`Wheel::next_due`].
    pub fn next_due(&self) -> Option<Instant> {
        self.wheel.next_due()
    }

    /// How many alarms are armed.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether no alarm is armed.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

#[cfg(test)]
#[path = "timer_tests.rs"]
mod tests;
