//! How connections are seated, leave for another core, and are adopted there.
//!
//! A connection travels whole: socket, TLS state, unconsumed input, unsent output and the tenant's baggage in one box. The kernel
//! reports nothing about bytes that are in user space already, so the new home always offers the carry, and reads once
//! without waiting for an event; a FIN that was read before the move is read again. What happens to a connection on its
//! way is told at its new home.

use crate::core::Core;
use crate::core::conn::{Conn, Flag};
use crate::core::hub::Leave;
use crate::letter::{Letter, Moved};
use crate::net::Net;
use crate::service::{Close, Cx, Service};
use crate::slots::Key;

impl<N: Net, S: Service> Core<N, S> {
    /// Gives a socket a row and has the kernel report on it. `false`: it is broken already, and doomed.
    pub(crate) fn seat(&mut self, mut socket: N::Socket, conn: Conn) -> (Key, bool) {
        let key = self.hub.conns.insert(conn);
        let registered = self.net.register(&mut socket, key);
        let place = key.index as usize;
        if self.sockets.len() <= place {
            self.sockets.resize_with(place + 1, || None);
        }
        debug_assert!(self.sockets[place].is_none(), "a row has one socket");
        self.sockets[place] = Some(socket);
        (key, registered)
    }

    /// Sends a connection on its way; one that moves to where it is stays, and is adopted all the same.
    pub(crate) fn leave(&mut self, leave: Leave<S::Baggage>) {
        let Leave { key, to, baggage } = leave;
        self.hub.deadlines.clear(key.index);
        if to == self.hub.core {
            return self.adopt_here(key, baggage);
        }
        let session = self.take_session(key);
        let Some(mut conn) = self.hub.conns.remove(key) else {
            return;
        };
        let Some(mut socket) = self.sockets.get_mut(key.index as usize).and_then(Option::take) else {
            return;
        };
        self.net.deregister(&mut socket);
        let desks = &mut self.hub.desks;
        let unsent = desks.pack(conn.desk, self.hub.now);
        let carry = desks.at(conn.desk).map_or_else(Vec::new, |desk| std::mem::take(&mut desk.carry));
        desks.leave(&mut conn.desk);
        let moved = Moved { socket, carry, unsent, session, opened: conn.opened(), baggage };
        self.letters.push((to, Letter::Moved(Box::new(moved))));
        self.hub.stats.handed_over_out += 1;
    }

    /// Seats a connection that arrived, tells the tenant, and has it offered and read once.
    pub(crate) fn adopt(&mut self, moved: Moved<N::Socket, S::Baggage>) {
        let Moved { socket, carry, unsent, session, opened, baggage } = moved;
        let (key, registered) = self.seat(socket, Conn::new(opened));
        let hub = &mut self.hub;
        if let Some(conn) = hub.conns.get_mut(key) {
            #[cfg(planted)]
            let carry = if crate::planted::is("moved-loses-carry") { Vec::new() } else { carry };
            if !carry.is_empty() {
                hub.desks.sit(&mut conn.desk, hub.now).carry = carry;
            }
            if !unsent.is_empty() {
                hub.desks.wait(&mut conn.desk, &unsent, hub.now);
                hub.flush.push(key);
            }
        }
        if let Some(session) = session {
            self.put_session(key, session);
        }
        let hub = &mut self.hub;
        hub.stats.handed_over_in += 1;
        self.welcome(key, baggage);
        if !registered {
            self.hub.doom(key, Close::Reset);
        }
    }

    /// The move of a connection to the core where it is.
    fn adopt_here(&mut self, key: Key, baggage: S::Baggage) {
        if let Some(conn) = self.hub.conns.get_mut(key) {
            conn.clear(Flag::Leaving);
            conn.clear(Flag::Paused);
            conn.clear(Flag::Choked);
            self.welcome(key, baggage);
        }
    }

    fn welcome(&mut self, key: Key, baggage: S::Baggage) {
        let Some(conn) = self.hub.conns.get_mut(key) else {
            return;
        };
        conn.set(Flag::Readable);
        conn.set(Flag::Offer);
        let opened = conn.opened();
        self.hub.ready.push(key);
        self.service.adopted(&mut Cx::new(&mut self.hub), key, opened, baggage);
    }
}
