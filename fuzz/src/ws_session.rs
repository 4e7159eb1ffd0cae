//! A conversation over WebSocket, both in messages and as a byte stream: heard at once and in dribbles it must mean the
//! same; what it means must be what a simple reading of the frames says; and what breaks no rule must be heard so by
//! tungstenite too.
//!
//! The simple reading keeps every payload in a buffer of its own. The sessions join them where they lie, and this target
//! exists to find out where they do it wrong.

use codec::ws::{Control, Data, OpCode, apply_mask, check_text, decode, decode_close};
use std::io::{self, Read, Write};
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use transports::input::Input;
use transports::ws::{End, Event, Limits, Session, Stream};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

/// The moment at which everything happens.
static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What was heard: messages as they are told, or the bytes of a stream; then how it ended, if it did.
#[derive(PartialEq, Eq, Debug, Default)]
struct Heard {
    texts: Vec<String>,
    binaries: Vec<Vec<u8>>,
    plain: Vec<u8>,
    closed: bool,
    broken: bool,
    pings: usize,
}

/// The first byte says how the bytes are cut, the second how much of a stream is taken at a time.
pub fn check(bytes: &[u8]) {
    let Some((&[cut, want], frames)) = bytes.split_first_chunk() else { return };
    let limits = Arc::new(Limits {
        message_bytes_max: 600,
        unadmitted_bytes_max: 600,
        fragments_max: 8,
        controls_per_s_max: 8,
        ..Limits::default()
    });
    let dribble = 1 + usize::from(cut % 23);

    let (at_once, out) = messages(frames, usize::MAX, &limits);
    let (in_dribbles, dribbled_out) = messages(frames, dribble, &limits);
    assert_eq!((&at_once, &out), (&in_dribbles, &dribbled_out));
    check_frames(&out);
    let simple = simple_messages(frames, &limits);
    assert_eq!(at_once, simple);
    if !at_once.broken {
        check_theirs(frames, &at_once);
    }

    let (at_once, out) = stream(frames, usize::MAX, usize::MAX, &limits);
    let (in_dribbles, dribbled_out) = stream(frames, dribble, usize::from(want), &limits);
    assert_eq!((&at_once, &out), (&in_dribbles, &dribbled_out));
    check_frames(&out);
    assert_eq!(at_once, simple_stream(frames, &limits));
}

fn messages(frames: &[u8], dribble: usize, limits: &Arc<Limits>) -> (Heard, Vec<u8>) {
    let mut session = Session::new(Arc::clone(limits));
    let (mut heard, mut carry, mut out) = (Heard::default(), Vec::new(), Vec::new());
    for piece in frames.chunks(dribble.min(frames.len().max(1))) {
        carry.extend_from_slice(piece);
        let mut input = Input::new(&mut carry);
        loop {
            match session.next(&mut input, &mut out, *NOW) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    assert!(!heard.closed && !heard.broken, "nothing is told after the end");
                    match event {
                        Event::Text(text) => heard.texts.push(text.to_owned()),
                        Event::Binary(bytes) => heard.binaries.push(bytes.to_owned()),
                        Event::Closed(_) => heard.closed = true,
                    }
                }
                Err(_) => {
                    assert!(!heard.closed && !heard.broken, "a conversation ends once");
                    heard.broken = true;
                    break;
                }
            }
        }
        let taken = input.taken();
        carry.drain(..taken);
        assert!(heard.closed || heard.broken || carry.len() < 2 * 600 + 2048, "what is kept is bounded");
    }
    heard.pings = pongs(&out);
    (heard, out)
}

fn stream(frames: &[u8], dribble: usize, want: usize, limits: &Arc<Limits>) -> (Heard, Vec<u8>) {
    let mut stream = Stream::new(Arc::clone(limits));
    let (mut heard, mut carry, mut out) = (Heard::default(), Vec::new(), Vec::new());
    let mut hear = |piece: &[u8], want: usize| {
        carry.extend_from_slice(piece);
        let mut plain = stream.next(&mut carry, &mut out, *NOW);
        let wanted = plain.len().min(want);
        heard.plain.extend_from_slice(plain.take(wanted));
        let taken = plain.taken();
        let consumed = stream.consumed(taken);
        carry.drain(..consumed);
    };
    for piece in frames.chunks(dribble.min(frames.len().max(1))) {
        hear(piece, want);
    }
    hear(&[], usize::MAX);
    match stream.end() {
        Some(End::Closed(_)) => heard.closed = true,
        Some(End::Broken(_)) => heard.broken = true,
        None => {}
    }
    heard.pings = pongs(&out);
    (heard, out)
}

fn pongs(out: &[u8]) -> usize {
    let (mut rest, mut pongs) = (out, 0);
    while let Ok(Some((header, header_bytes))) = decode(rest) {
        pongs += usize::from(header.opcode == OpCode::Control(Control::Pong));
        rest = &rest[header_bytes + header.payload_bytes as usize..];
    }
    pongs
}

/// What is written is whole frames, unmasked.
fn check_frames(out: &[u8]) {
    let mut rest = out;
    while !rest.is_empty() {
        let (header, header_bytes) = decode(rest).expect("we write good frames").expect("and whole ones");
        assert_eq!((header.fin, header.key), (true, None));
        rest = &rest[header_bytes + header.payload_bytes as usize..];
    }
}

