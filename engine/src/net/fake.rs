//! A kernel made of queues: virtual time, connections between scripted clients and real cores, faults drawn from a seed.
//!
//! One [`Kernel`] serves all cores of a simulated house on one thread. Its readiness is as edge-triggered as epoll's: an event
//! is queued when something new happens (bytes, FIN, reset, room where room was refused, a registration) and tells the readiness of
//! the moment in which it is delivered; bytes that a reader left lying raise no second event. Every byte and event
//! passes into a running hash, so two runs of one seed can be compared. No operation looks at all connections.
//!
//! ```text
//!   Client::write -> [to_server] -> FakeNet::read  -> Core          the seed chooses: which core accepts, which
//!   Client::read  <- [to_client] <- FakeNet::write <- Core          faults strike, how far a read or write gets
//! ```
//!
//! Only for the simulator, the benches and tests: behind the feature `fake`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Accepted, Event, Net, Read, Written};
use crate::slots::Key;

mod client;
mod dice;
mod wire;

pub use client::{Client, ClientRead};
pub use dice::{Dice, Faults};
pub use wire::{ClientEnd, ServerEnd};

use wire::Wire;

/// Room of a pipe in each direction, unless set otherwise.
pub const PIPE_BYTES: usize = 64 * 1024;

/// Events delivered by one poll at most.
const EVENTS_PER_POLL: usize = 1024;

/// Unix time at which every simulated house starts, in milliseconds.
const WALL_START_MS: u64 = 1_700_000_000_000;

/// How many of the newest connections spurious events are thrown at.
const SPURIOUS_AMONG: u64 = 64;

/// The shared fake kernel; a clone is another handle to the same one.
#[derive(Clone)]
pub struct Kernel {
    state: Rc<RefCell<State>>,
}

/// A core's share of a fake kernel.
pub struct FakeNet {
    state: Rc<RefCell<State>>,
    core: usize,
}

/// The server's end of a fake connection. Dropping it closes nothing: what a core forgets to close stays open and is counted
/// by [`Kernel::open_sockets`].
#[derive(Debug)]
pub struct FakeSocket(u32);

struct State {
    dice: Dice,
    faults: Faults,
    start: Instant,
    elapsed: Duration,
    wall_skew_ms: i64,
    cores: Vec<PerCore>,
    wires: Vec<Wire>,
    pipe_bytes: usize,
    open_sockets: usize,
    sockets_max: Option<usize>,
    hash: u64,
}

#[derive(Default)]
struct PerCore {
    /// Connections with something to tell, and the key under which they were watched when it happened.
    events: VecDeque<(u32, Key)>,
    doors: Vec<DoorQueue>,
    asked: Option<Duration>,
}

#[derive(Default)]
struct DoorQueue {
    waiting: VecDeque<u32>,
    rung: bool,
    closed: bool,
}

impl Kernel {
    /// A calm kernel for `cores` cores with `listeners` listeners each. Equal seeds give equal runs.
    pub fn new(seed: u64, cores: usize, listeners: usize) -> Kernel {
        let doors = || (0..listeners).map(|_| DoorQueue::default()).collect();
        let state = State {
            dice: Dice::new(seed),
            faults: Faults::NONE,
            start: super::os::clock(),
            elapsed: Duration::ZERO,
            wall_skew_ms: 0,
            cores: (0..cores).map(|_| PerCore { doors: doors(), ..PerCore::default() }).collect(),
            wires: Vec::new(),
            pipe_bytes: PIPE_BYTES,
            open_sockets: 0,
            sockets_max: None,
            hash: 0xCBF2_9CE4_8422_2325,
        };
        Kernel { state: Rc::new(RefCell::new(state)) }
    }

    /// The share of one core.
    pub fn net(&self, core: usize) -> FakeNet {
        FakeNet { state: Rc::clone(&self.state), core }
    }

    /// A client connects; the seed chooses which core's queue it waits in.
    pub fn connect(&self, listener: usize) -> Client {
        let cores = self.state.borrow().cores.len() as u64;
        let core = self.below(cores) as usize;
        self.connect_at(listener, core)
    }

