//! The tenant: connections, clients, and the way from one to the other.
//!
//! Owns both tables and the moments at which a client is looked at. What a request asks for is in `requests`, what comes
//! over a WebSocket in `sockets`.
//!
//! ```text
//!   connection --- request ----> requests ---+
//!              --- messages ---> sockets ----+--> client.session -> client.above
//!                                            |
//!                      after each of them: settle() answers the poll, ends what is over, sets the alarm
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use engine::{Close, Cx, Key, Opened, Service, Slots, Verdict};
use transports::engineio::Voice;
use transports::http::After;
use transports::ws::CloseCode;
use transports::{engineio, http, socketio, ws};

use super::client::{Client, Conversation};
use super::peer::Peer;
use super::requests::response;

/// Sessions at the same time.
const CLIENTS_MAX: usize = 10_000;

/// What is spoken above Engine.IO.
#[derive(Clone, Debug)]
pub enum Above {
    /// Every message comes back.
    Echo,
    /// The server of the Socket.IO suite.
    SocketIo(Arc<socketio::Limits>),
}

/// What never changes.
#[derive(Debug)]
pub struct Facts {
    /// The only path that is served.
    pub path: Box<str>,
    /// The protocol's ceilings and times.
    pub engineio: Arc<engineio::Limits>,
    /// The protocol's ceilings and times.
    pub http: Arc<http::Limits>,
    /// The protocol's ceilings and times.
    pub ws: Arc<ws::Limits>,
    /// What is spoken above.
    pub above: Above,
}

/// See the file's head.
pub struct House {
    pub(super) facts: Facts,
    pub(super) peers: BTreeMap<Key, Peer>,
    pub(super) clients: Slots<Client>,
    sids: BTreeMap<Box<str>, Key>,
    /// Where words of polling are not written to.
    pub(super) nowhere: Vec<u8>,
}

impl House {
    /// A house without clients.
    pub fn new(facts: Facts) -> Self {
        let (peers, sids) = (BTreeMap::new(), BTreeMap::new());
        Self { facts, peers, clients: Slots::new(), sids, nowhere: Vec::new() }
    }

    pub(super) fn find(&self, sid: &str) -> Option<Key> {
        self.sids.get(sid).copied()
    }

    /// A name that nobody can guess.
    pub(super) fn new_sid(cx: &mut Cx<'_, Self>) -> Box<str> {
        format!("{:016x}{:016x}", cx.random_u64(), cx.random_u64()).into()
    }

    /// Seats a new client. `None`: there are too many.
    pub(super) fn seat(&mut self, session: engineio::Session, sid: Box<str>, now: Instant) -> Option<Key> {
        if self.clients.len() >= CLIENTS_MAX {
            return None;
        }
        let above = Conversation::begin(&self.facts.above, now);
        let (poll, socket, probe, alarm) = (None, None, None, None);
        let client =
            self.clients.insert(Client { session, sid: sid.clone(), poll, socket, probe, alarm, above });
        self.sids.insert(sid, client);
        Some(client)
    }

    /// A client said something above Engine.IO; whoever breaks a rule there is ended.
    pub(super) fn hear(&mut self, cx: &mut Cx<'_, Self>, key: Key, event: engineio::Event<'_>) {
        let now = cx.now();
        let Some(client) = self.clients.get_mut(key) else { return };
        let out = client.socket.and_then(|conn| cx.out_urgent(conn)).unwrap_or(&mut self.nowhere);
        let mut voice = Voice { session: &mut client.session, out };
        if !client.above.hear(event, &mut voice, now) {
            client.session.close(now);
        }
    }

    /// After anything that happened to a client: its poll is answered, its connections are closed if they are not needed
    /// any more, and it is looked at again in time.
    pub(super) fn settle(&mut self, cx: &mut Cx<'_, Self>, key: Key) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let (answer, poll) = (client.session.take_answer(), client.poll);
        if let (Some(answer), Some(conn)) = (&answer, poll) {
            client.poll = None;
            self.respond(cx, conn, response(200, "text/plain; charset=UTF-8", &[answer]));
        }
        let Some(client) = self.clients.get_mut(key) else { return };
        if let Some(probe) = client.probe
            && !client.session.is_probing()
        {
            client.probe = None;
            self.goodbye(cx, probe);
        }
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.session.is_over() {
            return self.forget(cx, key);
        }
        let due = [client.session.next_timeout(), client.above.next_timeout()].into_iter().flatten().min();
        if client.alarm.map(|(_, at)| at) != due {
            if let Some((alarm, _)) = client.alarm.take() {
                cx.disarm(alarm);
            }
            client.alarm = due.map(|at| (cx.arm(at, key), at));
        }
    }

