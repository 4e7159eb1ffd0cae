//! Repeats of a request: the same idempotency key must not run a command twice.
//!
//! Owns, on the device's home core, which keys were used, what for, and how it ended. A repeat joins the running command or is
//! given the answer again; it takes no place among the agent's commands. A command that never reached its device leaves
//! nothing behind: asking again is right then. Bounded in number, bytes and time; a running command is never forgotten, and
//! when there is no room the agent that holds the most forgets its oldest answer.

use super::outcome::{Outcome, Reached};
use super::shares::Shares;
use crate::command::id::CommandId;
use engine::{Key, Slots};
use hashbrown::HashMap;
use siphasher::sip::SipHasher13;
use std::collections::VecDeque;
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Ceilings of a core's repeats.
#[derive(Clone, Copy, Debug)]
pub struct RepeatLimits {
    /// Keys kept; the oldest settled one of the agent that holds the most gives way.
    pub keys_max: usize,
    /// Bytes of answers kept; the oldest one of the agent that holds the most gives way.
    pub bytes_max: usize,
    /// How long an answer is kept.
    pub kept_for: Duration,
}

impl RepeatLimits {
    /// What a settled key weighs: as much of the number as of the bytes it may be.
    fn weight(&self, answer: &Answer) -> u64 {
        (self.bytes_max / self.keys_max.max(1) + answer.text.len()).max(1) as u64
    }
}

/// Requests that may wait for one command; a repeat comes one after the other, so more are not honest. The oldest gives way: it
/// is the likeliest to have given up, and a connection that was closed looks like one that only says no more.
const WAITERS_MAX: usize = 64;

/// Places in the order of all answers that those may hold that are gone, beside as many as there are answers.
const SPARE_PLACES: usize = 1024;

/// One core's idempotency keys.
pub struct Repeats {
    limits: RepeatLimits,
    entries: Slots<Entry>,
    index: HashMap<u128, Key, BuildHasherDefault<SipHasher13>>,
    /// Each agent's settled ones, in the order in which they settled.
    shares: Shares<VecDeque<Key>>,
    /// All settled ones, in the same order; those that are gone are passed over.
    order: VecDeque<(Instant, Key)>,
    answer_bytes: usize,
}

/// What a key was used for.
#[derive(Debug)]
struct Entry {
    name: u128,
    agent: Arc<str>,
    request: u64,
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
    Joined {
        /// The command's.
        id: Option<CommandId>,
        /// Who waits no more: too many did.
        gives_way: Option<Waiter>,
    },
    /// It has settled.
    Settled(&'r Answer),
    /// The key was used for another request.
    Another,
}

impl Repeats {
    /// None yet, under these ceilings.
    pub fn new(limits: RepeatLimits) -> Self {
        Self {
            limits,
            entries: Slots::new(),
            index: HashMap::default(),
            shares: Shares::default(),
            order: VecDeque::new(),
            answer_bytes: 0,
        }
    }

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
            State::Running { id, waiters } => {
                let mut gives_way = None;
                if waits || id.is_none() {
                    let is_full = waiters.len() >= WAITERS_MAX;
                    gives_way = is_full.then(|| waiters.remove(0).0);
                    waiters.push((waiter, waits));
                }
                Found::Joined { id: *id, gives_way }
            }
            State::Done(answer) => Found::Settled(answer),
        }
    }

    /// A command of `agent` begins under a new key.
    pub fn begin(&mut self, name: u128, agent: &Arc<str>, request: u64, now: Instant) -> Key {
        let state = State::Running { id: None, waiters: Vec::new() };
        let key = self.entries.insert(Entry { name, agent: agent.clone(), request, state });
        let before = self.index.insert(name, key);
        debug_assert!(before.is_none(), "a key is new once");
        self.forget_old(now);
        self.make_room(agent);
        key
    }

    /// A request that waited for the command of this key is gone.
    pub fn leave(&mut self, name: u128, waiter: Waiter) {
        let entry = self.index.get(&name).and_then(|&key| self.entries.get_mut(key));
        if let Some(Entry { state: State::Running { waiters, .. }, .. }) = entry {
            waiters.retain(|&(other, _)| other != waiter);
        }
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
    pub fn settle(&mut self, key: Key, answer: Answer, now: Instant) -> Vec<Waiter> {
        let Some(entry) = self.entries.get_mut(key) else { return Vec::new() };
        let agent = entry.agent.clone();
        let (keeps, bytes) = (had_effect(answer.outcome), answer.text.len());
        let weight = self.limits.weight(&answer);
        let waiters = match std::mem::replace(&mut entry.state, State::Done(answer)) {
            State::Running { waiters, .. } => waiters.into_iter().map(|(waiter, _)| waiter).collect(),
            State::Done(_) => {
                debug_assert!(false, "a command settles once");
                return Vec::new();
            }
        };
        if !keeps {
            self.remove(key);
            return waiters;
        }
        self.answer_bytes += bytes;
        let member = self.shares.join(&agent, VecDeque::new);
        self.shares.add(member, weight);
        if let Some(settled) = self.shares.get_mut(member) {
            settled.push_back(key);
        }
        self.order.push_back((now, key));
        self.make_room(&agent);
        waiters
    }

    fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.index.remove(&entry.name);
        Some(entry)
    }

    /// Forgets a member's oldest answer; a member without any is none.
    fn forget_oldest_of(&mut self, member: Key) {
        let oldest = self.shares.get_mut(member).and_then(VecDeque::pop_front);
        if let Some(Entry { state: State::Done(answer), .. }) = oldest.and_then(|key| self.remove(key)) {
            self.answer_bytes -= answer.text.len();
            self.shares.take(member, self.limits.weight(&answer));
        }
        if self.shares.get(member).is_some_and(VecDeque::is_empty) {
            self.shares.leave(member);
        }
    }

    /// Whoever holds the most gives way while there are too many, or too many bytes; `agent` if it is one of those.
    fn make_room(&mut self, agent: &Arc<str>) {
        while self.entries.len() > self.limits.keys_max || self.answer_bytes > self.limits.bytes_max {
            let own = self.shares.key(agent);
            let Some(heaviest) = self.shares.heaviest(own) else { return };
            self.forget_oldest_of(heaviest);
        }
    }

    /// Forgets what is too old, and passes over what is gone.
    fn forget_old(&mut self, now: Instant) {
        while let Some(&(settled_at, key)) = self.order.front() {
            if let Some(entry) = self.entries.get(key) {
                if now.saturating_duration_since(settled_at) < self.limits.kept_for {
                    break;
                }
                if let Some(member) = self.shares.key(&entry.agent) {
                    // The oldest of all is the oldest of its agent.
                    self.forget_oldest_of(member);
                }
            }
            self.order.pop_front();
        }
        if self.order.len() > 2 * self.entries.len() + SPARE_PLACES {
            self.order.retain(|&(_, key)| self.entries.contains(key));
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
#[path = "repeats/tests.rs"]
mod tests;
