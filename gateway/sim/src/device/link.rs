//! One connection of a scripted device: what was said on it, what is still owed, and what that proves.
//!
//! Owns the bookkeeping by which a wire alone shows a broken rule: when the answer to a later word has come, every earlier
//! one was read.

use super::Said;
use super::socketio::{Lie, Socket};
use crate::ledger::{Describes, Excuse, Ledger, Sent, ShownKey};
use crate::line::Bearer;
use std::collections::VecDeque;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Nothing was said.
    Strange,
    /// CONNECT was said.
    Greeted,
    /// CONNACK 0 was read.
    Live,
    /// It has ended.
    Over,
}

/// What is to be said once the connection is there, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Todo {
    /// One SUBSCRIBE for everything.
    SubscribeAll,
    /// A SUBSCRIBE for one of the topics, by its place in the list.
    SubscribeOne(usize),
    /// The first status.
    Status,
    /// The second status.
    Describe,
    /// What was not acknowledged on the connection before.
    Resend,
    /// A heartbeat.
    Beat,
    /// A heartbeat with a callback.
    Fence,
}

/// A QoS 1 message of the device that was not acknowledged yet.
#[derive(Clone, Copy, Debug)]
pub struct Owed {
    /// Its packet identifier.
    pub packet: u16,
    /// The how manieth thing that was said.
    pub said: u64,
    /// What it was.
    pub what: Said,
}

/// A command that was not answered yet.
#[derive(Clone, Debug)]
pub struct Held {
    /// The question.
    pub question: usize,
    /// Its id on the wire.
    pub id: String,
    /// The packet to acknowledge with the answer, if that was not done at once.
    pub packet: Option<u16>,
}

/// A connection.
pub struct Link {
    /// Its number in the ledger.
    pub id: usize,
    /// The how manieth of its device.
    pub attempt: u32,
    /// What bears its words.
    pub line: Bearer,
    /// How far it has come.
    pub stage: Stage,
    /// It wants a session that dies with it.
    pub clean: bool,
    /// The gateway said that it remembers a session.
    pub present: bool,
    /// When it was opened, in milliseconds.
    pub opened_ms: u64,
    /// When the last whole word was out, in milliseconds.
    pub whole_ms: u64,
    /// It reads no more.
    pub deaf: bool,
    /// It says no more.
    pub mute: bool,
    /// It has sent a heartbeat.
    pub beaten: bool,
    /// It is to be forgotten without being closed.
    pub abandoned: bool,
    /// What is still to be said.
    pub todo: VecDeque<Todo>,
    /// SUBSCRIBE waits until then, in milliseconds.
    pub subscribe_at_ms: u64,
    /// Commands not answered yet.
    pub held: Vec<Held>,
    /// Commands that are acknowledged when their answer was: question and packet.
    pub acknowledge_after: Vec<(usize, u16)>,
    /// Topics that were subscribed to, as bits.
    pub subscribed: u8,
    /// Messages of ours that are not acknowledged yet, oldest first.
    pub owed: VecDeque<Owed>,
    /// Commands received at QoS 1 and not acknowledged yet.
    pub in_flight: Vec<u16>,
    /// Descriptions whose acceptance is open, oldest first, and the how manieth thing each was that was said.
    pub describing: VecDeque<(u64, Describes)>,
    /// When the oldest of them was said, in steps.
    pub describes_since: u64,
    /// The last accepted description.
    pub described: Option<Describes>,
    /// Things said so far.
    pub said: u64,
    /// Everything said before this was certainly read.
    pub read_before: u64,
    /// PINGREQs without an answer.
    pub pings: VecDeque<u64>,
    /// Heartbeats whose answer may come.
    pub beats: VecDeque<u64>,
    /// SUBSCRIBEs without an answer: packet, place, and whether `command` was among them.
    pub subscribes: VecDeque<(u16, u64, bool)>,
    /// What there is to know of a Socket.IO connection, if it is one.
    pub socket: Option<Box<Socket>>,
    /// The key that it has shown.
    pub shown: Option<ShownKey>,
    /// How its claim is wrong.
    pub(super) lie: Option<Lie>,
}

