//! Requests: what a connection asks for before it is a WebSocket.
//!
//! Owns the way from a request to a session, and which requests become WebSockets.

use engine::{Cx, Key, Verdict};
use transports::engineio::{Ask, Refusal, Session, Transport};
use transports::http::{Event, Request, Response};
use transports::input::Input;
use transports::ws::{self, Handshake};

use super::house::House;
use super::peer::Peer;

/// What became of a request.
enum Served {
    /// It is answered, or waits.
    Request,
    /// The connection is a WebSocket from here on.
    WebSocket,
}

/// An answer, as the reference implementation gives it.
pub(super) fn response<'a>(status: u16, content_type: &'a str, body: &'a [&'a [u8]]) -> Response<'a> {
    Response { status, content_type, headers: &[("Cache-Control", "no-store")], body }
}

impl House {
    /// Bytes of a connection that speaks HTTP.
    pub(super) fn requested(&mut self, cx: &mut Cx<'_, Self>, conn: Key, bytes: &mut [u8]) -> Verdict<()> {
        let (mut input, now) = (Input::new(bytes), cx.now());
        loop {
            let Some(Peer::Http { session, polls }) = self.peers.get_mut(&conn) else {
                return Verdict::Close;
            };
            if polls.is_some() {
                // Only what nobody sent yet is waited for, so that a client that gives its poll up is noticed.
                let consumed = input.taken();
                return if input.is_empty() {
                    Verdict::Continue { consumed }
                } else {
                    Verdict::Pause { consumed }
                };
            }
            let Some(out) = cx.out_urgent(conn) else { return Verdict::Close };
            match session.next(&mut input, out, now) {
                Ok(Some(Event::Request(request))) => match self.serve(cx, conn, &request) {
                    Served::Request => {}
                    Served::WebSocket => return self.messages(cx, conn, &mut input),
                },
                Ok(Some(Event::Promised)) => session.admit(out, now),
                Ok(None) => return Verdict::Continue { consumed: input.taken() },
                Err(violation) => {
                    violation.answer(out);
                    return Verdict::Close;
                }
            }
        }
    }

    fn serve(&mut self, cx: &mut Cx<'_, Self>, conn: Key, request: &Request<'_>) -> Served {
        if *request.path != *self.facts.path {
            self.respond(cx, conn, response(404, "text/plain", &[b"not found"]));
            return Served::Request;
        }
        let ask = Ask::read(request.method, request.query, Handshake::is_asked(request));
        let found = ask.and_then(|ask| {
            let sid = match ask {
                Ask::Open(transport) => return Ok((ask, Some(transport), None)),
                Ask::Poll(sid) | Ask::Post(sid) | Ask::Upgrade(sid) => sid,
            };
            self.find(sid).map(|client| (ask, None, Some(client))).ok_or(Refusal::SidUnknown)
        });
        match found {
            Ok((_, Some(Transport::WebSocket), _)) => return self.open_websocket(cx, conn, request),
            Ok((Ask::Upgrade(_), _, Some(client))) => return self.upgrade(cx, conn, request, client),
            Ok((Ask::Poll(_), _, Some(client))) => self.poll(cx, conn, client),
            Ok((Ask::Post(_), _, Some(client))) => self.post(cx, conn, client, request.body),
            Ok((_, _, _)) => self.open_polling(cx, conn),
            Err(refusal) => self.refuse(cx, conn, refusal),
        }
        Served::Request
    }

    fn open_polling(&mut self, cx: &mut Cx<'_, Self>, conn: Key) {
        let (sid, now) = (Self::new_sid(cx), cx.now());
        let session = Session::polling(self.facts.engineio.clone(), &sid, now);
        match self.seat(session, sid, now) {
            Some(client) => self.poll(cx, conn, client),
            None => self.refuse(cx, conn, Refusal::BadRequest),
        }
    }

