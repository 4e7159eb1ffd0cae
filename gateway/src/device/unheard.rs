//! Words of Socket.IO devices that wait to be heard: what the conversation has not taken yet, and bodies of POSTs.
//!
//! Owns who is heard when. One turn hears so many messages of one client, and so many of all whose words wait, in the order in
//! which they became due; the rest waits for a mail that the core writes to itself, one at a time. Who waits for something
//! (the store, the gatekeeper, a manifest) is not looked at until that has come. Never knows what is said.
//!
//! ```text
//!   POST body --packet by packet--> inbox --> hear_device() -- all heard --> the POST is answered, reading goes on
//!                                     |  budget used up                | the conversation does not listen now
//!                                     v                                v
//!            queue, Mail::Unheard <-- hear_later() <---------- resume_device(): it listens again
//! ```

use super::conversation::Pace;
use super::lines::Lines;
use super::status::Reason;
use super::translator::Heard;
use super::wire::Wire;
use crate::mail::Mail;
use crate::shard::{Cx, Shard};
use engine::Key;
use std::collections::VecDeque;
use transports::input::Input;

/// Messages of one client that are heard in one turn.
pub(super) const MESSAGES_PER_TURN_MAX: usize = 256;
/// Messages of all whose words wait that one core hears in one turn.
const UNHEARD_PER_TURN_MAX: usize = 1024;

const _: () = assert!(MESSAGES_PER_TURN_MAX <= UNHEARD_PER_TURN_MAX);

/// The clients of one core whose words wait and may be heard.
#[derive(Debug, Default)]
pub struct Unheard {
    /// In order; each at most once.
    queue: VecDeque<Key>,
    /// The core has written to itself.
    is_called: bool,
}

impl Shard {
    /// A conversation may listen again: its connection is read, and what waits here is heard.
    pub(crate) fn resume_device(&mut self, cx: &mut Cx<'_>, conn: Key) {
        self.lines.resume(cx, conn);
        self.hear_later(cx, conn);
    }

    /// A conversation has come from another core, and what it brought.
    pub(crate) fn hear_newcomer(&mut self, cx: &mut Cx<'_>, conn: Key) {
        if let Some(translator) = self.translator_mut(conn) {
            translator.is_queued = false;
        }
        self.hear_later(cx, conn);
    }

    /// If words of this client wait, they are heard in a turn to come.
    pub(super) fn hear_later(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let Some(translator) = self.translator_mut(conn) else { return };
        if translator.has_words() && !std::mem::replace(&mut translator.is_queued, true) {
            self.unheard.queue.push_back(conn);
            self.call_unheard(cx);
        }
    }

