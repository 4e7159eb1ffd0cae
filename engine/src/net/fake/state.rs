//! What a fake kernel remembers, and what its operations do to it: queues of events, connections, the dice and the hash.
//!
//! The rules of readiness are here: when an event is queued, and what it tells when it is delivered.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::FakeSocket;
use super::dice::{Dice, Faults};
use super::wire::{ClientEnd, ServerEnd, Wire};
use crate::net::{Accepted, Event, Read, Written};
use crate::slots::Key;

/// Events delivered by one poll at most.
const EVENTS_PER_POLL: usize = 1024;

/// Unix time at which every simulated house starts, in milliseconds.
const WALL_START_MS: u64 = 1_700_000_000_000;

/// How many of the newest connections spurious events are thrown at.
const SPURIOUS_AMONG: u64 = 64;

pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) faults: Faults,
    pub(super) start: Instant,
    pub(super) elapsed: Duration,
    pub(super) wall_skew_ms: i64,
    pub(super) cores: Vec<PerCore>,
    pub(super) wires: Vec<Wire>,
    pub(super) pipe_bytes: usize,
    pub(super) open_sockets: usize,
    pub(super) sockets_max: Option<usize>,
    pub(super) refuses_to_watch: bool,
    pub(super) hash: u64,
}

#[derive(Default)]
pub(super) struct PerCore {
    /// Connections with something to tell, and the key under which they were watched when it happened.
    pub(super) events: VecDeque<(u32, Key)>,
    pub(super) doors: Vec<DoorQueue>,
    pub(super) asked: Option<Duration>,
}

#[derive(Default)]
pub(super) struct DoorQueue {
    pub(super) waiting: VecDeque<u32>,
    pub(super) rung: bool,
    pub(super) closed: bool,
}

impl State {
    pub(super) fn new(seed: u64, cores: usize, listeners: usize) -> State {
        let doors = || (0..listeners).map(|_| DoorQueue::default()).collect();
        State {
            dice: Dice::new(seed),
            faults: Faults::NONE,
            start: crate::net::os::clock(),
            elapsed: Duration::ZERO,
            wall_skew_ms: 0,
            cores: (0..cores).map(|_| PerCore { doors: doors(), ..PerCore::default() }).collect(),
            wires: Vec::new(),
            pipe_bytes: super::PIPE_BYTES,
            open_sockets: 0,
            sockets_max: None,
            refuses_to_watch: false,
            hash: 0xCBF2_9CE4_8422_2325,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    pub(super) fn wall_ms(&self) -> u64 {
        (WALL_START_MS + self.elapsed.as_millis() as u64).saturating_add_signed(self.wall_skew_ms)
    }

    pub(super) fn note(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23);
    }

    pub(super) fn note_bytes(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            self.note(u64::from_le_bytes(eight));
        }
        for &byte in words.remainder() {
            self.note(u64::from(byte));
        }
    }

    /// Something new happened to a connection: whoever watches it will hear.
    pub(super) fn ring(&mut self, id: u32) {
        let wire = &mut self.wires[id as usize];
        if let (Some((core, key)), false) = (wire.watched, wire.queued) {
            wire.queued = true;
            self.cores[core].events.push_back((id, key));
        }
    }

    /// The network loses the connection: both ends will find it reset.
    pub(super) fn cut(&mut self, id: u32) {
        let wire = &mut self.wires[id as usize];
        wire.cut = true;
        wire.to_server.lose();
        wire.to_client.lose();
        self.ring(id);
    }

    /// The readiness of a connection at this moment, if there is any.
    pub(super) fn readiness(&self, id: u32, key: Key) -> Option<Event> {
        let wire = &self.wires[id as usize];
        let (readable, writable) = (wire.readable(), wire.writable());
        let (finished, broken) = (wire.fin_sent() || wire.broken(), wire.hung_up());
        (readable || writable).then_some(Event::Socket { key, readable, writable, finished, broken })
    }

    pub(super) fn deliver(&mut self, core: usize, events: &mut Vec<Event>) {
        let delay = self.faults.delay;
        for listener in 0..self.cores[core].doors.len() {
            if self.cores[core].doors[listener].rung && !self.dice.chance(delay) {
                self.cores[core].doors[listener].rung = false;
                self.note(0xE0 << 32 | listener as u64);
                events.push(Event::Listener(listener));
            }
        }
        for _ in 0..self.cores[core].events.len().min(EVENTS_PER_POLL) {
            let Some((id, key)) = self.cores[core].events.pop_front() else {
                break;
            };
            if self.wires[id as usize].watched != Some((core, key)) {
                continue;
            }
            if self.dice.chance(delay) {
                self.cores[core].events.push_back((id, key));
                continue;
            }
            self.wires[id as usize].queued = false;
            if let Some(event) = self.readiness(id, key) {
                self.note(0xE1 << 32 | u64::from(id));
                events.push(event);
            }
        }
        if self.dice.chance(self.faults.spurious) {
            self.deliver_spurious(core, events);
        }
    }

