//! The machine of one session.
//!
//! Owns the transport that the session has, the words that wait for a poll, and both clocks of the heartbeat. It never
//! keeps a message that was heard.
//!
//! ```text
//!   polling()                                         websocket()
//!      |                                                   |
//!   +--v------+  begin_probe   +---------+  2probe   +-----v-----+
//!   | Polling |--------------->| probing |---------->|           |
//!   |         |<---------------|         |  5        | WebSocket |
//!   +---------+  probe_gone,   +---------+---------->|           |
//!      |  |      upgrade_timeout                     +-----------+
//!      |  | close()                                        |
//!      |  v                                                |
//!      | last words wait for a poll                        |
//!      |  | take_answer, close_timeout                     | close(), close packet, Violation
//!      v  v                                                v
//!   +-------------------------- Over --------------------------+
//! ```

use super::event::{Binary, Event};
use super::limits::Limits;
use super::queue::{enqueue, reframe};
use super::violation::Violation;
use codec::engineio::{Open, Packet, decode};
use codec::ws::{Data, OpCode, wrap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the client of a probe says, and hears back.
const PROBE: &str = "probe";

/// The server's side of one session.
///
/// See the [module](super) for how it is used.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    /// When the next ping is due, or its pong will be missed.
    due: Instant,
    state: State,
}

/// Whether a pong is awaited stands in the states that can await one: beside them it would cost every device eight bytes.
#[derive(Debug)]
enum State {
    Polling(Box<Polling>),
    WebSocket { awaits_pong: bool },
    Over,
}

#[derive(Debug, Default)]
struct Polling {
    awaits_pong: bool,
    /// A payload that waits for a poll.
    queue: Vec<u8>,
    /// A poll waits for the payload.
    waits: bool,
    /// A WebSocket that may become the session's.
    probe: Option<Probe>,
    /// Nothing more is heard; until then a poll may fetch the last words.
    ending: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    until: Instant,
    answered: bool,
}

impl Session {
    /// A session that polls. Its open packet waits for [`Session::take_answer`], which the GET that opened it is to call
    /// after [`Session::poll`].
    pub fn polling(limits: Arc<Limits>, sid: &str, now: Instant) -> Self {
        let mut session = Self::new(limits, State::Polling(Box::default()), now);
        session.open(sid, true, &mut Vec::new());
        session
    }

    /// A session over a WebSocket; the open packet goes to its output.
    pub fn websocket(limits: Arc<Limits>, sid: &str, out: &mut Vec<u8>, now: Instant) -> Self {
        let mut session = Self::new(limits, State::WebSocket { awaits_pong: false }, now);
        session.open(sid, false, out);
        session
    }

    fn new(limits: Arc<Limits>, state: State, now: Instant) -> Self {
        let due = now + limits.ping_interval;
        Self { limits, due, state }
    }

    fn open(&mut self, sid: &str, may_upgrade: bool, out: &mut Vec<u8>) {
        let open = Open {
            sid,
            may_upgrade,
            ping_interval_ms: milliseconds(self.limits.ping_interval),
            ping_timeout_ms: milliseconds(self.limits.ping_timeout),
            payload_bytes_max: self.limits.payload_bytes_max,
        };
        self.say(out, |out| open.encode(out));
    }

    /// A poll has come. It waits until [`Session::take_answer`] has something for it.
    ///
    /// # Errors
    ///
    /// [`Violation::PollTwice`]: the poll that waited is answered by [`Session::take_answer`], this one is refused.
    /// [`Violation::PingTimeout`], [`Violation::Unexpected`]: refuse it.
    pub fn poll(&mut self, now: Instant) -> Result<(), Violation> {
        self.check_alive(now)?;
        match &mut self.state {
            State::Polling(polling) if polling.waits => Err(self.fail(Violation::PollTwice)),
            State::Polling(polling) => {
                polling.waits = true;
                Ok(())
            }
            State::WebSocket { .. } | State::Over => Err(Violation::Unexpected),
        }
    }

