//! The half of a core that has nothing of the kernel in it: rows, desks, timers, marks, mail on its way out. `Cx` is a
//! borrow of it, so a tenant's code does not depend on which kernel is below.
//!
//! Everything a tenant asks for ends here as a store or a mark. The hub never calls the tenant, never closes a
//! connection, and touches no socket.

use std::collections::VecDeque;
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::core::Limits;
use crate::core::conn::{Conn, Flag};
use crate::core::desk::Desks;
use crate::service::{Close, Opened, Service};
use crate::slots::{Key, Queue, Slots};
use crate::stats::CoreStats;
use crate::timer::{Alarm, Alarms, Wheel};

/// What an alarm on a core's clock is for.
#[derive(Clone, Copy)]
pub(crate) enum Ring<T> {
    /// The tenant's.
    Tenant(T),
    /// Look whether the output of a connection has made progress.
    Stalled(Key),
    /// The second of grace of a closed connection is over.
    Lingered(Key),
    /// The time for a TLS handshake is over.
    Handshake(Key),
}

/// A connection that leaves at the end of the turn.
pub(crate) struct Leave<B> {
    pub(crate) key: Key,
    pub(crate) to: usize,
    pub(crate) baggage: B,
}

/// See the file's head.
pub(crate) struct Hub<S: Service> {
    pub(crate) now: Instant,
    pub(crate) wall_ms: u64,
    pub(crate) core: usize,
    pub(crate) cores: usize,
    pub(crate) limits: Limits,
    pub(crate) draining: bool,
    dice: ChaCha12Rng,
    pub(crate) conns: Slots<Conn>,
    pub(crate) desks: Desks,
    /// The connections' own deadlines.
    pub(crate) deadlines: Wheel,
    pub(crate) alarms: Alarms<Ring<S::Token>>,
    /// Connections with something to read or to offer.
    pub(crate) ready: Queue,
    /// Connections with something to write, or to end.
    pub(crate) flush: Queue,
    /// Connections whose end is decided.
    pub(crate) doomed: Vec<Key>,
    pub(crate) leaving: Vec<Leave<S::Baggage>>,
    /// Mail of this turn.
    pub(crate) outbox: Vec<(usize, S::Mail)>,
    /// Mail to this core itself, for a later turn.
    pub(crate) own: VecDeque<S::Mail>,
    /// For each neighbour, the mail of this turn and what waited for it at the end of the last one.
    unposted: Vec<usize>,
    /// Neighbours for whom too much of it waits.
    crowded: usize,
    /// For each neighbour, how often the mail for it has reached the mark.
    pub(crate) congestions: Vec<u64>,
    /// Closed connections that are still there.
    pub(crate) lingering: usize,
    pub(crate) stats: CoreStats,
}

impl<S: Service> Hub<S> {
    pub(crate) fn new(
        (core, cores, neighbours): (usize, usize, usize),
        limits: Limits,
        now: Instant,
        wall_ms: u64,
        seed: [u8; 32],
    ) -> Self {
        debug_assert!(limits.unposted_letters_mark > 0, "no mail at all is not too much");
        Hub {
            now,
            wall_ms,
            core,
            cores,
            limits,
            draining: false,
            dice: ChaCha12Rng::from_seed(seed),
            conns: Slots::new(),
            desks: Desks::new(),
            deadlines: Wheel::new(now),
            alarms: Alarms::new(now),
            ready: Queue::new(),
            flush: Queue::new(),
            doomed: Vec::new(),
            leaving: Vec::new(),
            outbox: Vec::new(),
            own: VecDeque::new(),
            unposted: vec![0; neighbours],
            crowded: 0,
            congestions: vec![0; neighbours],
            lingering: 0,
            stats: CoreStats::default(),
        }
    }

    pub(crate) fn random_u64(&mut self) -> u64 {
        self.dice.next_u64()
    }

    pub(crate) fn fill_random(&mut self, bytes: &mut [u8]) {
        self.dice.fill_bytes(bytes);
    }

    pub(crate) fn is_open(&self, key: Key) -> bool {
        self.conns.get(key).is_some_and(Conn::open)
    }

