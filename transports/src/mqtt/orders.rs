//! What the tenant tells a session to say.
//!
//! Owns the writing half: the answers to CONNECT, SUBSCRIBE and UNSUBSCRIBE, acknowledgements, and our own messages.
//! It never decides that something should be said, and it never writes what the state of the conversation forbids: an
//! order to a session that is over is ignored, because whoever gave it could not know yet.

use super::outbound::Awaits;
use super::owed::{Answer, Owed};
use super::session::{Live, State};
use super::{Misuse, Receipt, Resumed, Session};
use codec::mqtt::{
    ConnAck, ConnectCode, PacketId, PublishHead, QoS, SubscribeCode, encode_publish, encode_suback,
    encode_unsuback,
};
use std::time::Instant;

impl Session {
    /// Lets the client in: CONNACK with return code 0 (3.2), then PUBREL for every message of ours that had come that
    /// far. The tenant repeats the others by [`Session::republish`].
    ///
    /// `session_present` says whether the tenant has state of an earlier connection, `resumed` is the session's part
    /// of it. "If the Server accepts a connection with CleanSession set to 1, the Server MUST set Session
    /// Present to 0 in the CONNACK packet" [MQTT-3.2.2-1]; with 0, "the value set in Session Present depends on whether
    /// the Server already has stored Session state for the supplied client ID" [MQTT-3.2.2-2], [MQTT-3.2.2-3]. What the
    /// client is told not to exist is not taken up either.
    ///
    /// Only an answer to [`Event::Connect`](super::Event::Connect); ignored otherwise.
    pub fn accept(
        &mut self,
        resumed: Option<Resumed>,
        session_present: bool,
        out: &mut Vec<u8>,
        now: Instant,
    ) {
        let State::AwaitVerdict(greeting) = self.state else {
            return;
        };
        let session_present = session_present && !greeting.clean_session;
        let mut kept = resumed.filter(|_| session_present).unwrap_or_default();
        ConnAck { session_present, code: ConnectCode::Accepted }.encode(out);
        kept.outbound.resume(out);
        let silence_max = self.limits.silence_max(greeting.keep_alive_s);
        self.heard = now;
        self.state = State::Live(Live {
            silence_ms_max: u32::try_from(silence_max.as_millis()).unwrap_or(u32::MAX),
            clean_session: greeting.clean_session,
            owed: Owed::new(),
            kept,
        });
    }

    /// Turns the client away: CONNACK with `code`, session present 0 [MQTT-3.2.2-4]; then the connection must be
    /// closed [MQTT-3.2.2-5], and nothing that followed CONNECT is taken [MQTT-3.1.4-5].
    ///
    /// Only an answer to [`Event::Connect`](super::Event::Connect); ignored otherwise.
    pub fn refuse(&mut self, code: ConnectCode, out: &mut Vec<u8>) {
        debug_assert!(code != ConnectCode::Accepted, "accept is another order");
        if let State::AwaitVerdict(_) = self.state {
            ConnAck::refused(code).encode(out);
            self.end();
        }
    }

    /// The message of this receipt is taken over: PUBACK or PUBREC goes out, as soon as those of all earlier messages
    /// have [MQTT-4.6.0-2]. A second word for one receipt is ignored, as is the receipt of another session.
    pub fn acknowledge(&mut self, receipt: Receipt, out: &mut Vec<u8>) {
        let State::Live(live) = &mut self.state else {
            return;
        };
        match live.owed.speak(receipt) {
            None => return,
            Some(Answer::PubAck) => {}
            Some(Answer::PubRec) => live.kept.inbound.take(receipt.id()),
        }
        live.owed.write_due(out);
        self.check_invariants();
    }

    /// Acknowledgements that have not gone out yet, those included which wait for an earlier one.
    pub fn owes(&self) -> usize {
        match &self.state {
            State::Live(live) => live.owed.len(),
            State::AwaitConnect | State::AwaitVerdict(_) | State::Over(_) => 0,
        }
    }

    /// Whether [`Limits::owed_max`](super::Limits::owed_max) acknowledgements are owed, so that
    /// [`Session::next`] takes nothing: reading is worthwhile again after [`Session::acknowledge`].
    pub fn is_full(&self) -> bool {
        match &self.state {
            State::Live(live) => live.is_full(&self.limits),
            State::AwaitConnect | State::AwaitVerdict(_) | State::Over(_) => false,
        }
    }

    /// Answers a SUBSCRIBE with one code for each of its filters, in their order [MQTT-3.8.4-5].
    pub fn suback(&mut self, id: PacketId, codes: &[SubscribeCode], out: &mut Vec<u8>) {
        if let State::Live(_) = self.state {
            encode_suback(out, id, codes);
        }
    }

    /// Answers an UNSUBSCRIBE [MQTT-3.10.4-4], [MQTT-3.10.4-5].
    pub fn unsuback(&mut self, id: PacketId, out: &mut Vec<u8>) {
        if let State::Live(_) = self.state {
            encode_unsuback(out, id);
        }
    }

