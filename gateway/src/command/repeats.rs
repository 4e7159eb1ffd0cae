//! Repeats of a request: the same idempotency key must not run a command twice.
//!
//! Owns, on the device's home core, which keys were used, what for, and how it ended. A repeat joins the running command or is
//! given the answer again; it takes no place among the agent's commands. A command that never reached its device leaves
//! nothing behind: asking again is right then. Bounded in number, bytes and time; a running command is never forgotten.

use super::outcome::{Outcome, Reached};
use crate::command::id::CommandId;
use engine::{Key, Slots};
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::time::{Duration, Instant};

/// Ceilings of a core's repeats.
#[derive(Clone, Copy, Debug)]
pub struct RepeatLimits {
    /// Keys kept; the oldest settled one gives way.
    pub keys_max: usize,
    /// Bytes of answers kept; the oldest settled one gives way.
    pub bytes_max: usize,
    /// How long an answer is kept.
    pub kept_for: Duration,
}

/// Requests that may wait for one command; a repeat comes one after the other, so more are not honest.
const WAITERS_MAX: usize = 64;

/// One core's idempotency keys.
#[derive(Default)]
pub struct Repeats {
    entries: Slots<Entry>,
    index: HashMap<u128, Key, BuildHasherDefault<SipHasher13>>,
    /// In the order of the first use.
    order: VecDeque<Key>,
    answer_bytes: usize,
}

/// What a key was used for.
#[derive(Debug)]
struct Entry {
    name: u128,
    request: u64,
    used_at: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Without an id it is not taken yet: until it is, those wait too who do not wait for the end.
    Running {
        id: Option<CommandId>,
        waiters: Vec<(Waiter, bool)>,
    },
    Done(Answer),
}

/// A request that waits for the same command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiter {
    /// The core where it waits.
    pub core: usize,
    /// The ticket there.
    pub ticket: Key,
}

/// How a command ended, to be told again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The end.
    pub outcome: Outcome,
    /// The command; none when a trigger was fired.
    pub id: Option<CommandId>,
    /// What the outcome says it is.
    pub text: Box<[u8]>,
    /// From the ask to the settlement, in milliseconds.
    pub duration_ms: u32,
}

/// What a key turns out to be.
#[derive(Debug)]
pub enum Found<'r> {
    /// It was not used before.
    New,
    /// The command is running; the request waits with the others, if it waits for the end. One that does not is told the id,
    /// now or when there is one.
    Joined(Option<CommandId>),
    /// It has settled.
    Settled(&'r Answer),
    /// The key was used for another request.
    Another,
    /// Too many wait for it already.
    Crowded,
}

impl Repeats {
    /// How many keys are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Looks a key up. `name` stands for (agent, device, key), `request` for what is asked, and `waits` tells whether the
    /// request waits for the end.
    pub fn find(&mut self, name: u128, request: u64, waiter: Waiter, waits: bool) -> Found<'_> {
        let Some(entry) = self.index.get(&name).and_then(|&key| self.entries.get_mut(key)) else {
            return Found::New;
        };
        if entry.request != request {
            return Found::Another;
        }
        match &mut entry.state {
            State::Running { waiters, .. } if waiters.len() >= WAITERS_MAX => Found::Crowded,
            State::Running { id, waiters } => {
                if waits || id.is_none() {
                    waiters.push((waiter, waits));
                }
                Found::Joined(*id)
            }
            State::Done(answer) => Found::Settled(answer),
        }
    }

    /// A command begins under a new key.
    pub fn begin(&mut self, name: u128, request: u64, now: Instant, limits: RepeatLimits) -> Key {
        let entry =
            Entry { name, request, used_at: now, state: State::Running { id: None, waiters: Vec::new() } };
        let key = self.entries.insert(entry);
        let before = self.index.insert(name, key);
        debug_assert!(before.is_none(), "a key is new once");
        self.order.push_back(key);
        self.forget(now, limits);
        key
    }

    /// The command of a key is taken and has its id: who waits for no more than that.
    pub fn name(&mut self, key: Key, command: CommandId) -> Vec<Waiter> {
        let Some(Entry { state: State::Running { id, waiters }, .. }) = self.entries.get_mut(key) else {
            return Vec::new();
        };
        *id = Some(command);
        waiters.extract_if(.., |(_, waits)| !*waits).map(|(waiter, _)| waiter).collect()
    }

    /// The command of a key has settled: who else waits for it. What never reached the device is forgotten at once.
    pub fn settle(&mut self, key: Key, answer: Answer) -> Vec<Waiter> {
        let Some(entry) = self.entries.get_mut(key) else { return Vec::new() };
        let keeps = had_effect(answer.outcome);
        let bytes = answer.text.len();
        let waiters = match std::mem::replace(&mut entry.state, State::Done(answer)) {
            State::Running { waiters, .. } => waiters.into_iter().map(|(waiter, _)| waiter).collect(),
            State::Done(_) => {
                debug_assert!(false, "a command settles once");
                Vec::new()
            }
        };
        self.answer_bytes += bytes;
        if !keeps {
            self.remove(key);
        }
        waiters
    }

    fn remove(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.index.remove(&entry.name);
        if let State::Done(answer) = entry.state {
            self.answer_bytes -= answer.text.len();
        }
    }

    /// Lets the oldest go while there are too many, or they are too old. A running one ends the search: what is behind it is
    /// younger, and it will settle.
    fn forget(&mut self, now: Instant, limits: RepeatLimits) {
        while let Some(&oldest) = self.order.front() {
            let too_many = self.entries.len() > limits.keys_max || self.answer_bytes > limits.bytes_max;
            match self.entries.get(oldest) {
                None => {}
                Some(Entry { state: State::Running { .. }, .. }) => return,
                Some(entry) if too_many || now.duration_since(entry.used_at) >= limits.kept_for => {
                    self.remove(oldest)
                }
                Some(_) => return,
            }
            self.order.pop_front();
        }
    }
}

