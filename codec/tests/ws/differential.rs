//! The crate tungstenite as a second opinion, both ways, on frames that have only one reading.
//!
//! It owns the list of what only one side accepts, each with the clause that decides.

use crate::payload;
use crate::round_trip::header;
use codec::ws::{
    Close, CloseCode, Control, Data, FrameHeader, Malformed, OpCode, decode, decode_close, encode_close,
    encode_masked,
};
use proptest::prelude::*;
use std::io::{self, Cursor, Read, Write};
use tungstenite::protocol::frame::FrameHeader as TheirHeader;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Bytes, Error, Message, WebSocket};

/// Bytes to be read, and what is written.
struct Wire {
    to_read: Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Wire {
    fn with(bytes: Vec<u8>) -> Self {
        Self { to_read: Cursor::new(bytes), written: Vec::new() }
    }
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.to_read.read(room)
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

/// What their server makes of these bytes: messages up to the first error.
fn their_reading(bytes: Vec<u8>) -> (Vec<Message>, Error) {
    let mut server = WebSocket::from_raw_socket(Wire::with(bytes), Role::Server, None);
    let mut messages = Vec::new();
    loop {
        match server.read() {
            Ok(message) => messages.push(message),
            Err(error) => return (messages, error),
        }
    }
}

/// What these bytes say, read by ours: fragments joined, whole messages only.
fn our_reading(mut bytes: &[u8]) -> Vec<Message> {
    let (mut messages, mut joined, mut kind) = (Vec::new(), Vec::new(), Data::Continue);
    while let Some((header, consumed)) = decode(bytes).expect("canonical frames") {
        let payload = payload(&header, &bytes[consumed..]);
        bytes = &bytes[consumed + payload.len()..];
        match header.opcode {
            OpCode::Control(control) => messages.push(control_message(control, &payload)),
            OpCode::Data(data) => {
                if data != Data::Continue {
                    kind = data;
                }
                joined.extend(payload);
                if header.fin {
                    messages.push(data_message(kind, std::mem::take(&mut joined)));
                }
            }
        }
    }
    messages
}

fn control_message(control: Control, payload: &[u8]) -> Message {
    match control {
        Control::Ping => Message::Ping(Bytes::copy_from_slice(payload)),
        Control::Pong => Message::Pong(Bytes::copy_from_slice(payload)),
        Control::Close => {
            let Close { code, reason } = decode_close(payload).expect("a legal close");
            Message::Close(code.map(|code| CloseFrame { code, reason: reason.into() }))
        }
        Control::Reserved(number) => panic!("{number} was decoded"),
    }
}

fn data_message(kind: Data, payload: Vec<u8>) -> Message {
    match kind {
        Data::Text => Message::Text(String::from_utf8(payload).expect("text is UTF-8").into()),
        Data::Binary => Message::Binary(payload.into()),
        other => panic!("{other:?} is no message"),
    }
}

/// A message and how it is cut into frames.
#[derive(Clone, Debug)]
enum Said {
    Text(Vec<String>),
    Binary(Vec<Vec<u8>>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn said() -> impl Strategy<Value = Said> {
    let small = || prop::collection::vec(any::<u8>(), 0..126);
    let large = prop::collection::vec(any::<u8>(), 0..400);
    prop_oneof![
        prop::collection::vec("\\PC{0,80}", 1..4).prop_map(Said::Text),
        prop::collection::vec(large, 1..4).prop_map(Said::Binary),
        small().prop_map(Said::Ping),
        small().prop_map(Said::Pong),
    ]
}

/// Appends the frames of a message; a ping goes between two fragments.
fn say(said: &Said, key: [u8; 4], bytes: &mut Vec<u8>) {
    let (kind, fragments): (_, Vec<&[u8]>) = match said {
        Said::Text(fragments) => (Data::Text, fragments.iter().map(|text| text.as_bytes()).collect()),
        Said::Binary(fragments) => (Data::Binary, fragments.iter().map(Vec::as_slice).collect()),
        Said::Ping(payload) => {
            return encode_masked(bytes, true, OpCode::Control(Control::Ping), key, payload);
        }
        Said::Pong(payload) => {
            return encode_masked(bytes, true, OpCode::Control(Control::Pong), key, payload);
        }
    };
    for (position, fragment) in fragments.iter().enumerate() {
        let opcode = OpCode::Data(if position == 0 { kind } else { Data::Continue });
        let fin = position + 1 == fragments.len();
        encode_masked(bytes, fin, opcode, key, fragment);
        if !fin {
            encode_masked(bytes, true, OpCode::Control(Control::Ping), key, b"between");
        }
    }
}

proptest! {
    #[test]
    fn both_read_what_we_write(sayings in prop::collection::vec((said(), any::<[u8; 4]>()), 0..8), code in 3000..5000_u16) {
        let mut bytes = Vec::new();
        for (said, key) in &sayings {
            say(said, *key, &mut bytes);
        }
        let mut body = Vec::new();
        encode_close(&mut body, Close { code: Some(CloseCode::from(code)), reason: "over" });
        encode_masked(&mut bytes, true, OpCode::Control(Control::Close), [1, 2, 3, 4], &body[2..]);
        let ours = our_reading(&bytes);
        let (theirs, end) = their_reading(bytes);
        prop_assert_eq!(ours, theirs);
        prop_assert!(matches!(end, Error::ConnectionClosed), "{:?}", end);
    }

    #[test]
    fn we_read_what_they_write(sayings in prop::collection::vec(said(), 0..8)) {
        let config = WebSocketConfig::default();
        let mut client = WebSocket::from_raw_socket(Wire::with(Vec::new()), Role::Client, Some(config));
        let mut messages = Vec::new();
        for said in sayings {
            messages.push(match said {
                Said::Text(fragments) => Message::Text(fragments.concat().into()),
                Said::Binary(fragments) => Message::Binary(fragments.concat().into()),
                Said::Ping(payload) => Message::Ping(payload.into()),
                Said::Pong(payload) => Message::Pong(payload.into()),
            });
            client.send(messages.last().unwrap().clone()).unwrap();
        }
        let written = &client.get_ref().written;
        prop_assert!(decode(written).unwrap().is_none_or(|(header, _)| header.key.is_some()));
        prop_assert_eq!(our_reading(written), messages);
    }

    #[test]
    fn both_write_and_read_the_same_headers(header in header()) {
        let theirs = TheirHeader { is_final: header.fin, opcode: header.opcode, mask: header.key, ..TheirHeader::default() };
        let (mut our_bytes, mut their_bytes) = (Vec::new(), Vec::new());
        header.encode(&mut our_bytes);
        theirs.format(header.payload_bytes, &mut their_bytes).unwrap();
        prop_assert_eq!(&our_bytes, &their_bytes);
        let (read, payload_bytes) = TheirHeader::parse(&mut Cursor::new(&our_bytes)).unwrap().unwrap();
        prop_assert_eq!((read, payload_bytes), (theirs, header.payload_bytes));
    }

    #[test]
    fn what_we_accept_they_read_alike(bytes in prop::collection::vec(any::<u8>(), 2..20)) {
        if let Ok(Some((header, consumed))) = decode(&bytes) {
            let FrameHeader { fin, opcode, key, payload_bytes } = header;
            let mut cursor = Cursor::new(&bytes);
            let (theirs, length) = TheirHeader::parse(&mut cursor).unwrap().unwrap();
            prop_assert_eq!((theirs.is_final, theirs.opcode, theirs.mask, length), (fin, opcode, key, payload_bytes));
            prop_assert_eq!(cursor.position(), consumed as u64);
        }
    }
}

/// Headers that we refuse and their header parser reads. Their socket refuses some of them later.
const ONLY_THEIR_HEADER: [(&[u8], Malformed); 7] = [
    (&[0xc1, 0x80, 0, 0, 0, 0], Malformed::ReservedBits), // 5.2: RSV1
    (&[0x81, 0xfe, 0x00, 0x05, 0, 0, 0, 0], Malformed::LengthNotMinimal), // 5.2: 16 bits for 5
    (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], Malformed::LengthNotMinimal), // 5.2: 64 bits for 256
    (&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], Malformed::LengthTopBit), // 5.2
    (&[0x09, 0x80, 0, 0, 0, 0], Malformed::ControlFragmented), // 5.5
    (&[0x89, 0xfe, 0x00, 0xc8, 0, 0, 0, 0], Malformed::ControlTooLong), // 5.5: a ping of 200 bytes
    (&[0x88, 0xfe, 0x00, 0x05, 0, 0, 0, 0], Malformed::ControlTooLong), // 5.5: 126 is not "125 bytes or less"
];

#[test]
fn refuses_by_clause_what_their_header_parser_lets_pass() {
    for (bytes, malformed) in ONLY_THEIR_HEADER {
        assert_eq!(decode(bytes), Err(malformed));
        assert!(TheirHeader::parse(&mut Cursor::new(bytes)).unwrap().is_some(), "{bytes:02x?}");
    }
}

#[test]
fn refuses_by_clause_what_their_socket_lets_pass() {
    // 5.2: a length that is not minimal. They read the message; we refuse it.
    let (messages, _) = their_reading(b"\x81\xfe\x00\x05\0\0\0\0Hello".to_vec());
    assert_eq!(messages, [Message::text("Hello")]);
    // 5.5: a ping of 200 bytes. They wait for all of it; we refuse its second byte.
    let (messages, error) = their_reading(b"\x89\xfe\x00\xc8\0\0\0\0".to_vec());
    assert!(messages.is_empty() && matches!(error, Error::Protocol(_)), "{error:?}");
    assert_eq!(decode(b"\x89\xfe"), Err(Malformed::ControlTooLong));
}

#[test]
fn accepts_by_clause_a_code_that_their_socket_takes_for_a_fault() {
    // 11.7: 1014 was registered after the RFC.
    assert_eq!(decode_close(&1014_u16.to_be_bytes()).unwrap().code, Some(CloseCode::Bad(1014)));
    assert!(!CloseCode::from(1014).is_allowed());
    for code in (0..=u16::MAX).filter(|&code| code != 1014) {
        let ours = decode_close(&code.to_be_bytes()).is_ok();
        assert_eq!(ours, CloseCode::from(code).is_allowed(), "{code}");
    }
}