    /// Whether a message of QoS 1 or 2 may be sent now: fewer than
    /// [`Limits::inflight_max`](super::Limits::inflight_max) are in flight, and no acknowledgement is owed. A client
    /// that waits for its PUBACK may mistake what comes instead.
    pub fn may_publish(&self) -> bool {
        match &self.state {
            State::Live(live) => {
                live.owed.len() == 0
                    && live.kept.outbound.in_flight().count() < usize::from(self.limits.inflight_max)
            }
            State::AwaitConnect | State::AwaitVerdict(_) | State::Over(_) => false,
        }
    }

    /// Sends a message whose topic and payload are the given parts, one after the other. Answers the packet identifier
    /// which [`Event::Acked`](super::Event::Acked) will name, and nothing for QoS 0.
    ///
    /// QoS 0 may be sent at any time of a live conversation, the others when [`Session::may_publish`].
    ///
    /// # Errors
    ///
    /// [`Misuse`]; nothing was written.
    pub fn publish(
        &mut self,
        topic: &[&str],
        payload: &[&[u8]],
        qos: QoS,
        out: &mut Vec<u8>,
    ) -> Result<Option<PacketId>, Misuse> {
        self.say(topic, payload, qos, false, out)
    }

    /// The same with the RETAIN flag set: the message was kept for this subscriber [MQTT-3.3.1-8]. Only a tenant that keeps
    /// messages has any to say so.
    ///
    /// # Errors
    ///
    /// As [`Session::publish`].
    pub fn publish_retained(
        &mut self,
        topic: &[&str],
        payload: &[&[u8]],
        qos: QoS,
        out: &mut Vec<u8>,
    ) -> Result<Option<PacketId>, Misuse> {
        self.say(topic, payload, qos, true, out)
    }

    fn say(
        &mut self,
        topic: &[&str],
        payload: &[&[u8]],
        qos: QoS,
        retain: bool,
        out: &mut Vec<u8>,
    ) -> Result<Option<PacketId>, Misuse> {
        let may_publish = self.may_publish();
        let State::Live(live) = &mut self.state else {
            return Err(Misuse::NotLive);
        };
        let awaits = match qos {
            QoS::AtMostOnce => {
                let head = PublishHead { qos, dup: false, retain, id: None };
                encode_publish(out, head, topic, payload)?;
                return Ok(None);
            }
            QoS::AtLeastOnce => Awaits::Ack,
            QoS::ExactlyOnce => Awaits::Received,
        };
        if !may_publish {
            return Err(Misuse::Busy);
        }
        let id = live.kept.outbound.free_id().ok_or(Misuse::NoPacketId)?;
        let head = PublishHead { qos, dup: false, retain, id: Some(id) };
        encode_publish(out, head, topic, payload)?;
        live.kept.outbound.depart(id, awaits);
        self.check_invariants();
        Ok(Some(id))
    }

    /// Repeats an unacknowledged message of a resumed session under its identifier [MQTT-4.4.0-1], with DUP set
    /// [MQTT-3.3.1-1].
    ///
    /// Nothing is written when nothing of it is left to be repeated: its identifier is not in flight, or it is of
    /// QoS 2 and has been received already.
    pub fn republish(&mut self, id: PacketId, topic: &[&str], payload: &[&[u8]], out: &mut Vec<u8>) {
        self.say_again(id, topic, payload, false, out);
    }

    /// The same for what [`Session::publish_retained`] has said.
    pub fn republish_retained(&mut self, id: PacketId, topic: &[&str], payload: &[&[u8]], out: &mut Vec<u8>) {
        self.say_again(id, topic, payload, true, out);
    }

    fn say_again(
        &mut self,
        id: PacketId,
        topic: &[&str],
        payload: &[&[u8]],
        retain: bool,
        out: &mut Vec<u8>,
    ) {
        let State::Live(live) = &self.state else {
            return;
        };
        let Some(qos) = live.kept.outbound.repeatable(id) else {
            return;
        };
        let head = PublishHead { qos, dup: true, retain, id: Some(id) };
        let written = encode_publish(out, head, topic, payload);
        debug_assert!(written.is_ok(), "what was sent before can be sent again: {written:?}");
    }

    /// Nobody waits for the acknowledgement of `id` any more: it will not be told, and the message is not counted as
    /// in flight. The identifier is not used again while the client may still acknowledge it.
    pub fn forget(&mut self, id: PacketId) {
        match &mut self.state {
            State::Live(live) => live.kept.outbound.give_up(id),
            State::Over(kept) => kept.forget(id),
            State::AwaitConnect | State::AwaitVerdict(_) => {}
        }
        self.check_invariants();
    }
}

impl Resumed {
    /// Our own messages that the client has not acknowledged, oldest first: each is to be repeated by
    /// [`Session::republish`] or given up by [`Session::forget`].
    pub fn in_flight(&self) -> impl Iterator<Item = PacketId> + '_ {
        self.outbound.in_flight()
    }

    /// Like [`Session::forget`], while no connection has taken this up.
    pub fn forget(&mut self, id: PacketId) {
        self.outbound.give_up(id);
        self.outbound.outlive_connection();
    }
}