    pub(crate) fn opened(&self, key: Key) -> Option<Opened> {
        self.conns.get(key).filter(|conn| conn.open()).map(Conn::opened)
    }

    pub(crate) fn out(&mut self, key: Key) -> Option<&mut Vec<u8>> {
        let conn = self.conns.get_mut(key).filter(|conn| conn.open())?;
        if self.desks.unsent_bytes(conn.desk) >= self.limits.marks.high_bytes {
            conn.set(Flag::Choked);
            return None;
        }
        self.flush.push(key);
        let sealed = conn.is(Flag::Sealed);
        Some(self.desks.out(&mut conn.desk, sealed, self.now))
    }

    pub(crate) fn out_urgent(&mut self, key: Key) -> Option<&mut Vec<u8>> {
        let conn = self.conns.get_mut(key).filter(|conn| conn.open())?;
        self.flush.push(key);
        let sealed = conn.is(Flag::Sealed);
        Some(self.desks.out(&mut conn.desk, sealed, self.now))
    }

    pub(crate) fn unsent_bytes(&self, key: Key) -> usize {
        self.conns.get(key).map_or(0, |conn| self.desks.unsent_bytes(conn.desk))
    }

    pub(crate) fn is_behind(&self, key: Key) -> bool {
        self.unsent_bytes(key) > self.limits.marks.low_bytes
    }

    pub(crate) fn has_unread(&self, key: Key) -> bool {
        self.conns.get(key).is_some_and(|conn| conn.is(Flag::Readable) || conn.is(Flag::Offer))
    }

    pub(crate) fn post(&mut self, to: usize, mail: S::Mail) {
        self.outbox.push((to, mail));
        self.unposted[to] += 1;
        if self.unposted[to] == self.limits.unposted_letters_mark {
            self.crowded += 1;
            self.congestions[to] += 1;
        }
    }

    pub(crate) fn congested(&self) -> bool {
        self.crowded > 0
    }

    pub(crate) fn congested_to(&self, to: usize) -> bool {
        self.unposted[to] >= self.limits.unposted_letters_mark
    }

    /// The mail of the turn is posted; `unposted` says how much waits for a neighbour now.
    pub(crate) fn posted(&mut self, unposted: impl Fn(usize) -> usize) {
        for (to, waiting) in self.unposted.iter_mut().enumerate() {
            *waiting = unposted(to);
        }
        let mark = self.limits.unposted_letters_mark;
        #[cfg(planted)]
        if crate::planted::is("congestion-outlives-mail") && self.crowded > 0 {
            return;
        }
        self.crowded = self.unposted.iter().filter(|&&waiting| waiting >= mark).count();
    }

    pub(crate) fn arm(&mut self, at: Instant, token: S::Token) -> Alarm {
        self.alarms.arm(at, Ring::Tenant(token))
    }

    pub(crate) fn disarm(&mut self, alarm: Alarm) -> bool {
        self.alarms.disarm(alarm)
    }

    pub(crate) fn set_deadline(&mut self, key: Key, at: Option<Instant>) {
        if !self.is_open(key) {
            return;
        }
        match at {
            Some(at) => self.deadlines.set(key.index, self.deadlines.ticks().deadline(at)),
            None => self.deadlines.clear(key.index),
        }
    }

    pub(crate) fn resume(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key).filter(|conn| conn.serving()) else {
            return;
        };
        if conn.take(Flag::Paused) {
            conn.set(Flag::Offer);
            self.ready.push(key);
        }
    }

    /// Decides that a connection ends. The first reason stands; one that is on its way elsewhere is told there.
    pub(crate) fn doom(&mut self, key: Key, close: Close) {
        if let Some(conn) = self.conns.get_mut(key).filter(|conn| conn.serving()) {
            conn.close = Some(close);
            self.doomed.push(key);
        }
    }

    /// Decides that a connection leaves; from now on the tenant cannot reach it here.
    pub(crate) fn move_to(&mut self, key: Key, to: usize, baggage: S::Baggage) {
        assert!(to < self.cores, "a connection moves to a core");
        if let Some(conn) = self.conns.get_mut(key).filter(|conn| conn.serving()) {
            conn.set(Flag::Leaving);
            self.leaving.push(Leave { key, to, baggage });
        }
    }
}
