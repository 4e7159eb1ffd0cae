//! Engine.IO sessions from outside: whole conversations over both transports, the change between them, the clock, and each
//! rule broken once.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a moment can only be had from the clock")]

mod conversations;
mod rules;

use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::engineio::{Event, Limits, Session, Violation, Voice};

const SID: &str = "abc";
/// The ping interval of these tests.
const INTERVAL: Duration = Duration::from_millis(300);
/// Their ping timeout.
const TIMEOUT: Duration = Duration::from_millis(200);

fn limits() -> Arc<Limits> {
    Arc::new(Limits {
        ping_interval: INTERVAL,
        ping_timeout: TIMEOUT,
        queue_bytes_max: 100,
        ..Limits::default()
    })
}

/// A session that polls, whose open packet was fetched.
fn polling(now: Instant) -> Session {
    let mut session = Session::polling(limits(), SID, now);
    session.poll(now).unwrap();
    assert!(session.take_answer().unwrap().starts_with(b"0{"));
    session
}

/// A session over a WebSocket, whose open packet was said.
fn websocket(now: Instant) -> Session {
    let mut out = Vec::new();
    let session = Session::websocket(limits(), SID, &mut out, now);
    assert!(texts(&out)[0].starts_with("0{"));
    session
}

/// The body of a POST, heard to its end; the messages in it.
fn post(session: &mut Session, body: &[u8], now: Instant) -> Result<Vec<String>, Violation> {
    let mut heard = Vec::new();
    for packet in codec::engineio::payload(body).map_err(|malformed| session.fail(malformed.into()))? {
        let packet = packet.map_err(|malformed| session.fail(malformed.into()))?;
        match session.hear(packet, now)? {
            Some(Event::Text(text)) => heard.push(text.to_owned()),
            Some(Event::Binary(binary)) => {
                let mut bytes = Vec::new();
                binary.append_to(&mut bytes);
                heard.push(format!("{bytes:?}"));
            }
            Some(Event::Closed) => heard.push("closed".to_owned()),
            Some(Event::Upgraded) => heard.push("upgraded".to_owned()),
            None => {}
        }
    }
    Ok(heard)
}

fn say(session: &mut Session, out: &mut Vec<u8>, text: &str) {
    Voice { session, out }.text(|out| out.extend_from_slice(text.as_bytes()));
}

/// The messages of our frames.
fn frames(mut bytes: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (header, consumed) = codec::ws::decode(bytes).unwrap().unwrap();
        assert!(header.fin && header.key.is_none());
        let is_text = header.opcode == codec::ws::OpCode::Data(codec::ws::Data::Text);
        let (payload, rest) = bytes[consumed..].split_at(header.payload_bytes as usize);
        frames.push((is_text, payload.to_vec()));
        bytes = rest;
    }
    frames
}

fn texts(bytes: &[u8]) -> Vec<String> {
    frames(bytes).into_iter().map(|(_, payload)| String::from_utf8_lossy(&payload).into_owned()).collect()
}
