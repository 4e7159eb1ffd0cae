//! The machine of one connection.
//!
//! Owns the order of things: a head, then its body, then the tenant's answer, and only then the next head; how many
//! bytes may wait, how long they may take. Bytes stay in the input until a request is whole, so the session holds
//! positions and moments, never a byte.
//!
//! ```text
//!                first byte             whole head            whole body
//!   new --> Idle ----------> AwaitHead -----------> AwaitBody -----------> Answering
//!            ^                                       |     ^                 |  |  |
//!            |             too much for a stranger:  |     | admit()         |  |  |
//!            |                      Event::Promised  v     |                 |  |  |
//!            |                                    AwaitVerdict               |  |  |
//!            |                                           |                   |  |  | begin_stream()
//!            +--------------- respond() -----------------|-------------------+  |  +--------> Streaming
//!                                              respond() |                      | respond(), last    |
//!                                                        v                      v                    |
//!            any Violation, from any state -----------> Closing <------------------------------------+
//! ```

use super::body::Body;
use super::limits::Limits;
use super::request::Request;
use super::response::{After, Exchange, Response};
use super::violation::Violation;
use crate::input::Input;
use codec::http;
use std::sync::Arc;
use std::time::Instant;

/// What happened on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'b> {
    /// A request is here, head and body. Nothing more is read until [`Session::respond`] or
    /// [`Session::begin_stream`].
    Request(Request<'b>),
    /// A head is here whose body is larger than anything we keep for a stranger
    /// ([`Limits::unadmitted_bytes_max`](super::Limits::unadmitted_bytes_max)), and is not here yet. Look at the head
    /// with [`Session::head`], then [`Session::admit`] it, or [`Session::respond`] with a refusal. Nothing more is read
    /// until then.
    Promised,
}

/// One HTTP/1.1 connection, from the server's side.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    state: State,
    /// The next answer is the last one, whatever the peer wishes.
    ending: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing of the next request is here.
    Idle { until: Instant },
    /// Part of a head is here, `scanned` bytes of it without its end.
    AwaitHead { scanned: usize, until: Instant },
    /// A head is here, but not its whole body.
    AwaitBody(Body),
    /// The tenant has to say whether it wants a large body.
    AwaitVerdict(Body),
    /// A request is with the tenant.
    Answering(Exchange),
    /// The answer has no end but the connection's. `heard_bytes` came in spite of it.
    Streaming { heard_bytes: usize },
    /// Nothing is read and nothing is said any more.
    Closing,
}

impl Session {
    /// A new connection, of which nothing has been read.
    pub fn new(limits: Arc<Limits>, now: Instant) -> Self {
        let until = now + limits.head_timeout;
        Self { limits, state: State::Idle { until }, ending: false }
    }