/// Whether a command may have done something, so that it must not be run again under the same key.
fn had_effect(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Done | Outcome::DeviceError => true,
        Outcome::DeviceOffline(reached) | Outcome::DeviceTimeout(reached) | Outcome::Cancelled(reached) => {
            reached == Reached::Unknown
        }
        Outcome::DeviceUnknown
        | Outcome::CommandUnknown
        | Outcome::InvalidArguments
        | Outcome::DeviceBusy
        | Outcome::TooManyCommands
        | Outcome::TooManyTriggers
        | Outcome::QueueingNotPossible
        | Outcome::KeyReused
        | Outcome::ShuttingDown => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RepeatLimits =
        RepeatLimits { keys_max: 2, bytes_max: 100, kept_for: Duration::from_secs(60) };

    fn waiter(index: u32) -> Waiter {
        Waiter { core: 0, ticket: Key { index, generation: 0 } }
    }

    fn answer(outcome: Outcome, text: &[u8]) -> Answer {
        let id = CommandId { core: 0, entry: Key { index: 0, generation: 0 }, epoch: 0, nonce: 0 };
        Answer { outcome, id: Some(id), text: text.into(), duration_ms: 1 }
    }

    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_repeat_joins_and_then_is_told_again() {
        let mut repeats = Repeats::default();
        assert!(matches!(repeats.find(1, 10, waiter(0), true), Found::New));
        let key = repeats.begin(1, 10, now(), LIMITS);
        assert!(matches!(repeats.find(1, 10, waiter(1), true), Found::Joined(None)));
        assert!(matches!(repeats.find(1, 11, waiter(2), true), Found::Another));
        assert_eq!(repeats.settle(key, answer(Outcome::Done, b"7")), [waiter(1)]);
        assert!(matches!(
            repeats.find(1, 10, waiter(3), true),
            Found::Settled(Answer { outcome: Outcome::Done, .. })
        ));
    }

    #[test]
    fn who_does_not_wait_is_told_when_the_command_is_taken() {
        let mut repeats = Repeats::default();
        let key = repeats.begin(1, 10, now(), LIMITS);
        for (n, waits) in [(1, true), (2, false), (3, false)] {
            assert!(matches!(repeats.find(1, 10, waiter(n), waits), Found::Joined(None)));
        }
        let id = answer(Outcome::Done, b"").id.expect("it has one");
        assert_eq!(repeats.name(key, id), [waiter(2), waiter(3)]);
        assert!(matches!(repeats.find(1, 10, waiter(4), false), Found::Joined(Some(_))));
        assert_eq!(repeats.settle(key, answer(Outcome::Done, b"7")), [waiter(1)], "the others have left");
    }

    #[test]
    fn what_never_reached_the_device_may_be_asked_again() {
        let mut repeats = Repeats::default();
        for outcome in [Outcome::DeviceOffline(Reached::NotSent), Outcome::DeviceBusy] {
            let key = repeats.begin(1, 10, now(), LIMITS);
            repeats.settle(key, answer(outcome, b""));
            assert!(matches!(repeats.find(1, 10, waiter(1), true), Found::New));
        }
        let key = repeats.begin(1, 10, now(), LIMITS);
        repeats.settle(key, answer(Outcome::DeviceTimeout(Reached::Unknown), b""));
        assert!(matches!(repeats.find(1, 10, waiter(1), true), Found::Settled(_)));
    }

    #[test]
    fn the_oldest_settled_gives_way_and_a_running_one_never() {
        let (mut repeats, now) = (Repeats::default(), now());
        let running = repeats.begin(1, 0, now, LIMITS);
        for name in 2..=4 {
            let key = repeats.begin(name, 0, now, LIMITS);
            repeats.settle(key, answer(Outcome::Done, b"x"));
        }
        assert_eq!(repeats.len(), 4, "nothing goes from behind a running one");
        repeats.settle(running, answer(Outcome::Done, b"x"));
        repeats.begin(5, 0, now, LIMITS);
        assert_eq!(repeats.len(), 2);
        assert!(matches!(repeats.find(1, 0, waiter(0), true), Found::New));
    }

    #[test]
    fn answers_are_bounded_in_bytes_and_time() {
        let (mut repeats, now) = (Repeats::default(), now());
        let key = repeats.begin(1, 0, now, LIMITS);
        repeats.settle(key, answer(Outcome::Done, &[0; 200]));
        repeats.begin(2, 0, now, LIMITS);
        assert!(matches!(repeats.find(1, 0, waiter(0), true), Found::New), "too large to be kept long");
        let (mut repeats, later) = (Repeats::default(), now + LIMITS.kept_for);
        let key = repeats.begin(1, 0, now, LIMITS);
        repeats.settle(key, answer(Outcome::Done, b"x"));
        repeats.begin(2, 0, later, LIMITS);
        assert!(matches!(repeats.find(1, 0, waiter(0), true), Found::New), "too old");
    }
}