    /// A client connects and waits in the queue of one core; it is reset when that core does not listen any more.
    pub fn connect_at(&self, listener: usize, core: usize) -> Client {
        let mut state = self.state.borrow_mut();
        let id = state.wires.len() as u32;
        let ip = Ipv4Addr::from(0x0A00_0000 | (id >> 4));
        let peer = SocketAddr::from((ip, 1024 + (id & 0xF) as u16));
        let mut wire = Wire::new(peer, state.pipe_bytes);
        let door = &mut state.cores[core].doors[listener];
        if door.closed {
            wire.cut = true;
        } else {
            door.waiting.push_back(id);
            door.rung = true;
        }
        state.wires.push(wire);
        state.note(0xC0 << 32 | u64::from(id));
        Client::new(Rc::clone(&self.state), id)
    }

    /// The time that cores see.
    pub fn now(&self) -> Instant {
        self.state.borrow().now()
    }

    /// How much time has passed since the start.
    pub fn elapsed(&self) -> Duration {
        self.state.borrow().elapsed
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.state.borrow_mut().elapsed += by;
    }

    /// The Unix time that cores see, in milliseconds.
    pub fn wall_ms(&self) -> u64 {
        self.state.borrow().wall_ms()
    }

    /// Sets the wall clock forward or back; the monotonic clock does not notice.
    pub fn step_wall_clock(&self, by_ms: i64) {
        self.state.borrow_mut().wall_skew_ms += by_ms;
    }

    /// The faults that may strike now.
    pub fn faults(&self) -> Faults {
        self.state.borrow().faults
    }

    /// Switches faults on and off.
    pub fn set_faults(&self, faults: Faults) {
        self.state.borrow_mut().faults = faults;
    }

    /// Room of the pipes of connections made from now on, in each direction.
    pub fn set_pipe_bytes(&self, bytes: usize) {
        self.state.borrow_mut().pipe_bytes = bytes.max(1);
    }

    /// How many server sockets may be open at once before accepts are exhausted.
    pub fn set_sockets_max(&self, most: Option<usize>) {
        self.state.borrow_mut().sockets_max = most;
    }

    /// Server sockets that were accepted and not closed.
    pub fn open_sockets(&self) -> usize {
        self.state.borrow().open_sockets
    }

    /// How long the core wanted to sleep when it last polled; `None`: until something happens.
    pub fn asked_to_sleep(&self, core: usize) -> Option<Duration> {
        self.state.borrow().cores[core].asked
    }

    /// A throw of the kernel's own dice, below `bound`: for schedulers and scripts that belong to the same run.
    pub fn below(&self, bound: u64) -> u64 {
        self.state.borrow_mut().dice.below(bound)
    }

    /// A throw that succeeds `per_mille` times out of a thousand.
    pub fn chance(&self, per_mille: u16) -> bool {
        self.state.borrow_mut().dice.chance(per_mille)
    }

    /// A hash over every byte and event so far.
    pub fn hash(&self) -> u64 {
        self.state.borrow().hash
    }

    /// Adds a word of the caller's to the hash.
    pub fn note(&self, word: u64) {
        self.state.borrow_mut().note(word);
    }
}

impl State {
    fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    fn wall_ms(&self) -> u64 {
        (WALL_START_MS + self.elapsed.as_millis() as u64).saturating_add_signed(self.wall_skew_ms)
    }

    fn note(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(23);
    }

