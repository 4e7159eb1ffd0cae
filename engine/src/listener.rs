//! The doors of a core: accepting within a budget, and not spinning when the process has no descriptor left.
//!
//! ```text
//!   [shut] --event--> [waiting] --batch of accepts--> [shut] when none waits
//!                        |   ^
//!        no descriptor:  |   |  backoff over (10 ms, doubled up to 1 s; an accept that works resets it)
//!        turn some away  v   |
//!                     [paused]                 graceful stop: accept until none waits, then [closed]
//! ```
//!
//! While too much mail waits for neighbours no door is open, but in a graceful stop: who comes would only add to it, and waits in
//! the kernel, where it costs nothing. A paused door costs nothing either: the kernel reports a waiting connection once, not for as long as it waits.

use std::time::{Duration, Instant};

use crate::core::Core;
use crate::core::conn::Conn;
use crate::net::{Accepted, Net};
use crate::service::{Close, Cx, Opened, Service};
use crate::tls::Terms;

/// How long a door stays paused after descriptors ran out, the first time and at most.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Connections let in when a door closes: more than the kernel's queue holds, so that only a flood can meet it.
const LAST_ACCEPTS_MAX: usize = 8192;

/// One listener, as the loop remembers it.
pub(crate) struct Door {
    /// Connections may wait.
    waiting: bool,
    paused_until: Option<Instant>,
    backoff: Duration,
    pub(crate) closed: bool,
    /// What is offered to those who knock, if TLS is spoken here.
    pub(crate) terms: Option<Terms>,
}

/// What came of one try to accept.
enum Step {
    Seated,
    Again,
    Empty,
    Exhausted,
}

impl Door {
    pub(crate) fn new() -> Door {
        Door { waiting: true, paused_until: None, backoff: BACKOFF_MIN, closed: false, terms: None }
    }

    fn open_at(&self, now: Instant) -> bool {
        self.waiting && !self.closed && self.paused_until.is_none_or(|until| until <= now)
    }
}

impl<N: Net, S: Service> Core<N, S> {
    /// The kernel reports that connections wait.
    pub(crate) fn knock(&mut self, listener: usize) {
        if let Some(door) = self.doors.get_mut(listener) {
            door.waiting = true;
        }
    }

    /// When the next door wants to be looked after.
    pub(crate) fn doors_due(&self, ended: Instant) -> Option<Instant> {
        let due = |door: &Door| match door.paused_until {
            _ if door.closed => None,
            _ if self.hub.draining => Some(ended),
            // Whoever looks after the mail comes by here.
            _ if self.hub.congested() => None,
            until => door.waiting.then_some(until.unwrap_or(ended)),
        };
        self.doors.iter().filter_map(due).min()
    }

    /// Accepts at every door, each within its budget; in a graceful stop until none waits, and then closes the door.
    pub(crate) fn accept(&mut self) {
        for listener in 0..self.doors.len() {
            if self.hub.draining {
                self.accept_last(listener);
            } else if self.doors[listener].open_at(self.hub.now) && !self.is_congested() {
                self.accept_batch(listener);
            }
        }
    }

    fn is_congested(&self) -> bool {
        #[cfg(planted)]
        if crate::planted::is("congested-door-opened") {
            return false;
        }
        self.hub.congested()
    }

    fn accept_batch(&mut self, listener: usize) {
        for _ in 0..self.hub.limits.accepts_per_turn {
            match self.accept_one(listener) {
                Step::Seated => {
                    self.doors[listener].backoff = BACKOFF_MIN;
                    self.doors[listener].paused_until = None;
                }
                Step::Again => {}
                Step::Empty => {
                    self.doors[listener].waiting = false;
                    return;
                }
                Step::Exhausted => return self.pause(listener),
            }
        }
    }

    /// No descriptor is left: those who wait are told so, a batch of them, and the door rests.
    fn pause(&mut self, listener: usize) {
        for _ in 0..self.hub.limits.accepts_per_turn {
            if !self.net.turn_away(listener) {
                break;
            }
            self.hub.stats.turned_away += 1;
        }
        let door = &mut self.doors[listener];
        door.paused_until = Some(self.hub.now + door.backoff);
        door.backoff = (door.backoff * 2).min(BACKOFF_MAX);
    }

    /// Whoever is in the queue when the listener closes would be reset: they are let in, and the tenant says good-bye.
    fn accept_last(&mut self, listener: usize) {
        if self.doors[listener].closed {
            return;
        }
        for _ in 0..LAST_ACCEPTS_MAX {
            match self.accept_one(listener) {
                Step::Seated | Step::Again => {}
                Step::Exhausted if self.net.turn_away(listener) => self.hub.stats.turned_away += 1,
                Step::Empty | Step::Exhausted => break,
            }
        }
        self.doors[listener].closed = true;
        self.net.close_listener(listener);
    }

    fn accept_one(&mut self, listener: usize) -> Step {
        match self.net.accept(listener) {
            Accepted::Socket(socket, peer) => {
                let opened = Opened { listener, peer };
                let (key, registered) = self.seat(socket, Conn::new(opened));
                self.hub.stats.accepted += 1;
                if self.doors[listener].terms.is_some() {
                    self.begin_handshake(key, listener);
                }
                self.service.opened(&mut Cx::new(&mut self.hub), key, opened);
                if !registered {
                    self.hub.doom(key, Close::Reset);
                }
                Step::Seated
            }
            Accepted::Empty => Step::Empty,
            Accepted::Failed => {
                self.hub.stats.accept_errors += 1;
                Step::Again
            }
            Accepted::Exhausted => {
                self.hub.stats.accept_errors += 1;
                Step::Exhausted
            }
        }
    }

    /// Closes every door, whoever waits there.
    pub(crate) fn close_doors(&mut self) {
        for listener in 0..self.doors.len() {
            if !std::mem::replace(&mut self.doors[listener].closed, true) {
                self.net.close_listener(listener);
            }
        }
    }
}
