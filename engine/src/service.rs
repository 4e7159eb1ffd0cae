//! The tenant's side of the loop: the trait a product implements ([`Service`]), what it answers ([`Verdict`]) and what
//! it may ask for while it is being called ([`Cx`]).
//!
//! A callback never opens, moves, closes or frees a connection: it says what should happen, and the loop does it
//! at the end of the turn. So no callback is ever entered from inside another, and there is one place that closes.
//! Nothing here knows a socket: `Cx` depends on the service alone, not on the kernel below.

use std::net::SocketAddr;
use std::time::Instant;

use crate::core::conn::Conn;
use crate::core::hub::Hub;
use crate::slots::Key;
use crate::stats::CoreStats;
use crate::timer::Alarm;

/// Where a connection came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Index of the listener (in the order of the options) that accepted it.
    pub listener: usize,
    /// The peer's address. An IPv4 address is always the V4 variant, also on a dual-stack listener; flow and scope
    /// ids of IPv6 are not kept.
    pub peer: SocketAddr,
}

/// Why a connection ended; told to [`Service::closed`] and counted per kind.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Close {
    /// The peer sent FIN and has been read to the end.
    Finished,
    /// The peer reset the connection, or the network gave it up.
    Reset,
    /// The tenant asked for it: [`Verdict::Close`] or [`Cx::hang_up`].
    Asked,
    /// Output waited and the peer took no byte for ten seconds.
    Stalled,
    /// A message outgrew the ceiling of what one connection may hold unread.
    CarryOverflow,
    /// The graceful stop reached its deadline.
    Drained,
    /// The TLS handshake failed or took too long, or the peer broke the rules of TLS later.
    Tls,
}

impl Close {
    /// Every kind, in the order of [`Close::index`].
    pub const ALL: [Close; 7] = [
        Close::Finished,
        Close::Reset,
        Close::Asked,
        Close::Stalled,
        Close::CarryOverflow,
        Close::Drained,
        Close::Tls,
    ];

    /// Position in [`Close::ALL`] and in the counters.
    pub fn index(self) -> usize {
        match self {
            Close::Finished => 0,
            Close::Reset => 1,
            Close::Asked => 2,
            Close::Stalled => 3,
            Close::CarryOverflow => 4,
            Close::Drained => 5,
            Close::Tls => 6,
        }
    }

    /// The kind as a word for metrics and logs (`snake_case`).
    pub fn name(self) -> &'static str {
        match self {
            Close::Finished => "finished",
            Close::Reset => "reset",
            Close::Asked => "asked",
            Close::Stalled => "stalled",
            Close::CarryOverflow => "carry_overflow",
            Close::Drained => "drained",
            Close::Tls => "tls",
        }
    }
}

/// What the tenant makes of received bytes. `consumed` counts from the front of the slice that was offered; the rest
/// is kept for the connection.
#[derive(Debug)]
pub enum Verdict<B> {
    /// All whole messages were taken; the rest is the beginning of one and waits for more bytes.
    Continue {
        /// Bytes taken.
        consumed: usize,
    },
    /// The tenant's budget for one turn is used up: the rest is offered again next turn, new bytes or not.
    Yield {
        /// Bytes taken.
        consumed: usize,
    },
    /// Offer and read nothing more until [`Cx::resume`]; the rest is offered again then. A FIN that arrives meanwhile
    /// is acted on after the resume, a reset at once.
    Pause {
        /// Bytes taken.
        consumed: usize,
    },
    /// Carry the connection to core `to`, where [`Service::adopted`] receives it. It is gone here: no
    /// [`Service::closed`] follows on this core. Output already given is written from there.
    Move {
        /// The new home. The own core is allowed.
        to: usize,
        /// Bytes taken.
        consumed: usize,
        /// What travels with it.
        baggage: B,
    },
    /// Write what is in `out`, then close, lingering at most a second. Nothing more is offered.
    Close,
}

/// The tenant of a core. One value per core; it is never shared and never called re-entrantly.
pub trait Service: Sized {
    /// One enum: every sentence that neighbours say to each other.
    type Mail: Send + 'static;
    /// What travels with a connection that moves to another core.
    type Baggage: Send + 'static;
    /// What a free alarm says when it rings.
    type Token: Copy;

