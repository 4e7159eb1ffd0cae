//! A body on its way.
//!
//! Owns what is known between the end of a head and the end of its body: how much must still come, how fast it has to,
//! and whether anybody has admitted it. It never takes a byte from the input, and never says what a broken rule means.

use super::limits::Limits;
use super::request::Outline;
use super::response::Exchange;
use super::violation::Violation;
use codec::http::{self, Chunked, Framing, Head};
use std::time::{Duration, Instant};

/// A request whose head is here, but not its whole body.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) outline: Outline,
    pub(super) exchange: Exchange,
    /// The tenant wants it, however large it is.
    admitted: bool,
    /// The peer waits for `100 Continue` before it sends the body.
    waits: bool,
    extent: Extent,
    since: Instant,
    seen_bytes: usize,
}

/// How the end of a body is found (RFC 9112, 6.3).
#[derive(Debug)]
enum Extent {
    /// So many bytes, known from the head.
    Length(usize),
    /// Chunks, read so far.
    Chunked(Chunked),
}

impl Body {
    /// Begins to wait for the body of `head`, which was decoded from `bytes`. One that is too large is refused when it
    /// is promised.
    pub(super) fn of(
        head: &Head<'_>,
        bytes: &[u8],
        limits: &Limits,
        now: Instant,
    ) -> Result<Self, Violation> {
        let extent = match head.framing {
            Framing::None => Extent::Length(0),
            Framing::Length(bytes) => match usize::try_from(bytes) {
                Ok(bytes) if bytes <= limits.body_bytes_max => Extent::Length(bytes),
                Ok(_) | Err(_) => return Err(Violation::BodyTooLarge),
            },
            Framing::Chunked => Extent::Chunked(Chunked::default()),
        };
        Ok(Self {
            outline: Outline::of(head, bytes),
            exchange: Exchange::of(head),
            admitted: false,
            waits: head.expect_continue,
            extent,
            since: now,
            seen_bytes: 0,
        })
    }

    /// Looks at what is here of the body; its length on the wire when it is whole.
    pub(super) fn progress(&mut self, here: &[u8], limits: &Limits) -> Result<Option<usize>, Violation> {
        self.seen_bytes = here.len();
        match &mut self.extent {
            Extent::Length(bytes) => Ok((here.len() >= *bytes).then_some(*bytes)),
            Extent::Chunked(chunks) => Ok(chunks.advance(here, limits.body_bytes_max)?),
        }
    }

    /// Whether more would have to be kept than a stranger is worth, and nobody has said that it is none.
    pub(super) fn is_too_much_for_a_stranger(&self, limits: &Limits) -> bool {
        let body_bytes = match &self.extent {
            Extent::Length(bytes) => *bytes,
            Extent::Chunked(_) => self.seen_bytes,
        };
        !self.admitted && self.outline.head_bytes() + body_bytes > limits.unadmitted_bytes_max
    }

    /// The tenant wants it. The peer, which could not go on before, gets its whole time.
    pub(super) fn admit(&mut self, out: &mut Vec<u8>, now: Instant) {
        self.admitted = true;
        self.since = now;
        self.say_continue(out);
    }

    /// Lets a waiting peer go on, once at most: "A server MAY omit sending a 100 (Continue) response if it has already
    /// received some or all of the content for the corresponding request" (RFC 9110, 10.1.1).
    pub(super) fn say_continue(&mut self, out: &mut Vec<u8>) {
        if self.waits && self.seen_bytes == 0 {
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.waits = false;
    }

    /// The content of a body that is whole on the wire; chunks are joined in place.
    pub(super) fn content<'b>(&self, wire: &'b mut [u8]) -> &'b [u8] {
        let content_bytes = match &self.extent {
            Extent::Length(bytes) => *bytes,
            Extent::Chunked(_) => http::join_chunks(wire),
        };
        wire.get(..content_bytes).unwrap_or_default()
    }

    /// When it must be whole, or have more of it here: after the grace its mean rate decides, in the end the clock.
    pub(super) fn until(&self, limits: &Limits) -> Instant {
        let earned = Duration::from_millis(
            (self.seen_bytes as u64 * 1000) / limits.body_bytes_per_s_min.max(1) as u64,
        );
        self.since + earned.max(limits.body_grace).min(limits.body_timeout)
    }

    /// Which rule is broken when that moment has come.
    pub(super) fn overdue(&self, limits: &Limits, now: Instant) -> Violation {
        if now >= self.since + limits.body_timeout { Violation::BodyTimeout } else { Violation::BodyTooSlow }
    }
}