    /// The next event in the received bytes, or none until more come. What stays in the input must be offered again,
    /// with what has come since behind it. While a request is with the tenant nothing is taken: stop reading then.
    ///
    /// # Errors
    ///
    /// The peer broke a rule: write [`Violation::answer`], flush, close. Nothing more is taken.
    pub fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        let event = match &mut self.state {
            State::Idle { .. } => self.begin(input, out, now),
            State::AwaitHead { .. } => self.await_head(input, out, now),
            State::AwaitBody(_) => self.await_body(input, out),
            State::Streaming { heard_bytes } => {
                *heard_bytes += input.len();
                input.take(input.len());
                if *heard_bytes > self.limits.stream_input_bytes_max {
                    Err(Violation::StreamInput)
                } else {
                    Ok(None)
                }
            }
            State::AwaitVerdict(_) | State::Answering(_) | State::Closing => Ok(None),
        };
        if event.is_err() {
            self.state = State::Closing;
        }
        event
    }

    /// The head that waits for a verdict, in the input from which [`Event::Promised`] came; its body is empty.
    pub fn head<'i>(&self, input: &'i Input<'_>) -> Option<Request<'i>> {
        match &self.state {
            State::AwaitVerdict(body) => {
                let (head, _) = input.peek().split_at_checked(body.outline.head_bytes())?;
                Some(body.outline.request(head, &[]))
            }
            State::Idle { .. }
            | State::AwaitHead { .. }
            | State::AwaitBody(_)
            | State::Answering(_)
            | State::Streaming { .. }
            | State::Closing => None,
        }
    }

    /// The verdict on [`Event::Promised`]: the body is wanted. Its time begins now.
    pub fn admit(&mut self, out: &mut Vec<u8>, now: Instant) {
        match std::mem::replace(&mut self.state, State::Closing) {
            State::AwaitVerdict(mut body) => {
                body.admit(out, now);
                self.state = State::AwaitBody(body);
            }
            other => {
                debug_assert!(false, "no head waits for a verdict");
                self.state = other;
            }
        }
    }

    /// Answers the request. `Content-Length` and `Connection` are written from what is known here; a HEAD request gets
    /// the head alone.
    pub fn respond(&mut self, response: Response<'_>, out: &mut Vec<u8>, now: Instant) -> After {
        let Some(mut exchange) = self.exchange() else {
            return After::Close;
        };
        exchange.persistent &= !self.ending;
        response.write(exchange, out);
        if exchange.persistent {
            self.state = State::Idle { until: now + self.limits.idle_timeout };
            After::KeepAlive
        } else {
            self.state = State::Closing;
            After::Close
        }
    }

    /// Begins an answer without an end: the tenant appends to the output as it likes and closes the connection when it
    /// is over, for "the message body length is determined by the number of octets received prior to the server closing
    /// the connection" (RFC 9112, 6.3). `Connection: close` and `Cache-Control: no-cache` are written here.
    ///
    /// [`After::Close`] answers a HEAD request: there is nothing to append to.
    pub fn begin_stream(
        &mut self,
        status: u16,
        content_type: &str,
        headers: &[(&str, &str)],
        out: &mut Vec<u8>,
    ) -> After {
        let Some(exchange) = self.exchange() else { return After::Close };
        Response { status, content_type, headers, body: &[] }.write_endless(out);
        if exchange.head_only {
            self.state = State::Closing;
            return After::Close;
        }
        self.state = State::Streaming { heard_bytes: 0 };
        After::KeepAlive
    }

    /// The next answer is the last: it says `Connection: close`, whatever the peer wishes.
    pub fn close_after(&mut self) {
        self.ending = true;
    }

    /// Whether nothing of a request is here: the connection may be closed without wronging anybody.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle { .. })
    }

    /// Tells that time has passed; harmless before [`Session::next_timeout`].
    ///
    /// # Errors
    ///
    /// The peer was too slow: write [`Violation::answer`], flush, close.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Violation> {
        if self.next_timeout().is_none_or(|until| now < until) {
            return Ok(());
        }
        let violation = match &self.state {
            State::AwaitHead { .. } => Violation::HeadTimeout,
            State::AwaitBody(body) => body.overdue(&self.limits, now),
            State::Idle { .. }
            | State::AwaitVerdict(_)
            | State::Answering(_)
            | State::Streaming { .. }
            | State::Closing => Violation::Silence,
        };
        self.state = State::Closing;
        Err(violation)
    }

    /// When the peer will have been silent or slow for too long; none while it is the tenant's turn.
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { until } | State::AwaitHead { until, .. } => Some(*until),
            State::AwaitBody(body) => Some(body.until(&self.limits)),
            State::AwaitVerdict(_) | State::Answering(_) | State::Streaming { .. } | State::Closing => None,
        }
    }

    /// Empty lines before a request are no part of it: "a server that is expecting to receive and parse a
    /// request-line SHOULD ignore at least one empty line (CRLF) received prior to the request-line" (RFC 9112, 2.2).
    /// They do not stop the clock of a silent peer.
    fn begin<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        while input.peek().starts_with(b"\r\n") {
            input.take(2);
        }
        if matches!(input.peek(), [] | [b'\r']) {
            return Ok(None);
        }
        self.state = State::AwaitHead { scanned: 0, until: now + self.limits.head_timeout };
        self.await_head(input, out, now)
    }

    fn await_head<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Result<Option<Event<'b>>, Violation> {
        let State::AwaitHead { scanned, .. } = &mut self.state else {
            return Ok(None);
        };
        let bytes = input.peek();
        let end = http::head_end(bytes, *scanned);
        let Some((head_bytes, _)) = end.and_then(|end| bytes.split_at_checked(end)) else {
            *scanned = bytes.len();
            http::check_beginning(bytes)?;
            return within(bytes, &self.limits).map(|()| None);
        };
        let head = http::decode_head(head_bytes)?;
        within(head_bytes, &self.limits)?;
        self.state = State::AwaitBody(Body::of(&head, head_bytes, &self.limits, now)?);
        self.await_body(input, out)
    }

    fn await_body<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'b>>, Violation> {
        let State::AwaitBody(body) = &mut self.state else {
            return Ok(None);
        };
        let Some((_, here)) = input.peek().split_at_checked(body.outline.head_bytes()) else {
            debug_assert!(false, "what was not taken is offered again");
            return Ok(None);
        };
        if let Some(wire_bytes) = body.progress(here, &self.limits)? {
            let head = input.take(body.outline.head_bytes());
            let request = body.outline.request(head, body.content(input.take(wire_bytes)));
            self.state = State::Answering(body.exchange);
            return Ok(Some(Event::Request(request)));
        }
        if body.is_too_much_for_a_stranger(&self.limits) {
            return Ok(Some(self.ask()));
        }
        body.say_continue(out);
        Ok(None)
    }

    fn ask(&mut self) -> Event<'static> {
        if let State::AwaitBody(body) = std::mem::replace(&mut self.state, State::Closing) {
            self.state = State::AwaitVerdict(body);
        }
        Event::Promised
    }

    /// What an answer must know, if there is something to answer. Anything else is a fault of the tenant.
    fn exchange(&self) -> Option<Exchange> {
        let exchange = match &self.state {
            State::Answering(exchange) => Some(*exchange),
            // The body of a refused request is not read, so no other request can be found behind it.
            State::AwaitVerdict(body) => Some(Exchange { persistent: false, ..body.exchange }),
            State::Idle { .. }
            | State::AwaitHead { .. }
            | State::AwaitBody(_)
            | State::Streaming { .. }
            | State::Closing => None,
        };
        debug_assert!(exchange.is_some(), "no request waits for an answer");
        exchange
    }
}

/// Refuses a head that is longer than it may be; the codec has already refused one that it would not read.
fn within(head: &[u8], limits: &Limits) -> Result<(), Violation> {
    if head.len() > limits.head_bytes_max { Err(Violation::HeadTooLarge) } else { Ok(()) }
}
