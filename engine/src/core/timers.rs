//! The stage of the clocks: alarms, then the connections' own deadlines.

use crate::core::Core;
use crate::core::conn::{Conn, Flag};
use crate::core::hub::{Hub, Ring};
use crate::net::Net;
use crate::service::{Close, Cx, Service};
use crate::slots::Key;

impl<N: Net, S: Service> Core<N, S> {
    /// Rings everything that is due. What is set meanwhile is due in a later turn.
    pub(super) fn ring(&mut self) {
        let now = self.hub.now;
        self.hub.alarms.sweep(now);
        while let Some(ring) = self.hub.alarms.pop_due() {
            match ring {
                Ring::Tenant(token) => self.service.rang(&mut Cx::new(&mut self.hub), token),
                Ring::Stalled(key) => self.hub.check_progress(key),
                Ring::Lingered(key) => self.lingered(key),
                Ring::Handshake(key) => self.handshake_late(key),
            }
        }
        let tick = self.hub.deadlines.ticks().running(now);
        self.hub.deadlines.sweep(tick);
        while let Some(index) = self.hub.deadlines.pop_due() {
            let Some(key) = self.hub.conns.key_at(index) else {
                continue;
            };
            if self.hub.conns.get(key).is_some_and(Conn::serving) {
                self.service.due(&mut Cx::new(&mut self.hub), key);
            }
        }
    }
}

impl<S: Service> Hub<S> {
    /// Begins to watch over the progress of a connection's output, unless it is watched already.
    pub(super) fn watch(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        let Some((backlog, _)) = self.desks.unsent(conn.desk) else {
            return;
        };
        if !conn.is(Flag::Closed) && !conn.is(Flag::Watched) {
            conn.set(Flag::Watched);
            self.alarms.arm(backlog.stalls_at(), Ring::Stalled(key));
        }
    }

    /// The alarm of [`Hub::watch`]: hang up, look again later, or stop watching.
    fn check_progress(&mut self, key: Key) {
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        conn.clear(Flag::Watched);
        let Some((backlog, _)) = self.desks.unsent(conn.desk) else {
            return;
        };
        if backlog.is_stalled(self.now) {
            self.doom(key, Close::Stalled);
        } else if !backlog.is_empty() {
            self.watch(key);
        }
    }
}
