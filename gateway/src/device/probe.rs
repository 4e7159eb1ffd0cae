//! WebSockets for sessions that were born polling: one probes, and carries the session when the client says so.
//!
//! Owns the way of such a connection to its session: to the core where that was born, on to its home, and from then on for it.
//! Never knows what is said over it.
//!
//! ```text
//!   GET ?sid=, Upgrade --> moves to the birth core, and on to the home core --> Probe -- 2probe, 5 --> Carrier
//!                                                             | one too many, nonsense, 10 s
//!                                                             v
//!                                                     closed alone; the session polls on
//! ```

use super::polling::{Whereabouts, read_sid};
use crate::peer::Peer;
use crate::shard::{Baggage, Cx, Shard};
use engine::{Close, Key, Verdict};
use transports::engineio::{Event, Refusal};
use transports::input::Input;
use transports::ws::{self, CloseCode, Handshake};

/// A WebSocket that wants to carry a session.
#[derive(Debug)]
pub struct Probe {
    /// The protocol's side of it.
    pub socket: ws::Session,
    /// The session.
    pub id: u128,
}

impl Shard {
    /// A WebSocket for a session that polls. It is let in before anybody knows whether the session wants it: one too many is
    /// closed alone, as clients understand it.
    pub(crate) fn begin_probe(&mut self, cx: &mut Cx<'_>, conn: Key, handshake: &Handshake<'_>, sid: &str) {
        let Some((core, id)) = read_sid(sid, cx.cores()) else {
            return self.refuse_socketio(cx, conn, Refusal::SidUnknown);
        };
        if core == cx.core() && !self.sids.contains_key(&id) {
            return self.refuse_socketio(cx, conn, Refusal::SidUnknown);
        }
        let Some(out) = cx.out_urgent(conn) else { return };
        handshake.accept(None, out);
        self.peers.remove(conn);
        let probe = Box::new(Probe { socket: ws::Session::new(self.facts.socketio_ws.clone()), id });
        if core == cx.core() {
            self.attach_probe(cx, conn, probe);
        } else {
            self.move_probe(cx, conn, core, probe);
        }
    }

    /// A WebSocket goes where its session is; here it is nobody's business any more.
    pub(super) fn move_probe(&mut self, cx: &mut Cx<'_>, conn: Key, core: usize, probe: Box<Probe>) {
        self.farewell_stranger(conn);
        cx.move_to(conn, core, Baggage::Probe(probe));
    }

    /// A WebSocket has come to where its session is, or was born.
    pub(crate) fn attach_probe(&mut self, cx: &mut Cx<'_>, conn: Key, mut probe: Box<Probe>) {
        let now = cx.now();
        let key = match self.sids.get(&probe.id) {
            Some(Whereabouts::Here(key)) => Some(*key),
            Some(&Whereabouts::Moved(core)) => return self.move_probe(cx, conn, core, probe),
            None => None,
        };
        let wanted = key.is_some_and(|key| {
            let is_first = self.lines.get_mut(key).is_some_and(|line| line.probe.is_none());
            // One that came with its session has begun already.
            is_first
                && self.translator_mut(key).is_some_and(|translator| {
                    translator.below().is_probing() || translator.below().begin_probe(now)
                })
        });
        match key.filter(|_| wanted) {
            Some(key) => {
                if let Some(line) = self.lines.get_mut(key) {
                    line.probe = Some(conn);
                }
                self.peers.insert(conn, Peer::Probe(probe));
                self.lines.touch(key);
            }
            None => {
                if let Some(out) = cx.out_urgent(conn) {
                    probe.socket.close(CloseCode::Normal, "", out, now);
                }
                cx.hang_up(conn);
            }
        }
    }

