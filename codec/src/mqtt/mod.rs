//! MQTT 3.1.1 (OASIS Standard, 29 October 2014): its fourteen control packets.
//!
//! One file holds each packet, or each shape where several packets have the same one. Decoding borrows from the bytes
//! and allocates nothing; encoding appends to a `Vec<u8>`. Whatever is decoded obeys every rule of the specification
//! that can be judged from one packet alone, and a broken rule is a [`Malformed`] that names it.
//!
//! It never judges what needs a memory or a meaning: which packet may come now, which identifier is in use, which
//! names, topics and sizes are welcome. It knows no other version of the protocol.
//!
//! # Example
//!
//! ```
//! use codec::mqtt::{Packet, QoS, decode};
//!
//! let received = b"\x32\x07\x00\x01t\x00\x09hi\xc0\x00";
//! let Ok(Some((Packet::Publish(publish), consumed))) = decode(received) else { panic!("a whole PUBLISH") };
//! assert_eq!((publish.topic, publish.payload, publish.qos), ("t", &b"hi"[..], QoS::AtLeastOnce));
//! assert_eq!(decode(&received[consumed..]), Ok(Some((Packet::PingReq, 2))));
//! assert_eq!(decode(&received[..consumed - 1]), Ok(None));
//! ```

mod ack;
mod bare;
mod connack;
mod connect;
pub mod filter;
mod header;
mod malformed;
mod packet_id;
mod publish;
mod qos;
mod suback;
mod subscribe;
mod text;
mod unsubscribe;

pub use ack::{encode_puback, encode_pubcomp, encode_pubrec, encode_pubrel, encode_unsuback};
pub use bare::{encode_disconnect, encode_pingreq, encode_pingresp};
pub use connack::{ConnAck, ConnectCode};
pub use connect::{Connect, Will};
pub use header::{FixedHeader, Kind, peek};
pub use malformed::{Malformed, Misuse};
pub use packet_id::PacketId;
pub use publish::{Publish, PublishHead, encode_publish};
pub use qos::QoS;
pub use suback::{SubAck, SubscribeCode, encode_suback};
pub use subscribe::{Subscribe, encode_subscribe};
pub use unsubscribe::{Unsubscribe, encode_unsubscribe};

/// One control packet, borrowed from the bytes it was read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packet<'a> {
    /// Client to server: asks for a connection.
    Connect(Connect<'a>),
    /// Server to client: the answer to CONNECT.
    ConnAck(ConnAck),
    /// Either way: an application message.
    Publish(Publish<'a>),
    /// Either way: acknowledges a QoS 1 PUBLISH.
    PubAck(PacketId),
    /// Either way: a QoS 2 PUBLISH was received.
    PubRec(PacketId),
    /// Either way: a QoS 2 PUBLISH may be released.
    PubRel(PacketId),
    /// Either way: a QoS 2 PUBLISH is complete.
    PubComp(PacketId),
    /// Client to server: asks for messages.
    Subscribe(Subscribe<'a>),
    /// Server to client: the answer to SUBSCRIBE.
    SubAck(SubAck<'a>),
    /// Client to server: asks for no more messages.
    Unsubscribe(Unsubscribe<'a>),
    /// Server to client: the answer to UNSUBSCRIBE.
    UnsubAck(PacketId),
    /// Client to server: are you there?
    PingReq,
    /// Server to client: yes.
    PingResp,
    /// Client to server: goodbye.
    Disconnect,
}

/// Reads the packet at the start of `bytes` and tells how many bytes it took; `Ok(None)` means that it is not whole.
///
/// A packet's fields are judged when all of it is there, its fixed header as early as [`peek`] does. How much may be
/// kept for a packet that is not whole is the caller's rule; `peek` tells the declared length in time.
///
/// # Errors
///
/// [`Malformed`] names the first rule that is broken, in the order of the bytes where they decide.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    let Some(header) = peek(bytes)? else { return Ok(None) };
    let packet_bytes = header.packet_bytes();
    let Some(body) = bytes.get(header.header_bytes..packet_bytes) else { return Ok(None) };
    // A busy connection is made of PUBLISH: it gets a short way that can be inlined without the other shapes.
    if header.kind == Kind::Publish {
        return Ok(Some((Packet::Publish(Publish::decode(header.flags, body)?), packet_bytes)));
    }
    decode_any(header, body)
}

/// Answers like [`decode`], so that nothing is copied on the way back.
#[inline(never)]
fn decode_any(header: FixedHeader, body: &[u8]) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    let packet = match header.kind {
        Kind::Connect => Packet::Connect(Connect::decode(body)?),
        Kind::ConnAck => Packet::ConnAck(ConnAck::decode(body)?),
        Kind::Publish => Packet::Publish(Publish::decode(header.flags, body)?),
        Kind::PubAck => Packet::PubAck(ack::decode(body)?),
        Kind::PubRec => Packet::PubRec(ack::decode(body)?),
        Kind::PubRel => Packet::PubRel(ack::decode(body)?),
        Kind::PubComp => Packet::PubComp(ack::decode(body)?),
        Kind::Subscribe => Packet::Subscribe(Subscribe::decode(body)?),
        Kind::SubAck => Packet::SubAck(SubAck::decode(body)?),
        Kind::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(body)?),
        Kind::UnsubAck => Packet::UnsubAck(ack::decode(body)?),
        Kind::PingReq => Packet::PingReq,
        Kind::PingResp => Packet::PingResp,
        Kind::Disconnect => Packet::Disconnect,
    };
    Ok(Some((packet, header.packet_bytes())))
}

impl Packet<'_> {
    /// Which of the fourteen it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Connect(_) => Kind::Connect,
            Self::ConnAck(_) => Kind::ConnAck,
            Self::Publish(_) => Kind::Publish,
            Self::PubAck(_) => Kind::PubAck,
            Self::PubRec(_) => Kind::PubRec,
            Self::PubRel(_) => Kind::PubRel,
            Self::PubComp(_) => Kind::PubComp,
            Self::Subscribe(_) => Kind::Subscribe,
            Self::SubAck(_) => Kind::SubAck,
            Self::Unsubscribe(_) => Kind::Unsubscribe,
            Self::UnsubAck(_) => Kind::UnsubAck,
            Self::PingReq => Kind::PingReq,
            Self::PingResp => Kind::PingResp,
            Self::Disconnect => Kind::Disconnect,
        }
    }

    /// Appends the packet. What was decoded is written as it was read, with the shortest remaining length.
    ///
    /// # Errors
    ///
    /// [`Misuse`] for a packet put together by hand that cannot be written; nothing was appended.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Misuse> {
        match self {
            Self::Connect(connect) => connect.encode(out)?,
            Self::ConnAck(connack) => connack.encode(out),
            Self::Publish(publish) => publish.encode(out)?,
            Self::PubAck(id) => encode_puback(out, *id),
            Self::PubRec(id) => encode_pubrec(out, *id),
            Self::PubRel(id) => encode_pubrel(out, *id),
            Self::PubComp(id) => encode_pubcomp(out, *id),
            Self::Subscribe(subscribe) => subscribe.encode(out),
            Self::SubAck(suback) => suback.encode(out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(out),
            Self::UnsubAck(id) => encode_unsuback(out, *id),
            Self::PingReq => encode_pingreq(out),
            Self::PingResp => encode_pingresp(out),
            Self::Disconnect => encode_disconnect(out),
        }
        Ok(())
    }
}
