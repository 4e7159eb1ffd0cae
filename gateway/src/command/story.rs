//! The story of a command, as the API and the event stream tell it.
//!
//! Owns the words for a command's state and the one place where a command is written as JSON. It looks nothing up and
//! decides nothing: whoever holds a command, pending or remembered, brings the facts.
//!
//! ```text
//!   queued -> sent -> delivered -> done | failed | timed_out | unknown
//!      \        \         \------> cancelled
//!       \        \---------------> (retry) queued
//!        \-----------------------> expired | cancelled | failed
//! ```

use super::id::CommandId;
use super::outcome::{Outcome, Reached};
use super::pending::Stage;
use crate::agent::errors::of_outcome;
use crate::wall::Rfc3339;
use codec::json::encode_str;
use std::io::Write;

const VEC: &str = "writing to a Vec cannot fail";

/// How far a command has come, or how it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It waits to be said to the device, for the first time or again.
    Queued,
    /// It was written to the device.
    Sent,
    /// The device's transport has acknowledged it.
    Delivered,
    /// The device did it.
    Done,
    /// It will not be done: the device said no, or left before it was asked.
    Failed,
    /// It was sent, and no answer came in time.
    TimedOut,
    /// Its time passed before it was sent.
    Expired,
    /// It was taken back.
    Cancelled,
    /// It was sent, and the device left: nobody knows.
    Unknown,
}

/// When things happened: the ask in Unix milliseconds, everything else in milliseconds after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// It was asked.
    pub asked_wall_ms: u64,
    /// It was said to the device for the first time.
    pub sent_ms: Option<u32>,
    /// The device's transport acknowledged it for the first time.
    pub delivered_ms: Option<u32>,
    /// It ended.
    pub ended_ms: Option<u32>,
    /// An answer came after the end.
    pub late_ms: Option<u32>,
}

/// A command, ready to be told.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// Its id.
    pub id: CommandId,
    /// The device's name.
    pub device: &'a str,
    /// The command's name.
    pub command: &'a str,
    /// How far it has come.
    pub state: State,
    /// How often it was said to the device.
    pub attempts: u32,
    /// When.
    pub times: Times,
    /// How it ended, if it has.
    pub outcome: Option<Outcome>,
    /// What the outcome says it is: the device's data, or what it said.
    pub text: &'a [u8],
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Sent,
        Self::Delivered,
        Self::Done,
        Self::Failed,
        Self::TimedOut,
        Self::Expired,
        Self::Cancelled,
        Self::Unknown,
    ];

    /// The word on the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// The state with this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == word)
    }

    /// The state of a command under way.
    pub fn of_stage(stage: Stage) -> Self {
        match stage {
            Stage::Checking { .. } | Stage::Waiting | Stage::Pausing => Self::Queued,
            Stage::Sent => Self::Sent,
            Stage::Delivered => Self::Delivered,
        }
    }

    /// The state of a command that ended so; `too_late`: when its deadline had passed.
    pub fn of_outcome(outcome: Outcome, too_late: bool) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Cancelled(_) => Self::Cancelled,
            Outcome::DeviceTimeout(Reached::Unknown) => Self::TimedOut,
            Outcome::DeviceOffline(Reached::Unknown) => Self::Unknown,
            Outcome::DeviceTimeout(Reached::NotSent) | Outcome::DeviceOffline(Reached::NotSent)
                if too_late =>
            {
                Self::Expired
            }
            Outcome::DeviceError
            | Outcome::DeviceUnknown
            | Outcome::CommandUnknown
            | Outcome::InvalidArguments
            | Outcome::DeviceOffline(Reached::NotSent)
            | Outcome::DeviceTimeout(Reached::NotSent)
            | Outcome::DeviceBusy
            | Outcome::TooManyCommands
            | Outcome::TooManyTriggers
            | Outcome::QueueingNotPossible
            | Outcome::KeyReused
            | Outcome::ShuttingDown => Self::Failed,
        }
    }
}

