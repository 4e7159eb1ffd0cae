//! The crate tungstenite as a second opinion: on canonical frames both sides hear the same messages and answer alike.

use crate::kit::*;
use codec::ws::encode_masked;
use proptest::prelude::*;
use std::io::{self, Read, Write};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// A connection of which everything was received.
struct Wire {
    received: io::Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.received.read(room)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            bytes => Ok(bytes),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What they hear, whether they find fault, and what they write.
fn their_side(bytes: &[u8]) -> (Vec<Told>, bool, Vec<u8>) {
    let wire = Wire { received: io::Cursor::new(bytes.to_vec()), written: Vec::new() };
    let mut socket = WebSocket::from_raw_socket(wire, Role::Server, Some(WebSocketConfig::default()));
    let mut told = Vec::new();
    let fault = loop {
        match socket.read() {
            Ok(Message::Text(text)) => told.push(Told::Text(text.to_string())),
            Ok(Message::Binary(bytes)) => told.push(Told::Binary(bytes.to_vec())),
            Ok(Message::Close(close)) => told.push(Told::Closed(close.map(|close| close.code))),
            Ok(_) => {}
            Err(Error::Io(_) | Error::ConnectionClosed) => break false,
            Err(_) => break true,
        }
    };
    drop(socket.flush());
    (told, fault, std::mem::take(&mut socket.get_mut().written))
}

/// A canonical frame: legal in itself, wherever it stands.
fn canonical() -> impl Strategy<Value = (bool, codec::ws::OpCode, Vec<u8>, [u8; 4])> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "[a-z\u{e9}\u{20ac}]{0,60}".prop_map(String::into_bytes),
        prop::collection::vec(Just(b'x'), 120..300),
    ];
    let data = (any::<bool>(), prop_oneof![Just(TEXT), Just(BINARY), Just(CONTINUE)], payload);
    let control =
        (Just(true), prop_oneof![Just(PING), Just(PONG)], prop::collection::vec(any::<u8>(), 0..126));
    (prop_oneof![4 => data, 1 => control], any::<[u8; 4]>())
        .prop_map(|((fin, opcode, payload), key)| (fin, opcode, payload, key))
}

proptest! {
    #[test]
    fn both_hear_the_same_in_any_order_of_canonical_frames(frames_sent in prop::collection::vec(canonical(), 0..12)) {
        let mut bytes = Vec::new();
        for (fin, opcode, payload, key) in &frames_sent {
            encode_masked(&mut bytes, *fin, *opcode, *key, payload);
        }
        let (theirs, their_fault, _) = their_side(&bytes);
        let mut peer = Messages::new();
        let (ours, broken) = peer.receive(&bytes);
        prop_assert_eq!(ours, theirs);
        prop_assert_eq!(broken.is_some(), their_fault, "{:?}", broken);
    }

    #[test]
    fn both_answer_goodbyes_and_pings_alike(pings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..126), 0..2), code in prop_oneof![1000..1004_u16, 1007..1012_u16, 3000..5000_u16]) {
        let mut bytes = Vec::new();
        for payload in &pings {
            bytes.extend(frame(PING, payload));
        }
        bytes.extend(goodbye(code));
        let (theirs, fault, written) = their_side(&bytes);
        let mut peer = Messages::new();
        let ours = peer.hear(&bytes);
        prop_assert_eq!((ours, false), (theirs, fault));
        let goodbyes = |bytes: &[u8]| frames(bytes).into_iter().filter(|(opcode, _)| *opcode == CLOSE).collect::<Vec<_>>();
        prop_assert_eq!(goodbyes(&peer.out), goodbyes(&written));
        // They answer only the last of several pings, as 5.5.3 allows; we answer each.
        prop_assert_eq!(frames(&peer.out).len(), pings.len() + 1);
    }
}