    pub(super) fn deliver_spurious(&mut self, core: usize, events: &mut Vec<Event>) {
        let wires = self.wires.len() as u64;
        let Some(newest) = wires.checked_sub(1) else {
            return;
        };
        let id = newest - self.dice.below(wires.min(SPURIOUS_AMONG));
        if let Some((watcher, key)) = self.wires[id as usize].watched
            && watcher == core
        {
            self.note(0xE2 << 32 | id);
            events.push(Event::Socket {
                key,
                readable: true,
                writable: true,
                finished: false,
                broken: false,
            });
        }
    }

    pub(super) fn accept(&mut self, core: usize, listener: usize) -> Accepted<FakeSocket> {
        if self.cores[core].doors[listener].waiting.is_empty() {
            return Accepted::Empty;
        }
        if self.sockets_max.is_some_and(|most| self.open_sockets >= most) {
            return Accepted::Exhausted;
        }
        if self.dice.chance(self.faults.accept_fails) {
            return Accepted::Failed;
        }
        let Some(id) = self.cores[core].doors[listener].waiting.pop_front() else {
            return Accepted::Empty;
        };
        self.note(0xA0 << 32 | u64::from(id));
        self.open_sockets += 1;
        let wire = &mut self.wires[id as usize];
        wire.server = ServerEnd::Open;
        Accepted::Socket(FakeSocket(id), wire.peer)
    }

    pub(super) fn read(&mut self, id: u32, into: &mut [u8]) -> Read {
        if self.dice.chance(self.faults.reset) {
            self.cut(id);
        }
        if self.dice.chance(self.faults.half_close) && self.wires[id as usize].client == ClientEnd::Open {
            self.wires[id as usize].client = ClientEnd::HalfClosed;
            self.ring(id);
        }
        let wire = &self.wires[id as usize];
        let there = wire.to_server.bytes.len();
        if there == 0 {
            return match wire {
                _ if wire.broken() => Read::Broken,
                _ if wire.fin_sent() => Read::Finished,
                _ => Read::WouldBlock,
            };
        }
        if self.dice.chance(self.faults.would_block) {
            self.ring(id);
            return Read::WouldBlock;
        }
        let mut most = there.min(into.len());
        if most > 1 && self.dice.chance(self.faults.short_read) {
            most = 1 + self.dice.below(most as u64 - 1) as usize;
            // As if the rest had arrived just afterwards.
            self.ring(id);
        }
        let read = self.wires[id as usize].to_server.pull(&mut into[..most]);
        self.note(0xB0 << 56 | u64::from(id) << 24 | read as u64);
        self.note_bytes(&into[..read]);
        Read::Bytes(read)
    }

    pub(super) fn write(&mut self, id: u32, slices: &[IoSlice<'_>]) -> Written {
        if self.dice.chance(self.faults.reset) {
            self.cut(id);
        }
        let wire = &self.wires[id as usize];
        debug_assert!(!matches!(wire.server, ServerEnd::ShutDown), "nobody writes after his own FIN");
        if wire.broken() {
            return Written::Broken;
        }
        if wire.client == ClientEnd::Closed {
            // Taken by the kernel, answered by a reset.
            self.cut(id);
            return Written::Bytes(slices.iter().map(|slice| slice.len()).sum());
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut most = offered.min(wire.to_client.room());
        if most > 0 && self.dice.chance(self.faults.would_block) {
            most = 0;
        } else if most > 1 && self.dice.chance(self.faults.short_write) {
            most = 1 + self.dice.below(most as u64 - 1) as usize;
        }
        let mut left = most;
        for slice in slices {
            let part = &slice[..left.min(slice.len())];
            let put = self.wires[id as usize].to_client.put(part);
            debug_assert_eq!(put, part.len());
            self.note_bytes(part);
            left -= part.len();
        }
        self.note(0xB1 << 56 | u64::from(id) << 24 | most as u64);
        if most < offered {
            self.wires[id as usize].wants_room = true;
        }
        if most == 0 { Written::WouldBlock } else { Written::Bytes(most) }
    }

    /// Tells a writer that was refused that there is room now.
    pub(super) fn ring_if_room(&mut self, id: u32) {
        let wire = &mut self.wires[id as usize];
        if wire.wants_room && wire.watches_room && wire.to_client.room() > 0 {
            wire.wants_room = false;
            self.ring(id);
        }
    }

    /// The server asks about room from now on, and hears at once how things stand.
    pub(super) fn watch_room(&mut self, id: u32) {
        let wire = &mut self.wires[id as usize];
        wire.watches_room = true;
        if wire.readable() {
            self.ring(id);
        }
        self.ring_if_room(id);
    }

    /// The process is gone: whatever it had open is reset, and its listeners are as new for the next process.
    pub(super) fn crash(&mut self) {
        self.note(0xDD);
        for core in &mut self.cores {
            core.events.clear();
            core.asked = None;
            for door in &mut core.doors {
                *door = DoorQueue::default();
            }
        }
        for wire in self.wires.iter_mut().filter(|wire| !wire.server_closed()) {
            wire.close_server();
            wire.cut = true;
            wire.to_client.lose();
        }
        self.open_sockets = 0;
    }

    pub(super) fn close(&mut self, id: u32) {
        self.note(0xD0 << 32 | u64::from(id));
        let wire = &mut self.wires[id as usize];
        debug_assert!(!wire.server_closed(), "a socket is closed once");
        wire.close_server();
        self.open_sockets -= 1;
    }
}