    /// A poll: it waits until there is something to say.
    fn poll(&mut self, cx: &mut Cx<'_, Self>, conn: Key, key: Key) {
        let now = cx.now();
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.session.poll(now).is_ok() {
            client.poll = Some(conn);
            if let Some(Peer::Http { polls, .. }) = self.peers.get_mut(&conn) {
                *polls = Some(key);
            }
        } else {
            self.refuse(cx, conn, Refusal::BadRequest);
        }
        self.settle(cx, key);
    }

    fn post(&mut self, cx: &mut Cx<'_, Self>, conn: Key, key: Key, body: &[u8]) {
        // A session has one transport; what is wrong with a request does not end it.
        let polls = self.clients.get_mut(key).is_some_and(|client| !client.session.is_websocket());
        if polls && self.hear_body(cx, key, body) {
            self.respond(cx, conn, response(200, "text/html", &[b"ok"]));
        } else {
            self.refuse(cx, conn, Refusal::BadRequest);
        }
        self.settle(cx, key);
    }

    /// Every packet of a body. `false`: a rule was broken, and the session is over.
    fn hear_body(&mut self, cx: &mut Cx<'_, Self>, key: Key, body: &[u8]) -> bool {
        let now = cx.now();
        let packets = match codec::engineio::payload(body) {
            Ok(packets) => packets.map(Some).chain([None]),
            Err(malformed) => {
                if let Some(client) = self.clients.get_mut(key) {
                    client.session.fail(malformed.into());
                }
                return false;
            }
        };
        for packet in packets.flatten() {
            let Some(client) = self.clients.get_mut(key) else { return false };
            let heard = match packet {
                Ok(packet) => client.session.hear(packet, now),
                Err(malformed) => Err(client.session.fail(malformed.into())),
            };
            match heard {
                Ok(Some(event)) => self.hear(cx, key, event),
                Ok(None) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn open_websocket(&mut self, cx: &mut Cx<'_, Self>, conn: Key, request: &Request<'_>) -> Served {
        let Ok(handshake) = Handshake::check(request) else {
            self.refuse(cx, conn, Refusal::BadRequest);
            return Served::Request;
        };
        let (sid, now) = (Self::new_sid(cx), cx.now());
        let Some(out) = cx.out_urgent(conn) else { return Served::Request };
        let before = out.len();
        handshake.accept(None, out);
        let session = Session::websocket(self.facts.engineio.clone(), &sid, out, now);
        let Some(client) = self.seat(session, sid, now) else {
            if let Some(out) = cx.out_urgent(conn) {
                out.truncate(before);
            }
            self.refuse(cx, conn, Refusal::BadRequest);
            return Served::Request;
        };
        if let Some(client) = self.clients.get_mut(client) {
            client.socket = Some(conn);
        }
        self.become_websocket(conn, client);
        self.settle(cx, client);
        Served::WebSocket
    }

    /// A WebSocket for a session that polls. One too many is let in and closed alone: that is what clients understand.
    fn upgrade(&mut self, cx: &mut Cx<'_, Self>, conn: Key, request: &Request<'_>, key: Key) -> Served {
        let Ok(handshake) = Handshake::check(request) else {
            self.refuse(cx, conn, Refusal::BadRequest);
            return Served::Request;
        };
        let now = cx.now();
        if let Some(out) = cx.out_urgent(conn) {
            handshake.accept(None, out);
        }
        self.become_websocket(conn, key);
        let client = self.clients.get_mut(key);
        let begun = client.is_some_and(|client| {
            let begun = client.session.begin_probe(now);
            client.probe = if begun { Some(conn) } else { client.probe };
            begun
        });
        if !begun {
            self.goodbye(cx, conn);
        }
        self.settle(cx, key);
        Served::WebSocket
    }

    fn become_websocket(&mut self, conn: Key, client: Key) {
        let session = ws::Session::new(self.facts.ws.clone());
        self.peers.insert(conn, Peer::WebSocket { session, client });
    }
}
