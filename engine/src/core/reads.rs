//! The stage of the reads: every connection on the ready list is read and offered to the tenant, each within its budget.
//!
//! A connection that is paused, or whose output waits above the low-water mark, is not read; the bit that it is readable
//! stays, and whoever ends the obstacle (resume, flush) puts it back on the list. Nothing is closed here: an end
//! is marked and carried out by the next stage.
//!
//! ```text
//!   carry fits   :  scratch [ carry | read here      ]  -> tenant -> rest copied to the carry
//!   it does not  :  carry   [ ......... | read here  ]  -> tenant -> rest stays; freed when consumed
//! ```

use crate::core::Core;
use crate::core::conn::{Conn, Flag};
use crate::core::hub::Hub;
use crate::net::{Net, Read};
use crate::service::{Close, Cx, Service, Verdict};
use crate::slots::Key;

/// A read into the scratch behind a carry has at least a quarter of it as room; a longer carry becomes the buffer itself.
const ROOM_SHARE: usize = 4;

/// A buffer of its own that has this many times the room it needs is trimmed.
const SLACK: usize = 4;

/// Where the bytes lie that are offered.
pub(super) enum Held {
    Scratch,
    /// The connection's own carry, taken from its desk meanwhile.
    Carry(Vec<u8>),
}

impl<N: Net, S: Service> Core<N, S> {
    /// Serves everyone who was on the ready list when the stage began.
    pub(super) fn read(&mut self) {
        self.sealing.shaken = 0;
        for _ in 0..self.hub.ready.len() {
            let Some(key) = self.hub.ready.pop() else { break };
            match self.hub.conns.get(key) {
                Some(conn) if conn.is(Flag::Closed) => self.discard(key),
                Some(conn) if conn.serving() => self.serve(key, conn.is(Flag::Sealed)),
                Some(_) | None => {}
            }
        }
    }

    fn serve(&mut self, key: Key, sealed: bool) {
        if self.hub.may_offer(key) && !self.offer_carry(key) {
            return;
        }
        let mut budget = self.hub.limits.read_bytes_per_turn;
        while self.hub.may_read(key) {
            if budget == 0 {
                self.hub.ready.push(key);
                return;
            }
            let read = if sealed { self.open_and_offer(key) } else { self.read_and_offer(key, budget) };
            let Some(read) = read else {
                return;
            };
            budget -= read.min(budget);
        }
        self.hub.end_if_over(key);
    }

    /// Offers what is at hand without reading. `false`: nothing more this turn.
    fn offer_carry(&mut self, key: Key) -> bool {
        let Some(conn) = self.hub.conns.get_mut(key) else {
            return false;
        };
        conn.clear(Flag::Offer);
        let Some(desk) = self.hub.desks.at(conn.desk) else {
            return true;
        };
        if desk.carry.is_empty() {
            return true;
        }
        let carry = std::mem::take(&mut desk.carry);
        self.offer(key, Held::Carry(carry))
    }

    /// One read, and what the tenant makes of it; the number of bytes, or `None`: nothing more this turn.
    fn read_and_offer(&mut self, key: Key, budget: usize) -> Option<usize> {
        let (read, room, held) = self.read_behind_carry(key, budget)?;
        let hub = &mut self.hub;
        let conn = hub.conns.get_mut(key)?;
        match read {
            Read::Bytes(bytes) => {
                hub.stats.bytes_in += bytes as u64;
                // A short read has emptied the socket, and what comes next raises an event; unless an end is announced,
                // whose event may have come already.
                conn.put(Flag::Readable, bytes == room || conn.is(Flag::FinAhead) || conn.is(Flag::Broken));
                self.offer(key, held).then_some(bytes)
            }
            Read::WouldBlock => {
                conn.clear(Flag::Readable);
                self.put_back(key, held);
                Some(0)
            }
            Read::Finished => {
                conn.clear(Flag::Readable);
                conn.set(Flag::Finished);
                self.put_back(key, held);
                Some(0)
            }
            Read::Broken => {
                hub.doom(key, Close::Reset);
                None
            }
        }
    }

    /// Reads behind what is kept already, into the scratch or into the connection's own buffer; how much room there was is
    /// told too.
    fn read_behind_carry(&mut self, key: Key, budget: usize) -> Option<(Read, usize, Held)> {
        let conn = self.hub.conns.get_mut(key)?;
        let socket = self.sockets.get_mut(key.index as usize)?.as_mut()?;
        self.hub.stats.reads += 1;
        let capacity = self.scratch.capacity();
        let desk = self.hub.desks.at(conn.desk);
        let kept = desk.as_ref().map_or(0, |desk| desk.carry.len());
        if kept + capacity / ROOM_SHARE <= capacity {
            let fits = self.scratch.begin(desk.as_ref().map_or(&[][..], |desk| &desk.carry));
            debug_assert!(fits);
            if let Some(desk) = desk {
                desk.carry.clear();
            }
            let room = self.scratch.room();
            let room = &mut room[..];
            let (read, room_bytes) = (self.net.read(socket, room), room.len());
            if let Read::Bytes(bytes) = read {
                self.scratch.commit(bytes);
            }
            return Some((read, room_bytes, Held::Scratch));
        }
        let mut carry = std::mem::take(&mut desk?.carry);
        let room_bytes = capacity.min(budget);
        carry.resize(kept + room_bytes, 0);
        let read = self.net.read(socket, &mut carry[kept..]);
        carry.truncate(kept + if let Read::Bytes(bytes) = read { bytes } else { 0 });
        Some((read, room_bytes, Held::Carry(carry)))
    }

