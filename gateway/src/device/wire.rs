//! What lies between a connection and its MQTT session: nothing, WebSocket, or Socket.IO.
//!
//! Owns how received bytes become the session's and how its packets become the connection's, the close frame as the last word,
//! and the moment at which an HTTP connection turns into a device's. The conversation above knows none of it. Never decides
//! who may connect, never looks into a packet.
//!
//! ```text
//!   bytes --> [ Stream::next ] --> MQTT session --> events          one frame of each packet, all of it appended at once
//!   out   <-- [ frame_packets ] <------ orders
//! ```

use super::conversation::MqttPeer;
use super::status::Reason;
use super::topic::own_suffix;
use super::translator::{Spare, Translator};
use crate::agent::errors::{ApiError, CONTENT_TYPE, Problem};
use crate::metrics::{AuthOutcome, Transport};
use crate::peer::Peer;
use crate::shard::{Baggage, Cx, Facts, Shard};
use engine::{Key, Verdict};
use std::time::{Duration, Instant};
use transports::http::Request;
use transports::input::Input;
use transports::mqtt::Session;
use transports::ws::{CloseCode, End, Handshake, Refusal, Stream};

/// The sub-protocol of MQTT [MQTT-6.0.0-4].
const SUBPROTOCOL: &str = "mqtt";

/// The layer below an MQTT session.
#[derive(Debug)]
pub enum Wire {
    /// TCP or TLS.
    Plain,
    /// Binary frames on either.
    WebSocket(Box<Stream>),
    /// Socket.IO over a WebSocket.
    SocketIo(Box<Translator>),
}

impl Wire {
    /// Behind a handshake.
    pub fn web_socket(facts: &Facts) -> Self {
        Self::WebSocket(Box::new(Stream::new(facts.ws.clone())))
    }
}

impl MqttPeer {
    /// How it speaks to us.
    pub fn transport(&self) -> Transport {
        match self.wire {
            Wire::Plain => Transport::Mqtt,
            Wire::WebSocket(_) => Transport::MqttWs,
            Wire::SocketIo(_) => Transport::Socketio,
        }
    }

    /// The session's bytes in what was received. Each call is followed by one of [`MqttPeer::consumed`].
    pub fn open<'b>(&mut self, received: &'b mut [u8], out: &mut Vec<u8>, now: Instant) -> Input<'b> {
        match &mut self.wire {
            Wire::Plain => Input::new(received),
            Wire::WebSocket(stream) => stream.next(received, out, now),
            Wire::SocketIo(_) => {
                debug_assert!(false, "what Socket.IO brings is translated first");
                Input::new(received)
            }
        }
    }

    /// How many received bytes are used up when the session has taken so many of its own.
    pub fn consumed(&mut self, taken: usize) -> usize {
        match &mut self.wire {
            Wire::Plain | Wire::SocketIo(_) => taken,
            Wire::WebSocket(stream) => stream.consumed(taken),
        }
    }

    /// Why nothing more will come for the session, once all that came is used up.
    pub fn end(&self) -> Option<End> {
        match &self.wire {
            Wire::Plain | Wire::SocketIo(_) => None,
            Wire::WebSocket(stream) => stream.end(),
        }
    }

    /// Gives the session an order, and puts what it says on the wire: every packet in one frame.
    pub fn say<R>(
        &mut self,
        out: &mut Vec<u8>,
        spare: &mut Spare,
        order: impl FnOnce(&mut Session, &mut Vec<u8>) -> R,
    ) -> R {
        let from = out.len();
        let answer = order(&mut self.session, out);
        match &mut self.wire {
            Wire::Plain => {}
            Wire::WebSocket(stream) => stream.frame_packets(out, from),
            Wire::SocketIo(translator) => translator.translate(out, from, spare),
        }
        answer
    }

    /// It is no stranger any more.
    pub fn admit(&mut self) {
        match &mut self.wire {
            Wire::Plain => {}
            Wire::WebSocket(stream) => stream.admit(),
            Wire::SocketIo(translator) => translator.admit(),
        }
    }

    /// The last word before we hang up: MQTT 3.1.1 has none for a server, WebSocket has a close frame.
    pub fn goodbye(&mut self, out: &mut Vec<u8>, now: Instant) {
        let code = close_code(self.verdict);
        match &mut self.wire {
            Wire::Plain => {}
            Wire::WebSocket(stream) => stream.close(code, out),
            Wire::SocketIo(translator) => translator.goodbye(self.verdict, code, out, now),
        }
    }

    /// The suffix of `topic` if it is this device's own. Below Socket.IO there are no others, and they are bare.
    pub fn own_suffix<'t>(&self, topic: &'t str, agent: &str, device: &str) -> Option<&'t str> {
        if self.is_socketio() { Some(topic) } else { own_suffix(topic, agent, device) }
    }

    /// Whether it speaks Socket.IO.
    pub fn is_socketio(&self) -> bool {
        matches!(self.wire, Wire::SocketIo(_))
    }

    /// Why the CONNACK that comes next refuses, for a wire that has more words for it.
    pub fn refused(&mut self, outcome: AuthOutcome) {
        if let Wire::SocketIo(translator) = &mut self.wire {
            translator.refused(outcome);
        }
    }

    /// For how long the lock-out that the refusal to come is about lasts still, for a wire that can say it.
    pub fn locked_out_for(&mut self, left: Duration) {
        if let Wire::SocketIo(translator) = &mut self.wire {
            translator.locked_out_for(left);
        }
    }

    /// When the session, or what is below it, must be looked at.
    pub fn next_timeout(&self) -> Instant {
        let session = self.session.next_timeout();
        match &self.wire {
            Wire::Plain | Wire::WebSocket(_) => session,
            Wire::SocketIo(translator) => translator.next_timeout().map_or(session, |at| at.min(session)),
        }
    }
}

