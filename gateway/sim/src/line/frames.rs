//! WebSocket below a scripted peer's words: the handshake, masked frames, and all the ways in which words may be cut into
//! frames.
//!
//! Owns what a client of RFC 6455 must check: the 101, that nothing is masked, one message in one frame, pongs in the order of
//! the pings, nothing behind a close. What it finds wrong is kept until somebody asks. Knows no word that it carries, but where
//! an MQTT packet ends.
//!
//! ```text
//!   words -> waiting -> frames -> mouth        (only once the 101 is there, unless the client cannot wait)
//!   raw   -> 101, frames -> ear (a stream of packets), or messages
//! ```

use crate::coverage::Seen;
use crate::swarm::pick;
use codec::engineio::encode_base64;
use codec::ws::{
    Close, CloseCode, Control, Data, FrameHeader, OpCode, accept_key, decode, decode_close, encode_close,
    encode_masked,
};
use engine::net::fake::Dice;
use std::collections::VecDeque;

/// What the frames carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cargo {
    /// MQTT packets, as a stream of bytes in binary frames.
    Packets,
    /// Texts, each a message.
    Texts,
}

/// How a client cuts what it says into frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    /// A frame for each word.
    Whole,
    /// A message in several fragments.
    Fragments,
    /// Several messages for one word, as the MicroPython client does.
    Pieces,
    /// What was said since the last breath, cut anywhere.
    Anywhere,
}

/// Pings are few: a peer that pings without end is hung up on.
const PING_PER_MILLE: u16 = 60;
/// So many pings may be without a pong.
const PINGS_MAX: usize = 3;

/// The client's side of a WebSocket.
pub struct Frames {
    cargo: Cargo,
    cut: Cut,
    dice: Dice,
    accept: String,
    /// Words that are in no frame yet.
    waiting: VecDeque<Vec<u8>>,
    raw: Vec<u8>,
    /// The 101 was read, or the client does not wait for it.
    open: bool,
    greeted: bool,
    pings: VecDeque<Vec<u8>>,
    pinged: u32,
    closing: bool,
    /// The gateway's close frame was read.
    closed: Option<Option<CloseCode>>,
    /// Whole texts that nobody has taken yet.
    pub messages: VecDeque<Vec<u8>>,
    /// What the gateway did wrong.
    pub fault: Option<String>,
    /// The handshake was refused with this status.
    pub refused: Option<u16>,
    /// What happened, to be counted.
    pub seen: Vec<Seen>,
}

impl Frames {
    /// A client that begins with a GET of `path`, which goes to `mouth` at once.
    pub fn new(cargo: Cargo, path: &str, mut dice: Dice, mouth: &mut Vec<u8>) -> Self {
        let mut key = Vec::new();
        let random = u128::from(dice.roll()) << 64 | u128::from(dice.roll());
        encode_base64(&mut key, &random.to_be_bytes());
        let cuts = match cargo {
            Cargo::Packets => &[Cut::Whole, Cut::Fragments, Cut::Pieces, Cut::Anywhere][..],
            // A text is a message, and a message a text.
            Cargo::Texts => &[Cut::Whole, Cut::Fragments][..],
        };
        let cut = *pick(&mut dice, cuts).expect("a list");
        let text = String::from_utf8_lossy(&key).into_owned();
        let protocol = if cargo == Cargo::Packets { "Sec-Websocket-Protocol: mqtt\r\n" } else { "" };
        mouth.extend_from_slice(
            format!(
                "GET {path} HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: {text}\r\nSec-Websocket-Version: 13\r\n{protocol}\r\n"
            )
            .as_bytes(),
        );
        Self {
            cargo,
            cut,
            accept: accept_key(&key).expect("sixteen bytes"),
            waiting: VecDeque::new(),
            raw: Vec::new(),
            open: dice.chance(200),
            greeted: false,
            pings: VecDeque::new(),
            pinged: 0,
            closing: false,
            closed: None,
            messages: VecDeque::new(),
            fault: None,
            refused: None,
            seen: Vec::new(),
            dice,
        }
    }

    /// Takes a word, to be framed with the next breath.
    pub fn take(&mut self, word: Vec<u8>) {
        if !word.is_empty() && !self.closing {
            self.waiting.push_back(word);
        }
    }

    /// Whether no word waits for a frame.
    pub fn is_silent(&self) -> bool {
        self.waiting.is_empty() || self.refused.is_some() || self.closed.is_some()
    }

    /// Whether the handshake is over and every ping was answered.
    pub fn is_settled(&self) -> bool {
        self.greeted && self.pings.is_empty()
    }

