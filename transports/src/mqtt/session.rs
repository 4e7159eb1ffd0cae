//! The states of one connection, and what a client may say in each of them.
//!
//! Owns the reading half: which packet is legal now, what it means, and when silence has lasted too long. What we say
//! is in `orders`. It never judges who the client is, never acknowledges a message by itself, and never keeps one.
//!
//! ```text
//!         new
//!          |
//!   +------v-------+  no CONNECT first, malformed, too large, too late
//!   | AwaitConnect |--------------------------------------------------------+
//!   +--------------+  foreign level: CONNACK 1; no client id: CONNACK 2     |
//!          | CONNECT is complete: Event::Connect                            |
//!   +------v-------+                                                        |
//!   | AwaitVerdict |  refuse(code): CONNACK code                            |
//!   |              |------------------------------------------------------+ |
//!   +--------------+                                                      | |
//!          | accept(): CONNACK 0                                          | |
//!   +------v-------+                                                   +--v-v-+
//!   |     Live     |  DISCONNECT, a violation, silence                 | Over |
//!   |              |-------------------------------------------------->|      |
//!   +--------------+                                                   +------+
//! ```

use super::inbound::{Arrived, Inbound};
use super::outbound::{Awaits, Outbound};
use super::owed::{Answer, Owed};
use super::{Arrival, Event, Limits, Violation};
use crate::input::Input;
use codec::mqtt::{
    ConnAck, Connect, FixedHeader, Kind, Malformed, Packet, Publish, QoS, decode, encode_pingresp,
    encode_pubcomp, peek,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The only first byte that a connection may begin with: CONNECT with its reserved flags (3.1.1).
const CONNECT_FIRST_BYTE: u8 = 0x10;

/// The server's side of one MQTT 3.1.1 connection.
///
/// See the [module](super) for how it is used. It is at most 96 bytes and owns no heap while it is idle.
#[derive(Debug)]
pub struct Session {
    pub(super) limits: Arc<Limits>,
    /// When the last whole packet came; in the beginning, when the connection did.
    pub(super) heard: Instant,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Nothing is known.
    AwaitConnect,
    /// CONNECT was told; the tenant makes up its mind.
    AwaitVerdict(Greeting),
    /// Accepted.
    Live(Live),
    /// Nothing more is taken; what a later connection may take up is left.
    Over(Resumed),
}

/// What CONNECT said that the session itself will need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeting {
    pub(super) clean_session: bool,
    pub(super) keep_alive_s: u16,
}

/// An accepted connection.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) silence_ms_max: u32,
    pub(super) clean_session: bool,
    pub(super) owed: Owed,
    pub(super) kept: Resumed,
}

/// What survives the connection of a persistent session (3.1.2.4): which packet identifiers are in use. Only a session
/// that was not clean leaves anything behind.
///
/// [`Session::suspend`] makes it, [`Session::accept`] takes it up.
#[derive(Clone, Debug)]
pub struct Resumed {
    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound,
}

impl Default for Resumed {
    /// Nothing is left: every packet identifier is free.
    fn default() -> Self {
        Self { outbound: Outbound::new(), inbound: Inbound::new() }
    }
}

impl Session {
    /// A connection that has just been opened.
    pub fn new(limits: Arc<Limits>, now: Instant) -> Self {
        Self { limits, heard: now, state: State::AwaitConnect }
    }

