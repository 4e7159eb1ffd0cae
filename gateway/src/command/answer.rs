//! A device's answer finds its command.
//!
//! Owns the reading of `response`: members found without building a tree, the command found by its id without a
//! search, `data` handed on as the bytes the device sent. An answer from any other device than the one that was asked, a
//! second answer, and one to an attempt that is over are dropped and counted; the first one stands. The first answer
//! that comes after the end is written into the command's history and told as an event; it changes nothing.

use super::id::{AttemptId, CommandId};
use super::outcome::Outcome;
use super::pending::Pending;
use super::story::State;
use crate::device::notice::Notice;
use crate::shard::{Cx, Shard};
use codec::json::{Malformed, Raw, members};
use engine::Key;
use std::time::Duration;

/// What a device says when it fails without a word.
const NO_REASON: &str = "the device gave no reason";

/// What became of a command when an answer to it comes too late.
enum Late {
    /// It is the first one after an end without an answer.
    New,
    /// Anything else.
    Nothing,
}

impl Shard {
    /// A `response` of the device.
    pub(crate) fn answered(&mut self, cx: &mut Cx<'_>, device: Key, payload: &[u8]) {
        let found = members(payload, ["commandId", "success", "data", "error"]);
        let (id, success, data, error) = match found {
            Ok([Some(id), success, data, error]) => (id, success, data, error),
            other => {
                self.counters.unread_response();
                let fault = other.err().unwrap_or(Malformed::NotAnObject);
                let message = "a response is a JSON object with commandId and success";
                return self.notify(cx, device, Notice::unread(fault, "INVALID_RESPONSE", message));
            }
        };
        let success = success.and_then(|success| success.as_bool()) == Some(true);
        let Some(id) = id.plain_str().and_then(AttemptId::parse) else {
            return self.counters.unexpected_response();
        };
        let asked = self.find_asked(cx, id, device);
        if let Some(key) = asked
            && self.is_over(cx, key)
        {
            // What waited here unheard may be looked at before the alarm rings that is due.
            self.expire(cx, key);
        }
        match asked.filter(|&key| self.pending.get(key).is_some()) {
            Some(key) if success => self.settle_done(cx, key, data),
            Some(key) => {
                if !self.try_again(cx, key) {
                    self.settle_failed(cx, key, error);
                }
            }
            None => match self.is_late(id.command, device) {
                Late::New => self.answered_late(cx, id.command, success, data, error),
                // Repeated, foreign or made up: the answer that came first, or the deadline, stands.
                Late::Nothing => self.counters.unexpected_response(),
            },
        }
        self.speak(cx, device);
    }

    /// The pending entry of an id, if it is one of ours, still pending, asked of this very device, and not of an attempt
    /// that the device has answered.
    fn find_asked(&self, cx: &Cx<'_>, id: AttemptId, device: Key) -> Option<Key> {
        let entry = id.command.entry;
        let pending: &Pending = self.pending.get(entry)?;
        let asked = pending.device == device && pending.attempts > 0;
        #[cfg(planted)]
        let asked = asked || (pending.attempts > 0 && engine::planted::is("foreign-answer-taken"));
        let named = pending.attempt_id(entry, cx.core(), self.facts.epoch) == id;
        #[cfg(planted)]
        let named = named || engine::planted::is("guessed-id-taken");
        (asked && named).then_some(entry)
    }

    /// Whether the time of a command that was sent is up, grace and all.
    fn is_over(&self, cx: &Cx<'_>, key: Key) -> bool {
        let grace = Duration::from_millis(self.facts.limits.command_grace_ms);
        self.pending.get(key).is_some_and(|pending| cx.now() >= pending.deadline + grace)
    }

    fn settle_done(&mut self, cx: &mut Cx<'_>, key: Key, data: Option<Raw<'_>>) {
        let data = data.map_or(&b"null"[..], |data| data.as_bytes());
        if data.len() > self.facts.limits.payload_bytes_max {
            return self.settle(cx, key, Outcome::DeviceError, b"the device's data is larger than allowed");
        }
        self.settle(cx, key, Outcome::Done, data);
    }

    fn settle_failed(&mut self, cx: &mut Cx<'_>, key: Key, error: Option<Raw<'_>>) {
        let mut unescaped = String::new();
        let reason = self.reason(error, &mut unescaped);
        self.settle(cx, key, Outcome::DeviceError, reason.as_bytes());
    }

    /// What the device said of its failure, cut to what is kept.
    fn reason<'s>(&self, error: Option<Raw<'s>>, unescaped: &'s mut String) -> &'s str {
        let reason = error.and_then(|error| error.text(unescaped)).unwrap_or(NO_REASON);
        let cut = reason.floor_char_boundary(self.facts.limits.response_error_bytes_max);
        reason.get(..cut).unwrap_or_default()
    }

    fn is_late(&self, id: CommandId, device: Key) -> Late {
        match self.records.find(id) {
            Some(record) if record.device == device && record.times.late_ms.is_none() => match record.state {
                State::TimedOut | State::Unknown | State::Cancelled if record.attempts > 0 => Late::New,
                _ => Late::Nothing,
            },
            Some(_) | None => Late::Nothing,
        }
    }

    /// The device did answer, after the agent was told that it did not: part of the history, and an event.
    fn answered_late(
        &mut self,
        cx: &mut Cx<'_>,
        id: CommandId,
        success: bool,
        data: Option<Raw<'_>>,
        error: Option<Raw<'_>>,
    ) {
        self.counters.late_response();
        if let Some(record) = self.records.find_mut(id) {
            let after_ms = cx.now().saturating_duration_since(record.asked_at).as_millis();
            record.times.late_ms = Some(u32::try_from(after_ms).unwrap_or(u32::MAX));
        }
        let mut unescaped = String::new();
        let answer = match success {
            true => data.map_or(&b"null"[..], |data| data.as_bytes()),
            false => self.reason(error, &mut unescaped).as_bytes(),
        };
        if answer.len() <= self.facts.limits.payload_bytes_max {
            self.tell_command(cx, id, |story, json| story.write_late(success, answer, json));
        }
    }
}
