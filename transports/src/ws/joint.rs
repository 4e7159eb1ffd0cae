//! Frames in, joined payload out, where the bytes lie.
//!
//! Owns the reading half of both ways of use: the header, judged before anything is kept; which frame may follow which;
//! unmasking; joining. It never takes payload from the input, never answers, and does not know what a payload means.
//!
//! ```text
//!                       header of a data frame              all of its payload is here
//!        +---> between frames ----------------> in a frame ------------------------------+
//!        |       |                                ^     |  a piece: unmasked, joined      |
//!        |       | control frame, whole           +-----+                                 |
//!        +-------+                                                                        |
//!        +--------------------------------------------------------------------------------+
//! ```

use super::limits::Limits;
use super::violation::Violation;
use crate::input::Input;
use codec::ws::{Control, Data, FrameHeader, OpCode, apply_mask, decode};
use std::time::{Duration, Instant};

/// A gap is closed when it has more bytes than this and a quarter of what would move; so closing it moves at most five
/// bytes for each byte that was received, small messages aside.
const GAP_BYTES_MIN: usize = 1024;
/// Whatever would move, the gap is closed when it has more bytes than this, so that what a connection holds stays near
/// the size of its largest message.
const GAP_BYTES_MAX: usize = 32 * 1024;

/// What the two ways of use do not have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Text may come.
    pub(super) text: bool,
    /// A pong or a close that is not masked is let pass: the MQTT client paho sends such.
    pub(super) bare_controls: bool,
    /// Messages are kept until they are whole; otherwise frames are forgotten as they come.
    pub(super) messages: bool,
}

/// What one step has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Nothing more can be made of what is here.
    Wait,
    /// There is more plain payload; with `whole`, it is all of this kind of message.
    Payload { whole: Option<Data> },
    /// A control frame is here; its payload, of at most 125 bytes, is unmasked at this place of the input.
    Control { control: Control, at: usize, bytes: usize },
}

/// Where we are in the frames of a connection. There is one for every device, so what few of them need is boxed, and
/// what can share a word does.
#[derive(Debug)]
pub(super) struct Joint {
    /// Payload at the front of the input, unmasked and joined.
    plain_bytes: u32,
    /// What was read behind it and means nothing any more.
    gap_bytes: u32,
    /// The frame whose payload comes, if `place` is within one.
    frame: Frame,
    place: Place,
    /// The kind of the message under way, if one is.
    message: Option<Data>,
    /// The tenant has said that the peer is no stranger.
    pub(super) admitted: bool,
    /// Frames of the message so far.
    fragments: u32,
    /// Control frames of a moment ago; absent until there was one.
    controls: Option<Box<Controls>>,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// A header.
    BetweenFrames,
    /// Payload of a frame that others of its message will follow.
    InFragment,
    /// Payload of the last frame of its message.
    InLast,
}

/// A data frame whose payload is not all here.
#[derive(Clone, Copy, Default, Debug)]
struct Frame {
    /// Turned so that it begins at the next byte.
    key: [u8; 4],
    left_bytes: u32,
}

/// Control frames since a moment.
#[derive(Clone, Copy, Debug)]
struct Controls {
    count: u16,
    since: Instant,
}

impl Joint {
    pub(super) fn new() -> Self {
        Self {
            plain_bytes: 0,
            gap_bytes: 0,
            frame: Frame::default(),
            place: Place::BetweenFrames,
            message: None,
            admitted: false,
            fragments: 0,
            controls: None,
        }
    }

    /// How much plain payload the input begins with.
    pub(super) fn plain_bytes(&self) -> usize {
        self.plain_bytes as usize
    }

    /// The kind of message that the plain payload belongs to.
    pub(super) fn message(&self) -> Option<Data> {
        self.message
    }

