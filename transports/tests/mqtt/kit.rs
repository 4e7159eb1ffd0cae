//! A session on a bench: a clock that stands still, a carry, and what was told and written.
//!
//! Owns the spelling of a client's packets. It never answers an event by itself.

use codec::mqtt::{
    Connect, Packet, PacketId, PublishHead, QoS, SubscribeCode, decode, encode_publish, encode_subscribe,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::input::Input;
use transports::mqtt::{Event, Limits, Receipt, Resumed, Session, Violation};

/// An event that owns what it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Connect { client_id: String, clean_session: bool, username: Option<String>, will_topic: Option<String> },
    Publish { topic: String, payload: Vec<u8>, qos: QoS, dup: bool, retain: bool, receipt: Option<Receipt> },
    Subscribe { id: PacketId, filters: Vec<(String, QoS)> },
    Unsubscribe { id: PacketId, filters: Vec<String> },
    Acked(u16),
    Ping,
    Disconnect,
}

impl Told {
    /// The receipt of an arrived message.
    pub(crate) fn receipt(&self) -> Receipt {
        match self {
            Self::Publish { receipt: Some(receipt), .. } => *receipt,
            other => panic!("no receipt in {other:?}"),
        }
    }
}

impl From<Event<'_>> for Told {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Connect(connect) => Self::Connect {
                client_id: connect.client_id.to_owned(),
                clean_session: connect.clean_session,
                username: connect.username.map(str::to_owned),
                will_topic: connect.will.map(|will| will.topic.to_owned()),
            },
            Event::Publish(arrival) => {
                assert_eq!(
                    arrival.id,
                    arrival.receipt.map(Receipt::id),
                    "the receipt is that of the message"
                );
                Self::Publish {
                    topic: arrival.topic.to_owned(),
                    payload: arrival.payload.to_owned(),
                    qos: arrival.qos,
                    dup: arrival.dup,
                    retain: arrival.retain,
                    receipt: arrival.receipt,
                }
            }
            Event::Subscribe(subscribe) => Self::Subscribe {
                id: subscribe.id,
                filters: subscribe.filters().map(|(filter, qos)| (filter.to_owned(), qos)).collect(),
            },
            Event::Unsubscribe(unsubscribe) => Self::Unsubscribe {
                id: unsubscribe.id,
                filters: unsubscribe.filters().map(str::to_owned).collect(),
            },
            Event::Acked(id) => Self::Acked(id.value()),
            Event::Ping => Self::Ping,
            Event::Disconnect => Self::Disconnect,
        }
    }
}

/// A session with what a core keeps around it.
pub(crate) struct Bench {
    pub(crate) session: Session,
    pub(crate) now: Instant,
    /// Received, not taken.
    pub(crate) carry: Vec<u8>,
    /// Written, not yet read by the client.
    pub(crate) out: Vec<u8>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let now = any_moment();
        Self { session: Session::new(Arc::new(limits), now), now, carry: Vec::new(), out: Vec::new() }
    }

    /// A connection that was accepted with nothing to resume.
    pub(crate) fn live() -> Self {
        Self::live_with(Limits::default())
    }

    pub(crate) fn live_with(limits: Limits) -> Self {
        Self::resumed(limits, None)
    }

    /// A connection that was accepted; its CONNACK is read.
    pub(crate) fn resumed(limits: Limits, resumed: Option<Resumed>) -> Self {
        let mut bench = Self::with(limits);
        bench.receive(&connect()).unwrap();
        let session_present = resumed.is_some();
        bench.session.accept(resumed, session_present, &mut bench.out, bench.now);
        assert_eq!(bench.out[..4], [0x20, 2, u8::from(session_present), 0]);
        bench.out.drain(..4);
        bench
    }

    /// Receives `bytes` and pulls all events; the tenant says nothing.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Told>, Violation> {
        let mut told = Vec::new();
        self.receive_with(bytes, |_, event, _| told.push(event.into()))?;
        Ok(told)
    }

    /// Receives `bytes` and hands every event, with the session and the out buffer, to `tenant`.
    pub(crate) fn receive_with(
        &mut self,
        bytes: &[u8],
        mut tenant: impl FnMut(&mut Session, Event<'_>, &mut Vec<u8>),
    ) -> Result<(), Violation> {
        self.carry.extend_from_slice(bytes);
        let mut input = Input::new(&mut self.carry);
        let ended = loop {
            match self.session.next(&mut input, &mut self.out, self.now) {
                Ok(Some(event)) => tenant(&mut self.session, event, &mut self.out),
                Ok(None) => break Ok(()),
                Err(violation) => break Err(violation),
            }
        };
        let taken = input.taken();
        self.carry.drain(..taken);
        ended
    }

    pub(crate) fn acknowledge(&mut self, receipt: Receipt) {
        self.session.acknowledge(receipt, &mut self.out);
    }

    pub(crate) fn publish(&mut self, qos: QoS) -> PacketId {
        let id = self.session.publish(&["to/", "device"], &[b"pay", b"load"], qos, &mut self.out);
        id.unwrap().unwrap()
    }

    /// Lets time pass and tells the session.
    pub(crate) fn pass(&mut self, time: Duration) -> Result<(), Violation> {
        self.now += time;
        self.session.handle_timeout(self.now)
    }

    /// What the client reads; whole packets only.
    pub(crate) fn written(&mut self) -> Vec<u8> {
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            let (_, bytes) = decode(rest).unwrap().expect("only whole packets are written");
            rest = &rest[bytes..];
        }
        std::mem::take(&mut self.out)
    }
}

