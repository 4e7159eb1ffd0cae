//! A core: one kernel, one tenant, and the turn.
//!
//! [`Core::turn`] is the program; everything else here is called from it, stage by stage, each in a file of its own. It never
//! blocks outside the poll, holds no lock, starts no thread, and reads the time once per turn (and once more at its end, to
//! know how long it took).
//!
//! ```text
//!   poll ----> accept -> timers -> mail ----> reads --> closes ---> flush --> post ----> (stopped?)
//!   core/poll  listener  core/timers, mail    core/reads  close, handover  core/flush  core/mail
//!                 |          |        |          |           |         |
//!                 +----------+--------+----------+-----------+---------+----> Service, with a Cx of the hub
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backlog::Marks;
use crate::letter::{LetterOf, Posted};
use crate::listener::Door;
use crate::mailbox::{Mailbox, Post, UNPOSTED_LETTERS_MARK};
use crate::net::{Event, Net};
use crate::scratch::{SCRATCH_BYTES, Scratch};
use crate::service::{Cx, Service};
use crate::stats::CoreStats;
use crate::tls::{Sealing, Terms};

pub(crate) mod conn;
pub(crate) mod desk;
mod flush;
pub(crate) mod hub;
mod mail;
mod poll;
mod reads;
pub(crate) mod sealed;
mod timers;

use hub::Hub;

/// What a turn is allowed, and what a connection is. All of them are ceilings per core or per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The receive scratch: the most that one read brings.
    pub scratch_bytes: usize,
    /// What one connection may leave unconsumed before it is closed with
    /// [`Close::CarryOverflow`](crate::service::Close::CarryOverflow).
    pub carry_bytes_max: usize,
    /// High and low water of the output that waits for one connection. Reading from it stops above the low mark; the
    /// tenant is refused more output from the high mark on.
    pub marks: Marks,
    /// Connections accepted per listener and turn.
    pub accepts_per_turn: usize,
    /// Letters taken per turn.
    pub letters_per_turn: usize,
    /// From this many letters for one neighbour on, waiting or of this turn, a core is congested: it takes on no new work for it, and
    /// accepts nobody. At least one.
    pub unposted_letters_mark: usize,
    /// Bytes read from one connection per turn.
    pub read_bytes_per_turn: usize,
    /// How long a closed connection may take to swallow its last output and to finish.
    pub linger: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Reads of connections in their TLS handshake per turn: each may cost a tenth of a millisecond of arithmetic.
    pub handshakes_per_turn: usize,
    /// TLS input that brings no plaintext before the connection is closed.
    pub fruitless_bytes_max: usize,
    /// Closed connections that may linger at once; any more are closed at once.
    pub lingering_max: usize,
    /// Input of a closed connection that is thrown away before it is cut off.
    pub linger_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            scratch_bytes: SCRATCH_BYTES,
            carry_bytes_max: 1_114_112 + 64 * 1024,
            marks: Marks::default(),
            accepts_per_turn: 64,
            letters_per_turn: 1024,
            unposted_letters_mark: UNPOSTED_LETTERS_MARK,
            read_bytes_per_turn: 2 * SCRATCH_BYTES,
            linger: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(10),
            handshakes_per_turn: 16,
            fruitless_bytes_max: 256 * 1024,
            lingering_max: 1024,
            linger_bytes_max: 256 * 1024,
        }
    }
}

/// What a turn came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Take the next one.
    Running,
    /// A graceful stop was asked for and nothing is left to do, or its deadline is over. A neighbour that still moves a
    /// connection here brings it back to [`Turn::Running`].
    Stopped,
}

/// One core; see the file's head. Built by [`Wiring`](crate::wiring::Wiring).
pub struct Core<N: Net, S: Service> {
    /// The tenant.
    pub service: S,
    pub(crate) net: N,
    pub(crate) hub: Hub<S>,
    /// Beside the hub's rows, aligned by index, so that `Cx` needs not know their type.
    pub(crate) sockets: Vec<Option<N::Socket>>,
    pub(crate) doors: Vec<Door>,
    /// TLS sessions, beside the rows like the sockets, and their buffers.
    pub(crate) sealing: Sealing,
    pub(crate) scratch: Scratch,
    pub(crate) events: Vec<Event>,
    mailbox: Arc<Mailbox<Posted<N, S>>>,
    post: Post<Posted<N, S>>,
    /// Connections that leave this turn.
    pub(crate) letters: Vec<(usize, LetterOf<N, S>)>,
    /// When a graceful stop gives up waiting.
    drain_deadline: Option<Instant>,
    /// When the last turn ended: what timeouts are counted from.
    turn_ended: Instant,
}

