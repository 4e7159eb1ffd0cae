//! Engine.IO from outside: the vectors, round trips of generated packets, and the reference implementation's answers as a
//! second opinion.
//!
//! It owns how packets are shown.

mod differential;
#[path = "../ws/notation.rs"]
mod notation;
mod round_trip;
mod vectors;

use codec::engineio::{Malformed, Packet, decode, payload};

/// The packet of a text message.
fn packet_view(message: &[u8]) -> Result<String, Malformed> {
    decode(message).map(|packet| show(&packet))
}

/// The packets of a body.
fn payload_view(body: &[u8]) -> Result<String, Malformed> {
    let packets: Vec<_> = payload(body)?.collect::<Result<_, _>>()?;
    Ok(packets.iter().map(show).collect::<Vec<_>>().join("|"))
}

fn show(packet: &Packet<'_>) -> String {
    let (kind, data) = match packet {
        Packet::Open(data) => ("OPEN", (*data).to_owned()),
        Packet::Close => ("CLOSE", String::new()),
        Packet::Ping(data) => ("PING", (*data).to_owned()),
        Packet::Pong(data) => ("PONG", (*data).to_owned()),
        Packet::Message(data) => ("MESSAGE", data.replace('\u{1e}', "<1e>")),
        Packet::Upgrade => ("UPGRADE", String::new()),
        Packet::Noop => ("NOOP", String::new()),
        Packet::Binary(base64) => {
            let mut bytes = Vec::new();
            base64.decode(&mut bytes);
            ("BINARY", bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
    };
    format!("{kind} {data}").trim_end().to_owned()
}

/// Fails unless the packets of a body, written again, are the body: there is one spelling.
fn assert_faithful(body: &[u8]) {
    let Ok(packets) = payload(body).and_then(|packets| packets.collect::<Result<Vec<_>, _>>()) else {
        return;
    };
    let mut written = Vec::new();
    for (position, packet) in packets.iter().enumerate() {
        if position > 0 {
            written.push(0x1e);
        }
        packet.encode(&mut written);
    }
    assert_eq!(written, body);
}