impl Link {
    /// A connection on which nothing was said.
    pub fn new(id: usize, attempt: u32, line: Bearer, clean: bool, now_ms: u64) -> Self {
        Self {
            id,
            attempt,
            line,
            stage: Stage::Strange,
            clean,
            present: false,
            opened_ms: now_ms,
            whole_ms: now_ms,
            deaf: false,
            mute: false,
            beaten: false,
            abandoned: false,
            todo: VecDeque::new(),
            subscribe_at_ms: 0,
            held: Vec::new(),
            acknowledge_after: Vec::new(),
            subscribed: 0,
            owed: VecDeque::new(),
            in_flight: Vec::new(),
            describing: VecDeque::new(),
            describes_since: 0,
            described: None,
            said: 0,
            read_before: 0,
            pings: VecDeque::new(),
            beats: VecDeque::new(),
            subscribes: VecDeque::new(),
            socket: None,
            shown: None,
            lie: None,
        }
    }

    /// Says one thing; gives its place among all that was said.
    pub fn say(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> u64 {
        self.line.say(write);
        self.said += 1;
        self.said - 1
    }

    /// A description was said.
    pub(super) fn describes(&mut self, place: u64, what: Describes, step: u64) {
        if self.describing.is_empty() {
            self.describes_since = step;
        }
        self.describing.push_back((place, what));
    }

    /// The answer to the word at `place` has come.
    pub fn answered(&mut self, place: u64) {
        self.read_before = self.read_before.max(place);
    }

    /// Whether a message was certainly read and is not acknowledged: nothing may be published to the device then.
    pub fn is_owed(&self) -> Option<&Owed> {
        self.owed.front().filter(|owed| owed.said < self.read_before)
    }

    /// Whether it has a connection of its own, over which it can say something at any time.
    pub fn is_connected(&self) -> bool {
        !self.line.tie().polls()
    }

    /// Whether it waits for an answer to something that it said.
    pub fn waits(&self) -> bool {
        !self.owed.is_empty() || !self.subscribes.is_empty()
    }

    /// Whether it is connected, described and listening, and everything is said and acknowledged.
    pub fn is_settled(&self, ledger: &Ledger) -> bool {
        let facts = &ledger.links[self.id];
        let able = facts.described.is_some_and(|(_, what)| what.has_echo()) && facts.listens.is_some();
        let said = self.line.is_silent() && self.line.is_settled();
        let quiet = said && !self.waits() && self.todo.is_empty() && self.describing.is_empty();
        // One that has ended its direction, or said what ends a connection, is about to be let go.
        let over = matches!(facts.excuse, Some(Excuse::Goodbye | Excuse::Misspoke | Excuse::Unknown));
        self.stage == Stage::Live && able && quiet && !over && self.line.is_intact()
    }

    /// What it still waits for, for a report.
    pub fn wants(&self, ledger: &Ledger) -> String {
        let facts = &ledger.links[self.id];
        format!(
            "{:?}, described {:?}, listens {:?}, says {}, owed {}, subscribes {}, todo {}, describing {}, held {}",
            self.stage,
            facts.described,
            facts.listens,
            !self.line.is_silent(),
            self.owed.len(),
            self.subscribes.len(),
            self.todo.len(),
            self.describing.len(),
            self.held.len()
        )
    }

    /// Notes which triggers were certainly read, now that the connection has ended.
    pub fn prove_all(&self, ledger: &mut Ledger) {
        for owed in self.owed.iter().filter(|owed| owed.said < self.read_before) {
            if let Said::Trigger(trigger) = owed.what {
                ledger.trigger_read(Sent { trigger, link: self.id });
            }
        }
    }
}
