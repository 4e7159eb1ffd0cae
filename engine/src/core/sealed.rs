//! Where TLS meets the loop: the reads, the writes, the beginning and the end of connections that have it.
//!
//! Transparent for the tenant: reads are opened into what it is offered, its output is sealed when the flush begins, and
//! so backlog and water marks count ciphertext. A handshake is read within a budget per turn and has a deadline; one that
//! fails answers with an alert and is closed like any other connection.

use crate::core::Core;
use crate::core::conn::Flag;
use crate::core::hub::Ring;
use crate::core::reads::Held;
use crate::net::{Net, Read};
use crate::service::{Close, Service};
use crate::slots::Key;
use crate::tls::{Fault, Handshake, Heard, Session};

impl<N: Net, S: Service> Core<N, S> {
    /// A connection was accepted by a listener that speaks TLS.
    pub(crate) fn begin_handshake(&mut self, key: Key, listener: usize) {
        let terms = self.doors.get(listener).and_then(|door| door.terms.as_ref());
        match terms.and_then(Session::new) {
            Some(session) => self.put_session(key, Box::new(session)),
            None => self.hub.doom(key, Close::Tls),
        }
    }

    /// Gives a connection its TLS half, and a handshake its deadline.
    pub(crate) fn put_session(&mut self, key: Key, mut session: Box<Session>) {
        let hub = &mut self.hub;
        if let Some(conn) = hub.conns.get_mut(key) {
            conn.set(Flag::Sealed);
            if session.is_handshaking() {
                let at = hub.now + hub.limits.handshake_timeout;
                session.alarm = Some(hub.alarms.arm(at, Ring::Handshake(key)));
            }
            self.sealing.insert(key, session);
        }
    }

    /// Takes the TLS half of a connection that moves; its output is ciphertext by then.
    pub(crate) fn take_session(&mut self, key: Key) -> Option<Box<Session>> {
        if !self.hub.conns.get(key)?.is(Flag::Sealed) {
            return None;
        }
        self.seal(key);
        let mut session = self.sealing.take(key)?;
        if let Some(alarm) = session.alarm.take() {
            self.hub.alarms.disarm(alarm);
        }
        Some(session)
    }

    /// One read of a connection with TLS, and what the tenant makes of it; the number of bytes, or `None`: nothing more this
    /// turn.
    pub(super) fn open_and_offer(&mut self, key: Key) -> Option<usize> {
        let hub = &mut self.hub;
        let conn = hub.conns.get_mut(key)?;
        let socket = self.sockets.get_mut(key.index as usize)?.as_mut()?;
        if self.sealing.get(key)?.is_handshaking() {
            if self.sealing.shaken >= hub.limits.handshakes_per_turn {
                hub.ready.push(key);
                return None;
            }
            self.sealing.shaken += 1;
        }
        // Half of the scratch: together with a record that began before, it always fits in.
        let room = self.sealing.room(key, (self.scratch.capacity() / 2).max(1))?;
        let room_bytes = room.len();
        hub.stats.reads += 1;
        match self.net.read(socket, room) {
            Read::Bytes(bytes) => {
                hub.stats.bytes_in += bytes as u64;
                conn.put(
                    Flag::Readable,
                    bytes == room_bytes || conn.is(Flag::FinAhead) || conn.is(Flag::Broken),
                );
                self.opened_bytes(key, bytes)
            }
            Read::WouldBlock => {
                conn.clear(Flag::Readable);
                Some(0)
            }
            Read::Finished => {
                conn.clear(Flag::Readable);
                conn.set(Flag::Finished);
                Some(0)
            }
            Read::Broken => {
                hub.doom(key, Close::Reset);
                None
            }
        }
    }

