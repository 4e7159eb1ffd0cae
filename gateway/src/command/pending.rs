//! A command under way, on the home core of its device.
//!
//! Owns the entry and its stages. It is removed by exactly one function ([`super::settle`]), so a command settles once,
//! whatever races there are between an answer, a deadline, a cancellation and a lost connection.
//!
//! ```text
//!   Checking --arguments fit--> Waiting           (only arguments that take long to check; refused ones settle it)
//!
//!   Waiting --PUBLISH--> Sent --PUBACK--> Delivered
//!    ^  \                 |                 |  \
//!    |   \                |                 |   +-- no answer, attempts left: the same id again --> Waiting
//!    |    +---------------+-----------------+-----> settled: the entry is gone
//!    +--- Pausing <-- the device said no, attempts left: a new attempt id after the pause
//! ```

use super::again::{patience, pause};
use super::id::{AttemptId, CommandId};
use super::repeats::Waiter;
use super::story::{State, Story, Times};
use super::text::AskText;
use crate::auth::InFlight;
use crate::device::manifest::Retry;
use engine::{Alarm, Key};
use std::time::{Duration, Instant};

/// How far a command has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// In the device's queue, while the worker checks its arguments.
    Checking {
        /// The request waits for the end; otherwise only for this.
        waits: bool,
    },
    /// In the device's queue.
    Waiting,
    /// Written to the device.
    Sent,
    /// Acknowledged by the device's transport, not answered yet.
    Delivered,
    /// The device said no; it will be asked again.
    Pausing,
}

/// A command that has not settled.
#[derive(Debug)]
pub struct Pending {
    /// The request that waits for the end, or for the check of its arguments; none when the agent did not want to wait, and
    /// is told by an event.
    pub waiter: Option<Waiter>,
    /// The agent's place among its commands in flight.
    pub place: InFlight,
    /// The device's row.
    pub device: Key,
    /// Device, command and payload; the payload is away while it is being checked.
    pub text: AskText,
    /// Its idempotency key, if it has one.
    pub repeat: Option<Key>,
    /// It may wait for a device that is away.
    pub queues: bool,
    /// How far it has come.
    pub stage: Stage,
    /// How often it was said to the device.
    pub attempts: u32,
    /// The attempt that the id on the wire names.
    pub wire: u32,
    /// Whether and how it is tried again.
    pub retry: Option<Retry>,
    /// When it was asked.
    pub asked_at: Instant,
    /// The same and what followed, for people.
    pub times: Times,
    /// When the device's time is up; a command that was sent is given a grace more.
    pub deadline: Instant,
    /// Rings at the deadline, and a grace later.
    pub alarm: Alarm,
    /// Rings when it is time for another attempt, or has rung. There is no other: it is taken back when a newer one is set,
    /// and when the command settles.
    pub again: Option<Alarm>,
    /// 64 random bits of its id.
    pub nonce: u64,
}

impl Pending {
    /// The command's id; `key` is where this entry lies.
    pub fn id(&self, key: Key, core: usize, epoch: u32) -> CommandId {
        CommandId { core: core as u16, entry: key, epoch, nonce: self.nonce }
    }

    /// The id under which the device knows the current attempt.
    pub fn attempt_id(&self, key: Key, core: usize, epoch: u32) -> AttemptId {
        AttemptId { command: self.id(key, core, epoch), attempt: self.wire }
    }

    /// Milliseconds since the ask.
    pub fn elapsed_ms(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.asked_at).as_millis()).unwrap_or(u32::MAX)
    }

    /// How the command goes.
    pub fn story(&self, id: CommandId) -> Story<'_> {
        Story {
            id,
            device: self.text.device(),
            command: self.text.command(),
            state: State::of_stage(self.stage),
            attempts: self.attempts,
            times: self.times,
            outcome: None,
            text: &[],
        }
    }

    /// It was said to the device.
    pub fn said(&mut self, now: Instant) {
        debug_assert_eq!(self.stage, Stage::Waiting, "only what waits is said");
        self.stage = Stage::Sent;
        self.attempts += 1;
        let elapsed_ms = self.elapsed_ms(now);
        self.times.sent_ms.get_or_insert(elapsed_ms);
    }

    /// The device's transport has acknowledged it.
    pub fn acknowledged(&mut self, now: Instant) {
        if self.stage == Stage::Sent {
            self.stage = Stage::Delivered;
            let elapsed_ms = self.elapsed_ms(now);
            self.times.delivered_ms.get_or_insert(elapsed_ms);
        }
    }

    /// Whether its manifest allows one attempt more.
    pub fn has_attempts_left(&self) -> bool {
        self.retry.is_some_and(|retry| self.attempts < retry.max_attempts)
    }

    /// The pause before the next attempt; see [`again::pause`](super::again::pause).
    pub fn pause(&self, now: Instant) -> Option<Duration> {
        pause(self.retry, self.attempts, now, self.deadline)
    }

    /// How long an answer to the current attempt is awaited; see [`again::patience`](super::again::patience).
    pub fn patience(&self, now: Instant) -> Option<Duration> {
        patience(self.retry, self.attempts, now, self.deadline)
    }
}
