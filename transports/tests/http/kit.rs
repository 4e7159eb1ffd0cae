//! A tenant and its engine, as small as can be: it keeps the carry, answers by path, and remembers what it saw.

use std::sync::Arc;
use std::time::{Duration, Instant};
use transports::http::{After, Event, Limits, Method, Request, Response, Session, Violation};
use transports::input::Input;

/// A request as it was lent, kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) host: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    fn of(request: &Request<'_>) -> Self {
        let field =
            |(name, value): (&str, &[u8])| (name.to_owned(), String::from_utf8_lossy(value).into_owned());
        Self {
            method: request.method,
            path: request.path.to_owned(),
            query: request.query.map(str::to_owned),
            host: request.host.to_owned(),
            body: request.body.to_vec(),
            headers: request.headers.iter().map(field).collect(),
        }
    }
}

/// How a conversation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The session said so after an answer.
    Answered,
    /// A rule was broken.
    Broken(Violation),
}

/// What a tenant does with [`Event::Promised`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    Admit,
    Refuse(u16),
    /// Nothing yet.
    Ponder,
}

/// One connection, served. `/hold` is answered by [`Server::answer`] alone, `/stream` with an open stream, everything
/// else with its method, path and body.
pub(crate) struct Server {
    pub(crate) session: Session,
    pub(crate) carry: Vec<u8>,
    pub(crate) out: Vec<u8>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) end: Option<End>,
    /// What to do about a large body.
    pub(crate) wish: Wish,
    /// Heads that were looked at before their bodies.
    pub(crate) promised: Vec<Seen>,
    pub(crate) now: Instant,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    #[expect(clippy::disallowed_methods, reason = "std offers no other way to any Instant")]
    pub(crate) fn with(limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(Arc::new(limits), now),
            carry: Vec::new(),
            out: Vec::new(),
            seen: Vec::new(),
            end: None,
            wish: Wish::Admit,
            promised: Vec::new(),
            now,
        }
    }

    /// One turn of an engine: what came is put behind what was left, and served until nothing more comes of it.
    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.carry.extend_from_slice(bytes.as_ref());
        let mut carry = std::mem::take(&mut self.carry);
        let mut input = Input::new(&mut carry);
        while self.end.is_none() && self.serve(&mut input) {}
        let taken = input.taken();
        carry.drain(..taken);
        self.carry = carry;
        self
    }

    /// Feeds piece by piece, each in a turn of its own.
    pub(crate) fn feed_all<'p>(&mut self, pieces: impl IntoIterator<Item = &'p [u8]>) -> &mut Self {
        for piece in pieces {
            self.feed(piece);
        }
        self
    }

    fn serve(&mut self, input: &mut Input<'_>) -> bool {
        match self.session.next(input, &mut self.out, self.now) {
            Ok(Some(Event::Request(request))) => {
                self.seen.push(Seen::of(&request));
                match request.path {
                    "/hold" => {}
                    "/stream" => {
                        let after = self.session.begin_stream(200, "text/event-stream", &[], &mut self.out);
                        self.note(after);
                    }
                    path => self.answer(200, &[path.as_bytes(), b" ", request.body]),
                }
                true
            }
            Ok(Some(Event::Promised)) => {
                self.promised.push(Seen::of(&self.session.head(input).expect("a head was promised")));
                match self.wish {
                    Wish::Admit => self.session.admit(&mut self.out, self.now),
                    Wish::Refuse(status) => self.answer(status, &[b"no"]),
                    Wish::Ponder => {}
                }
                true
            }
            Ok(None) => false,
            Err(violation) => {
                self.broken(violation);
                false
            }
        }
    }

    /// Answers the request that is with the tenant.
    pub(crate) fn answer(&mut self, status: u16, body: &[&[u8]]) {
        let response = Response { status, content_type: "text/plain", headers: &[("X-Test", "1")], body };
        let after = self.session.respond(response, &mut self.out, self.now);
        self.note(after);
    }

    fn note(&mut self, after: After) {
        if after == After::Close {
            self.end = Some(End::Answered);
        }
    }

    /// Lets time pass, and tells the session when it has asked for it.
    pub(crate) fn wait(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        if let Err(violation) = self.session.handle_timeout(self.now) {
            self.broken(violation);
        }
        self
    }

    fn broken(&mut self, violation: Violation) {
        violation.answer(&mut self.out);
        self.end = Some(End::Broken(violation));
    }

    /// The rule that was broken.
    #[track_caller]
    pub(crate) fn violation(&self) -> Violation {
        match self.end {
            Some(End::Broken(violation)) => violation,
            other => panic!("no rule was broken: {other:?}, {}", self.said()),
        }
    }

    /// Everything that was written.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// The status codes that were written, in order.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.said().split("HTTP/1.1 ").filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
    }
}

/// Seconds, for readers.
pub(crate) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