    /// The answer to the poll that waits, if there is something to say. To be asked for after anything that was heard or
    /// said, and after [`Session::handle_timeout`].
    pub fn take_answer(&mut self) -> Option<Vec<u8>> {
        let State::Polling(polling) = &mut self.state else { return None };
        if !polling.waits {
            return None;
        }
        let rests = polling.probe.is_some_and(|probe| probe.answered);
        #[cfg(planted)]
        let rests = rests && !crate::planted::is("noop-not-sent");
        if polling.queue.is_empty() && rests {
            Packet::Noop.encode(&mut polling.queue);
        }
        if polling.queue.is_empty() {
            return None;
        }
        polling.waits = false;
        let answer = std::mem::take(&mut polling.queue);
        if polling.ending.is_some() {
            self.state = State::Over;
        }
        Some(answer)
    }

    /// The client gave up the poll that waits.
    ///
    /// # Errors
    ///
    /// [`Violation::PollAborted`], if one waited.
    pub fn poll_aborted(&mut self) -> Result<(), Violation> {
        match &self.state {
            State::Polling(polling) if polling.waits => self.answer_lost(),
            State::Polling(_) | State::WebSocket { .. } | State::Over => Ok(()),
        }
    }

    /// An answer that was taken could not be given: its client had gone, and what was in it is lost. A session that has its
    /// WebSocket by then does without it.
    ///
    /// # Errors
    ///
    /// [`Violation::PollAborted`]: the session is over.
    pub fn answer_lost(&mut self) -> Result<(), Violation> {
        match self.state {
            State::Polling(_) => {
                self.state = State::Over;
                Err(Violation::PollAborted)
            }
            State::WebSocket { .. } | State::Over => Ok(()),
        }
    }

    /// A WebSocket asks to become the session's. `false`: the session has one, or another is at it; the newcomer is closed
    /// alone.
    pub fn begin_probe(&mut self, now: Instant) -> bool {
        if self.check_alive(now).and_then(|()| self.check_hears()).is_err() {
            return false;
        }
        match &mut self.state {
            State::Polling(polling) if polling.probe.is_none() && polling.ending.is_none() => {
                polling.probe = Some(Probe { until: now + self.limits.upgrade_timeout, answered: false });
                true
            }
            State::Polling(_) | State::WebSocket { .. } | State::Over => false,
        }
    }

    /// The WebSocket that probed is gone before it was the session's. A client that had stopped polling for it has no connection
    /// any more and may be gone with it: it is pinged now, and not when the next ping is due.
    pub fn probe_gone(&mut self, now: Instant) {
        let State::Polling(polling) = &mut self.state else { return };
        let answered = polling.probe.take().is_some_and(|probe| probe.answered);
        if answered && !polling.waits && polling.ending.is_none() && !polling.awaits_pong {
            polling.awaits_pong = true;
            self.due = now + self.limits.ping_timeout;
            self.say(&mut Vec::new(), |out| Packet::Ping("").encode(out));
        }
    }

    /// Whether a WebSocket is probing. When it is not any more after [`Session::handle_timeout`], close that WebSocket.
    pub fn is_probing(&self) -> bool {
        matches!(&self.state, State::Polling(polling) if polling.probe.is_some())
    }

