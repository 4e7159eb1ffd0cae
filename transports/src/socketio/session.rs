//! The machine of one client.
//!
//! Owns which namespaces are connected and which are asked for, and the packet whose attachments are under way.
//!
//! ```text
//!   of each namespace:      CONNECT               accept()
//!             absent ----------------> asked for ---------> connected
//!               ^                          | refuse()           | DISCONNECT, disconnect()
//!               +--------------------------+--------------------+
//! ```

use super::assembly::Assembled;
use super::limits::Limits;
use super::violation::Violation;
use crate::engineio::{Binary, Voice};
use codec::json::Raw;
use codec::socketio::{
    Ack, Event as Happening, Head, Packet, decode, encode_ack, encode_connect, encode_connect_error,
    encode_disconnect, encode_event,
};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// What a client said; it borrows from the received bytes (`'b`), not from the session.
#[derive(Clone, PartialEq, Eq)]
pub enum Event<'b> {
    /// A namespace of the list is asked for: [`Session::accept`] or [`Session::refuse`] is owed.
    Connect {
        /// Which.
        namespace: &'b str,
        /// The credentials: an object.
        auth: Option<Raw<'b>>,
    },
    /// Something happened, in a namespace that is connected; no attachments.
    Event(Happening<'b>),
    /// An event of ours was acknowledged; no attachments.
    Ack(Ack<'b>),
    /// The same as one of the two, with its attachments.
    Assembled(Box<Assembled>),
    /// A namespace is left.
    Disconnect {
        /// Which.
        namespace: &'b str,
    },
}

/// The server's side of one client.
///
/// See the [module](super) for how it is used.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    /// One bit for each namespace of the list.
    connected: u8,
    asked: u8,
    connects: u8,
    stage: Stage,
}

/// Whether any namespace is connected. Only then can attachments be under way, and only else is there a time limit: the two share
/// their room, because there is a session for every device.
#[derive(Debug)]
enum Stage {
    /// None is; one must be by then.
    Apart { until: Instant },
    /// One is. The packet whose attachments are under way, if one is.
    Joined { assembly: Option<Box<Assembled>> },
}

impl Session {
    /// A client that has not said anything.
    pub fn new(limits: Arc<Limits>, now: Instant) -> Self {
        let stage = Stage::Apart { until: now + limits.connect_timeout };
        Self { limits, connected: 0, asked: 0, connects: 0, stage }
    }