    /// A client is over: nobody knows its sid any more.
    fn forget(&mut self, cx: &mut Cx<'_, Self>, key: Key) {
        let Some(client) = self.clients.remove(key) else { return };
        self.sids.remove(&client.sid);
        if let Some((alarm, _)) = client.alarm {
            cx.disarm(alarm);
        }
        if let Some(conn) = client.poll {
            self.refuse(cx, conn, engineio::Refusal::SidUnknown);
        }
        for conn in client.socket.into_iter().chain(client.probe) {
            self.goodbye(cx, conn);
        }
    }

    /// Closes a WebSocket.
    pub(super) fn goodbye(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        let now = cx.now();
        if let (Some((session, _)), Some(out)) =
            (self.peers.get_mut(&conn).and_then(Peer::websocket), cx.out_urgent(conn))
        {
            session.close(CloseCode::Normal, "", out, now);
        }
        cx.hang_up(conn);
    }

    /// Answers the request of a connection.
    pub(super) fn respond(&mut self, cx: &mut Cx<'_, Self>, conn: Key, response: http::Response<'_>) {
        let now = cx.now();
        let Some(Peer::Http { session, polls }) = self.peers.get_mut(&conn) else { return };
        *polls = None;
        let Some(out) = cx.out_urgent(conn) else { return };
        match session.respond(response, out, now) {
            After::KeepAlive => cx.resume(conn),
            After::Close => cx.hang_up(conn),
        }
    }

    pub(super) fn refuse(&mut self, cx: &mut Cx<'_, Self>, conn: Key, refusal: engineio::Refusal) {
        let mut body = Vec::new();
        refusal.write(&mut body);
        self.respond(cx, conn, response(400, "application/json", &[&body]));
    }
}

impl Service for House {
    type Mail = ();
    type Baggage = ();
    /// The client that wants to be looked at.
    type Token = Key;

    fn opened(&mut self, cx: &mut Cx<'_, Self>, conn: Key, _opened: Opened) {
        let session = http::Session::new(self.facts.http.clone(), cx.now());
        cx.set_deadline(conn, session.next_timeout());
        self.peers.insert(conn, Peer::Http { session, polls: None });
    }

    fn received(&mut self, cx: &mut Cx<'_, Self>, conn: Key, bytes: &mut [u8]) -> Verdict<()> {
        let verdict = match self.peers.get(&conn) {
            Some(Peer::Http { .. }) => self.requested(cx, conn, bytes),
            Some(Peer::WebSocket { .. }) => self.messaged(cx, conn, bytes),
            None => Verdict::Close,
        };
        let due = match self.peers.get(&conn) {
            Some(Peer::Http { session, .. }) => session.next_timeout(),
            Some(Peer::WebSocket { session, .. }) => session.next_timeout(),
            None => None,
        };
        cx.set_deadline(conn, due);
        verdict
    }

    fn adopted(&mut self, _: &mut Cx<'_, Self>, _: Key, _: Opened, (): ()) {
        debug_assert!(false, "one core has nobody to adopt from");
    }

    fn mail(&mut self, _: &mut Cx<'_, Self>, _: usize, (): ()) {
        debug_assert!(false, "nobody writes");
    }

    fn due(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        let now = cx.now();
        let expired = match self.peers.get_mut(&conn) {
            Some(Peer::Http { session, .. }) => session.handle_timeout(now).is_err(),
            Some(Peer::WebSocket { session, .. }) => session.handle_timeout(now).is_err(),
            None => true,
        };
        if expired {
            cx.hang_up(conn);
        }
    }

    fn rang(&mut self, cx: &mut Cx<'_, Self>, key: Key) {
        let now = cx.now();
        let Some(client) = self.clients.get_mut(key) else { return };
        client.alarm = None;
        let out = client.socket.and_then(|conn| cx.out_urgent(conn)).unwrap_or(&mut self.nowhere);
        // A missed pong ends the session, which is seen when it is settled.
        let _ = client.session.handle_timeout(out, now);
        let mut voice = Voice { session: &mut client.session, out };
        if !client.above.handle_timeout(&mut voice, now) {
            client.session.close(now);
        }
        self.settle(cx, key);
    }

    fn drained(&mut self, _: &mut Cx<'_, Self>, _: Key) {}

    fn closed(&mut self, cx: &mut Cx<'_, Self>, conn: Key, _close: Close) {
        let key = match self.peers.remove(&conn) {
            Some(Peer::Http { polls: Some(key), .. }) | Some(Peer::WebSocket { client: key, .. }) => key,
            Some(Peer::Http { polls: None, .. }) | None => return,
        };
        let now = cx.now();
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.poll == Some(conn) {
            client.poll = None;
            // The session is over then, which is seen when it is settled.
            let _ = client.session.poll_aborted();
        } else if client.probe == Some(conn) {
            client.probe = None;
            client.session.probe_gone(now);
        } else if client.socket == Some(conn) {
            client.socket = None;
            client.session.close(now);
        }
        self.settle(cx, key);
    }

    fn drain(&mut self, cx: &mut Cx<'_, Self>) {
        for &conn in self.peers.keys() {
            cx.hang_up(conn);
        }
    }
}
