//! One client: its session, its connections, and what is said above.
//!
//! Owns the answers: an echo, or the four events of the Socket.IO suite. It never sees a connection's bytes.

use std::sync::Arc;

use codec::socketio::Packet;
use engine::{Alarm, Key};
use std::time::Instant;
use transports::engineio::{Event, Session, Voice};
use transports::socketio::{self, Head};

use super::house::Above;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) session: Session,
    pub(super) sid: Box<str>,
    /// The connection whose poll waits.
    pub(super) poll: Option<Key>,
    /// The connection that is the session's WebSocket.
    pub(super) socket: Option<Key>,
    /// The connection that wants to become it.
    pub(super) probe: Option<Key>,
    /// When the session wants to be looked at.
    pub(super) alarm: Option<(Alarm, Instant)>,
    pub(super) above: Conversation,
}

/// What is said above Engine.IO.
#[derive(Debug)]
pub(super) enum Conversation {
    /// Everything comes back.
    Echo,
    /// The suite's server.
    SocketIo(Box<socketio::Session>),
}

impl Conversation {
    pub(super) fn begin(above: &Above, now: Instant) -> Self {
        match above {
            Above::Echo => Self::Echo,
            Above::SocketIo(limits) => {
                Self::SocketIo(Box::new(socketio::Session::new(Arc::clone(limits), now)))
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Echo => None,
            Self::SocketIo(session) => session.next_timeout(),
        }
    }

    /// `false`: the client has to go.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        match self {
            Self::Echo => true,
            Self::SocketIo(session) => session.handle_timeout(now).is_ok(),
        }
    }

    /// What a client said. `false`: the client has to go.
    pub(super) fn hear(&mut self, event: Event<'_>, voice: &mut Voice<'_>, now: Instant) -> bool {
        let session = match (self, event) {
            (_, Event::Upgraded) => return true,
            (_, Event::Closed) => return false,
            (Self::Echo, Event::Text(text)) => {
                voice.text(|out| out.extend_from_slice(text.as_bytes()));
                return true;
            }
            (Self::Echo, Event::Binary(binary)) => {
                let mut bytes = Vec::new();
                binary.append_to(&mut bytes);
                voice.binary(&bytes);
                return true;
            }
            (Self::SocketIo(session), event) => (session, event),
        };
        let heard = match session {
            (session, Event::Text(text)) => {
                let heard = session.hear_text(text, voice);
                heard.map(|event| event.map(|event| answer(session, event, voice, now)))
            }
            (session, Event::Binary(binary)) => {
                let heard = session.hear_binary(binary);
                heard.map(|event| event.map(|event| answer(session, event, voice, now)))
            }
            (_, Event::Upgraded | Event::Closed) => return true,
        };
        heard.is_ok()
    }
}

/// Answers what a client of Socket.IO said.
fn answer(session: &mut socketio::Session, event: socketio::Event<'_>, voice: &mut Voice<'_>, now: Instant) {
    match event {
        socketio::Event::Connect { namespace, auth } => {
            // The suite wants a name, and nothing is done with it.
            session.accept(namespace, "in", voice);
            let auth = auth.map_or(&b"{}"[..], |auth| auth.as_bytes());
            session.emit(Head::plain(namespace), None, "auth", &[auth], voice);
        }
        socketio::Event::Event(event) => repeat(session, &event, &[], voice),
        socketio::Event::Assembled(whole) => {
            if let Some(Packet::Event(event)) = whole.packet() {
                repeat(session, &event, whole.attachments(), voice);
            }
        }
        socketio::Event::Ack(_) => {}
        socketio::Event::Disconnect { namespace } => session.disconnect(namespace, None, now),
    }
}

/// The two events that are answered.
fn repeat(
    session: &socketio::Session,
    event: &socketio::Happening<'_>,
    attachments: &[Vec<u8>],
    voice: &mut Voice<'_>,
) {
    let head = Head { namespace: event.namespace, attachments: event.attachments };
    let (name, list) = (event.call.name(), event.call.list().as_bytes());
    match event.id {
        None if name.is_text("message") => session.emit(head, None, "message-back", &[list], voice),
        Some(id) if name.is_text("message-with-ack") => session.acknowledge(head, id, &[list], voice),
        Some(_) | None => return,
    }
    attachments.iter().for_each(|bytes| voice.binary(bytes));
}