    /// Offers bytes to the tenant and keeps what it leaves. `false`: nothing more this turn.
    pub(super) fn offer(&mut self, key: Key, mut held: Held) -> bool {
        let cx = &mut Cx::new(&mut self.hub);
        let (offered, verdict) = match &mut held {
            Held::Scratch => {
                let bytes = self.scratch.filled();
                (bytes.len(), self.service.received(cx, key, bytes))
            }
            Held::Carry(carry) => (carry.len(), self.service.received(cx, key, carry)),
        };
        let (consumed, go_on) = self.hub.judge(key, verdict, offered);
        debug_assert!(consumed <= offered, "a tenant consumes what it was offered");
        let consumed = consumed.min(offered);
        self.keep(key, held, consumed);
        if go_on && offered - consumed >= self.hub.limits.carry_bytes_max {
            self.hub.doom(key, Close::CarryOverflow);
        }
        go_on && self.hub.conns.get(key).is_some_and(Conn::serving)
    }

    /// Nothing was read: what was put in front of the read goes back where it came from.
    pub(super) fn put_back(&mut self, key: Key, held: Held) {
        self.keep(key, held, 0);
    }

    /// Keeps all but the first `consumed` bytes as the connection's carry.
    fn keep(&mut self, key: Key, held: Held, consumed: usize) {
        let now = self.hub.now;
        let Some(conn) = self.hub.conns.get_mut(key) else {
            return;
        };
        match held {
            Held::Scratch => {
                let rest = &self.scratch.filled()[consumed..];
                if !rest.is_empty() {
                    self.hub.desks.sit(&mut conn.desk, now).carry.extend_from_slice(rest);
                }
            }
            Held::Carry(mut carry) if consumed < carry.len() => {
                carry.drain(..consumed);
                if carry.len() < carry.capacity() / SLACK {
                    carry.shrink_to_fit();
                }
                self.hub.desks.sit(&mut conn.desk, now).carry = carry;
            }
            // All consumed: the buffer that the message needed is freed here.
            Held::Carry(_) => {}
        }
        self.hub.desks.leave_if_clear(&mut conn.desk);
    }
}

impl<S: Service> Hub<S> {
    /// What the tenant's answer means: how much is consumed, and whether to go on with the connection in this turn.
    fn judge(&mut self, key: Key, verdict: Verdict<S::Baggage>, offered: usize) -> (usize, bool) {
        match verdict {
            Verdict::Continue { consumed } => (consumed, true),
            Verdict::Yield { consumed } => {
                if let Some(conn) = self.conns.get_mut(key) {
                    conn.set(Flag::Offer);
                    self.ready.push(key);
                }
                (consumed, false)
            }
            Verdict::Pause { consumed } => {
                if let Some(conn) = self.conns.get_mut(key) {
                    conn.set(Flag::Paused);
                }
                (consumed, false)
            }
            Verdict::Move { to, consumed, baggage } => {
                self.move_to(key, to, baggage);
                (consumed, false)
            }
            Verdict::Close => {
                self.doom(key, Close::Asked);
                (offered, false)
            }
        }
    }

    fn may_offer(&self, key: Key) -> bool {
        self.conns.get(key).is_some_and(|conn| conn.is(Flag::Offer) && self.hears(conn))
    }

    fn may_read(&self, key: Key) -> bool {
        self.conns
            .get(key)
            .is_some_and(|conn| conn.is(Flag::Readable) && !conn.is(Flag::Finished) && self.hears(conn))
    }

    /// Whether bytes may be offered: nobody asked for a pause, and the peer takes what it is told.
    fn hears(&self, conn: &Conn) -> bool {
        conn.serving()
            && !conn.is(Flag::Paused)
            && self.desks.unsent_bytes(conn.desk) <= self.limits.marks.low_bytes
    }

    /// Nothing is left to read, or it must not be read now: ends the connection if it has come to its end.
    fn end_if_over(&mut self, key: Key) {
        let Some(conn) = self.conns.get(key).filter(|conn| conn.serving()) else {
            return;
        };
        if conn.is(Flag::Broken) {
            self.doom(key, Close::Reset);
        } else if conn.is(Flag::Finished) && self.desks.unsent_bytes(conn.desk) == 0 {
            // With output still to be written, the flush looks again: a peer that only finished sending may read on.
            self.doom(key, Close::Finished);
        }
    }
}
