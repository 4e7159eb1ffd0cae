//! The first stage: sleep until there is something to do, then note what the kernel said.
//!
//! Decides nothing: an event only turns remembered bits on and puts the connection on a list. Whether there is anything
//! behind it is found out by the read or the write.

use std::time::{Duration, Instant};

use crate::core::Core;
use crate::core::conn::Flag;
use crate::net::{Event, Net};
use crate::service::Service;

impl<N: Net, S: Service> Core<N, S> {
    /// Polls the kernel and reads the time of this turn.
    pub(super) fn poll(&mut self) {
        let mut timeout = self.timeout();
        if timeout != Some(Duration::ZERO) {
            // Announced before the last look into the box: no letter can slip in unheard between the two.
            if self.mailbox.arm() {
                self.hub.stats.wakeups += 1;
            } else {
                timeout = Some(Duration::ZERO);
            }
        }
        let mut events = std::mem::take(&mut self.events);
        self.net.poll(&mut events, timeout);
        self.mailbox.disarm();
        self.hub.now = self.net.now();
        self.hub.wall_ms = self.net.wall_ms();
        for event in events.drain(..) {
            self.note(event);
        }
        self.events = events;
    }

    /// How long the poll may sleep; `None`: until something happens.
    fn timeout(&self) -> Option<Duration> {
        let hub = &self.hub;
        let busy = !hub.ready.is_empty()
            || !hub.flush.is_empty()
            || !hub.doomed.is_empty()
            || !hub.leaving.is_empty()
            || !hub.own.is_empty()
            || !hub.outbox.is_empty();
        if busy {
            return Some(Duration::ZERO);
        }
        let due = [
            hub.alarms.next_due(),
            hub.deadlines.next_due(),
            self.drain_deadline,
            self.doors_due(self.turn_ended),
        ];
        let until_due = due.into_iter().flatten().min().map(|due| self.until(due));
        [until_due, self.post.retry_after()].into_iter().flatten().min()
    }

    fn until(&self, due: Instant) -> Duration {
        due.saturating_duration_since(self.turn_ended)
    }

    fn note(&mut self, event: Event) {
        let (key, readable, writable, finished, broken) = match event {
            Event::Listener(listener) => return self.knock(listener),
            Event::Socket { key, readable, writable, finished, broken } => {
                (key, readable, writable, finished, broken)
            }
        };
        let Some(conn) = self.hub.conns.get_mut(key) else {
            return;
        };
        if readable || finished || broken {
            conn.set(Flag::Readable);
            conn.put(Flag::FinAhead, finished || conn.is(Flag::FinAhead));
            conn.put(Flag::Broken, broken || conn.is(Flag::Broken));
            self.hub.ready.push(key);
        }
        if writable {
            conn.set(Flag::Writable);
            if self.hub.desks.unsent_bytes(conn.desk) > 0 {
                self.hub.flush.push(key);
            }
        }
    }
}