    /// Opens `bytes` bytes that were read, and offers what they hold.
    fn opened_bytes(&mut self, key: Key, bytes: usize) -> Option<usize> {
        let hub = &mut self.hub;
        let conn = hub.conns.get_mut(key)?;
        let plain_max = self.sealing.plain_bytes_max(key, bytes);
        let fruitless = hub.limits.fruitless_bytes_max;
        let desk = hub.desks.at(conn.desk);
        let kept = desk.as_ref().map_or(0, |desk| desk.carry.len());
        let (held, (heard, answers)) = if kept + plain_max < self.scratch.capacity() {
            let fits = self.scratch.begin(desk.as_ref().map_or(&[][..], |desk| &desk.carry));
            debug_assert!(fits);
            if let Some(desk) = desk {
                desk.carry.clear();
            }
            let scratch = &mut self.scratch;
            let opened = self.sealing.open(key, bytes, fruitless, |plain| scratch.take_in(plain))?;
            (Held::Scratch, opened)
        } else {
            let mut carry = desk.map_or_else(Vec::new, |desk| std::mem::take(&mut desk.carry));
            let opened = self.sealing.open(key, bytes, fruitless, |plain| carry.extend_from_slice(plain))?;
            (Held::Carry(carry), opened)
        };
        if !answers.is_empty() {
            hub.desks.wait(&mut conn.desk, answers, hub.now);
            hub.flush.push(key);
        }
        if heard.finished {
            conn.set(Flag::Finished);
        }
        let brought = match &held {
            Held::Scratch => self.scratch.filled().len() > kept,
            Held::Carry(carry) => carry.len() > kept,
        };
        self.note_handshake(key, &heard);
        let go_on = if brought {
            self.offer(key, held)
        } else {
            self.put_back(key, held);
            true
        };
        if heard.fault.is_some() {
            self.hub.doom(key, Close::Tls);
            return None;
        }
        go_on.then_some(bytes)
    }

    /// Counts a handshake that these bytes ended, well or ill.
    fn note_handshake(&mut self, key: Key, heard: &Heard) {
        let outcome = match (heard.shaken, heard.fault) {
            (Some(outcome), _) | (None, Some(Fault::Handshake(outcome))) => outcome,
            (None, Some(Fault::Record) | None) => return,
        };
        self.count_handshake(key, outcome);
        // Words that waited for it can be sealed now.
        self.hub.flush.push(key);
    }

    fn count_handshake(&mut self, key: Key, outcome: Handshake) {
        let Some(session) = self.sealing.get(key) else {
            return;
        };
        if let Some(alarm) = session.alarm.take() {
            self.hub.alarms.disarm(alarm);
        }
        if !std::mem::replace(&mut session.counted, true) {
            self.hub.stats.handshakes[outcome.index()] += 1;
        }
    }

    /// The alarm of a handshake: it took too long.
    pub(super) fn handshake_late(&mut self, key: Key) {
        if let Some(session) = self.sealing.get(key).filter(|session| session.is_handshaking()) {
            session.alarm = None;
            if self.hub.is_open(key) {
                self.count_handshake(key, Handshake::Late);
                self.hub.doom(key, Close::Tls);
            }
        }
    }

    /// The connection ends; a handshake that was not done ends with it.
    pub(crate) fn end_handshake(&mut self, key: Key) {
        if self.sealing.get(key).is_some_and(|session| session.is_handshaking()) {
            self.count_handshake(key, Handshake::Left);
        }
    }

    /// Replaces this turn's output by its ciphertext, with a goodbye behind it if the connection was closed.
    pub(crate) fn seal(&mut self, key: Key) {
        let hub = &mut self.hub;
        let Some(conn) = hub.conns.get_mut(key) else {
            return;
        };
        let closed = conn.is(Flag::Closed);
        if self.sealing.owes(key, closed) {
            hub.desks.out(&mut conn.desk, true, hub.now);
        }
        let Some((out, seams)) = hub.desks.unsealed(conn.desk) else {
            return;
        };
        let sealed = self.sealing.seal(key, out, seams, closed);
        seams.clear();
        let early_bytes = self.sealing.get(key).map_or(0, |session| session.early_bytes());
        if !sealed || early_bytes > hub.limits.marks.high_bytes {
            hub.doom(key, Close::Tls);
        }
    }
}
