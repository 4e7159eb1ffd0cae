//! Frames as a byte stream: MQTT over WebSocket (MQTT 3.1.1, 6).
//!
//! Owns what is special there: payload is usable before its frame is whole, nothing is kept of a frame, text is refused,
//! and "a single WebSocket data frame can contain multiple or partial MQTT Control Packets" [MQTT-6.0.0-2]. It never
//! looks into a packet that it reads, and never pings: clients answer that wrongly, or not at all.
//!
//! ```text
//!            frames                                 close frame: End::Closed
//!   open ------------> open      open ----------------------------------------> ended
//!                                       any Violation: End::Broken
//! ```

use super::joint::{Joint, Rules, Step};
use super::limits::Limits;
use super::violation::Violation;
use crate::input::Input;
use codec::mqtt;
use codec::ws::{Close, CloseCode, Control, Data, OpCode, decode_close, encode_close, encode_frame, wrap};
use std::sync::Arc;
use std::time::Instant;

const RULES: Rules = Rules { text: false, bare_controls: true, messages: false };

/// The layer between a connection and an MQTT session.
///
/// [`Stream::next`] opens all that was received and lends the bytes inside; after the MQTT session has taken what it could,
/// [`Stream::consumed`] says how many received bytes that was. It has no timeouts: MQTT's own hold.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use transports::ws::{Limits, Stream};
///
/// let now = Instant::now();
/// let mut stream = Stream::new(Arc::new(Limits::default()));
/// let mut received = *b"\x82\x82\0\0\0\0AB\x82\x81\0\0\0\0C\x82"; // two frames and a half header
/// let mut out = Vec::new();
/// let mut plain = stream.next(&mut received, &mut out, now);
/// assert_eq!(plain.peek(), b"ABC"); // joined
/// plain.take(2); // the session wants two bytes, and more behind the third
/// let taken = plain.taken();
/// assert_eq!(stream.consumed(taken), 8); // the first header and two bytes
/// assert_eq!(&received[8..9], b"C"); // is offered again, in front of what comes
/// ```
#[derive(Debug)]
pub struct Stream {
    limits: Arc<Limits>,
    joint: Joint,
    end: Option<End>,
    /// Our close frame is out.
    closed: bool,
    /// Received bytes before the plain ones that [`Stream::next`] has lent.
    skipped_bytes: u32,
}

/// Why no more frames are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The peer said goodbye, with this code if with any.
    Closed(Option<CloseCode>),
    /// The peer broke a rule.
    Broken(Violation),
}

impl Stream {
    /// Begins behind the handshake.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self { limits, joint: Joint::new(), end: None, closed: false, skipped_bytes: 0 }
    }

    /// The peer is no stranger: its frames may be larger from now on.
    pub fn admit(&mut self) {
        self.joint.admitted = true;
    }

    /// Opens what was received and lends the bytes inside, those first that were lent before and not taken. Pings are
    /// answered. Each call is followed by one of [`Stream::consumed`].
    ///
    /// When these bytes are used up, look whether there is an [`Stream::end`].
    pub fn next<'b>(&mut self, received: &'b mut [u8], out: &mut Vec<u8>, now: Instant) -> Input<'b> {
        let mut input = Input::new(received);
        while self.end.is_none() {
            match self.joint.step(&mut input, &self.limits, RULES, now) {
                Ok(Step::Wait) => break,
                Ok(Step::Payload { whole: Some(_) }) => self.joint.end_message(),
                Ok(Step::Payload { whole: None }) => {}
                Ok(Step::Control { control, at, bytes }) => {
                    let payload = input.peek().get(at..at + bytes).unwrap_or_default();
                    self.end = hear(control, payload, out);
                    #[cfg(planted)]
                    if crate::planted::is("ping-heard-as-packet") && self.end.is_none() {
                        self.joint.mistake_for_payload(&mut input, at, bytes);
                    }
                    if self.end.is_none() {
                        self.joint.leave_gap(&mut input);
                    }
                }
                Err(violation) => self.end = Some(End::Broken(violation)),
            }
        }
        self.skipped_bytes = input.taken() as u32;
        Input::new(input.take(self.joint.plain_bytes()))
    }

    /// How many of the received bytes are used up when so many of the lent ones were taken. The rest must be offered
    /// again, with what has come since behind it. What ended the stream is never used up: so a tenant that is not ready
    /// for the end is offered it again.
    pub fn consumed(&mut self, taken: usize) -> usize {
        let gap_bytes = self.joint.taken(taken, self.end.is_none());
        std::mem::take(&mut self.skipped_bytes) as usize + taken + gap_bytes
    }

    /// Why no more frames are read, once that is so. Flush what there is to say, [`Stream::close`], and close.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Appends our close frame, once; it is the last thing that is said: the answer to the peer's, which echoes its code
    /// alone; what a broken rule deserves; or `code`, when it is us who end it.
    pub fn close(&mut self, code: CloseCode, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        match self.end {
            None => encode_close(out, Close { code: Some(code), reason: "" }),
            Some(End::Closed(code)) => encode_close(out, Close { code, reason: "" }),
            Some(End::Broken(violation)) => violation.answer(out),
        }
    }

    /// Makes frames of the MQTT packets in `out` from the byte `from` on: one of each packet, for clients that take a frame
    /// for a packet. What was appended is whole packets, as sessions write them. Behind our close frame nothing is said any
    /// more (5.5.1): it is taken back.
    pub fn frame_packets(&self, out: &mut Vec<u8>, mut from: usize) {
        if self.closed {
            out.truncate(from);
        }
        #[cfg(planted)]
        if crate::planted::is("packets-share-frame") {
            return wrap(out, from, OpCode::Data(Data::Binary));
        }
        while let Some(rest) = out.get(from..).filter(|rest| !rest.is_empty()) {
            let packet_bytes = match mqtt::peek(rest) {
                Ok(Some(header)) if header.packet_bytes() < rest.len() => header.packet_bytes(),
                Ok(_) | Err(_) => return wrap(out, from, OpCode::Data(Data::Binary)),
            };
            let end = out.len();
            let (fin, opcode) = (true, OpCode::Data(Data::Binary));
            codec::ws::FrameHeader { fin, opcode, key: None, payload_bytes: packet_bytes as u64 }.encode(out);
            let header_bytes = out.len() - end;
            if let Some(tail) = out.get_mut(from..) {
                tail.rotate_right(header_bytes);
            }
            from += header_bytes + packet_bytes;
        }
    }
}

/// What a control frame means.
fn hear(control: Control, payload: &[u8], out: &mut Vec<u8>) -> Option<End> {
    match control {
        Control::Ping => {
            encode_frame(out, OpCode::Control(Control::Pong), &[payload]);
            None
        }
        Control::Pong | Control::Reserved(_) => None,
        Control::Close => Some(match decode_close(payload) {
            Ok(close) => End::Closed(close.code),
            Err(malformed) => End::Broken(malformed.into()),
        }),
    }
}