    /// A text message from the WebSocket that probes; `out` is its output. [`Event::Closed`]: the session's last words are in
    /// it, and the WebSocket is to be closed behind them.
    ///
    /// # Errors
    ///
    /// The message makes no sense there. The session lives on without the WebSocket, which is closed alone.
    pub fn hear_probe(
        &mut self,
        message: &[u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Event<'static>>, Violation> {
        let packet = decode(message);
        let State::Polling(polling) = &mut self.state else { return Err(Violation::Unexpected) };
        match (packet?, &mut polling.probe) {
            (Packet::Ping(PROBE), Some(probe)) => {
                probe.answered = true;
                let from = out.len();
                Packet::Pong(PROBE).encode(out);
                wrap(out, from, OpCode::Data(Data::Text));
                Ok(None)
            }
            (Packet::Upgrade, Some(probe)) if probe.answered => {
                debug_assert!(!polling.waits, "a poll that waits is answered while a WebSocket probes");
                let queue = std::mem::take(&mut polling.queue);
                #[cfg(planted)]
                let queue = if crate::planted::is("upgrade-forgets-queue") { Vec::new() } else { queue };
                let is_ending = polling.ending.is_some();
                let awaits_pong = polling.awaits_pong;
                self.state = if is_ending { State::Over } else { State::WebSocket { awaits_pong } };
                reframe(&queue, out);
                if is_ending {
                    return Ok(Some(Event::Closed));
                }
                self.check_alive(now)?;
                Ok(Some(Event::Upgraded))
            }
            (_, _) => {
                polling.probe = None;
                Err(Violation::Unexpected)
            }
        }
    }

    /// A text message from the session's WebSocket.
    ///
    /// # Errors
    ///
    /// A rule was broken: the session is over.
    pub fn hear_text<'b>(&mut self, message: &'b [u8], now: Instant) -> Result<Option<Event<'b>>, Violation> {
        match decode(message) {
            Ok(packet) => self.hear(packet, now),
            Err(malformed) => Err(self.fail(malformed.into())),
        }
    }

    /// A binary message from the session's WebSocket.
    ///
    /// # Errors
    ///
    /// A rule was broken: the session is over.
    pub fn hear_binary<'b>(&self, message: &'b [u8]) -> Result<Option<Event<'b>>, Violation> {
        self.check_hears()?;
        Ok(Some(Event::Binary(Binary::Raw(message))))
    }

    /// A packet from the body of a POST (see [`codec::engineio::payload`]), or from the session's WebSocket.
    ///
    /// # Errors
    ///
    /// A rule was broken: the session is over.
    pub fn hear<'b>(&mut self, packet: Packet<'b>, now: Instant) -> Result<Option<Event<'b>>, Violation> {
        self.check_hears()?;
        match packet {
            Packet::Message(text) => Ok(Some(Event::Text(text))),
            Packet::Binary(base64) => Ok(Some(Event::Binary(Binary::Spelled(base64)))),
            Packet::Pong(_) => {
                self.await_pong(false);
                self.due = now + self.limits.ping_interval;
                Ok(None)
            }
            Packet::Close => {
                self.end(Packet::Noop);
                Ok(Some(Event::Closed))
            }
            Packet::Noop => Ok(None),
            Packet::Ping(_) => Err(self.fail(Violation::HeartbeatDirection)),
            Packet::Open(_) | Packet::Upgrade => Err(self.fail(Violation::Unexpected)),
        }
    }

    /// What was to be heard could not be read: the session is over.
    pub fn fail(&mut self, violation: Violation) -> Violation {
        self.end(Packet::Close);
        violation
    }

    /// Ends the session. Over polling, what waits to be said and a close packet behind it may still be fetched; a WebSocket
    /// is the tenant's to close.
    pub fn close(&mut self, now: Instant) {
        self.say(&mut Vec::new(), |out| Packet::Close.encode(out));
        self.close_without_a_word(now);
    }

    /// The same without the close packet, for last words that end the session for the layer above: a client that finds both
    /// in one answer hears the close packet first.
    pub fn close_without_a_word(&mut self, now: Instant) {
        match &mut self.state {
            State::Polling(polling) if polling.ending.is_none() => {
                // A client that has heard the answer polls no more: it will fetch the last words over the WebSocket.
                polling.probe = polling.probe.filter(|probe| probe.answered);
                polling.ending = Some(now + self.limits.close_timeout);
            }
            State::Polling(_) => {}
            State::WebSocket { .. } | State::Over => self.state = State::Over,
        }
    }

    /// The same for a client that is to come back: nothing more is said, and its poll finds the session gone. After a close
    /// packet `python-socketio` would stay away. A client in the middle of an upgrade is let finish it first: one that has stopped
    /// polling and loses its WebSocket then would hear nothing for a whole ping interval.
    pub fn lose(&mut self, now: Instant) {
        match &self.state {
            State::Polling(polling)
                if polling.queue.is_empty()
                    && polling.ending.is_none()
                    && !polling.probe.is_some_and(|probe| probe.answered) =>
            {
                self.state = State::Over;
            }
            State::Polling(_) | State::WebSocket { .. } | State::Over => self.close_without_a_word(now),
        }
    }

    /// Tells that time has passed; harmless before [`Session::next_timeout`]. A ping may be said.
    ///
    /// # Errors
    ///
    /// [`Violation::PingTimeout`]: the session is over.
    pub fn handle_timeout(&mut self, out: &mut Vec<u8>, now: Instant) -> Result<(), Violation> {
        if let State::Polling(polling) = &mut self.state {
            if polling.ending.is_some_and(|until| now >= until) {
                self.state = State::Over;
            } else if polling.probe.is_some_and(|probe| now >= probe.until) {
                polling.probe = None;
            }
        }
        if self.is_over() || now < self.due {
            return Ok(());
        }
        self.check_alive(now)?;
        if !self.awaits_pong() {
            self.await_pong(true);
            // From when it was due, whenever we looked: the client counts so too.
            self.due += self.limits.ping_timeout;
            self.say(out, |out| Packet::Ping("").encode(out));
        }
        Ok(())
    }

    /// The client's words wait unread, and a pong may be among them: it is missed only when [`Limits::ping_timeout`] has passed
    /// from now on. To be told when a deadline has come, before [`Session::handle_timeout`].
    pub fn excuse_silence(&mut self, now: Instant) {
        if self.awaits_pong() && now >= self.due {
            self.due = now + self.limits.ping_timeout;
        }
    }

    /// When [`Session::handle_timeout`] wants to be called next; none after the end.
    pub fn next_timeout(&self) -> Option<Instant> {
        let polling = match &self.state {
            State::Polling(polling) => polling,
            State::WebSocket { .. } => return Some(self.due),
            State::Over => return None,
        };
        let probe = polling.probe.map_or(self.due, |probe| probe.until);
        Some(polling.ending.unwrap_or(self.due.min(probe)))
    }

    /// Whether a client that has stopped polling will fetch the last words over the WebSocket that probes: until then, or until
    /// its time is over, the session must not go.
    pub fn is_finishing_upgrade(&self) -> bool {
        matches!(&self.state, State::Polling(polling)
            if polling.ending.is_some() && polling.probe.is_some_and(|probe| probe.answered))
    }

    /// Whether so much waits for a poll that nothing should be said until it has come.
    pub fn is_choked(&self) -> bool {
        match &self.state {
            State::Polling(polling) => polling.queue.len() > self.limits.queue_bytes_max,
            State::WebSocket { .. } | State::Over => false,
        }
    }

    /// Whether the session is carried by a WebSocket.
    pub fn is_websocket(&self) -> bool {
        matches!(self.state, State::WebSocket { .. })
    }

    /// Whether what comes is heard: not behind its last words.
    pub fn hears(&self) -> bool {
        !self.is_over() && self.ending().is_none()
    }

    /// Whether nothing more is heard or said: its sid is unknown from now on.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn awaits_pong(&self) -> bool {
        match &self.state {
            State::Polling(polling) => polling.awaits_pong,
            State::WebSocket { awaits_pong } => *awaits_pong,
            State::Over => false,
        }
    }

    fn await_pong(&mut self, awaited: bool) {
        match &mut self.state {
            State::Polling(polling) => polling.awaits_pong = awaited,
            State::WebSocket { awaits_pong } => *awaits_pong = awaited,
            State::Over => {}
        }
    }

    /// Whether the session is not over, by the clock and not by whether a timer was on time.
    fn check_alive(&mut self, now: Instant) -> Result<(), Violation> {
        let patience = if self.awaits_pong() { Duration::ZERO } else { self.limits.ping_timeout };
        if self.is_over() {
            return Err(Violation::Unexpected);
        }
        if now < self.ending().unwrap_or(self.due + patience) {
            return Ok(());
        }
        Err(self.fail(Violation::PingTimeout))
    }

    /// Whether anything is heard at all. Not by the clock: what comes may have waited, and a pong stand behind it.
    fn check_hears(&self) -> Result<(), Violation> {
        if self.is_over() || self.ending().is_some() { Err(Violation::Unexpected) } else { Ok(()) }
    }

    /// Until when the last words may be fetched, if the session has said them.
    fn ending(&self) -> Option<Instant> {
        match &self.state {
            State::Polling(polling) => polling.ending,
            State::WebSocket { .. } | State::Over => None,
        }
    }

    /// From any state to the end; a poll that waits gets a last answer.
    fn end(&mut self, answer: Packet<'_>) {
        match &mut self.state {
            State::Polling(polling) if polling.waits => {
                if polling.queue.is_empty() {
                    answer.encode(&mut polling.queue);
                }
                polling.probe = None;
                // The poll waits already, so the answer is fetched at once.
                polling.ending = Some(self.due);
            }
            State::Polling(_) | State::WebSocket { .. } | State::Over => self.state = State::Over,
        }
    }

    /// Says a packet in text.
    pub(super) fn say(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        match &mut self.state {
            State::WebSocket { .. } => {
                let from = out.len();
                write(out);
                wrap(out, from, OpCode::Data(Data::Text));
            }
            State::Polling(polling) if polling.ending.is_none() => enqueue(&mut polling.queue, write),
            State::Polling(_) | State::Over => {}
        }
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
