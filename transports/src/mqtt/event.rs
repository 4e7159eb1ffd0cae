//! What a client said, as far as its tenant has to know.
//!
//! Owns the list of events. It never holds bytes of its own: everything is borrowed from the received ones.

use super::Receipt;
use codec::mqtt::{Connect, PacketId, QoS, Subscribe, Unsubscribe};
use std::fmt;

/// One thing that happened; it borrows from the received bytes (`'b`), not from the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<'b> {
    /// The first packet (3.1). Nothing more is taken until [`Session::accept`](super::Session::accept) or
    /// [`Session::refuse`](super::Session::refuse).
    Connect(Connect<'b>),
    /// A message (3.3).
    Publish(Arrival<'b>),
    /// A request for messages (3.8), to be answered by [`Session::suback`](super::Session::suback) with one code for
    /// each filter.
    Subscribe(Subscribe<'b>),
    /// A request for no more messages (3.10), to be answered by [`Session::unsuback`](super::Session::unsuback).
    Unsubscribe(Unsubscribe<'b>),
    /// Our own message is at the other end: PUBACK (3.4) or PUBCOMP (3.7) came, and its identifier is free again.
    Acked(PacketId),
    /// A PINGREQ (3.12), which has been answered.
    Ping,
    /// The client says goodbye (3.14): its will must be discarded [MQTT-3.14.4-3]. Nothing more is taken.
    Disconnect,
}

/// A message of the client.
#[derive(Clone, PartialEq, Eq)]
pub struct Arrival<'b> {
    /// Topic name: not empty, no wildcard, no control character, at most 65 535 bytes.
    pub topic: &'b str,
    /// The application message; may be empty.
    pub payload: &'b [u8],
    /// Quality of service.
    pub qos: QoS,
    /// The client may have sent this before. Whether it is a duplicate is the tenant's judgement at QoS 1; at QoS 2
    /// the session has judged that it is none.
    pub dup: bool,
    /// The client asks to keep the message for later subscribers.
    pub retain: bool,
    /// Present exactly when `qos` is not [`QoS::AtMostOnce`].
    pub id: Option<PacketId>,
    /// To be handed to [`Session::acknowledge`](super::Session::acknowledge) when the message is taken over. Present
    /// exactly when `qos` is not [`QoS::AtMostOnce`].
    pub receipt: Option<Receipt>,
}

impl fmt::Debug for Arrival<'_> {
    /// Shows how long the payload is, not what it says: devices send their keys in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("dup", &self.dup)
            .field("retain", &self.retain)
            .field("id", &self.id)
            .field("receipt", &self.receipt)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_keeps_the_payload_to_itself() {
        let arrival = Arrival {
            topic: "t",
            payload: b"secret",
            qos: QoS::AtMostOnce,
            dup: false,
            retain: false,
            id: None,
            receipt: None,
        };
        let shown = format!("{:?}", Event::Publish(arrival));
        assert!(!shown.contains("secret") && shown.contains("payload_bytes: 6"), "{shown}");
    }
}