/// Where the clock stands in the beginning; the sessions themselves never read one.
#[expect(clippy::disallowed_methods, reason = "std offers no other way to any Instant")]
pub(crate) fn any_moment() -> Instant {
    Instant::now()
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

pub(crate) const GREETING: Connect<'static> = Connect {
    client_id: "lua-agent-lamp",
    clean_session: false,
    keep_alive_s: 60,
    will: None,
    username: Some("agent:lamp"),
    password: Some(b"api_secret"),
};

/// The bytes of a CONNECT with a persistent session and a keep alive of 60 s.
pub(crate) fn connect() -> Vec<u8> {
    connect_as(GREETING)
}

pub(crate) fn connect_as(connect: Connect<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    connect.encode(&mut bytes).unwrap();
    bytes
}

/// A PUBLISH with the topic `t` and the payload `p`.
pub(crate) fn publish(qos: QoS, number: u16) -> Vec<u8> {
    publish_as(PublishHead { qos, dup: false, retain: false, id: PacketId::new(number) })
}

pub(crate) fn publish_as(head: PublishHead) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_publish(&mut bytes, head, &["t"], &[b"p"]).unwrap();
    bytes
}

/// A SUBSCRIBE with that many filters.
pub(crate) fn subscribe(number: u16, filters: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_subscribe(&mut bytes, id(number), &vec![("a/b", QoS::AtLeastOnce); filters]).unwrap();
    bytes
}

/// Any of the packets that hold nothing but an identifier.
fn bare(first: u8, number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    vec![first, 2, high, low]
}

pub(crate) fn puback(number: u16) -> Vec<u8> {
    bare(0x40, number)
}

pub(crate) fn pubrec(number: u16) -> Vec<u8> {
    bare(0x50, number)
}

pub(crate) fn pubrel(number: u16) -> Vec<u8> {
    bare(0x62, number)
}

pub(crate) fn pubcomp(number: u16) -> Vec<u8> {
    bare(0x70, number)
}

pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0];
pub(crate) const PINGRESP: [u8; 2] = [0xd0, 0];
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];
pub(crate) const GRANTED: [SubscribeCode; 1] = [SubscribeCode::Granted(QoS::AtLeastOnce)];

/// The packets a client reads.
pub(crate) fn packets(mut bytes: &[u8]) -> Vec<Packet<'_>> {
    let mut packets = Vec::new();
    while let Some((packet, taken)) = decode(bytes).unwrap() {
        packets.push(packet);
        bytes = &bytes[taken..];
    }
    assert!(bytes.is_empty());
    packets
}