    /// Pulls the next event out of what was received and appends to `out` what the protocol answers by itself.
    ///
    /// `Ok(None)` means that there is nothing to tell: the packet at the front is not whole, or the session does not
    /// listen now. It does not listen while the tenant owes it a verdict, while [`Session::is_full`], and after its
    /// end; it takes nothing then.
    ///
    /// # Errors
    ///
    /// The client broke a rule. What had to be answered is in `out`, the session is over, and the connection must be
    /// closed.
    pub fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        let taken = input.taken();
        let pulled = self.pull(input, out);
        if input.taken() > taken {
            self.heard = now;
        }
        match pulled {
            Ok(Some(Event::Disconnect)) => self.end(),
            Ok(_) => {}
            Err(violation) => {
                self.end();
                if let Some(code) = violation.connack() {
                    ConnAck::refused(code).encode(out);
                }
            }
        }
        self.check_invariants();
        pulled
    }

    fn pull<'b>(&mut self, input: &mut Input<'b>, out: &mut Vec<u8>) -> Result<Option<Event<'b>>, Violation> {
        match &mut self.state {
            State::AwaitConnect => {
                let Some(connect) = greeting(&self.limits, input)? else {
                    return Ok(None);
                };
                let (clean_session, keep_alive_s) = (connect.clean_session, connect.keep_alive_s);
                self.state = State::AwaitVerdict(Greeting { clean_session, keep_alive_s });
                Ok(Some(Event::Connect(connect)))
            }
            State::Live(live) => live.pull(&self.limits, input, out),
            State::AwaitVerdict(_) | State::Over(_) => Ok(None),
        }
    }

    /// Tells that time has passed; to be called when [`Session::next_timeout`] is reached, harmless at any time.
    ///
    /// # Errors
    ///
    /// [`Violation::ConnectTimeout`] or [`Violation::KeepAliveExpired`]; the session is over. While the session does
    /// not listen, the silence is not the client's, and it begins anew.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Violation> {
        if now < self.next_timeout() {
            return Ok(());
        }
        let violation = match &self.state {
            State::AwaitConnect => Violation::ConnectTimeout,
            State::Live(live) if !live.is_full(&self.limits) => Violation::KeepAliveExpired,
            State::Live(_) | State::AwaitVerdict(_) | State::Over(_) => {
                self.heard = now;
                return Ok(());
            }
        };
        self.end();
        Err(violation)
    }

    /// When [`Session::handle_timeout`] wants to be called next. Every whole packet and every accepted connection
    /// postpones it; it is enough to look again when the old moment has come.
    pub fn next_timeout(&self) -> Instant {
        self.heard
            + match &self.state {
                State::AwaitConnect => self.limits.connect_timeout,
                State::Live(live) => Duration::from_millis(u64::from(live.silence_ms_max)),
                State::AwaitVerdict(_) | State::Over(_) => self.limits.keepalive_max,
            }
    }

    /// What survives the connection, for [`Session::accept`] on the next one. Nothing, when the session is clean or
    /// was never accepted.
    ///
    /// An arrived message of QoS 2 that was not acknowledged will be told again.
    pub fn suspend(mut self) -> Resumed {
        self.end();
        match self.state {
            State::Over(kept) => kept,
            State::AwaitConnect | State::AwaitVerdict(_) | State::Live(_) => Resumed::default(),
        }
    }

    /// What must be true between any two calls; costs nothing in release.
    pub(super) fn check_invariants(&self) {
        if let State::Live(live) = &self.state {
            debug_assert!(live.owed.len() <= usize::from(self.limits.owed_max));
            live.owed.check_invariants();
            live.kept.outbound.check_invariants();
            live.kept.inbound.check_invariants();
        }
    }

    /// From any state to `Over`.
    pub(super) fn end(&mut self) {
        let over = State::Over(Resumed::default());
        self.state = State::Over(match std::mem::replace(&mut self.state, over) {
            State::Live(live) if !live.clean_session => live.kept.outlive_connection(),
            State::Over(kept) => kept,
            State::AwaitConnect | State::AwaitVerdict(_) | State::Live(_) => Resumed::default(),
        });
    }
}

impl Resumed {
    fn outlive_connection(mut self) -> Self {
        self.outbound.outlive_connection();
        self.inbound.outlive_connection();
        self
    }
}

/// The first packet, once it is whole.
fn greeting<'b>(limits: &Limits, input: &mut Input<'b>) -> Result<Option<Connect<'b>>, Violation> {
    if input.peek().first().is_some_and(|&first| first != CONNECT_FIRST_BYTE) {
        return Err(Violation::ConnectMissing);
    }
    let Some(header) = peek(input.peek())? else {
        return Ok(None);
    };
    if header.remaining_bytes > limits.connect_bytes_max {
        return Err(Violation::ConnectTooLarge);
    }
    match take(input, header)? {
        None => Ok(None),
        Some(Packet::Connect(connect)) if connect.client_id.is_empty() && !connect.clean_session => {
            Err(Violation::ClientIdMissing)
        }
        Some(Packet::Connect(connect)) => Ok(Some(connect)),
        Some(_) => Err(Violation::ConnectMissing),
    }
}

/// Takes the packet that `header` announces, once all of it is there.
fn take<'b>(input: &mut Input<'b>, header: FixedHeader) -> Result<Option<Packet<'b>>, Malformed> {
    if input.len() < header.packet_bytes() {
        return Ok(None);
    }
    let packet = decode(input.take(header.packet_bytes()))?;
    debug_assert!(packet.is_some(), "a packet of the length in its header is whole");
    Ok(packet.map(|(packet, _)| packet))
}

