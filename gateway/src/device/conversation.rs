//! The conversation with one MQTT device: what it says, and what that means.
//!
//! Owns the peer's standing and the meaning of each topic. Never writes an acknowledgement before the thing is true:
//! a status is acknowledged when its manifest is accepted, a trigger when it is stored, everything else at once,
//! all in arrival order (the session sees to that). Never decides who may connect ([`super::admission`]).
//!
//! ```text
//!   Stranger --CONNECT--> Claimed(claim) --key of the file, at home----------------> Seated(row)
//!       \                      \-- any other key --> Waiting(for the gatekeeper) -- yes --^
//!        \-- anything else: close                        \-- no --> CONNACK 5, close
//!                                                         \-- no, locked out --> Barred --> CONNACK 5, close
//! ```

use super::admission::Admission;
use super::claim::Claim;
use super::conflict::Held;
use super::notice::Notice;
use super::status::Reason;
use super::tap::Way;
use super::topic::{Inbound, Outbound, own_suffix};
use super::vetting::{Barred, Waiting};
use super::wire::Wire;
use crate::auth::mail::QuestionNumber;
use crate::ending::by_reason;
use crate::metrics::Direction;
use crate::peer::Peer;
use crate::shard::{Baggage, Cx, Facts, Shard};
use codec::mqtt::{PacketId, QoS, Subscribe, SubscribeCode, Unsubscribe};
use engine::{Key, Verdict};
use std::sync::Arc;
use std::time::Instant;
use transports::input::Input;
use transports::mqtt::{Arrival, Event, Limits, Receipt, Session};

/// Events of one connection that are handled in one turn; more waits for the next, so that nobody starves the others.
const EVENTS_PER_TURN_MAX: usize = 256;
/// Filters in one SUBSCRIBE that are answered; the session refuses more.
const FILTERS_MAX: usize = 16;

/// An MQTT connection.
#[derive(Debug)]
pub struct MqttPeer {
    /// The protocol's side of it.
    pub session: Session,
    /// What is below it.
    pub wire: Wire,
    /// Who it is.
    pub standing: Standing,
    /// A manifest of this connection is being compiled: nothing more is read until it is accepted.
    pub describing: bool,
    /// The gatekeeper has been asked whether it may stay.
    pub rechecking: Option<QuestionNumber>,
    /// Why we hung up, once we have.
    pub verdict: Option<Reason>,
}

/// Who a connection is.
#[derive(Debug)]
pub enum Standing {
    /// It has not said yet.
    Stranger,
    /// It has said, and the home core has not checked yet.
    Claimed(Box<Claim>),
    /// It is this device, and waits until the fight for the seat allows it to sit down.
    Held(Box<Held>),
    /// The gatekeeper has been asked: nothing more is read until it has answered, or the time is up.
    Waiting(Box<Waiting>),
    /// It was wrong once too often: it is refused for that at a moment of its own, not before.
    Barred(Box<Barred>),
    /// It is this device.
    Seated(Key),
}

impl MqttPeer {
    /// A stranger on a plain connection of this listener, whose time counts from `now`.
    pub fn at(facts: &Facts, listener: usize, now: Instant) -> Self {
        Self::within(&facts.mqtt_of_doors[listener], now)
    }

    /// A stranger on a connection that does not speak MQTT.
    pub fn new(facts: &Facts, now: Instant) -> Self {
        Self::within(&facts.mqtt, now)
    }

    fn within(limits: &Arc<Limits>, now: Instant) -> Self {
        Self {
            session: Session::new(Arc::clone(limits), now),
            wire: Wire::Plain,
            standing: Standing::Stranger,
            describing: false,
            rechecking: None,
            verdict: None,
        }
    }

    /// Whether it must wait to be told whether it is admitted [MQTT-3.1.4-5].
    pub fn is_held_up(&self) -> bool {
        matches!(self.standing, Standing::Waiting(_) | Standing::Barred(_) | Standing::Held(_))
    }

    /// The device's row, once it has one.
    pub fn seated(&self) -> Option<Key> {
        match self.standing {
            Standing::Seated(device) => Some(device),
            Standing::Stranger
            | Standing::Claimed(_)
            | Standing::Waiting(_)
            | Standing::Barred(_)
            | Standing::Held(_) => None,
        }
    }
}

