//! A connection of the broker, whatever it runs over.
//!
//! Owns the layers between the received bytes and the MQTT session: none, or a WebSocket whose frames are a byte stream. The
//! broker sees neither.
//!
//! ```text
//!   TCP        bytes ----------------------------------------> session
//!   WebSocket  bytes -- Door: request, 101 --> Stream -- bytes --> session
//!   out        session -- a frame for each packet, if framed --> out
//! ```

use std::sync::Arc;
use std::time::Instant;

use engine::Key;
use transports::input::Input;
use transports::mqtt::{Event, Limits, Session, Violation};
use transports::ws::{self, CloseCode, Stream};

use super::broker::{Transport, Will};
use crate::upgrade::{Door, Step};

/// See the file's head.
pub(super) struct Peer {
    layer: Layer,
    session: Session,
    pub(super) client: Option<Key>,
    pub(super) will: Option<Will>,
}

enum Layer {
    Plain,
    Asking(Door, Arc<ws::Limits>),
    Frames(Stream),
}

/// How far the layers below the session have come.
pub(super) enum Opened<'b> {
    /// These bytes are the session's.
    Bytes(Input<'b>),
    /// So many were used up below.
    Below(usize),
    /// It is over; what there is to say is written.
    Over,
}

impl Peer {
    pub(super) fn new(
        transport: Transport,
        limits: Arc<Limits>,
        frames: &Arc<ws::Limits>,
        now: Instant,
    ) -> Self {
        let layer = match transport {
            Transport::Tcp => Layer::Plain,
            Transport::WebSocket => Layer::Asking(Door::new(Some("mqtt"), now), frames.clone()),
        };
        Self { layer, session: Session::new(limits, now), client: None, will: None }
    }

    /// Opens what was received, down to what the session understands.
    pub(super) fn open<'b>(&mut self, bytes: &'b mut [u8], out: &mut Vec<u8>, now: Instant) -> Opened<'b> {
        match &mut self.layer {
            Layer::Plain => Opened::Bytes(Input::new(bytes)),
            Layer::Frames(stream) => Opened::Bytes(stream.next(bytes, out, now)),
            Layer::Asking(door, limits) => {
                let mut input = Input::new(bytes);
                match door.next(&mut input, out, now) {
                    Step::Wait => {}
                    Step::Upgraded => self.layer = Layer::Frames(Stream::new(limits.clone())),
                    Step::Refused => return Opened::Over,
                }
                Opened::Below(input.taken())
            }
        }
    }

    /// The next event in the opened bytes.
    pub(super) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        self.say(out, |session, out| session.next(input, out, now))
    }

    /// Gives the session an order, and frames what it says.
    pub(super) fn say<T>(
        &mut self,
        out: &mut Vec<u8>,
        order: impl FnOnce(&mut Session, &mut Vec<u8>) -> T,
    ) -> T {
        let from = out.len();
        let answer = order(&mut self.session, out);
        if let Layer::Frames(stream) = &self.layer {
            stream.frame_packets(out, from);
        }
        answer
    }

    /// How many received bytes are used up when the session has taken so many.
    pub(super) fn consumed(&mut self, taken: usize) -> usize {
        match &mut self.layer {
            Layer::Frames(stream) => stream.consumed(taken),
            Layer::Plain | Layer::Asking(..) => taken,
        }
    }

    /// Nothing more will come from the layer below.
    pub(super) fn has_ended(&self) -> bool {
        matches!(&self.layer, Layer::Frames(stream) if stream.end().is_some())
    }

    /// The last words of the layer below.
    pub(super) fn close(&mut self, code: CloseCode, out: &mut Vec<u8>) {
        if let Layer::Frames(stream) = &mut self.layer {
            stream.close(code, out);
        }
    }

    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(super) fn into_session(self) -> Session {
        self.session
    }

    /// When to look at it next.
    pub(super) fn next_timeout(&self) -> Instant {
        self.session.next_timeout()
    }
}
