//! Socket.IO devices: the moment at which an HTTP connection becomes one, and the way of its messages to the conversation.
//!
//! Owns the order of the two layers: what a message means ([`super::translator`]) is heard by the conversation before the next
//! message is looked at, and what the conversation does not take yet is offered again ([`super::unheard`]). Never knows what an
//! event means.
//!
//! ```text
//!   bytes --> ws --> engineio --> socketio --> MQTT in the inbox --> hear_device()
//!                                                    | the conversation does not listen now
//!                                                    v
//!                                               self.unheard, offered again when it does
//! ```

use super::conversation::{MqttPeer, Pace};
use super::lines::Lines;
use super::polling::{PollAsk, write_sid};
use super::status::Reason;
use super::translator::{Heard, Translator};
use super::unheard::MESSAGES_PER_TURN_MAX;
use super::wire::Wire;
use crate::agent::errors::{ApiError, Problem};
use crate::peer::Peer;
use crate::shard::{Baggage, Cx, Shard};
use engine::{Key, Verdict};
use transports::engineio::{self, Ask, Refusal, Transport};
use transports::http::{Method, Request};
use transports::input::Input;
use transports::socketio;
use transports::ws::{self, Handshake};

impl Shard {
    /// A request to `/socket.io/`: a WebSocket becomes a device's connection, anything else is answered.
    pub(crate) fn socketio_asked(&mut self, cx: &mut Cx<'_>, conn: Key, request: &Request<'_>) {
        self.note_page(conn, request);
        if request.method == Method::Options {
            return self.answer_preflight(cx, conn, request);
        }
        match Ask::read(request.method, request.query, Handshake::is_asked(request)) {
            // A new session might belong to a core that has ended.
            Ok(Ask::Open(_)) if cx.draining() => {
                self.problem(cx, conn, ApiError::ShuttingDown, &Problem::default());
            }
            Ok(Ask::Open(Transport::WebSocket)) => match Handshake::check(request) {
                Ok(handshake) => self.begin_socketio(cx, conn, &handshake),
                Err(_) => self.refuse_socketio(cx, conn, Refusal::BadRequest),
            },
            Ok(Ask::Open(Transport::Polling)) => self.open_polling(cx, conn),
            Ok(Ask::Poll(sid)) => self.ask_session(cx, conn, sid, PollAsk::Poll),
            Ok(Ask::Post(sid)) => self.ask_session(cx, conn, sid, PollAsk::Post(request.body.to_vec())),
            Ok(Ask::Upgrade(sid)) => match Handshake::check(request) {
                Ok(handshake) => self.begin_probe(cx, conn, &handshake, sid),
                Err(_) => self.refuse_socketio(cx, conn, Refusal::BadRequest),
            },
            Err(refusal) => {
                if refusal == Refusal::UnsupportedVersion {
                    tracing::info!("refused a client of Socket.IO 2 or older: it does not speak EIO=4");
                }
                self.refuse_socketio(cx, conn, refusal);
            }
        }
    }

    pub(super) fn refuse_socketio(&mut self, cx: &mut Cx<'_>, conn: Key, refusal: Refusal) {
        let mut body = Vec::new();
        refusal.write(&mut body);
        self.respond_socketio(cx, conn, 400, "application/json", &body);
    }

    fn begin_socketio(&mut self, cx: &mut Cx<'_>, conn: Key, handshake: &Handshake<'_>) {
        let Some(opened_at) = self.peers.http_mut(conn).map(|peer| peer.opened_at) else { return };
        let id = u128::from(cx.random_u64()) << 64 | u128::from(cx.random_u64());
        let (now, sid) = (cx.now(), write_sid(cx.core(), id));
        let Some(out) = cx.out_urgent(conn) else { return };
        handshake.accept(None, out);
        let below = engineio::Session::websocket(self.facts.engineio.clone(), &sid, out, now);
        let above = socketio::Session::new(self.facts.socketio.clone(), now);
        let socket = ws::Session::new(self.facts.socketio_ws.clone());
        let mut peer = MqttPeer::new(&self.facts, opened_at);
        peer.wire = Wire::SocketIo(Box::new(Translator::new(below, above, Some(socket), sid)));
        self.peers.remove(conn);
        self.peers.insert(conn, Peer::Mqtt(Box::new(peer)));
    }

    /// Bytes of a Socket.IO connection.
    pub(crate) fn socketio_speaks(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        bytes: &mut [u8],
    ) -> Verdict<Baggage> {
        let (mut input, now) = (Input::new(bytes), cx.now());
        let mut left = MESSAGES_PER_TURN_MAX;
        while left > 0 {
            match self.hear_waiting(cx, conn, &mut left) {
                Pace::Whole => left = left.saturating_sub(1),
                Pace::Busy => {
                    self.hear_later(cx, conn);
                    return Verdict::Pause { consumed: input.taken() };
                }
                Pace::Full => return Verdict::Pause { consumed: input.taken() },
                Pace::Home(core) if Lines::is_virtual(conn) => {
                    return self.carrier_goes_home(cx, conn, core, input.taken());
                }
                Pace::Home(core) => return self.send_home(conn, core, input.taken()),
                Pace::Over => {
                    self.say_goodbye(cx, conn);
                    return Verdict::Close;
                }
            }
            let Some((peer, out)) = self.peers.mqtt_mut(conn).zip(self.lines.out_urgent(cx, conn)) else {
                return Verdict::Close;
            };
            let Wire::SocketIo(translator) = &mut peer.wire else { return Verdict::Close };
            let heard = translator.hear(&mut input, out, &mut self.spare, now);
            for _ in 0..translator.take_unknown() {
                self.counters.closed_topic();
            }
            match heard {
                Heard::Message => {}
                Heard::Nothing => return Verdict::Continue { consumed: input.taken() },
                Heard::Closed => {
                    self.blame(conn, Reason::ConnectionLost);
                    self.say_goodbye(cx, conn);
                    return Verdict::Close;
                }
                Heard::Broken(rule) => {
                    self.broken(cx, conn, rule);
                    self.say_goodbye(cx, conn);
                    return Verdict::Close;
                }
            }
        }
        Verdict::Yield { consumed: input.taken() }
    }
}