    /// Puts what waits into frames.
    pub fn breathe_out(&mut self, mouth: &mut Vec<u8>) {
        if !self.open || self.waiting.is_empty() || self.closed.is_some() {
            return;
        }
        if self.cut == Cut::Anywhere {
            let together: Vec<u8> = self.waiting.iter().flatten().copied().collect();
            if self.waiting.len() > 1 {
                self.seen.push(Seen::FrameShared);
            }
            self.waiting.clear();
            return self.pieces(&together, mouth);
        }
        while let Some(word) = self.waiting.pop_front() {
            match self.cut {
                Cut::Whole | Cut::Anywhere => self.frame(true, self.data(), &word, mouth),
                Cut::Pieces => self.pieces(&word, mouth),
                Cut::Fragments => self.fragments(&word, mouth),
            }
            self.perhaps_ping(mouth);
        }
    }

    fn data(&self) -> Data {
        if self.cargo == Cargo::Packets { Data::Binary } else { Data::Text }
    }

    /// Frames of their own, which end anywhere.
    fn pieces(&mut self, word: &[u8], mouth: &mut Vec<u8>) {
        let mut rest = word;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.some_bytes(rest.len()));
            if !behind.is_empty() {
                self.seen.push(Seen::PacketSplit);
            }
            self.frame(true, self.data(), piece, mouth);
            self.perhaps_ping(mouth);
            rest = behind;
        }
    }

    /// One message, with control frames between its fragments.
    fn fragments(&mut self, word: &[u8], mouth: &mut Vec<u8>) {
        let (mut rest, mut data) = (word, self.data());
        loop {
            let (piece, behind) = rest.split_at(self.some_bytes(rest.len()));
            self.frame(behind.is_empty(), data, piece, mouth);
            if behind.is_empty() {
                return;
            }
            self.seen.push(Seen::Fragmented);
            self.perhaps_ping(mouth);
            (rest, data) = (behind, Data::Continue);
        }
    }

    /// Mostly a few bytes or everything; now and then nothing, for a frame may be empty.
    fn some_bytes(&mut self, most: usize) -> usize {
        match self.dice.below(8) {
            0 => 0,
            1..=4 => 1 + self.dice.below(most.min(40) as u64) as usize,
            _ => most,
        }
        .min(most)
    }

    fn frame(&mut self, fin: bool, data: Data, payload: &[u8], mouth: &mut Vec<u8>) {
        let key = (self.dice.roll() as u32).to_be_bytes();
        encode_masked(mouth, fin, OpCode::Data(data), key, payload);
    }

    fn control(&mut self, control: Control, payload: &[u8], mouth: &mut Vec<u8>) {
        let key = (self.dice.roll() as u32).to_be_bytes();
        encode_masked(mouth, true, OpCode::Control(control), key, payload);
    }

    /// A ping, or a pong that nobody asked for, where RFC 6455 allows it.
    fn perhaps_ping(&mut self, mouth: &mut Vec<u8>) {
        if !self.dice.chance(PING_PER_MILLE) || self.pings.len() >= PINGS_MAX {
            return;
        }
        if self.dice.chance(200) {
            // paho's are not masked.
            let bare = self.cargo == Cargo::Packets && self.dice.chance(500);
            if !bare {
                return self.control(Control::Pong, b"unasked", mouth);
            }
            let opcode = OpCode::Control(Control::Pong);
            FrameHeader { fin: true, opcode, key: None, payload_bytes: 0 }.encode(mouth);
            return;
        }
        // A payload that would be a packet, if anybody took it for one.
        let mut payload = vec![0xC0, 0x00];
        payload.extend_from_slice(self.pinged.to_string().as_bytes());
        self.pinged += 1;
        self.control(Control::Ping, &payload, mouth);
        self.pings.push_back(payload);
        self.seen.push(Seen::WebSocketPing);
    }

    /// Says goodbye with a close frame; nothing is said behind it.
    pub fn say_close(&mut self, mouth: &mut Vec<u8>) {
        self.breathe_out(mouth);
        if std::mem::replace(&mut self.closing, true) {
            return;
        }
        self.waiting.clear();
        let mut plain = Vec::new();
        let code = self.dice.chance(700).then_some(CloseCode::Normal);
        encode_close(&mut plain, Close { code, reason: "" });
        self.control(Control::Close, plain.get(2..).unwrap_or_default(), mouth);
        self.seen.push(Seen::CloseFrameSaid);
    }

    /// Says what breaks a rule of the frames.
    pub fn misframe(&mut self, mouth: &mut Vec<u8>) {
        self.breathe_out(mouth);
        self.seen.push(Seen::Misframed);
        self.closing = true;
        match self.dice.below(5) {
            0 => mouth.extend_from_slice(b"\x82\x02\xc0\x00"), // not masked
            1 => self.frame(true, Data::Continue, b"of nothing", mouth),
            2 if self.cargo == Cargo::Packets => self.frame(true, Data::Text, b"text", mouth),
            2 => self.frame(true, Data::Text, b"\xff\xfe", mouth),
            3 => mouth.extend_from_slice(b"\xf2\x80\0\0\0\0"), // reserved bits
            _ => mouth.extend_from_slice(b"\x09\x80\0\0\0\0"), // a ping in fragments
        }
    }

    /// Understands what was received: packets go to the ear, answers to the mouth.
    pub fn hear(&mut self, received: &[u8], ear: &mut Vec<u8>, mouth: &mut Vec<u8>) {
        self.raw.extend_from_slice(received);
        if !self.greeted {
            self.hear_handshake();
        }
        while self.greeted && self.fault.is_none() {
            let (header, header_bytes) = match decode(&self.raw) {
                Ok(Some(header)) => header,
                Ok(None) => return,
                Err(malformed) => return self.fail(format!("this is no frame: {malformed:?}")),
            };
            let bytes = header_bytes + header.payload_bytes as usize;
            if self.raw.len() < bytes {
                return;
            }
            let rest = self.raw.split_off(bytes);
            let frame = std::mem::replace(&mut self.raw, rest);
            self.hear_frame(header, &frame[header_bytes..], ear, mouth);
        }
    }

    fn fail(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }

    fn hear_handshake(&mut self) {
        let Some(end) = self.raw.windows(4).position(|four| four == b"\r\n\r\n") else { return };
        let head = String::from_utf8_lossy(&self.raw[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        if status != 101 {
            self.refused.get_or_insert(status);
            return;
        }
        self.raw.drain(..end + 4);
        let has = |field: &str| head.lines().any(|line| line == field);
        let protocol = has("Sec-WebSocket-Protocol: mqtt") == (self.cargo == Cargo::Packets);
        if !has(&format!("Sec-WebSocket-Accept: {}", self.accept)) || !protocol {
            return self.fail(format!("the handshake was answered with {head:?}"));
        }
        (self.open, self.greeted) = (true, true);
        self.seen.push(Seen::WebSocketOpened);
    }

    fn hear_frame(&mut self, header: FrameHeader, payload: &[u8], ear: &mut Vec<u8>, mouth: &mut Vec<u8>) {
        if self.closed.is_some() {
            return self.fail(format!("{header:?} behind a close frame"));
        }
        if header.key.is_some() || !header.fin {
            return self.fail(format!("{header:?} is masked, or a fragment"));
        }
        match header.opcode {
            OpCode::Data(Data::Binary) if self.cargo == Cargo::Packets => {
                match codec::mqtt::decode(payload) {
                    Ok(Some((_, bytes))) if bytes == payload.len() => ear.extend_from_slice(payload),
                    _ => self.fail(format!("a frame is not one packet: {payload:02x?}")),
                }
            }
            OpCode::Data(Data::Text) if self.cargo == Cargo::Texts => {
                self.messages.push_back(payload.to_vec())
            }
            OpCode::Data(_) => self.fail(format!("{header:?} carries nothing that was agreed upon")),
            OpCode::Control(Control::Pong) => {
                let asked = self.pings.pop_front();
                if asked.as_deref() != Some(payload) {
                    self.fail(format!("the pong {payload:02x?} answers {asked:02x?}"));
                }
            }
            OpCode::Control(Control::Close) => self.hear_close(payload, mouth),
            OpCode::Control(Control::Ping | Control::Reserved(_)) => {
                self.fail(format!("{header:?}: clients answer pings wrongly, and are not pinged"));
            }
        }
    }

    fn hear_close(&mut self, payload: &[u8], mouth: &mut Vec<u8>) {
        match decode_close(payload) {
            Ok(close) => self.closed = Some(close.code),
            Err(malformed) => return self.fail(format!("a close frame says nothing: {malformed:?}")),
        }
        self.seen.push(Seen::CloseFrameHeard);
        self.pings.clear();
        self.waiting.clear();
        if !std::mem::replace(&mut self.closing, true) {
            self.control(Control::Close, payload.get(..2).unwrap_or_default(), mouth);
        }
    }
}
