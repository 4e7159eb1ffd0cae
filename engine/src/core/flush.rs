//! The stage of the writes: the only caller of `write`, once per connection and turn.
//!
//! What the kernel does not take becomes backlog, and nothing is tried again until the kernel says that there is room.
//! When a backlog falls below the low-water mark, reading goes on and a tenant that was refused output is told.

use std::io::IoSlice;

use crate::core::Core;
use crate::core::conn::Flag;
use crate::net::{Net, Written};
use crate::service::{Close, Cx, Service};
use crate::slots::Key;

/// Slices in one vectored write: a quarter of a megabyte of chunks, and this turn's output.
const SLICES_MAX: usize = 17;

impl<N: Net, S: Service> Core<N, S> {
    /// Writes for everyone on the flush list. Those whom a tenant's callback adds meanwhile are written for in the next
    /// turn.
    pub(super) fn flush(&mut self) {
        for _ in 0..self.hub.flush.len() {
            let Some(key) = self.hub.flush.pop() else { break };
            let Some(alive) = self.write(key) else { continue };
            if !alive {
                self.fail(key);
            } else if self.hub.conns.get(key).is_some_and(|conn| conn.is(Flag::Closed)) {
                self.flushed_closed(key);
            } else {
                self.flushed(key);
            }
        }
    }

    /// Writes what waits and this turn's output. `None`: no such connection; `false`: it is broken.
    fn write(&mut self, key: Key) -> Option<bool> {
        if self.hub.conns.get(key)?.is(Flag::Sealed) {
            self.seal(key);
        }
        let hub = &mut self.hub;
        let conn = hub.conns.get_mut(key)?;
        let socket = self.sockets.get_mut(key.index as usize)?.as_mut()?;
        let Some((backlog, out)) = hub.desks.unsent(conn.desk) else {
            return Some(true);
        };
        let (waiting, offered) = (backlog.bytes(), backlog.bytes() + out.len());
        if offered == 0 || !conn.is(Flag::Writable) {
            hub.desks.settle(conn.desk, 0, hub.now);
            return Some(true);
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut filled = backlog.front(&mut slices[..SLICES_MAX - 1]);
        let shown: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
        if shown == waiting && !out.is_empty() {
            slices[filled] = IoSlice::new(out);
            filled += 1;
        }
        let shown: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
        hub.stats.writes += 1;
        let taken = match self.net.write(socket, &slices[..filled]) {
            Written::Bytes(taken) => taken,
            Written::WouldBlock => 0,
            Written::Broken => return Some(false),
        };
        debug_assert!(taken <= shown);
        #[cfg(planted)]
        let taken = if crate::planted::is("short-write-forgets") { shown } else { taken };
        hub.stats.bytes_out += taken as u64;
        hub.desks.settle(conn.desk, taken, hub.now);
        conn.put(Flag::Writable, taken == shown);
        if taken < shown {
            self.net.want_room(socket, key);
        }
        if taken == shown && taken < offered {
            // More waits than one write shows: the next turn goes on, the kernel will not tell.
            hub.flush.push(key);
        }
        Some(true)
    }

    /// The peer is gone: the tenant hears it next turn, or has heard already.
    fn fail(&mut self, key: Key) {
        if self.hub.conns.get(key).is_some_and(|conn| conn.is(Flag::Closed)) {
            self.release(key);
        } else {
            self.hub.doom(key, Close::Reset);
        }
    }

    /// After the write for an open connection: go on reading, tell, watch, or end.
    fn flushed(&mut self, key: Key) {
        let hub = &mut self.hub;
        let Some(conn) = hub.conns.get_mut(key) else {
            return;
        };
        let unsent = hub.desks.unsent_bytes(conn.desk);
        if unsent == 0 {
            hub.desks.leave_if_clear(&mut conn.desk);
        } else {
            hub.watch(key);
        }
        let Some(conn) = hub.conns.get_mut(key) else {
            return;
        };
        if unsent == 0 && conn.is(Flag::Finished) {
            return hub.doom(key, Close::Finished);
        }
        if unsent > hub.limits.marks.low_bytes {
            return;
        }
        let reads_on = conn.is(Flag::Readable) || conn.is(Flag::Offer);
        if reads_on && !conn.is(Flag::Paused) {
            hub.ready.push(key);
        }
        if conn.take(Flag::Choked) && conn.serving() {
            self.service.drained(&mut Cx::new(&mut self.hub), key);
        }
    }
}
