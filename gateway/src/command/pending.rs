//! A command under way, on the home core of its device.
//!
//! Owns the entry and its stages. It is removed by exactly one function ([`super::settle`]), so a command settles once,
//! whatever races there are between an answer, a deadline and a lost connection.
//!
//! ```text
//!   Waiting --PUBLISH--> Sent --PUBACK--> Delivered
//!      \                   |                 |
//!       +------------------+-----------------+--> settled: the entry is gone
//! ```

use super::id::CommandId;
use super::text::AskText;
use crate::auth::InFlight;
use engine::{Alarm, Key};
use std::time::Instant;

/// How far a command has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// In the device's queue.
    Waiting,
    /// Written to the device.
    Sent,
    /// Acknowledged by the device's transport, not answered yet.
    Delivered,
}

/// A command that has not settled.
#[derive(Debug)]
pub struct Pending {
    /// The core where the agent waits.
    pub from: usize,
    /// The waiting request there.
    pub ticket: Key,
    /// The agent's place among its commands in flight.
    pub place: InFlight,
    /// The device's row.
    pub device: Key,
    /// Device, command and payload.
    pub text: AskText,
    /// Its idempotency key, if it has one.
    pub repeat: Option<Key>,
    /// How far it has come.
    pub stage: Stage,
    /// When it was asked.
    pub asked_at: Instant,
    /// When the device's time is up; the agent is told a grace later.
    pub deadline: Instant,
    /// Rings at the deadline and the grace.
    pub alarm: Alarm,
    /// 64 random bits of its id.
    pub nonce: u64,
}

impl Pending {
    /// The command's id; `key` is where this entry lies.
    pub fn id(&self, key: Key, core: usize, epoch: u32) -> CommandId {
        CommandId { core: core as u16, entry: key, epoch, nonce: self.nonce }
    }
}
