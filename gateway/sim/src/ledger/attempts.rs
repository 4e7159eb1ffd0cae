//! Attempts at a command, as devices hear them.
//!
//! Owns what a wire shows of them: the attempt that an id names, how many were made, and when one was made at the earliest.

use super::{Delivery, Ledger, Question, Reply};

/// The command of an id, whatever attempt it names.
pub fn command_of(id: &str) -> &str {
    id.split_once('~').map_or(id, |(command, _)| command)
}

/// The attempt that an id names.
pub fn attempt_of(id: &str) -> u32 {
    id.split_once('~').and_then(|(_, attempt)| attempt.parse().ok()).unwrap_or(1)
}

impl Question {
    /// Attempts that its devices have heard of; repeats of MQTT are none.
    pub fn attempts_heard(&self) -> u32 {
        self.heard_in(|_| true)
    }

    /// The same, as far as they were heard before this step.
    pub fn attempts_heard_before(&self, step: u64) -> u32 {
        self.heard_in(|delivery| delivery.step < step)
    }

    fn heard_in(&self, counts: impl Fn(&Delivery) -> bool) -> u32 {
        let heard = || self.deliveries.iter().filter(|delivery| counts(delivery));
        let fresh = heard().filter(|delivery| !delivery.dup).count() as u32;
        heard().map(|delivery| attempt_of(&delivery.id)).max().unwrap_or(0).max(fresh)
    }

    /// The earliest moment at which an attempt that left the device so much time can have been sent.
    pub fn sent_ms(&self, left_ms: u64) -> u64 {
        // What is left is told in whole milliseconds.
        (self.said_ms + self.timeout_ms).saturating_sub(left_ms + 1)
    }

    /// Whether a device has said no to an attempt before this one.
    pub fn was_refused_before(&self, attempt: u32) -> bool {
        let before = |reply: &Reply| !reply.success && attempt_of(&reply.id) < attempt;
        self.replies.iter().any(before)
    }
}

impl Ledger {
    /// The most attempts that the description of its device allows.
    pub fn attempts_max(&self, n: usize) -> u32 {
        let described = self.retry.filter(|_| self.questions[n].command == "echo");
        described.map_or(1, |retry| retry.max_attempts)
    }

    /// The least time between the first attempt and this one.
    pub fn pauses_ms(&self, attempt: u32) -> u64 {
        let backoff_ms = self.retry.map_or(0, |retry| retry.backoff_ms);
        backoff_ms * ((1 << attempt.saturating_sub(1)) - 1)
    }
}