    /// Reads the next thing behind the plain payload, with which `input` begins.
    pub(super) fn step(
        &mut self,
        input: &mut Input<'_>,
        limits: &Limits,
        rules: Rules,
        now: Instant,
    ) -> Result<Step, Violation> {
        self.check_invariants(input);
        if self.place != Place::BetweenFrames {
            return Ok(self.payload(input.peek_mut()));
        }
        let Some((header, header_bytes)) = self.header(input, limits, rules)? else {
            self.close_gap(input);
            return Ok(Step::Wait);
        };
        match header.opcode {
            OpCode::Data(_) => {
                self.begin(header, rules);
                self.pass(header_bytes, input);
                Ok(self.payload(input.peek_mut()))
            }
            OpCode::Control(control) => self.control(control, header, header_bytes, input, limits, now),
        }
    }

    /// The plain payload was taken, the first `bytes` of it. Answers what of the gap must be taken now: all of it, where
    /// nothing before it is kept, and where it `may` be taken.
    pub(super) fn taken(&mut self, bytes: usize, may: bool) -> usize {
        debug_assert!(bytes <= self.plain_bytes());
        self.plain_bytes -= bytes as u32;
        if self.plain_bytes > 0 || !may { 0 } else { std::mem::take(&mut self.gap_bytes) as usize }
    }

    /// A whole message was taken, and the next may begin.
    pub(super) fn end_message(&mut self) {
        self.message = None;
        self.fragments = 0;
    }

    /// The next header, if it is whole, and if what it promises is allowed.
    fn header(
        &self,
        input: &Input<'_>,
        limits: &Limits,
        rules: Rules,
    ) -> Result<Option<(FrameHeader, usize)>, Violation> {
        let raw = input.peek().get(self.raw_at()..).unwrap_or_default();
        let Some((header, header_bytes)) = decode(raw)? else { return Ok(None) };
        match (header.opcode, header.key) {
            (OpCode::Control(Control::Pong | Control::Close), None) if rules.bare_controls => {}
            (_, None) => return Err(Violation::Unmasked),
            (_, Some(_)) => {}
        }
        if let OpCode::Data(data) = header.opcode {
            self.admit_data(data, header.payload_bytes, limits, rules)?;
        }
        Ok(Some((header, header_bytes)))
    }

    fn admit_data(
        &self,
        data: Data,
        payload_bytes: u64,
        limits: &Limits,
        rules: Rules,
    ) -> Result<(), Violation> {
        match (data, self.message) {
            (Data::Continue, None) => return Err(Violation::ContinuationOfNothing),
            (Data::Text | Data::Binary, Some(_)) => return Err(Violation::MessageInMessage),
            (Data::Text, None) if !rules.text => return Err(Violation::TextFrame),
            (Data::Continue | Data::Text | Data::Binary | Data::Reserved(_), _) => {}
        }
        let ceiling = if self.admitted { limits.message_bytes_max } else { limits.unadmitted_bytes_max };
        let before = if rules.messages { u64::from(self.plain_bytes) } else { 0 };
        if before + payload_bytes > ceiling.min(u32::MAX as usize) as u64 {
            return Err(Violation::MessageTooBig);
        }
        if rules.messages && self.fragments >= limits.fragments_max {
            return Err(Violation::TooManyFragments);
        }
        Ok(())
    }

    fn begin(&mut self, header: FrameHeader, rules: Rules) {
        let FrameHeader { fin, opcode, key, payload_bytes } = header;
        if let OpCode::Data(data @ (Data::Text | Data::Binary)) = opcode {
            self.message = Some(data);
        }
        if rules.messages {
            self.fragments += 1;
        }
        self.frame = Frame { key: key.unwrap_or_default(), left_bytes: payload_bytes as u32 };
        self.place = if fin { Place::InLast } else { Place::InFragment };
    }

