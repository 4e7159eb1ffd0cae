//! How connections end: the one stage that closes, the second of grace after it, and the graceful stop of the core.
//!
//! An end is decided elsewhere (`Hub::doom`) and carried out here, where the tenant hears of it exactly once. Closing a
//! socket whose peer still sends would turn our FIN into a reset that destroys our last words on their way; so such a
//! connection lingers: FIN is sent, input is read and thrown away, until the peer finishes or the grace is over.
//!
//! ```text
//!  [doomed] --closed()--> reset, stalled ---------------------------------------> socket closed
//!              |
//!              +--------> [flushing] --all written--> FIN sent, [lingering] ----> socket closed
//!                             |                         ^   | input discarded       ^
//!                             |  the peer's FIN was read|---+-----------------------+
//!                             +--  grace over (1 s), too much input, too many lingering, broken
//! ```

use std::time::Instant;

use crate::core::Core;
use crate::core::conn::{Conn, Flag};
use crate::core::hub::Ring;
use crate::net::{Net, Read};
use crate::service::{Close, Cx, Service};
use crate::slots::Key;

impl<N: Net, S: Service> Core<N, S> {
    /// Carries out what was decided in this turn: moves and ends, those included that are decided meanwhile.
    pub(crate) fn close(&mut self) {
        if self.drain_deadline().is_some_and(|deadline| deadline <= self.hub.now) {
            self.doom_all();
        }
        while !self.hub.leaving.is_empty() || !self.hub.doomed.is_empty() {
            for leave in std::mem::take(&mut self.hub.leaving) {
                self.leave(leave);
            }
            for key in std::mem::take(&mut self.hub.doomed) {
                self.end(key);
            }
        }
    }

    /// Tells the tenant, and lets the flush write the last words.
    fn end(&mut self, key: Key) {
        let hub = &mut self.hub;
        let Some(conn) = hub.conns.get_mut(key) else {
            return;
        };
        let Some(close) = conn.close else { return };
        debug_assert!(conn.open(), "a connection ends once");
        conn.set(Flag::Closed);
        if let Some(desk) = hub.desks.at(conn.desk) {
            desk.carry = Vec::new();
        }
        hub.deadlines.clear(key.index);
        hub.stats.closed[close.index()] += 1;
        let sealed = conn.is(Flag::Sealed);
        // A goodbye under TLS is answered with one, which has to be taken.
        let finished = conn.is(Flag::Finished) && !sealed;
        if sealed {
            self.end_handshake(key);
        }
        let hub = &mut self.hub;
        let Some(conn) = hub.conns.get_mut(key) else {
            return;
        };
        match close {
            Close::Reset | Close::Stalled => self.release(key),
            Close::Finished | Close::Asked | Close::CarryOverflow | Close::Drained | Close::Tls => {
                if !finished && hub.lingering < hub.limits.lingering_max {
                    conn.set(Flag::Lingering);
                    hub.lingering += 1;
                    hub.alarms.arm(hub.now + hub.limits.linger, Ring::Lingered(key));
                }
                hub.flush.push(key);
            }
        }
        self.service.closed(&mut Cx::new(&mut self.hub), key, close);
    }

    /// The flush has tried to write for a closed connection.
    pub(crate) fn flushed_closed(&mut self, key: Key) {
        let hub = &mut self.hub;
        let Some(conn) = hub.conns.get_mut(key) else {
            return;
        };
        let unsent = hub.desks.unsent_bytes(conn.desk);
        if !conn.is(Flag::Lingering) || (unsent == 0 && conn.is(Flag::Finished)) {
            return self.release(key);
        }
        if unsent == 0 && !conn.is(Flag::ShutDown) {
            conn.set(Flag::ShutDown);
            if let Some(Some(socket)) = self.sockets.get_mut(key.index as usize) {
                self.net.shutdown_write(socket);
            }
            if conn.is(Flag::Readable) {
                hub.ready.push(key);
            }
        }
    }

    /// Reads what a closed connection still sends and throws it away.
    pub(crate) fn discard(&mut self, key: Key) {
        let now = self.hub.now;
        let mut budget = self.hub.limits.read_bytes_per_turn;
        loop {
            let hub = &mut self.hub;
            let Some(conn) = hub.conns.get_mut(key) else {
                return;
            };
            let Some(Some(socket)) = self.sockets.get_mut(key.index as usize) else {
                return;
            };
            let fits = self.scratch.begin(&[]);
            debug_assert!(fits);
            let room = self.scratch.capacity();
            hub.stats.reads += 1;
            match self.net.read(socket, self.scratch.room()) {
                Read::Bytes(bytes) => {
                    hub.stats.bytes_in += bytes as u64;
                    let desk = hub.desks.sit(&mut conn.desk, now);
                    desk.discarded_bytes += bytes;
                    if desk.discarded_bytes > hub.limits.linger_bytes_max {
                        return self.release(key);
                    }
                    if bytes < room && !conn.is(Flag::FinAhead) && !conn.is(Flag::Broken) {
                        return conn.clear(Flag::Readable);
                    }
                    if budget <= bytes {
                        hub.ready.push(key);
                        return;
                    }
                    budget -= bytes;
                }
                Read::WouldBlock if !conn.is(Flag::Broken) => return conn.clear(Flag::Readable),
                Read::Finished if hub.desks.unsent_bytes(conn.desk) > 0 => {
                    // It still listens, as far as we know: the last words keep their second.
                    conn.set(Flag::Finished);
                    return conn.clear(Flag::Readable);
                }
                Read::WouldBlock | Read::Finished | Read::Broken => return self.release(key),
            }
        }
    }

    /// The grace of a closed connection is over.
    pub(crate) fn lingered(&mut self, key: Key) {
        if self.hub.conns.get(key).is_some_and(|conn| conn.is(Flag::Closed)) {
            self.release(key);
        }
    }

    /// Closes the socket and frees the row. The tenant has been told, or is about to be.
    pub(crate) fn release(&mut self, key: Key) {
        let Some(mut conn) = self.hub.conns.remove(key) else {
            return;
        };
        debug_assert!(conn.is(Flag::Closed));
        if conn.is(Flag::Sealed) {
            drop(self.sealing.take(key));
        }
        self.hub.lingering -= usize::from(conn.is(Flag::Lingering));
        self.hub.desks.leave(&mut conn.desk);
        if let Some(socket) = self.sockets.get_mut(key.index as usize).and_then(Option::take) {
            self.net.close(socket);
        }
    }

    /// A graceful stop begins, or gets an earlier end.
    pub(crate) fn begin_drain(&mut self, deadline: Instant) {
        let begins = !self.hub.draining;
        self.hub.draining = true;
        let earlier = self.drain_deadline().map_or(deadline, |known| known.min(deadline));
        self.set_drain_deadline(earlier);
        if begins {
            self.service.drain(&mut Cx::new(&mut self.hub));
        }
    }

    fn doom_all(&mut self) {
        let serving = |(key, conn): (Key, &Conn)| conn.serving().then_some(key);
        let keys: Vec<Key> = self.hub.conns.iter().filter_map(serving).collect();
        for key in keys {
            self.hub.doom(key, Close::Drained);
        }
    }

    /// The graceful stop is over: what is still there is let go as it is.
    pub(crate) fn abandon(&mut self) {
        debug_assert!(
            self.hub.conns.iter().all(|(_, conn)| !conn.open()),
            "the tenant has heard of every end"
        );
        let keys: Vec<Key> = self.hub.conns.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.release(key);
        }
        self.close_doors();
    }
}