/// What an event leads to.
enum Step {
    /// Take the next.
    Next,
    /// The connection belongs to this core.
    Home(usize),
    /// It is over.
    Close,
}

/// How far the listening came.
pub(super) enum Pace {
    /// Every whole packet was handled.
    Whole,
    /// There may be more, for another turn.
    Busy,
    /// There may be more, for when it listens again.
    Full,
    /// The connection belongs to this core.
    Home(usize),
    /// It is over.
    Over,
}

impl Shard {
    /// Bytes of an MQTT connection.
    pub(crate) fn device_speaks(&mut self, cx: &mut Cx<'_>, conn: Key, bytes: &mut [u8]) -> Verdict<Baggage> {
        let now = cx.now();
        if self.peers.mqtt_mut(conn).is_some_and(|peer| peer.is_socketio()) {
            return self.socketio_speaks(cx, conn, bytes);
        }
        if !self.listens(conn) {
            return Verdict::Pause { consumed: 0 };
        }
        let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) else {
            return Verdict::Pause { consumed: 0 };
        };
        let mut input = peer.open(bytes, out, now);
        let pace = self.hear_device(cx, conn, &mut input);
        let Some(peer) = self.peers.mqtt_mut(conn) else { return Verdict::Close };
        let consumed = peer.consumed(input.taken());
        match pace {
            Pace::Whole => match peer.end() {
                Some(end) => self.device_ended(cx, conn, end),
                None => Verdict::Continue { consumed },
            },
            Pace::Busy => Verdict::Yield { consumed },
            Pace::Full => Verdict::Pause { consumed },
            Pace::Home(core) => self.send_home(conn, core, consumed),
            Pace::Over => {
                self.say_goodbye(cx, conn);
                Verdict::Close
            }
        }
    }

    /// Whether too much mail waits for somebody to whom a device's words go. Not for the worker: there is one question of a device
    /// at a time, and it is refused by itself.
    fn is_held_up_by_mail(&self, cx: &Cx<'_>) -> bool {
        (0..cx.cores()).chain([self.facts.store, self.facts.gatekeeper]).any(|to| cx.congested_to(to))
    }

    /// Handles what a device said, as far as may be in one turn.
    pub(super) fn hear_device(&mut self, cx: &mut Cx<'_>, conn: Key, input: &mut Input<'_>) -> Pace {
        let now = cx.now();
        for _ in 0..EVENTS_PER_TURN_MAX {
            if !self.listens(conn) {
                return Pace::Full;
            }
            if cx.congested() && self.is_held_up_by_mail(cx) {
                // The neighbours cannot keep up with the mail; what this would add waits in the kernel.
                return Pace::Busy;
            }
            let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) else {
                return Pace::Full;
            };
            let step = match peer.say(out, &mut self.spare, |session, out| session.next(input, out, now)) {
                Ok(Some(event)) => self.device_event(cx, conn, event),
                Ok(None) => return Pace::Whole,
                Err(violation) => {
                    tracing::debug!(violation = violation.name(), "hung up on an MQTT peer");
                    self.blame(conn, Reason::ProtocolViolation);
                    Step::Close
                }
            };
            match step {
                Step::Next => {}
                Step::Home(core) => return Pace::Home(core),
                Step::Close => return Pace::Over,
            }
        }
        Pace::Busy
    }

    /// Whether more of a connection's bytes may be looked at now. Not while it is held back; not while its manifest is being compiled; not while as
    /// many of its triggers are on their way to the store as may be; and not while something waits to be said to it that
    /// must come behind an acknowledgement it is owed: what waits to be said stops the listening until it is said, so that
    /// a talkative device can still be commanded.
    pub(crate) fn listens(&mut self, conn: Key) -> bool {
        let Some(peer) = self.peers.mqtt_mut(conn) else { return false };
        if peer.describing || peer.verdict.is_some() || peer.is_held_up() {
            return false;
        }
        let (owes, most) = (peer.session.owes(), usize::from(self.facts.limits.mqtt_owed_max));
        let talk = peer.seated().and_then(|device| self.devices.get(device)?.talk.as_ref());
        let Some(talk) = talk else { return owes < most };
        usize::from(talk.held) < most && owes < most && (owes == 0 || !talk.has_words())
    }

    pub(super) fn send_home(&mut self, conn: Key, core: usize, consumed: usize) -> Verdict<Baggage> {
        self.farewell_stranger(conn);
        match self.peers.remove(conn) {
            Some(Peer::Mqtt(peer)) => Verdict::Move { to: core, consumed, baggage: Baggage::Device(peer) },
            _ => Verdict::Close,
        }
    }

    fn device_event(&mut self, cx: &mut Cx<'_>, conn: Key, event: Event<'_>) -> Step {
        let Some(transport) = self.peers.mqtt_mut(conn).map(|peer| peer.transport()) else {
            return Step::Close;
        };
        self.counters.message(Direction::In, transport);
        if let Event::Connect(connect) = event {
            return self.claimed(cx, conn, Claim::read(&connect, self.facts.asks_service));
        }
        let Some(device) = self.peers.mqtt_mut(conn).and_then(|peer| peer.seated()) else {
            return Step::Close;
        };
        self.heard(cx, device);
        match event {
            Event::Connect(_) => debug_assert!(false, "handled above"),
            Event::Publish(arrival) => return self.device_published(cx, conn, device, &arrival),
            Event::Subscribe(subscribe) => self.device_subscribes(cx, conn, device, &subscribe),
            Event::Unsubscribe(unsubscribe) => self.device_unsubscribes(cx, conn, device, &unsubscribe),
            Event::Acked(id) => self.device_acked(cx, device, id),
            Event::Ping => {}
            Event::Disconnect => {
                self.blame(conn, Reason::Disconnected);
                return Step::Close;
            }
        }
        Step::Next
    }

    fn claimed(&mut self, cx: &mut Cx<'_>, conn: Key, claim: Result<Claim, super::claim::Nameless>) -> Step {
        let claim = match claim {
            Ok(claim) => claim,
            Err(super::claim::Nameless) => {
                tracing::info!("refused a CONNECT that names nobody, or has no password");
                self.refuse(
                    cx,
                    conn,
                    codec::mqtt::ConnectCode::NotAuthorized,
                    crate::metrics::AuthOutcome::Malformed,
                );
                return Step::Close;
            }
        };
        let home = super::name::HomeHash::home(self.facts.home.of(&claim.agent, &claim.device), cx.cores());
        let Some(peer) = self.peers.mqtt_mut(conn) else { return Step::Close };
        peer.standing = Standing::Claimed(Box::new(claim));
        if home != cx.core() {
            return Step::Home(home);
        }
        match self.admit(cx, conn) {
            Admission::Seated | Admission::HeldUp => Step::Next,
            Admission::Refused => Step::Close,
        }
    }

    fn device_published(&mut self, cx: &mut Cx<'_>, conn: Key, device: Key, arrival: &Arrival<'_>) -> Step {
        let (Some(row), Some(peer)) = (self.devices.get(device), self.peers.mqtt_mut(conn)) else {
            return Step::Close;
        };
        let suffix = peer.own_suffix(arrival.topic, row.agent.name(), &row.name);
        if let Some(suffix) = suffix.filter(|suffix| Inbound::parse(suffix).is_some()) {
            self.taps.show(cx, (row.agent.name(), &row.name), Way::In, suffix, &[arrival.payload]);
        }
        let topic = suffix.and_then(Inbound::parse);
        match topic {
            Some(Inbound::Heartbeat) => self.heartbeat(cx, conn, device, arrival.receipt),
            Some(Inbound::Status) => {
                if !self.status_published(cx, conn, device, arrival) {
                    return Step::Close;
                }
            }
            Some(Inbound::Response) => {
                self.acknowledge(cx, conn, arrival.receipt);
                self.answered(cx, device, arrival.payload);
            }
            Some(Inbound::Trigger) => self.trigger_published(cx, conn, device, arrival),
            None => self.foreign_topic(cx, conn, device, arrival.receipt),
        }
        Step::Next
    }

    fn heartbeat(&mut self, cx: &mut Cx<'_>, conn: Key, device: Key, receipt: Option<Receipt>) {
        self.acknowledge(cx, conn, receipt);
        if let Some(seat) = self.devices.get_mut(device).and_then(|row| row.seat.as_mut()) {
            seat.beats = true;
            if seat.subscriptions.contains(Outbound::Pong) {
                self.notify(cx, device, Notice::Pong);
            }
        }
    }

    /// A topic that is not the device's own: acknowledged and dropped [MQTT-3.3.5-2], and said so once a minute.
    fn foreign_topic(&mut self, cx: &mut Cx<'_>, conn: Key, device: Key, receipt: Option<Receipt>) {
        self.acknowledge(cx, conn, receipt);
        self.counters.closed_topic();
        if self.devices.talk(device).is_some_and(|talk| talk.may_scold(cx.now())) {
            let message =
                "only status, response, trigger and heartbeat under this device's own prefix are taken";
            self.notify(cx, device, Notice::Error("TOPIC_FORBIDDEN", message.into()));
        }
    }

    fn device_subscribes(&mut self, cx: &mut Cx<'_>, conn: Key, device: Key, subscribe: &Subscribe<'_>) {
        let Some(row) = self.devices.get_mut(device) else { return };
        let mut codes = [SubscribeCode::Failure; FILTERS_MAX];
        let mut count = 0;
        for ((filter, qos), code) in subscribe.filters().zip(&mut codes) {
            count += 1;
            let topic = own_suffix(filter, row.agent.name(), &row.name).and_then(Outbound::parse);
            if let (Some(topic), Some(seat)) = (topic, row.seat.as_mut()) {
                let granted = if qos == QoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                seat.subscriptions.insert(topic, granted == QoS::AtLeastOnce);
                *code = SubscribeCode::Granted(granted);
            }
        }
        if let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) {
            peer.say(out, &mut self.spare, |session, out| session.suback(subscribe.id, &codes[..count], out));
        }
        self.speak(cx, device);
    }

    fn device_unsubscribes(
        &mut self,
        cx: &mut Cx<'_>,
        conn: Key,
        device: Key,
        unsubscribe: &Unsubscribe<'_>,
    ) {
        let Some(row) = self.devices.get_mut(device) else { return };
        for filter in unsubscribe.filters() {
            let topic = own_suffix(filter, row.agent.name(), &row.name).and_then(Outbound::parse);
            if let (Some(topic), Some(seat)) = (topic, row.seat.as_mut()) {
                seat.subscriptions.remove(topic);
            }
        }
        if let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) {
            peer.say(out, &mut self.spare, |session, out| session.unsuback(unsubscribe.id, out));
        }
    }

    fn device_acked(&mut self, cx: &mut Cx<'_>, device: Key, id: PacketId) {
        let Some(talk) = self.devices.get_mut(device).and_then(|row| row.talk.as_mut()) else { return };
        if let Some(at) = talk.unacked.iter().position(|&(unacked, _)| unacked == id) {
            let (_, command) = talk.unacked.swap_remove(at);
            if let Some(pending) = self.pending.get_mut(command) {
                pending.acknowledged(cx.now());
            }
        }
        self.speak(cx, device);
    }

    /// Sends the acknowledgement of a PUBLISH, in arrival order, and then what waited behind it.
    pub(crate) fn acknowledge(&mut self, cx: &mut Cx<'_>, conn: Key, receipt: Option<Receipt>) {
        let Some(receipt) = receipt else { return };
        let (Some(peer), Some(out)) = (self.peers.mqtt_mut(conn), self.lines.out_urgent(cx, conn)) else {
            return;
        };
        peer.say(out, &mut self.spare, |session, out| session.acknowledge(receipt, out));
        if peer.session.owes() == 0
            && let Some(device) = peer.seated()
        {
            self.speak(cx, device);
        }
    }

    /// Remembers why a connection is about to end.
    pub(crate) fn blame(&mut self, conn: Key, reason: Reason) {
        match self.peers.get_mut(conn) {
            Some(Peer::Mqtt(peer)) => _ = peer.verdict.get_or_insert(reason),
            Some(Peer::Http(peer)) => _ = peer.verdict.get_or_insert(by_reason(reason)),
            Some(Peer::Probe(_) | Peer::Carrier(_) | Peer::Gone(_)) | None => {}
        }
    }
}
