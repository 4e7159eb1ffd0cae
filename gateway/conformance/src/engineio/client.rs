//! One client: its session, its connections, and what is said above.
//!
//! Owns the answers: an echo, or the four events of the Socket.IO suite. It never sees a connection's bytes.

use std::sync::Arc;
use std::time::Duration;

use codec::socketio::Packet;
use engine::{Alarm, Key};
use std::time::Instant;
use transports::engineio::{Event, Session, Voice};
use transports::socketio::{self, Head};

use super::house::Above;

/// From a namespace's answer to the `auth` that greets it. The suite's client begins to listen for the second message when
/// it has seen the first, and misses what comes out of the same read: a server that writes both at once fails six cases.
const GREETING_DELAY: Duration = Duration::from_millis(10);

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
    SocketIo(Box<Suite>),
}

/// The suite's server, as one client sees it.
#[derive(Debug)]
pub(super) struct Suite {
    session: socketio::Session,
    greeting: Option<Greeting>,
}

/// The `auth` that a client is owed.
#[derive(Debug)]
struct Greeting {
    at: Instant,
    namespace: Box<str>,
    auth: Box<[u8]>,
}

impl Conversation {
    pub(super) fn begin(above: &Above, now: Instant) -> Self {
        match above {
            Above::Echo => Self::Echo,
            Above::SocketIo(limits) => Self::SocketIo(Box::new(Suite {
                session: socketio::Session::new(Arc::clone(limits), now),
                greeting: None,
            })),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Echo => None,
            Self::SocketIo(suite) => {
                let greeting = suite.greeting.as_ref().map(|greeting| greeting.at);
                suite.session.next_timeout().into_iter().chain(greeting).min()
            }
        }
    }

    /// `false`: the client has to go.
    pub(super) fn handle_timeout(&mut self, voice: &mut Voice<'_>, now: Instant) -> bool {
        match self {
            Self::Echo => true,
            Self::SocketIo(suite) => {
                if suite.greeting.as_ref().is_some_and(|greeting| greeting.at <= now) {
                    suite.greet(voice);
                }
                suite.session.handle_timeout(now).is_ok()
            }
        }
    }

    /// What a client said. `false`: the client has to go.
    pub(super) fn hear(&mut self, event: Event<'_>, voice: &mut Voice<'_>, now: Instant) -> bool {
        let suite = match (self, &event) {
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
            (Self::SocketIo(suite), _) => suite,
        };
        // What a client says is answered after it was greeted.
        suite.greet(voice);
        suite.hear(event, voice, now)
    }
}

impl Suite {
    /// `false`: the client has to go.
    fn hear(&mut self, event: Event<'_>, voice: &mut Voice<'_>, now: Instant) -> bool {
        let heard = match event {
            Event::Text(text) => self.session.hear_text(text, voice),
            Event::Binary(binary) => self.session.hear_binary(binary),
            Event::Upgraded | Event::Closed => return true,
        };
        match heard {
            Ok(Some(event)) => self.answer(event, voice, now),
            Ok(None) => {}
            Err(_) => return false,
        }
        true
    }

    /// Answers what a client said; a greeting waits for its moment.
    fn answer(&mut self, event: socketio::Event<'_>, voice: &mut Voice<'_>, now: Instant) {
        match event {
            socketio::Event::Connect { namespace, auth } => {
                // The suite wants a name, and nothing is done with it.
                self.session.accept(namespace, "in", voice);
                let auth = auth.map_or(&b"{}"[..], |auth| auth.as_bytes()).into();
                self.greeting =
                    Some(Greeting { at: now + GREETING_DELAY, namespace: namespace.into(), auth });
                // Who polls reads a whole payload anyway.
                if !voice.session.is_websocket() {
                    self.greet(voice);
                }
            }
            socketio::Event::Event(event) => repeat(&self.session, &event, &[], voice),
            socketio::Event::Assembled(whole) => {
                if let Some(Packet::Event(event)) = whole.packet() {
                    repeat(&self.session, &event, whole.attachments(), voice);
                }
            }
            socketio::Event::Ack(_) => {}
            socketio::Event::Disconnect { namespace } => self.session.disconnect(namespace, None, now),
        }
    }

    /// Says the `auth` that is owed.
    fn greet(&mut self, voice: &mut Voice<'_>) {
        if let Some(Greeting { namespace, auth, .. }) = self.greeting.take() {
            self.session.emit(Head::plain(&namespace), None, "auth", &[&auth], voice);
        }
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
