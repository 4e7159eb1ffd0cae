//! What all cores share of an agent: its quotas (commands in flight, event streams, triggers per second), and how often its
//! list of tools has changed.
//!
//! Owns four atomics per agent and nothing else; they are changed without a lock. It never waits, never decides how many are
//! allowed (the caller brings the limit), and knows no device.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Length of the window in which triggers are counted, in ms.
const WINDOW_MS: u64 = 1000;
/// Bits of the trigger word that hold the count; the rest holds the window's start in ms.
const COUNT_BITS: u32 = 22;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

const _: () = assert!(COUNT_MAX > 1_000_000, "the largest trigger limit must fit");

/// An agent: its name, and what of its shares is taken. One per name and process; a reload of the keys keeps it.
pub struct Agent {
    name: Arc<str>,
    in_flight: AtomicU32,
    streams: AtomicU32,
    /// Start of the current window in ms (upper bits) and triggers counted in it (lower bits).
    triggers: AtomicU64,
    /// Tells this agent from an earlier one of the same name, which everybody had forgotten.
    serial: u64,
    /// The sum of what each core counts: how often its part of the list of tools changed.
    list_changes: AtomicU64,
}

/// One command's place in its agent's share, given back on drop.
#[must_use = "the place is given back as soon as this is dropped"]
pub struct InFlight(Arc<Agent>);

/// One event stream's place in its agent's share, given back on drop.
#[must_use = "the place is given back as soon as this is dropped"]
pub struct OpenStream(Arc<Agent>);

/// How long to wait, in ms, until a trigger is taken again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryAfterMs(pub u64);

impl Agent {
    /// An agent with nothing taken.
    pub(super) fn new(name: &str, serial: u64) -> Self {
        Self {
            name: name.into(),
            in_flight: AtomicU32::new(0),
            streams: AtomicU32::new(0),
            triggers: AtomicU64::new(0),
            serial,
            list_changes: AtomicU64::new(0),
        }
    }

    /// An agent of a unit test.
    #[cfg(test)]
    pub(crate) fn for_tests(name: &str) -> Arc<Self> {
        Arc::new(Self::new(name, 0))
    }

    /// The agent's id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The agent's id, to be shared with the store.
    pub fn name_shared(&self) -> &Arc<str> {
        &self.name
    }

    /// Counts a change of what the list of tools says: a device came or went, described itself, or is not known any more.
    /// To be called by the device's core in the turn of the change.
    pub(crate) fn count_list_change(&self) {
        self.list_changes.fetch_add(1, Release);
    }

    /// Which agent of this name it is, and how often its list of tools has changed. Whoever asks the cores after this hears at least
    /// of so many changes.
    pub(crate) fn list_changes(&self) -> (u64, u64) {
        (self.serial, self.list_changes.load(Acquire))
    }

    /// Commands that hold a place now.
    pub fn commands_in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Takes a place for a command unless `max` are taken.
    pub fn try_begin_command(self: &Arc<Self>, max: u32) -> Option<InFlight> {
        let taken = self.in_flight.try_update(Relaxed, Relaxed, |taken| (taken < max).then(|| taken + 1));
        taken.ok().map(|_| InFlight(Arc::clone(self)))
    }

    /// Takes a place for an event stream unless `max` are taken.
    pub fn try_open_stream(self: &Arc<Self>, max: u32) -> Option<OpenStream> {
        let taken = self.streams.try_update(Relaxed, Relaxed, |taken| (taken < max).then(|| taken + 1));
        taken.ok().map(|_| OpenStream(Arc::clone(self)))
    }

    /// Counts a trigger unless `per_second` were counted in this second. A second begins with the first trigger after the
    /// end of the last one, so that a burst of exactly `per_second` always passes.
    ///
    /// `now_ms` is monotonic time with one origin for all cores; cores may differ by a turn.
    pub fn try_trigger(&self, now_ms: u64, per_second: u32) -> Result<(), RetryAfterMs> {
        let most = u64::from(per_second).min(COUNT_MAX);
        let counted = self.triggers.try_update(Relaxed, Relaxed, |word| {
            let window = Window::unpack(word).at(now_ms);
            (window.count < most).then(|| Window { count: window.count + 1, ..window }.pack())
        });
        counted.map(drop).map_err(|word| Window::unpack(word).at(now_ms).retry_after(now_ms))
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Agent").field(&self.name).finish()
    }
}

impl InFlight {
    /// The agent whose share this is.
    pub fn agent(&self) -> &Arc<Agent> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        #[cfg(planted)]
        if engine::planted::is("place-not-given-back") {
            return;
        }
        let before = self.0.in_flight.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "a place was given back twice");
    }
}