    fn note_bytes(&mut self, bytes: &[u8]) {
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
    fn ring(&mut self, id: u32) {
        let wire = &mut self.wires[id as usize];
        if let (Some((core, key)), false) = (wire.watched, wire.queued) {
            wire.queued = true;
            self.cores[core].events.push_back((id, key));
        }
    }

    /// The network loses the connection: both ends will find it reset.
    fn cut(&mut self, id: u32) {
        let wire = &mut self.wires[id as usize];
        wire.cut = true;
        wire.to_server.lose();
        wire.to_client.lose();
        self.ring(id);
    }

    /// The readiness of a connection at this moment, if there is any.
    fn readiness(&self, id: u32, key: Key) -> Option<Event> {
        let wire = &self.wires[id as usize];
        let (readable, writable) = (wire.readable(), wire.writable());
        let (finished, broken) = (wire.fin_sent() || wire.broken(), wire.hung_up());
        (readable || writable).then_some(Event::Socket { key, readable, writable, finished, broken })
    }

    fn deliver(&mut self, core: usize, events: &mut Vec<Event>) {
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

    fn deliver_spurious(&mut self, core: usize, events: &mut Vec<Event>) {
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

    fn accept(&mut self, core: usize, listener: usize) -> Accepted<FakeSocket> {
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

    fn read(&mut self, id: u32, into: &mut [u8]) -> Read {
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

    fn write(&mut self, id: u32, slices: &[IoSlice<'_>]) -> Written {
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
            // With room left, a fault refused it: the event comes as if the room had come just afterwards.
            self.wires[id as usize].wants_room = true;
            self.ring_if_room(id);
        }
        if most == 0 { Written::WouldBlock } else { Written::Bytes(most) }
    }

    /// Tells a writer that was refused that there is room now.
    fn ring_if_room(&mut self, id: u32) {
        let wire = &mut self.wires[id as usize];
        if wire.wants_room && wire.to_client.room() > 0 {
            wire.wants_room = false;
            self.ring(id);
        }
    }

    fn close(&mut self, id: u32) {
        self.note(0xD0 << 32 | u64::from(id));
        let wire = &mut self.wires[id as usize];
        debug_assert!(!wire.server_closed(), "a socket is closed once");
        wire.close_server();
        self.open_sockets -= 1;
    }
}

impl Net for FakeNet {
    type Socket = FakeSocket;

    fn now(&mut self) -> Instant {
        self.state.borrow().now()
    }

    fn wall_ms(&mut self) -> u64 {
        self.state.borrow().wall_ms()
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut state = self.state.borrow_mut();
        let mut seed = [0; 32];
        for eight in seed.chunks_exact_mut(8) {
            eight.copy_from_slice(&state.dice.roll().to_le_bytes());
        }
        seed
    }

    fn poll(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) {
        let mut state = self.state.borrow_mut();
        state.cores[self.core].asked = timeout;
        state.deliver(self.core, events);
    }

    fn listeners(&self) -> usize {
        self.state.borrow().cores[self.core].doors.len()
    }

    fn accept(&mut self, listener: usize) -> Accepted<FakeSocket> {
        self.state.borrow_mut().accept(self.core, listener)
    }

    fn turn_away(&mut self, listener: usize) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(id) = state.cores[self.core].doors[listener].waiting.pop_front() else {
            return false;
        };
        state.wires[id as usize].close_server();
        state.note(0xD1 << 32 | u64::from(id));
        true
    }

    fn close_listener(&mut self, listener: usize) {
        let mut state = self.state.borrow_mut();
        let door = &mut state.cores[self.core].doors[listener];
        door.closed = true;
        door.rung = false;
        for id in std::mem::take(&mut door.waiting) {
            state.cut(id);
        }
    }

    fn register(&mut self, socket: &mut FakeSocket, key: Key) -> bool {
        let mut state = self.state.borrow_mut();
        let wire = &mut state.wires[socket.0 as usize];
        debug_assert!(wire.watched.is_none(), "a socket is watched by one core");
        wire.watched = Some((self.core, key));
        wire.queued = false;
        state.ring(socket.0);
        true
    }

    fn deregister(&mut self, socket: &mut FakeSocket) {
        let mut state = self.state.borrow_mut();
        let wire = &mut state.wires[socket.0 as usize];
        wire.watched = None;
        wire.queued = false;
    }

    fn read(&mut self, socket: &mut FakeSocket, into: &mut [u8]) -> Read {
        self.state.borrow_mut().read(socket.0, into)
    }

    fn write(&mut self, socket: &mut FakeSocket, slices: &[IoSlice<'_>]) -> Written {
        self.state.borrow_mut().write(socket.0, slices)
    }

    fn shutdown_write(&mut self, socket: &mut FakeSocket) {
        let mut state = self.state.borrow_mut();
        state.note(0xD2 << 32 | u64::from(socket.0));
        let wire = &mut state.wires[socket.0 as usize];
        debug_assert_eq!(wire.server, ServerEnd::Open);
        wire.server = ServerEnd::ShutDown;
        state.ring(socket.0);
    }

    fn close(&mut self, socket: FakeSocket) {
        self.state.borrow_mut().close(socket.0);
    }
}