impl<N: Net, S: Service> Core<N, S> {
    pub(crate) fn new(
        (core, cores): (usize, usize),
        limits: Limits,
        mut net: N,
        service: S,
        mailbox: Arc<Mailbox<Posted<N, S>>>,
        post: Post<Posted<N, S>>,
    ) -> Core<N, S> {
        let (now, wall_ms, seed) = (net.now(), net.wall_ms(), net.seed());
        let doors = (0..net.listeners()).map(|_| Door::new()).collect();
        Core {
            service,
            net,
            hub: Hub::new((core, cores, post.neighbours()), limits, now, wall_ms, seed),
            sockets: Vec::new(),
            doors,
            sealing: Sealing::new(),
            scratch: Scratch::new(limits.scratch_bytes),
            events: Vec::new(),
            mailbox,
            post,
            letters: Vec::new(),
            drain_deadline: None,
            turn_ended: now,
        }
    }

    /// One iteration of the loop. Blocks in the poll and nowhere else, and there only when nothing is left to do.
    pub fn turn(&mut self) -> Turn {
        self.poll();
        self.accept();
        self.ring();
        self.take_mail();
        self.read();
        self.close();
        self.flush();
        self.post();
        self.end_turn()
    }

    /// Connections seated here, those that linger after their close included.
    pub fn connections(&self) -> usize {
        self.hub.conns.len()
    }

    /// What the listener offers from now on to those who knock: TLS under these terms, or (as it is at first) none.
    pub fn set_terms(&mut self, listener: usize, terms: Option<Terms>) {
        if let Some(door) = self.doors.get_mut(listener) {
            door.terms = terms;
        }
    }

    /// The core's counters.
    pub fn stats(&self) -> &CoreStats {
        &self.hub.stats
    }

    /// Connections that have something in hand (a partial message, unsent output): the others own no buffer.
    pub fn connections_with_buffers(&self) -> usize {
        self.hub.desks.occupied()
    }

    /// How often the mail for a neighbour has become so much that the core was congested towards it, within a turn or for longer.
    pub fn congestions(&self, to: usize) -> u64 {
        self.hub.congestions[to]
    }

    /// What the tenant sees, for calls from outside a turn: a simulator's or a test's.
    pub fn outside(&mut self, act: impl FnOnce(&mut S, &mut Cx<'_, S>)) {
        act(&mut self.service, &mut Cx::new(&mut self.hub));
    }

    pub(crate) fn drain_deadline(&self) -> Option<Instant> {
        self.drain_deadline
    }

    pub(crate) fn set_drain_deadline(&mut self, deadline: Instant) {
        self.drain_deadline = Some(deadline);
    }

    fn end_turn(&mut self) -> Turn {
        let stopped = self.drained_out();
        self.turn_ended = self.net.now();
        let stats = &mut self.hub.stats;
        stats.turns += 1;
        stats.lag.record(self.turn_ended.saturating_duration_since(self.hub.now));
        stats.mail_overflow_peak = self.post.unposted_peak() as u64;
        stats.wakes = self.post.rings();
        if stopped { Turn::Stopped } else { Turn::Running }
    }

    /// Whether a graceful stop has come to its end, by itself or by its deadline.
    fn drained_out(&mut self) -> bool {
        let Some(deadline) = self.drain_deadline else {
            return false;
        };
        if deadline <= self.hub.now {
            self.abandon();
            return true;
        }
        self.hub.conns.is_empty()
            && self.hub.own.is_empty()
            && self.post.unposted() == 0
            && self.mailbox.is_empty()
            && self.doors.iter().all(|door| door.closed)
            && self.service.may_stop(self.hub.now)
    }
}
