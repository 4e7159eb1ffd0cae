//! The connections of a client that polls: requests out, answers in, one at a time on each.
//!
//! Owns which connection a request goes over: one that was kept, or a fresh one at any core, and when a kept one is closed.
//! Never knows what an answer means.

use super::{Head, Leaving, Line, Session, is_intact, read_head};
use engine::net::fake::{Client, Dice, Kernel};
use std::rc::Rc;

/// Connections that a client keeps.
const CONNS_MAX: usize = 4;
/// The only listener that speaks HTTP.
const HTTP: usize = 1;

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// A session.
    Open,
    /// What there is to say.
    Poll,
    /// A poll while another waits.
    SecondPoll,
    /// To be heard.
    Post,
}

/// A request without an answer.
pub(super) struct Request {
    pub(super) ask: Ask,
    pub(super) bytes: Vec<u8>,
    pub(super) said_ms: u64,
}

impl Request {
    /// A GET, or the POST of a body, to a session or for one.
    pub(super) fn new(
        ask: Ask,
        sid: Option<&str>,
        body: Option<&[u8]>,
        dice: &mut Dice,
        now_ms: u64,
    ) -> Self {
        let mut query = String::from("EIO=4&transport=polling");
        if dice.chance(500) {
            query += &format!("&t={:x}", dice.below(1 << 20));
        }
        if let Some(sid) = sid {
            query += &format!("&sid={sid}");
        }
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.unwrap_or_default();
        let length = match body.len() {
            0 => String::new(),
            bytes => format!("Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {bytes}\r\n"),
        };
        let head = format!("{method} /socket.io/?{query} HTTP/1.1\r\nHost: gateway\r\n{length}\r\n");
        let bytes = [head.as_bytes(), body].concat();
        Self { ask, bytes, said_ms: now_ms }
    }
}

/// A connection for requests.
pub(super) struct Conn {
    pub(super) line: Line,
    /// The core that accepts it.
    pub(super) core: usize,
    pub(super) asks: Option<Request>,
    /// It has brought an answer.
    pub(super) is_kept: bool,
}

/// All of them.
pub(super) struct Requests {
    kernel: Kernel,
    cores: usize,
    pub(super) conns: Vec<Conn>,
}

impl Requests {
    /// No connection yet; there are so many cores.
    pub(super) fn new(kernel: &Kernel, cores: usize) -> Self {
        Self { kernel: kernel.clone(), cores, conns: Vec::new() }
    }

    /// Virtual milliseconds since the start.
    pub(super) fn now_ms(&self) -> u64 {
        self.kernel.elapsed().as_millis() as u64
    }

    /// A fresh connection for something else.
    pub(super) fn connect(&self) -> Client {
        self.kernel.connect(HTTP)
    }

    /// Those on which this is asked.
    pub(super) fn asking(&self, what: Ask) -> impl Iterator<Item = &Conn> {
        self.conns.iter().filter(move |conn| conn.asks.as_ref().is_some_and(|request| request.ask == what))
    }

    /// Whether this is asked.
    pub(super) fn asks(&self, what: Ask) -> bool {
        self.asking(what).next().is_some()
    }

    /// Whether nothing is asked.
    pub(super) fn rest(&self) -> bool {
        self.conns.iter().all(|conn| conn.asks.is_none())
    }

    /// Whether a poll was said on a connection that still stands.
    pub(super) fn polls(&self) -> bool {
        self.asking(Ask::Poll).any(|conn| conn.line.is_silent() && is_intact(conn.line.client()))
    }

    /// The connection of a poll that the gateway has read and not answered.
    pub(super) fn certain_poll(&self) -> Option<Rc<Client>> {
        let heard = |conn: &&Conn| {
            let client = conn.line.client();
            conn.line.is_silent() && client.unread_bytes() == 0 && client.readable_bytes() == 0
        };
        self.asking(Ask::Poll).find(heard).map(|conn| conn.line.client().clone())
    }

    /// Says a request, on a fresh connection if it must be one.
    pub(super) fn say(&mut self, request: Request, fresh: bool, dice: &mut Dice, session: &Session) {
        let free: Vec<usize> = (0..self.conns.len()).filter(|&at| self.conns[at].asks.is_none()).collect();
        let at = match free.as_slice() {
            &[.., at] if self.conns.len() >= CONNS_MAX || !fresh && dice.chance(700) => at,
            _ => self.open(dice, session),
        };
        let conn = &mut self.conns[at];
        conn.line.say(|out| out.extend_from_slice(&request.bytes));
        conn.asks = Some(request);
    }

    fn open(&mut self, dice: &mut Dice, session: &Session) -> usize {
        let core = dice.below(self.cores as u64) as usize;
        let line = Line::new(self.kernel.connect_at(HTTP, core));
        session.uses(line.client());
        self.conns.push(Conn { line, core, asks: None, is_kept: false });
        self.conns.len() - 1
    }

    /// Closes what is kept for nothing, as browsers do.
    pub(super) fn tidy(&mut self) {
        self.conns.retain(|conn| {
            if conn.asks.is_none() {
                conn.line.client().close();
            }
            conn.asks.is_some()
        });
    }

    /// Ends all of them.
    pub(super) fn end(&mut self, how: Leaving) {
        for conn in self.conns.drain(..) {
            conn.line.end_by(how);
        }
    }
}

impl Conn {
    /// The answer at the front, if it is whole.
    pub(super) fn take_answer(&mut self) -> Option<(Head, Vec<u8>)> {
        let ear = &mut self.line.ear;
        let (head, head_bytes) = read_head(ear)?;
        let bytes = head_bytes + head.body_bytes;
        if ear.len() < bytes {
            return None;
        }
        let rest = ear.split_off(bytes);
        let answer = std::mem::replace(ear, rest);
        Some((head, answer[head_bytes..].to_vec()))
    }
}