impl Story<'_> {
    /// Writes the whole object.
    pub fn write(&self, json: &mut Vec<u8>) {
        self.open(json);
        json.push(b'}');
    }

    /// Writes the object with an answer that came after the end.
    pub fn write_late(&self, success: bool, answer: &[u8], json: &mut Vec<u8>) {
        self.open(json);
        write!(
            json,
            ",\"lateAnswer\":{{\"success\":{success},\"{}\":",
            if success { "data" } else { "error" }
        )
        .expect(VEC);
        match success {
            true => json.extend_from_slice(answer),
            false => encode_str(json, &String::from_utf8_lossy(answer)),
        }
        json.extend_from_slice(b"}}");
    }

    fn open(&self, json: &mut Vec<u8>) {
        write!(json, "{{\"commandId\":\"{}\",\"deviceName\":", self.id).expect(VEC);
        encode_str(json, self.device);
        json.extend_from_slice(b",\"command\":");
        encode_str(json, self.command);
        write!(json, ",\"status\":\"{}\",\"attempts\":{}", self.state.name(), self.attempts).expect(VEC);
        self.write_times(json);
        match self.outcome.map(|outcome| (outcome, of_outcome(outcome))) {
            None => {}
            Some((_, None)) => {
                json.extend_from_slice(b",\"outcome\":\"done\",\"data\":");
                json.extend_from_slice(if self.text.is_empty() { b"null" } else { self.text });
            }
            Some((outcome, Some((error, word)))) => {
                let entry = error.entry();
                let said = std::str::from_utf8(self.text).unwrap_or_default();
                let detail = if outcome == Outcome::DeviceError { said } else { entry.title };
                write!(json, ",\"outcome\":\"{word}\",\"error\":{{\"code\":\"{}\",\"detail\":", entry.code)
                    .expect(VEC);
                encode_str(json, detail);
                write!(json, ",\"retryable\":{}}}", entry.retryable).expect(VEC);
            }
        }
    }

    fn write_times(&self, json: &mut Vec<u8>) {
        let Times { asked_wall_ms, sent_ms, delivered_ms, ended_ms, late_ms } = self.times;
        let moments = [
            ("createdAt", Some(0)),
            ("sentAt", sent_ms),
            ("deliveredAt", delivered_ms),
            ("finishedAt", ended_ms),
            ("lateAnswerAt", late_ms),
        ];
        for (name, after_ms) in moments {
            if let Some(after_ms) = after_ms {
                write!(json, ",\"{name}\":\"{}\"", Rfc3339(asked_wall_ms + u64::from(after_ms))).expect(VEC);
            }
        }
        if let Some(ended_ms) = ended_ms {
            write!(json, ",\"durationMs\":{ended_ms}").expect(VEC);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Key;
    use serde_json::Value;

    fn story(outcome: Option<Outcome>, state: State, text: &[u8]) -> Value {
        let id = CommandId { core: 1, entry: Key { index: 2, generation: 3 }, epoch: 4, nonce: 5 };
        let ended_ms = outcome.map(|_| 1500);
        let times = Times { sent_ms: Some(10), ended_ms, ..Times::default() };
        let story = Story { id, device: "pi\"co", command: "read", state, attempts: 1, times, outcome, text };
        let mut json = Vec::new();
        story.write(&mut json);
        serde_json::from_slice(&json).expect("JSON")
    }

    #[test]
    fn a_command_under_way_has_no_outcome() {
        let json = story(None, State::Sent, b"");
        assert_eq!((&json["status"], &json["deviceName"]), (&"sent".into(), &"pi\"co".into()));
        assert_eq!(json["sentAt"], "1970-01-01T00:00:00.010Z");
        assert!(json.get("outcome").is_none() && json.get("finishedAt").is_none());
    }

    #[test]
    fn what_was_done_carries_the_data_and_what_was_not_the_reason() {
        let done = story(Some(Outcome::Done), State::Done, b"{\"t\": 1.50}");
        assert_eq!((&done["data"]["t"], &done["durationMs"]), (&1.5.into(), &1500.into()));
        let failed = story(Some(Outcome::DeviceError), State::Failed, b"too hot");
        assert_eq!(
            (&failed["error"]["code"], &failed["error"]["detail"]),
            (&"device-error".into(), &"too hot".into())
        );
        let expired = story(Some(Outcome::DeviceTimeout(Reached::NotSent)), State::Expired, b"");
        assert_eq!(
            (&expired["outcome"], &expired["error"]["code"]),
            (&"not_sent".into(), &"device-timeout".into())
        );
    }

    #[test]
    fn an_end_before_the_deadline_is_no_expiry() {
        let end = Outcome::DeviceOffline(Reached::NotSent);
        assert_eq!(State::of_outcome(end, false), State::Failed);
        assert_eq!(State::of_outcome(end, true), State::Expired);
        assert_eq!(State::of_outcome(Outcome::DeviceOffline(Reached::Unknown), true), State::Unknown);
    }

    #[test]
    fn every_state_has_a_word_of_its_own() {
        for state in State::ALL {
            assert_eq!(State::parse(state.name()), Some(state));
        }
    }
}