    /// A connection was accepted.
    fn opened(&mut self, cx: &mut Cx<'_, Self>, conn: Key, opened: Opened);

    /// Bytes arrived: the unconsumed rest of last time, with what is new behind it. Never empty, except after
    /// [`Cx::resume`] or a move, where what is at hand is offered only if there is some.
    fn received(&mut self, cx: &mut Cx<'_, Self>, conn: Key, bytes: &mut [u8]) -> Verdict<Self::Baggage>;

    /// A connection moved here. It is not paused; what it had unread is offered afterwards.
    fn adopted(&mut self, cx: &mut Cx<'_, Self>, conn: Key, opened: Opened, baggage: Self::Baggage);

    /// A neighbour (core or other) wrote.
    fn mail(&mut self, cx: &mut Cx<'_, Self>, from: usize, mail: Self::Mail);

    /// The connection's own deadline ([`Cx::set_deadline`]) has passed and is unset: set a new one, or hang up.
    fn due(&mut self, cx: &mut Cx<'_, Self>, conn: Key);

    /// An alarm ([`Cx::arm`]) rang; it is used up.
    fn rang(&mut self, cx: &mut Cx<'_, Self>, token: Self::Token);

    /// The output that waited for this connection fell below the low-water mark, after [`Cx::out`] had answered
    /// `None`.
    fn drained(&mut self, cx: &mut Cx<'_, Self>, conn: Key);

    /// The connection ended. Called exactly once for each that was opened or adopted here and did not move away. The
    /// key is dead already: [`Cx::out`] answers `None`.
    fn closed(&mut self, cx: &mut Cx<'_, Self>, conn: Key, close: Close);

    /// A graceful stop begins: close what may be closed, now or later. The core ends when no connection is left and
    /// [`Service::may_stop`] says so, or at its deadline, when the rest is closed with [`Close::Drained`].
    fn drain(&mut self, cx: &mut Cx<'_, Self>);

    /// In a graceful stop, with no connection left: whether the tenant has nothing of its own to wait for, like a question of
    /// another core. Asked at the end of each turn; whoever says no arms an alarm for the moment when it may say yes.
    fn may_stop(&self, _now: Instant) -> bool {
        true
    }
}

/// What a [`Service`] may ask of its core during a callback. All of it is either immediate and local (a buffer, a timer,
/// the time) or a mark that the loop acts on at the end of the turn.
pub struct Cx<'a, S: Service> {
    hub: &'a mut Hub<S>,
}

impl<'a, S: Service> Cx<'a, S> {
    pub(crate) fn new(hub: &'a mut Hub<S>) -> Self {
        Self { hub }
    }

    /// Monotonic time of this turn (read once).
    pub fn now(&self) -> Instant {
        self.hub.now
    }

    /// Unix time of this turn in milliseconds (read once). For messages only, never for deadlines.
    pub fn wall_ms(&self) -> u64 {
        self.hub.wall_ms
    }

    /// Index of this core.
    pub fn core(&self) -> usize {
        self.hub.core
    }

    /// Number of cores. Neighbours that are no cores (store writer, worker) have the indices behind.
    pub fn cores(&self) -> usize {
        self.hub.cores
    }

    /// Eight bytes from the core's cryptographic generator.
    pub fn random_u64(&mut self) -> u64 {
        self.hub.random_u64()
    }

    /// Fills `bytes` from the core's cryptographic generator.
    pub fn fill_random(&mut self, bytes: &mut [u8]) {
        self.hub.fill_random(bytes);
    }

    /// Whether a connection is here and its end is not decided: whoever has kept words of it may still act on them.
    pub fn is_serving(&self, conn: Key) -> bool {
        self.hub.conns.get(conn).is_some_and(Conn::serving)
    }

    /// Like [`Cx::opened`], and in [`Service::closed`] too, unless the connection was cut off: for a log line about its end.
    pub fn came_from(&self, conn: Key) -> Option<Opened> {
        self.hub.conns.get(conn).map(Conn::opened)
    }

    /// The buffer to append the connection's output to; it is written at the end of the turn. `None`: the connection is
    /// gone, or it is choked (output above the high-water mark waits for the peer), and then [`Service::drained`] will
    /// say when it is not any more. Only append: the buffer may hold earlier words.
    pub fn out(&mut self, conn: Key) -> Option<&mut Vec<u8>> {
        self.hub.out(conn)
    }

    /// The same for words that must not be lost because the peer reads slowly: acknowledgements, refusals, the answer to the
    /// one request that is open. `None` only when the connection is gone. The tenant bounds how many of them there can be.
    pub fn out_urgent(&mut self, conn: Key) -> Option<&mut Vec<u8>> {
        self.hub.out_urgent(conn)
    }

    /// Whether the connection is still open for the tenant.
    pub fn is_open(&self, conn: Key) -> bool {
        self.hub.is_open(conn)
    }

    /// Where the connection came from, while it is open for the tenant.
    pub fn opened(&self, conn: Key) -> Option<Opened> {
        self.hub.opened(conn)
    }

    /// Bytes of output that wait for the connection: not yet offered to the kernel or not yet taken by it.
    pub fn backlog_bytes(&self, conn: Key) -> usize {
        self.hub.unsent_bytes(conn)
    }

    /// So much output waits for the connection that nothing more is read from it until the peer has taken some. A tenant with
    /// more of its words at hand, whose answers may be long, yields then.
    pub fn is_behind(&self, conn: Key) -> bool {
        self.hub.is_behind(conn)
    }

    /// Whether the peer may have said something that the tenant has not been offered yet: it waits in the kernel, or was left
    /// by the tenant. Who judges silence asks this first.
    pub fn has_unread(&self, conn: Key) -> bool {
        self.hub.has_unread(conn)
    }

    /// Posts a mail; it leaves at the end of the turn. `0..cores` are the cores (the own one included: delivered in a
    /// later turn), the other neighbours follow.
    pub fn post(&mut self, to: usize, mail: S::Mail) {
        self.hub.post(to, mail);
    }

    /// So much mail waits for some neighbour that new work for it should be refused as *busy*, and that the core accepts nobody.
    /// Answers, closes and moves must still be posted: they are never refused.
    pub fn congested(&self) -> bool {
        self.hub.congested()
    }

    /// Whether it is this neighbour.
    pub fn congested_to(&self, to: usize) -> bool {
        self.hub.congested_to(to)
    }

    /// Sets a free alarm: [`Service::rang`] hears `token` at the first tick after `at`.
    pub fn arm(&mut self, at: Instant, token: S::Token) -> Alarm {
        self.hub.arm(at, token)
    }

    /// Takes an alarm back. `false`: it has rung or was taken back before.
    pub fn disarm(&mut self, alarm: Alarm) -> bool {
        self.hub.disarm(alarm)
    }

    /// Sets, moves or unsets the connection's own deadline ([`Service::due`]). One store in the usual case, so it may be
    /// moved at every message.
    pub fn set_deadline(&mut self, conn: Key, at: Option<Instant>) {
        self.hub.set_deadline(conn, at);
    }

    /// Ends a [`Verdict::Pause`], at the end of this turn at the latest in the next. Harmless otherwise.
    pub fn resume(&mut self, conn: Key) {
        self.hub.resume(conn);
    }

    /// Ends a connection with [`Close::Asked`]: marked now, done at the end of the turn, after its output is offered to the
    /// kernel. Harmless when it is gone.
    pub fn hang_up(&mut self, conn: Key) {
        self.hub.doom(conn, Close::Asked);
    }

    /// Moves a connection other than the one being served: marked now, done at the end of the turn. When it dies before that,
    /// [`Service::closed`] is called here and the baggage is dropped.
    pub fn move_to(&mut self, conn: Key, to: usize, baggage: S::Baggage) {
        self.hub.move_to(conn, to, baggage);
    }

    /// A graceful stop has begun.
    pub fn draining(&self) -> bool {
        self.hub.draining
    }

    /// This core's counters.
    pub fn stats(&self) -> &CoreStats {
        &self.hub.stats
    }
}