    /// Bytes of a WebSocket that probes.
    pub(crate) fn probe_speaks(&mut self, cx: &mut Cx<'_>, conn: Key, bytes: &mut [u8]) -> Verdict<Baggage> {
        let (mut input, now) = (Input::new(bytes), cx.now());
        loop {
            let Some(Peer::Probe(probe)) = self.peers.get_mut(conn) else { return Verdict::Close };
            let Some(Whereabouts::Here(key)) = self.sids.get(&probe.id).copied() else {
                return Verdict::Close;
            };
            let Some(out) = cx.out_urgent(conn) else { return Verdict::Close };
            let text = match probe.socket.next(&mut input, out, now) {
                Ok(None) => return Verdict::Continue { consumed: input.taken() },
                Ok(Some(ws::Event::Text(text))) => text,
                Ok(Some(ws::Event::Binary(_) | ws::Event::Closed(_))) => return Verdict::Close,
                Err(violation) => {
                    violation.answer(out);
                    return Verdict::Close;
                }
            };
            self.lines.touch(key);
            let Some(translator) = self.translator_mut(key) else { return Verdict::Close };
            match translator.below().hear_probe(text.as_bytes(), out, now) {
                Ok(Some(Event::Upgraded)) => {
                    self.carry(conn, key);
                    return Verdict::Yield { consumed: input.taken() };
                }
                Ok(Some(Event::Closed)) => {
                    if let Some(Peer::Probe(probe)) = self.peers.get_mut(conn) {
                        probe.socket.close(CloseCode::Normal, "", out, now);
                    }
                    return Verdict::Close;
                }
                Ok(_) => {}
                Err(violation) => {
                    tracing::debug!(violation = violation.name(), "hung up on a WebSocket that probed");
                    return Verdict::Close;
                }
            }
        }
    }

    /// The WebSocket that probed is the session's from now on.
    fn carry(&mut self, conn: Key, key: Key) {
        self.farewell_stranger(conn);
        let Some(Peer::Probe(probe)) = self.peers.remove(conn) else { return };
        if let Some(line) = self.lines.get_mut(key) {
            (line.probe, line.carrier, line.choked) = (None, Some(conn), false);
        }
        let seated = self.is_seated(key);
        if let Some(translator) = self.translator_mut(key) {
            translator.carried_by(probe.socket, seated);
        }
        self.peers.insert(conn, Peer::Carrier(key));
    }

    /// A WebSocket that probed or carried a session ended.
    pub(crate) fn probe_left(&mut self, cx: &Cx<'_>, probe: &Probe, conn: Key) {
        let Some(Whereabouts::Here(key)) = self.sids.get(&probe.id).copied() else { return };
        let was_probe =
            self.lines.get_mut(key).is_some_and(|line| line.probe.take_if(|probe| *probe == conn).is_some());
        if was_probe && let Some(translator) = self.translator_mut(key) {
            translator.below().probe_gone(cx.now());
        }
        self.lines.touch(key);
    }

    /// The WebSocket that carried a session ended, and the session with it.
    pub(crate) fn carrier_left(&mut self, cx: &mut Cx<'_>, key: Key, close: Close) {
        if let Some(line) = self.lines.remove(cx, key) {
            self.forget_line(cx, &line);
        }
        if let Some(Peer::Mqtt(peer)) = self.peers.remove(key) {
            self.device_left(cx, key, *peer, close);
        }
    }

    /// A session whose WebSocket came before its log-in, which says that it belongs elsewhere: it goes as a connection.
    pub(super) fn carrier_goes_home(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        core: usize,
        consumed: usize,
    ) -> Verdict<Baggage> {
        let (Some(line), Some(Peer::Mqtt(peer))) = (self.lines.remove(cx, key), self.peers.remove(key))
        else {
            return Verdict::Close;
        };
        self.forget_line(cx, &line);
        if let Some(conn) = line.carrier {
            self.peers.remove(conn);
        }
        Verdict::Move { to: core, consumed, baggage: Baggage::Device(peer) }
    }

    /// A log-in that was heard late says that it belongs elsewhere.
    pub(super) fn goes_home_late(&mut self, cx: &mut Cx<'_>, key: Key, core: usize) {
        let Some(conn) = self.lines.connection(key) else { return self.send_session_home(cx, key, core) };
        if let Some(line) = self.lines.remove(cx, key) {
            self.forget_line(cx, &line);
            self.peers.remove(conn);
        }
        self.farewell_stranger(conn);
        if let Some(Peer::Mqtt(peer)) = self.peers.remove(key) {
            cx.move_to(conn, core, Baggage::Device(peer));
        }
    }
}