/// The row of the table of errors.
fn error_of(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::Method => ApiError::MethodNotAllowed,
        Refusal::Upgrade | Refusal::WebSocketVersion => ApiError::UpgradeRequired,
        Refusal::Version | Refusal::Connection | Refusal::Key | Refusal::Body => ApiError::InvalidRequest,
    }
}

/// What a WebSocket peer is told that we hang up on.
fn close_code(verdict: Option<Reason>) -> CloseCode {
    match verdict {
        Some(Reason::Disconnected) | None => CloseCode::Normal,
        Some(Reason::GatewayStopped) => CloseCode::Away,
        Some(Reason::ProtocolViolation) => CloseCode::Protocol,
        Some(
            Reason::Connected
            | Reason::HeartbeatMissed
            | Reason::ConnectionLost
            | Reason::TakenOver
            | Reason::KeepaliveTimeout
            | Reason::HeartbeatTimeout
            | Reason::AuthFailed
            | Reason::SlowReader
            | Reason::Disabled
            | Reason::Enabled
            | Reason::Removed
            | Reason::Registered,
        ) => CloseCode::Policy,
    }
}

impl Shard {
    /// Time has passed for what is below the session; if it is `excused`, a pong may wait unread. `false`: it was too long, and
    /// the connection ends.
    pub(crate) fn wire_due(&mut self, cx: &mut Cx<'_>, conn: Key, excused: bool) -> bool {
        let now = cx.now();
        let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) else {
            return true;
        };
        let Wire::SocketIo(translator) = &mut peer.wire else { return true };
        #[cfg(planted)]
        let excused = excused && !engine::planted::is("pong-misjudged");
        if excused {
            translator.excuse_silence(now);
        }
        let Err(rule) = translator.handle_timeout(out, now) else { return true };
        tracing::debug!(violation = rule, "a Socket.IO peer let its time pass");
        self.part(cx, conn, Reason::KeepaliveTimeout);
        false
    }

    /// Hangs up on a device's connection: why is remembered, and is its last word where there is one.
    pub(crate) fn part(&mut self, cx: &mut Cx<'_>, conn: Key, reason: Reason) {
        self.blame(conn, reason);
        self.say_goodbye(cx, conn);
        self.lines.hang_up(cx, conn);
    }

    /// Writes the last word, once.
    pub(crate) fn say_goodbye(&mut self, cx: &mut Cx<'_>, conn: Key) {
        let now = cx.now();
        if let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) {
            peer.goodbye(out, now);
        }
    }

    /// The layer below has ended, and all that came before that was handled.
    pub(crate) fn device_ended(&mut self, cx: &mut Cx<'_>, conn: Key, end: End) -> Verdict<Baggage> {
        match end {
            End::Closed(_) => self.blame(conn, Reason::ConnectionLost),
            End::Broken(violation) => {
                tracing::debug!(violation = violation.name(), "hung up on a WebSocket peer");
                self.blame(conn, Reason::ProtocolViolation);
            }
        }
        self.say_goodbye(cx, conn);
        Verdict::Close
    }

    /// `GET /mqtt`: turns an HTTP connection into a device's, or says what is wrong with the request. It stays the
    /// stranger it is, with what is left of a stranger's time since it was accepted.
    pub(crate) fn begin_web_socket(&mut self, cx: &mut Cx<'_>, conn: Key, request: &Request<'_>) {
        let handshake = match Handshake::check(request) {
            Ok(handshake) if handshake.offers(SUBPROTOCOL) => handshake,
            Ok(_) => {
                let detail = "The sub-protocol mqtt must be offered [MQTT-6.0.0-3].";
                let problem = Problem { detail, ..Problem::default() };
                return self.problem(cx, conn, ApiError::InvalidRequest, &problem);
            }
            Err(refusal) => {
                let (error, detail) = (error_of(refusal), refusal.detail());
                return self.respond(
                    cx,
                    conn,
                    error.entry().status,
                    CONTENT_TYPE,
                    refusal.headers(),
                    &|body| {
                        Problem { detail, ..Problem::default() }.write(error, body);
                    },
                );
            }
        };
        let Some(opened_at) = self.peers.http_mut(conn).map(|peer| peer.opened_at) else { return };
        let Some(listener) = cx.opened(conn).map(|opened| opened.listener) else { return };
        let Some(out) = cx.out_urgent(conn) else { return };
        handshake.accept(Some(SUBPROTOCOL), out);
        let mut peer = MqttPeer::at(&self.facts, listener, opened_at);
        peer.wire = Wire::web_socket(&self.facts);
        self.peers.remove(conn);
        self.peers.insert(conn, Peer::Mqtt(Box::new(peer)));
    }
}