    /// Unmasks what has come of the frame's payload and joins it to what came before.
    fn payload(&mut self, bytes: &mut [u8]) -> Step {
        let (plain_bytes, raw_at) = (self.plain_bytes(), self.raw_at());
        debug_assert!(self.place != Place::BetweenFrames);
        let frame = &mut self.frame;
        let raw = bytes.get_mut(raw_at..).unwrap_or_default();
        let here = raw.len().min(frame.left_bytes as usize);
        if here == 0 && frame.left_bytes > 0 {
            return Step::Wait;
        }
        apply_mask(raw.get_mut(..here).unwrap_or_default(), frame.key, 0);
        frame.key.rotate_left(here % 4);
        frame.left_bytes -= here as u32;
        if raw_at > plain_bytes {
            bytes.copy_within(raw_at..raw_at + here, plain_bytes);
        }
        let whole = (frame.left_bytes == 0 && self.place == Place::InLast).then_some(self.message).flatten();
        #[cfg(planted)]
        let (here, lost) = match crate::planted::is("fragment-loses-byte")
            && frame.left_bytes == 0
            && self.place == Place::InFragment
        {
            true => (here.saturating_sub(1), here.min(1)),
            false => (here, 0),
        };
        #[cfg(planted)]
        {
            self.gap_bytes += lost as u32;
        }
        if frame.left_bytes == 0 {
            self.place = Place::BetweenFrames;
        }
        self.plain_bytes += here as u32;
        Step::Payload { whole }
    }

    /// A control frame, once all of it is here; it may stand between two fragments (5.4).
    fn control(
        &mut self,
        control: Control,
        header: FrameHeader,
        header_bytes: usize,
        input: &mut Input<'_>,
        limits: &Limits,
        now: Instant,
    ) -> Result<Step, Violation> {
        let (at, bytes) = (self.raw_at() + header_bytes, header.payload_bytes as usize);
        let Some(payload) = input.peek_mut().get_mut(at..at + bytes) else {
            self.close_gap(input);
            return Ok(Step::Wait);
        };
        apply_mask(payload, header.key.unwrap_or_default(), 0);
        let controls = self.controls.get_or_insert_with(|| Box::new(Controls { count: 0, since: now }));
        if now.duration_since(controls.since) >= Duration::from_secs(1) {
            **controls = Controls { count: 0, since: now };
        }
        controls.count += 1;
        if controls.count > limits.controls_per_s_max {
            return Err(Violation::TooManyControls);
        }
        self.gap_bytes += (header_bytes + bytes) as u32;
        Ok(Step::Control { control, at, bytes })
    }

    /// Bytes that mean nothing any more: taken, where nothing before them is kept.
    fn pass(&mut self, bytes: usize, input: &mut Input<'_>) {
        self.gap_bytes += bytes as u32;
        self.leave_gap(input);
    }

    /// Takes the gap where nothing before it is kept.
    pub(super) fn leave_gap(&mut self, input: &mut Input<'_>) {
        if self.plain_bytes == 0 {
            input.take(std::mem::take(&mut self.gap_bytes) as usize);
        }
    }

    /// A mistake on purpose: takes the payload of a control frame for more of the message.
    #[cfg(planted)]
    pub(super) fn mistake_for_payload(&mut self, input: &mut Input<'_>, at: usize, bytes: usize) {
        input.peek_mut().copy_within(at..at + bytes, self.plain_bytes());
        self.plain_bytes += bytes as u32;
        self.gap_bytes -= bytes as u32;
    }

    /// Moves the plain payload over a gap that has become large, and takes what is before it then.
    fn close_gap(&mut self, input: &mut Input<'_>) {
        let (plain_bytes, gap_bytes) = (self.plain_bytes(), self.gap_bytes as usize);
        if plain_bytes == 0 || gap_bytes > (plain_bytes / 4 + GAP_BYTES_MIN).min(GAP_BYTES_MAX) {
            input.peek_mut().copy_within(..plain_bytes, gap_bytes);
            input.take(gap_bytes);
            self.gap_bytes = 0;
        }
    }

    /// Where the frames are that were not read yet.
    fn raw_at(&self) -> usize {
        (self.plain_bytes + self.gap_bytes) as usize
    }

    fn check_invariants(&self, input: &Input<'_>) {
        debug_assert!(self.raw_at() <= input.len(), "what was not taken is offered again");
        debug_assert!(
            self.place == Place::BetweenFrames || self.message.is_some(),
            "a frame belongs to a message"
        );
    }
}