impl OpenStream {
    /// The agent whose share this is.
    pub fn agent(&self) -> &Arc<Agent> {
        &self.0
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let before = self.0.streams.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "a place was given back twice");
    }
}

impl fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenStream").field(&self.0.name).finish()
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InFlight").field(&self.0.name).finish()
    }
}

/// The second in which triggers are counted.
#[derive(Clone, Copy)]
struct Window {
    start_ms: u64,
    count: u64,
}

impl Window {
    fn unpack(word: u64) -> Self {
        Self { start_ms: word >> COUNT_BITS, count: word & COUNT_MAX }
    }

    fn pack(self) -> u64 {
        (self.start_ms << COUNT_BITS) | self.count
    }

    /// The window that counts at `now_ms`: this one, or a fresh one. Another core's clock may be a little ahead of
    /// `now_ms`; a start further ahead than a window belongs to no clock of this process.
    fn at(self, now_ms: u64) -> Self {
        if now_ms.abs_diff(self.start_ms) < WINDOW_MS && self.count > 0 {
            self
        } else {
            Self { start_ms: now_ms, count: 0 }
        }
    }

    fn retry_after(self, now_ms: u64) -> RetryAfterMs {
        RetryAfterMs((self.start_ms + WINDOW_MS).saturating_sub(now_ms).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_stream_gives_its_place_back() {
        let agent = Arc::new(Agent::new("a", 0));
        let stream = agent.try_open_stream(1);
        assert!(stream.is_some() && agent.try_open_stream(1).is_none());
        drop(stream);
        assert!(agent.try_open_stream(1).is_some());
    }

    #[test]
    fn a_dropped_command_gives_its_place_back() {
        let agent = Arc::new(Agent::new("a", 0));
        let first = agent.try_begin_command(2);
        let second = agent.try_begin_command(2);
        assert!(first.is_some() && second.is_some());
        assert!(agent.try_begin_command(2).is_none());
        assert_eq!(agent.commands_in_flight(), 2);
        drop(first);
        assert!(agent.try_begin_command(2).is_some());
        drop(second);
        assert_eq!(agent.commands_in_flight(), 0);
    }

    #[test]
    fn a_lowered_limit_waits_for_what_is_in_flight() {
        let agent = Arc::new(Agent::new("a", 0));
        let held: Vec<_> = (0..5).map(|_| agent.try_begin_command(5)).collect();
        assert!(agent.try_begin_command(2).is_none());
        drop(held);
        assert!(agent.try_begin_command(2).is_some());
    }

    #[test]
    fn takes_a_burst_of_exactly_the_limit_each_second() {
        let agent = Agent::new("a", 0);
        for start in [5000, 6000, 9999, 11_500] {
            for n in 0..10 {
                assert_eq!(agent.try_trigger(start + n * 50, 10), Ok(()), "{start} {n}");
            }
            assert_eq!(agent.try_trigger(start + 600, 10), Err(RetryAfterMs(400)));
            assert_eq!(agent.try_trigger(start + 999, 10), Err(RetryAfterMs(1)));
        }
    }

    #[test]
    fn a_limit_of_zero_takes_nothing() {
        let agent = Agent::new("a", 0);
        assert_eq!(agent.try_trigger(5000, 0), Err(RetryAfterMs(1000)));
    }

    #[test]
    fn clocks_of_cores_may_differ_a_little() {
        let agent = Agent::new("a", 0);
        assert_eq!(agent.try_trigger(7003, 2), Ok(()));
        assert_eq!(agent.try_trigger(7001, 2), Ok(()), "a core that is 2 ms behind");
        assert_eq!(agent.try_trigger(7001, 2), Err(RetryAfterMs(1002)));
        assert_eq!(agent.try_trigger(1000, 2), Ok(()), "a window from another age holds nobody up");
    }

    #[test]
    fn shares_are_exact_across_threads() {
        let agent = Arc::new(Agent::new("a", 0));
        let (commands, triggers) = std::thread::scope(|scope| {
            let cores: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let held: Vec<_> = (0..500).filter_map(|_| agent.try_begin_command(700)).collect();
                        let fired = (0..500).filter(|_| agent.try_trigger(9, 700).is_ok()).count();
                        (held, fired)
                    })
                })
                .collect();
            let done: Vec<_> = cores.into_iter().map(|core| core.join().unwrap()).collect();
            (
                done.iter().map(|(held, _)| held.len()).sum::<usize>(),
                done.iter().map(|(_, n)| n).sum::<usize>(),
            )
        });
        assert_eq!((commands, triggers), (700, 700));
        assert_eq!(agent.commands_in_flight(), 0);
    }
}
