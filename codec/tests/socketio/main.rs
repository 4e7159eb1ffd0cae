//! Socket.IO from outside: the vectors, round trips of generated packets, and the reference implementation's answers as a
//! second opinion.
//!
//! It owns how packets are shown and written again.

mod differential;
#[path = "../ws/notation.rs"]
mod notation;
mod round_trip;
mod vectors;

use codec::socketio::{
    Head, Packet, decode, encode_ack, encode_connect, encode_connect_error, encode_disconnect, encode_event,
};

/// Writes a packet from what was read of it.
fn write(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match packet {
        Packet::Connect { namespace, data } => {
            encode_connect(&mut out, namespace, &[data.map_or(&[][..], |data| data.as_bytes())]);
        }
        Packet::Disconnect { namespace } => encode_disconnect(&mut out, namespace),
        Packet::Event(event) => {
            let head = Head { namespace: event.namespace, attachments: event.attachments };
            let (mut scratch, name) = (String::new(), event.call.name());
            let name = name.text(&mut scratch).expect("a name is a string");
            encode_event(&mut out, head, event.id, name, &[event.call.list().as_bytes()]);
        }
        Packet::Ack(ack) => {
            let head = Head { namespace: ack.namespace, attachments: ack.attachments };
            encode_ack(&mut out, head, ack.id, &[ack.arguments.list().as_bytes()]);
        }
        Packet::ConnectError { namespace, data } => {
            encode_connect_error(&mut out, namespace, &[data.as_bytes()]);
        }
    }
    out
}

/// What a packet says, however it is spelled.
fn show(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Connect { namespace, data } => {
            format!("CONNECT {namespace} {}", data.map_or("-", |data| data.as_str()))
        }
        Packet::Disconnect { namespace } => format!("DISCONNECT {namespace}"),
        Packet::Event(event) => {
            let id = event.id.map_or("-".to_owned(), |id| id.to_string());
            let (name, list) = (event.call.name().as_str(), event.call.list());
            format!("EVENT {} {id} {} {name} {list}", event.namespace, event.attachments)
        }
        Packet::Ack(ack) => {
            format!("ACK {} {} {} {}", ack.namespace, ack.id, ack.attachments, ack.arguments.list())
        }
        Packet::ConnectError { namespace, data } => format!("CONNECT_ERROR {namespace} {}", data.as_str()),
    }
}

/// Fails unless what was read from `message` and written again says the same.
fn assert_faithful(message: &[u8]) {
    let Ok(packet) = decode(message) else { return };
    let written = write(&packet);
    let again = decode(&written).unwrap_or_else(|malformed| panic!("{malformed}: {written:?}"));
    assert_eq!(write(&again), written, "{packet:?}");
    if let (Packet::Event(one), Packet::Event(other)) = (&packet, &again) {
        assert_eq!(
            (one.id, one.attachments, one.call.list()),
            (other.id, other.attachments, other.call.list())
        );
    } else {
        assert_eq!(show(&packet), show(&again));
    }
}
