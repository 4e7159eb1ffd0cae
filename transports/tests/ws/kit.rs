//! Both ways of use on a bench: a clock that stands still, a carry, and what was told and written.
//!
//! Owns the spelling of a client's frames. It never answers an event by itself.

use codec::ws::{CloseCode, Control, Data, OpCode, decode, encode_masked};
use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::input::Input;
use transports::ws::{End, Event, Limits, Session, Stream, Violation};

pub(crate) const TEXT: OpCode = OpCode::Data(Data::Text);
pub(crate) const BINARY: OpCode = OpCode::Data(Data::Binary);
pub(crate) const CONTINUE: OpCode = OpCode::Data(Data::Continue);
pub(crate) const PING: OpCode = OpCode::Control(Control::Ping);
pub(crate) const PONG: OpCode = OpCode::Control(Control::Pong);
pub(crate) const CLOSE: OpCode = OpCode::Control(Control::Close);

/// A whole message in one masked frame.
pub(crate) fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    part(true, opcode, payload)
}

/// One masked frame of a message.
pub(crate) fn part(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_masked(&mut bytes, fin, opcode, [0x37, 0xfa, 0x21, 0x3d], payload);
    bytes
}

/// A close frame with this code.
pub(crate) fn goodbye(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

/// The unmasked frames in what was written: opcode and payload.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(OpCode, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((header, header_bytes)) = decode(bytes).unwrap() {
        assert_eq!((header.fin, header.key), (true, None), "a server neither fragments nor masks here");
        let end = header_bytes + header.payload_bytes as usize;
        frames.push((header.opcode, bytes[header_bytes..end].to_vec()));
        bytes = &bytes[end..];
    }
    assert!(bytes.is_empty(), "only whole frames are written");
    frames
}

/// An event that owns what it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Text(String),
    Binary(Vec<u8>),
    Closed(Option<CloseCode>),
}

impl From<Event<'_>> for Told {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.to_owned()),
            Event::Binary(bytes) => Self::Binary(bytes.to_owned()),
            Event::Closed(code) => Self::Closed(code),
        }
    }
}

pub(crate) fn text(text: &str) -> Told {
    Told::Text(text.to_owned())
}

/// A session of messages with what a core keeps around it.
pub(crate) struct Messages {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    /// Received, not taken.
    pub(crate) carry: Vec<u8>,
    pub(crate) out: Vec<u8>,
    /// The most that was ever held.
    pub(crate) held_max: usize,
}

impl Messages {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let now = any_moment();
        let mut session = Session::new(Arc::new(limits));
        session.admit();
        Self { session, now, carry: Vec::new(), out: Vec::new(), held_max: 0 }
    }

    /// Receives `bytes` and pulls all events, up to the rule that is broken if one is.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> (Vec<Told>, Option<Violation>) {
        self.carry.extend_from_slice(bytes);
        let mut input = Input::new(&mut self.carry);
        let mut told = Vec::new();
        let broken = loop {
            match self.session.next(&mut input, &mut self.out, self.now) {
                Ok(Some(event)) => told.push(event.into()),
                Ok(None) => break None,
                Err(violation) => break Some(violation),
            }
        };
        let taken = input.taken();
        self.carry.drain(..taken);
        self.held_max = self.held_max.max(self.carry.len());
        (told, broken)
    }

    /// Receives what breaks no rule.
    #[track_caller]
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<Told> {
        let (told, broken) = self.receive(bytes);
        assert_eq!(broken, None);
        told
    }
}

/// A byte stream with what a core keeps around it.
pub(crate) struct Bytes {
    pub(crate) stream: Stream,
    pub(crate) now: Instant,
    pub(crate) carry: Vec<u8>,
    pub(crate) out: Vec<u8>,
    pub(crate) held_max: usize,
}

impl Bytes {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let now = any_moment();
        let stream = Stream::new(Arc::new(limits));
        Self { stream, now, carry: Vec::new(), out: Vec::new(), held_max: 0 }
    }

    /// Receives `bytes` and takes, of the plain ones, as many as `want` says of how many there are.
    pub(crate) fn receive(&mut self, bytes: &[u8], want: impl Fn(&[u8]) -> usize) -> Vec<u8> {
        self.carry.extend_from_slice(bytes);
        let mut plain = self.stream.next(&mut self.carry, &mut self.out, self.now);
        let wanted = want(plain.peek());
        let got = plain.take(wanted).to_vec();
        let taken = plain.taken();
        let consumed = self.stream.consumed(taken);
        self.carry.drain(..consumed);
        self.held_max = self.held_max.max(self.carry.len());
        got
    }

    /// Receives `bytes` and takes all that is plain.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.receive(bytes, <[u8]>::len)
    }

    pub(crate) fn broken(&self) -> Option<Violation> {
        match self.stream.end() {
            Some(End::Broken(violation)) => Some(violation),
            Some(End::Closed(_)) | None => None,
        }
    }
}

/// Where the clock stands in the beginning; the sessions themselves never read one.
#[expect(clippy::disallowed_methods, reason = "std offers no other way to any Instant")]
pub(crate) fn any_moment() -> Instant {
    Instant::now()
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
