//! Frames as messages.
//!
//! Owns what a peer may say that sends whole messages, when a text is found ill-formed (at its first byte that nothing
//! can mend), and both ways of saying goodbye. It never knows what a message means, never pings by itself, and keeps
//! no byte of a message: it grows in the input until it is whole.
//!
//! ```text
//!   new --> Open ------- close frame: answered, Event::Closed ---------> Over
//!             |  close()                                                  ^ ^
//!             v                                                           | |
//!          Closing ----- close frame: Event::Closed ----------------------+ |
//!             |  what comes is read and thrown away                         |
//!             |  Limits::close_timeout                                      |
//!             +-------------------------------------------------------------+
//!   any Violation, from any state ----------------------------------------> Over
//! ```

use super::joint::{Joint, Rules, Step};
use super::limits::Limits;
use super::violation::Violation;
use crate::input::Input;
use codec::ws::{
    Close, CloseCode, Control, Data, Malformed, OpCode, check_text, decode_close, encode_close, encode_frame,
};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

const RULES: Rules = Rules { text: true, bare_controls: false, messages: true };

/// What a peer said; it borrows from the received bytes (`'b`), not from the session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event<'b> {
    /// A whole text message.
    Text(&'b str),
    /// A whole binary message.
    Binary(&'b [u8]),
    /// The peer said goodbye, with this code if with any, and our answer is written: flush, close. Nothing more is taken.
    Closed(Option<CloseCode>),
}

/// The server's side of a connection on which messages are exchanged.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    joint: Joint,
    /// How much of the text under way was found to be whole characters.
    checked_bytes: u32,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// We have said goodbye and wait for the peer's.
    Closing {
        until: Instant,
    },
    /// Nothing is read and nothing is said any more.
    Over,
}

impl Session {
    /// Begins behind the handshake.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self { limits, joint: Joint::new(), checked_bytes: 0, state: State::Open }
    }

    /// The peer is no stranger: its messages may be larger from now on.
    pub fn admit(&mut self) {
        self.joint.admitted = true;
    }

    /// The next message in the received bytes, or none until more come. Pings are answered here. What stays in the input
    /// must be offered again, with what has come since behind it.
    ///
    /// # Errors
    ///
    /// The peer broke a rule: write [`Violation::answer`], flush, close. Nothing more is taken.
    pub fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        let event = self.pull(input, out, now);
        if matches!(event, Err(_) | Ok(Some(Event::Closed(_)))) {
            self.state = State::Over;
        }
        event
    }

    fn pull<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        loop {
            if matches!(self.state, State::Over) {
                return Ok(None);
            }
            let event = match self.joint.step(input, &self.limits, RULES, now)? {
                Step::Wait => return Ok(None),
                Step::Payload { whole } => self.payload(whole, input)?,
                Step::Control { control, at, bytes } => {
                    let payload = input.peek().get(at..at + bytes).unwrap_or_default();
                    let event = self.control(control, payload, out)?;
                    self.joint.leave_gap(input);
                    event
                }
            };
            match (event, self.state) {
                (Some(Event::Closed(code)), _) => return Ok(Some(Event::Closed(code))),
                (Some(event), State::Open) => return Ok(Some(event)),
                (Some(_), State::Closing { .. } | State::Over) | (None, _) => {}
            }
        }
    }

    /// More of a message is here: text is checked, and taken with the rest when it is whole.
    fn payload<'b>(
        &mut self,
        whole: Option<Data>,
        input: &mut Input<'b>,
    ) -> Result<Option<Event<'b>>, Violation> {
        let message_bytes = self.joint.plain_bytes();
        let is_text = self.joint.message() == Some(Data::Text);
        if is_text {
            let so_far = input.peek().get(..message_bytes).unwrap_or_default();
            self.checked_bytes = check_text(so_far, self.checked_bytes as usize)? as u32;
        }
        if whole.is_none() {
            return Ok(None);
        }
        if is_text && self.checked_bytes as usize != message_bytes {
            return Err(Malformed::IllFormedText.into()); // it ends in the middle of a character
        }
        let message = &*input.take(message_bytes);
        input.take(self.joint.taken(message_bytes, true));
        self.joint.end_message();
        self.checked_bytes = 0;
        if !is_text {
            return Ok(Some(Event::Binary(message)));
        }
        match std::str::from_utf8(message) {
            Ok(text) => Ok(Some(Event::Text(text))),
            Err(_) => Err(Malformed::IllFormedText.into()),
        }
    }

    fn control(
        &mut self,
        control: Control,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, Violation> {
        let open = matches!(self.state, State::Open);
        match control {
            Control::Ping if open => encode_frame(out, OpCode::Control(Control::Pong), &[payload]),
            Control::Ping | Control::Pong | Control::Reserved(_) => {}
            Control::Close => {
                let close = decode_close(payload)?;
                if open {
                    // 5.5.1: "the endpoint typically echos the status code it received"
                    encode_close(out, Close { code: close.code, reason: "" });
                }
                return Ok(Some(Event::Closed(close.code)));
            }
        }
        Ok(None)
    }

    /// Says a text message, whose parts together are UTF-8. `false`: it is over, or we have said goodbye; nothing was
    /// written.
    pub fn send_text(&self, parts: &[&[u8]], out: &mut Vec<u8>) -> bool {
        self.say(OpCode::Data(Data::Text), parts, out)
    }

    /// Says a binary message. `false` as for [`Session::send_text`].
    pub fn send_binary(&self, parts: &[&[u8]], out: &mut Vec<u8>) -> bool {
        self.say(OpCode::Data(Data::Binary), parts, out)
    }

    /// Pings, with at most 125 bytes. `false` as for [`Session::send_text`], or it is too long. The pong is not told.
    pub fn ping(&self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        payload.len() <= codec::limits::WS_CONTROL_BYTES_MAX
            && self.say(OpCode::Control(Control::Ping), &[payload], out)
    }

    /// Says goodbye. What the peer still says is thrown away; its own goodbye is waited for until
    /// [`Session::next_timeout`]. A tenant that does not want to wait flushes and closes at once.
    pub fn close(&mut self, code: CloseCode, reason: &str, out: &mut Vec<u8>, now: Instant) {
        if matches!(self.state, State::Open) {
            encode_close(out, Close { code: Some(code), reason });
            self.state = State::Closing { until: now + self.limits.close_timeout };
        }
    }

    /// Tells that time has passed; harmless before [`Session::next_timeout`].
    ///
    /// # Errors
    ///
    /// [`Violation::CloseTimeout`]: close.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Violation> {
        match self.state {
            State::Closing { until } if now >= until => {
                self.state = State::Over;
                Err(Violation::CloseTimeout)
            }
            State::Open | State::Closing { .. } | State::Over => Ok(()),
        }
    }

    /// When the peer's goodbye will have been waited for long enough; none while nothing is waited for.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Closing { until } => Some(until),
            State::Open | State::Over => None,
        }
    }

    fn say(&self, opcode: OpCode, parts: &[&[u8]], out: &mut Vec<u8>) -> bool {
        let open = matches!(self.state, State::Open);
        if open {
            encode_frame(out, opcode, parts);
        }
        open
    }
}

impl fmt::Debug for Event<'_> {
    /// Shows how long a message is, not what it says: devices send their keys in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
            Self::Closed(code) => f.debug_tuple("Closed").field(code).finish(),
        }
    }
}