    /// A message in text. A namespace that there is not is refused here.
    ///
    /// # Errors
    ///
    /// A rule was broken: end the session below.
    pub fn hear_text<'b>(
        &mut self,
        message: &'b str,
        voice: &mut Voice<'_>,
    ) -> Result<Option<Event<'b>>, Violation> {
        if matches!(self.stage, Stage::Joined { assembly: Some(_) }) {
            return Err(Violation::AttachmentMissing);
        }
        match decode(message.as_bytes())? {
            Packet::Connect { namespace, data } => self.connect(namespace, data, voice),
            Packet::Disconnect { namespace } => {
                self.check_connected(namespace)?;
                Ok(Some(Event::Disconnect { namespace }))
            }
            Packet::Event(event) => {
                self.check_connected(event.namespace)?;
                Ok(self.expect(message, event.attachments).then_some(Event::Event(event)))
            }
            Packet::Ack(ack) => {
                self.check_connected(ack.namespace)?;
                Ok(self.expect(message, ack.attachments).then_some(Event::Ack(ack)))
            }
            Packet::ConnectError { .. } => Err(Violation::ConnectErrorFromClient),
        }
    }

    /// A binary message: an attachment.
    ///
    /// # Errors
    ///
    /// A rule was broken: end the session below.
    pub fn hear_binary(&mut self, binary: Binary<'_>) -> Result<Option<Event<'static>>, Violation> {
        let Stage::Joined { assembly } = &mut self.stage else { return Err(Violation::AttachmentOfNothing) };
        let under_way = assembly.as_mut().ok_or(Violation::AttachmentOfNothing)?;
        under_way.add(binary, self.limits.assembly_bytes_max)?;
        let whole = assembly.take_if(|assembly| assembly.is_whole());
        Ok(whole.map(Event::Assembled))
    }

    /// Whether a CONNECT waits for its answer: nothing should be heard until it has it.
    pub fn owes_answer(&self) -> bool {
        self.asked != 0
    }

    /// Lets the client into a namespace it asked for. `sid` names this client in this namespace; it is told to the client.
    pub fn accept(&mut self, namespace: &str, sid: &str, voice: &mut Voice<'_>) {
        let bit = self.bit(namespace);
        debug_assert!(self.asked & bit != 0, "a namespace is asked for before it is connected");
        self.asked &= !bit;
        self.connected |= bit;
        if matches!(self.stage, Stage::Apart { .. }) {
            self.stage = Stage::Joined { assembly: None };
        }
        voice.text(|out| encode_connect(out, namespace, &[b"{\"sid\":\"", sid.as_bytes(), b"\"}"]));
    }

    /// Refuses a namespace that the client asked for. The parts are one JSON object.
    pub fn refuse(&mut self, namespace: &str, parts: &[&[u8]], voice: &mut Voice<'_>) {
        self.asked &= !self.bit(namespace);
        voice.text(|out| encode_connect_error(out, namespace, parts));
    }

    /// Says that something happened. The parts are the arguments, with the commas between them; an acknowledgement is asked
    /// for with an id.
    pub fn emit(&self, head: Head<'_>, id: Option<u64>, name: &str, parts: &[&[u8]], voice: &mut Voice<'_>) {
        debug_assert!(self.is_connected(head.namespace));
        voice.text(|out| encode_event(out, head, id, name, parts));
    }

    /// Acknowledges an event. The parts are the arguments, with the commas between them.
    pub fn acknowledge(&self, head: Head<'_>, id: u64, parts: &[&[u8]], voice: &mut Voice<'_>) {
        voice.text(|out| encode_ack(out, head, id, parts));
    }

    /// The client has left a namespace, or leaves it now: in the latter case it is told. Then it may ask for another, as
    /// long as it might in the beginning.
    pub fn disconnect(&mut self, namespace: &str, tell: Option<&mut Voice<'_>>, now: Instant) {
        self.connected &= !self.bit(namespace);
        if self.connected == 0 {
            self.stage = Stage::Apart { until: now + self.limits.connect_timeout };
        }
        if let Some(voice) = tell {
            voice.text(|out| encode_disconnect(out, namespace));
        }
    }

    /// Whether a namespace is connected.
    pub fn is_connected(&self, namespace: &str) -> bool {
        self.connected & self.bit(namespace) != 0
    }

    /// Tells that time has passed; harmless before [`Session::next_timeout`].
    ///
    /// # Errors
    ///
    /// [`Violation::ConnectTimeout`]: end the session below.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Violation> {
        match self.next_timeout() {
            Some(until) if now >= until => Err(Violation::ConnectTimeout),
            Some(_) | None => Ok(()),
        }
    }

    /// When [`Session::handle_timeout`] wants to be called next. While an answer is owed, the wait is not the client's.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Apart { until } => Some(until).filter(|_| self.asked == 0),
            Stage::Joined { .. } => None,
        }
    }

    fn connect<'b>(
        &mut self,
        namespace: &'b str,
        auth: Option<Raw<'b>>,
        voice: &mut Voice<'_>,
    ) -> Result<Option<Event<'b>>, Violation> {
        if self.connects == self.limits.connects_max {
            return Err(Violation::TooManyConnects);
        }
        self.connects += 1;
        let bit = self.bit(namespace);
        if bit == 0 {
            voice.text(|out| encode_connect_error(out, namespace, &[br#"{"message":"Invalid namespace"}"#]));
            return Ok(None);
        }
        if (self.connected | self.asked) & bit != 0 {
            return Err(Violation::ConnectTwice);
        }
        self.asked |= bit;
        Ok(Some(Event::Connect { namespace, auth }))
    }

    fn check_connected(&self, namespace: &str) -> Result<(), Violation> {
        if self.is_connected(namespace) { Ok(()) } else { Err(Violation::NotConnected) }
    }

    /// Whether a packet is whole; if attachments are to come, it is kept for them.
    fn expect(&mut self, message: &str, attachments: u8) -> bool {
        if attachments > 0 {
            self.stage = Stage::Joined { assembly: Some(Box::new(Assembled::new(message, attachments))) };
        }
        attachments == 0
    }

    /// The bit of a namespace; none for one that there is not.
    fn bit(&self, namespace: &str) -> u8 {
        let place = self.limits.namespaces.iter().position(|known| **known == *namespace);
        place.and_then(|place| 1_u8.checked_shl(place as u32)).unwrap_or(0)
    }
}

impl fmt::Debug for Event<'_> {
    /// Shows where something was said, not what: devices send their keys in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { namespace, auth } => write!(f, "Connect({namespace}, auth {})", auth.is_some()),
            Self::Event(event) => write!(f, "Event({}, {})", event.namespace, event.call.name().as_str()),
            Self::Ack(ack) => write!(f, "Ack({}, {})", ack.namespace, ack.id),
            Self::Assembled(assembled) => write!(f, "Assembled({})", assembled.attachments().len()),
            Self::Disconnect { namespace } => write!(f, "Disconnect({namespace})"),
        }
    }
}