/// One frame, as much of it as is here, and whether that is all.
struct Frame {
    fin: bool,
    opcode: OpCode,
    masked: bool,
    payload: Vec<u8>,
    promised: u64,
    whole: bool,
}

/// The frames up to one that is malformed, if one is.
fn frames_of(mut bytes: &[u8]) -> (Vec<Frame>, bool) {
    let mut frames = Vec::new();
    loop {
        match decode(bytes) {
            Ok(None) => return (frames, false),
            Err(_) => return (frames, true),
            Ok(Some((header, header_bytes))) => {
                let behind = &bytes[header_bytes..];
                let here =
                    usize::try_from(header.payload_bytes).map_or(behind.len(), |all| all.min(behind.len()));
                let mut payload = behind[..here].to_vec();
                apply_mask(&mut payload, header.key.unwrap_or_default(), 0);
                let whole = here as u64 == header.payload_bytes;
                let (fin, opcode, promised) = (header.fin, header.opcode, header.payload_bytes);
                frames.push(Frame { fin, opcode, masked: header.key.is_some(), payload, promised, whole });
                bytes = &behind[here..];
                if !whole {
                    return (frames, false);
                }
            }
        }
    }
}

fn simple_messages(bytes: &[u8], limits: &Limits) -> Heard {
    let (frames, malformed) = frames_of(bytes);
    let mut heard = Heard::default();
    let (mut kind, mut message, mut fragments, mut controls) = (None, Vec::new(), 0, 0);
    for frame in frames {
        if !frame.masked {
            return broken(heard);
        }
        match frame.opcode {
            OpCode::Control(control) => {
                if !frame.whole {
                    return heard;
                }
                controls += 1;
                if controls > limits.controls_per_s_max {
                    return broken(heard);
                }
                match control {
                    Control::Ping => heard.pings += 1,
                    Control::Close if decode_close(&frame.payload).is_err() => return broken(heard),
                    Control::Close => return Heard { closed: true, ..heard },
                    Control::Pong | Control::Reserved(_) => {}
                }
            }
            OpCode::Data(data) => {
                let follows = data == Data::Continue;
                let total = message.len() as u64 + frame.promised;
                fragments += 1;
                if follows != kind.is_some()
                    || total > limits.message_bytes_max as u64
                    || fragments > limits.fragments_max
                {
                    return broken(heard);
                }
                kind = kind.or(Some(data));
                message.extend(frame.payload);
                let checked = check_text(&message, 0);
                let whole = frame.whole && frame.fin;
                if kind == Some(Data::Text) && (checked.is_err() || whole && checked != Ok(message.len())) {
                    return broken(heard);
                }
                if whole {
                    match kind.take() {
                        Some(Data::Text) => {
                            heard.texts.push(
                                String::from_utf8(std::mem::take(&mut message)).expect("it was checked"),
                            );
                        }
                        _ => heard.binaries.push(std::mem::take(&mut message)),
                    }
                    fragments = 0;
                }
            }
        }
    }
    if malformed { broken(heard) } else { heard }
}

fn simple_stream(bytes: &[u8], limits: &Limits) -> Heard {
    let (frames, malformed) = frames_of(bytes);
    let mut heard = Heard::default();
    let (mut open, mut controls) = (false, 0);
    for frame in frames {
        let bare = matches!(frame.opcode, OpCode::Control(Control::Pong | Control::Close));
        if !frame.masked && !bare {
            return broken(heard);
        }
        match frame.opcode {
            OpCode::Control(control) => {
                if !frame.whole {
                    return heard;
                }
                controls += 1;
                if controls > limits.controls_per_s_max {
                    return broken(heard);
                }
                match control {
                    Control::Ping => heard.pings += 1,
                    Control::Close if decode_close(&frame.payload).is_err() => return broken(heard),
                    Control::Close => return Heard { closed: true, ..heard },
                    Control::Pong | Control::Reserved(_) => {}
                }
            }
            OpCode::Data(data) => {
                let follows = data == Data::Continue;
                if follows != open || data == Data::Text || frame.promised > limits.message_bytes_max as u64 {
                    return broken(heard);
                }
                heard.plain.extend(frame.payload);
                open = !(frame.whole && frame.fin);
            }
        }
    }
    if malformed { broken(heard) } else { heard }
}

fn broken(heard: Heard) -> Heard {
    Heard { broken: true, ..heard }
}

/// A connection of which everything was received.
struct Wire(io::Cursor<Vec<u8>>);

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.0.read(room)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            bytes => Ok(bytes),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What breaks no rule of ours breaks none of theirs, and says the same.
fn check_theirs(frames: &[u8], ours: &Heard) {
    let wire = Wire(io::Cursor::new(frames.to_vec()));
    let mut socket = WebSocket::from_raw_socket(wire, Role::Server, Some(WebSocketConfig::default()));
    let mut theirs = Heard { pings: ours.pings, ..Heard::default() };
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => theirs.texts.push(text.to_string()),
            Ok(Message::Binary(bytes)) => theirs.binaries.push(bytes.to_vec()),
            Ok(Message::Close(_)) => theirs.closed = true,
            Ok(_) => {}
            Err(Error::Io(_) | Error::ConnectionClosed) => break,
            // Behind a goodbye they go on reading; we do not.
            Err(error) => {
                assert!(ours.closed, "{error:?}");
                break;
            }
        }
    }
    assert_eq!(*ours, theirs);
}