    fn call_unheard(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.unheard.is_called, true) {
            cx.post(cx.core(), Mail::Unheard);
        }
    }

    /// Clients whose words wait, and may be heard.
    pub fn unheard(&self) -> usize {
        self.unheard.queue.len()
    }

    /// The turn of those whose words wait.
    pub(crate) fn hear_the_unheard(&mut self, cx: &mut Cx<'_>) {
        self.unheard.is_called = false;
        let mut left = UNHEARD_PER_TURN_MAX;
        for _ in 0..self.unheard.queue.len() {
            if left == 0 {
                break;
            }
            let Some(conn) = self.unheard.queue.pop_front() else { break };
            let Some(translator) = self.translator_mut(conn) else { continue };
            translator.is_queued = false;
            // Who is hung up on has said his last, even if he waited when he said it.
            if self.listens(conn) && self.lines.is_serving(cx, conn) {
                let mut share = left.min(MESSAGES_PER_TURN_MAX);
                left -= share;
                let pace = self.hear_waiting(cx, conn, &mut share);
                left += share;
                self.go_at(cx, conn, pace);
            }
        }
        if !self.unheard.queue.is_empty() {
            self.call_unheard(cx);
        }
    }

    /// The body of a POST. It is answered when all of it was heard.
    pub(super) fn hear_post(&mut self, cx: &mut Cx<'_>, key: Key, body: Vec<u8>) {
        let Some(translator) = self.translator_mut(key) else { return };
        let pace = match translator.take_post(body) {
            Heard::Broken(rule) => self.broken(cx, key, rule),
            Heard::Message | Heard::Nothing | Heard::Closed => {
                self.hear_waiting(cx, key, &mut MESSAGES_PER_TURN_MAX.clone())
            }
        };
        self.go_at(cx, key, pace);
    }

    /// What the hearing of waiting words leads to.
    fn go_at(&mut self, cx: &mut Cx<'_>, conn: Key, pace: Pace) {
        match pace {
            Pace::Whole => self.lines.resume(cx, conn),
            Pace::Busy => self.hear_later(cx, conn),
            Pace::Full => {}
            Pace::Home(core) => return self.goes_home_late(cx, conn, core),
            Pace::Over => {
                self.say_goodbye(cx, conn);
                self.lines.hang_up(cx, conn);
            }
        }
        if Lines::is_virtual(conn) {
            self.lines.touch(conn);
        }
        self.set_deadline(cx, conn);
    }

    /// Lets the conversation hear what waits for it, as far as the budget of messages allows.
    pub(super) fn hear_waiting(&mut self, cx: &mut Cx<'_>, conn: Key, left: &mut usize) -> Pace {
        loop {
            match self.hear_inbox(cx, conn) {
                Pace::Whole => {}
                pace @ (Pace::Busy | Pace::Full | Pace::Home(_) | Pace::Over) => return pace,
            }
            let now = cx.now();
            let Some((peer, out)) = self.peers.mqtt_mut(conn).zip(self.lines.out_urgent(cx, conn)) else {
                return Pace::Over;
            };
            let Wire::SocketIo(translator) = &mut peer.wire else { return Pace::Over };
            if !translator.has_words() {
                return Pace::Whole;
            }
            if *left == 0 {
                return Pace::Busy;
            }
            *left -= 1;
            let heard = translator.hear_posted(out, &mut self.spare, now);
            for _ in 0..translator.take_unknown() {
                self.counters.closed_topic();
            }
            match heard {
                Heard::Message | Heard::Nothing => {}
                Heard::Closed => {
                    self.blame(conn, Reason::ConnectionLost);
                    return Pace::Over;
                }
                Heard::Broken(rule) => return self.broken(cx, conn, rule),
            }
        }
    }

    fn hear_inbox(&mut self, cx: &mut Cx<'_>, conn: Key) -> Pace {
        let Some(Wire::SocketIo(translator)) = self.peers.mqtt_mut(conn).map(|peer| &mut peer.wire) else {
            return Pace::Over;
        };
        let mut inbox = translator.take_inbox();
        if inbox.is_empty() {
            translator.keep(inbox, 0, &mut self.spare);
            return Pace::Whole;
        }
        let whole_bytes = inbox.len();
        let mut input = Input::new(&mut inbox);
        let pace = self.hear_device(cx, conn, &mut input);
        let taken = input.taken();
        if let Some(Wire::SocketIo(translator)) = self.peers.mqtt_mut(conn).map(|peer| &mut peer.wire) {
            translator.keep(inbox, taken, &mut self.spare);
        }
        #[cfg(planted)]
        if engine::planted::is("waits-for-nothing") {
            return pace;
        }
        match pace {
            // Nothing is left that could be heard later, and nobody would come back for it.
            Pace::Busy if taken == whole_bytes => Pace::Whole,
            pace => pace,
        }
    }

    /// A rule of the layers below was broken.
    pub(super) fn broken(&mut self, cx: &mut Cx<'_>, conn: Key, rule: &'static str) -> Pace {
        tracing::debug!(violation = rule, "hung up on a Socket.IO peer");
        self.blame(conn, Reason::ProtocolViolation);
        self.refuse_post(cx, conn);
        Pace::Over
    }
}