/// What the header alone forbids, before a byte of the body is waited for.
fn admit(limits: &Limits, header: FixedHeader) -> Result<(), Violation> {
    match header.kind {
        Kind::Connect => Err(Violation::ConnectTwice),
        Kind::ConnAck | Kind::SubAck | Kind::UnsubAck | Kind::PingResp => {
            Err(Violation::ServerPacket(header.kind))
        }
        Kind::Publish
        | Kind::PubAck
        | Kind::PubRec
        | Kind::PubRel
        | Kind::PubComp
        | Kind::Subscribe
        | Kind::Unsubscribe
        | Kind::PingReq
        | Kind::Disconnect => {
            if header.remaining_bytes > limits.packet_bytes_max {
                return Err(Violation::PacketTooLarge);
            }
            Ok(())
        }
    }
}

impl Live {
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.owed.len() >= usize::from(limits.owed_max)
    }

    fn pull<'b>(
        &mut self,
        limits: &Limits,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Violation> {
        while !self.is_full(limits) {
            let Some(header) = peek(input.peek())? else {
                return Ok(None);
            };
            admit(limits, header)?;
            let Some(packet) = take(input, header)? else {
                return Ok(None);
            };
            if let Some(event) = self.hear(limits, packet, out)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// What a packet means; `None` when it is the session's business alone.
    fn hear<'b>(
        &mut self,
        limits: &Limits,
        packet: Packet<'b>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Violation> {
        let kept = &mut self.kept;
        Ok(match packet {
            Packet::Publish(publish) => self.arrive(limits, publish, out)?.map(Event::Publish),
            Packet::PubAck(id) => kept.outbound.land(id, Awaits::Ack)?.then_some(Event::Acked(id)),
            Packet::PubComp(id) => kept.outbound.land(id, Awaits::Complete)?.then_some(Event::Acked(id)),
            Packet::PubRec(id) => {
                kept.outbound.release(id, out)?;
                None
            }
            Packet::PubRel(id) => {
                kept.inbound.release(id)?;
                encode_pubcomp(out, id);
                None
            }
            Packet::Subscribe(subscribe) => {
                check_filters(limits, subscribe.filters().map(|(filter, _)| filter))?;
                Some(Event::Subscribe(subscribe))
            }
            Packet::Unsubscribe(unsubscribe) => {
                check_filters(limits, unsubscribe.filters())?;
                Some(Event::Unsubscribe(unsubscribe))
            }
            Packet::PingReq => {
                encode_pingresp(out);
                Some(Event::Ping)
            }
            Packet::Disconnect => Some(Event::Disconnect),
            Packet::Connect(_) => return Err(Violation::ConnectTwice),
            Packet::ConnAck(_) => return Err(Violation::ServerPacket(Kind::ConnAck)),
            Packet::SubAck(_) => return Err(Violation::ServerPacket(Kind::SubAck)),
            Packet::UnsubAck(_) => return Err(Violation::ServerPacket(Kind::UnsubAck)),
            Packet::PingResp => return Err(Violation::ServerPacket(Kind::PingResp)),
        })
    }

    /// A PUBLISH. One of QoS 2 that was told before is not told again.
    fn arrive<'b>(
        &mut self,
        limits: &Limits,
        publish: Publish<'b>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Arrival<'b>>, Violation> {
        if publish.topic.len() > limits.topic_bytes_max {
            return Err(Violation::TopicTooLong);
        }
        let receipt = match (publish.qos, publish.id) {
            (QoS::AtMostOnce, _) => None,
            (QoS::AtLeastOnce, Some(id)) => Some(self.owed.owe(id, Answer::PubAck)),
            (QoS::ExactlyOnce, Some(id)) => match self.kept.inbound.arrive(id, limits.qos2_open_max)? {
                Arrived::New => Some(self.owed.owe(id, Answer::PubRec)),
                Arrived::Told => return Ok(None),
                Arrived::Taken => {
                    self.owed.owe_again(id, Answer::PubRec);
                    self.owed.write_due(out);
                    return Ok(None);
                }
            },
            (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => return Err(Malformed::PacketIdZero.into()),
        };
        let Publish { topic, payload, qos, dup, retain, id } = publish;
        Ok(Some(Arrival { topic, payload, qos, dup, retain, id, receipt }))
    }
}

fn check_filters<'b>(
    limits: &Limits,
    filters: impl Iterator<Item = &'b str> + Clone,
) -> Result<(), Violation> {
    // One filter more than allowed is enough to know; a packet of a megabyte is not counted to its end.
    let most = usize::from(limits.filters_per_subscribe_max);
    if filters.clone().nth(most).is_some() {
        return Err(Violation::SubscribeTooLong);
    }
    let too_long = filters.clone().any(|filter| filter.len() > limits.topic_bytes_max);
    if too_long { Err(Violation::TopicTooLong) } else { Ok(()) }
}
