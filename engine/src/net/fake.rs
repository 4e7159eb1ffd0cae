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
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Accepted, Event, Net, Read, Written};
use crate::slots::Key;

mod client;
mod dice;
mod state;
mod wire;

pub use client::{Client, ClientRead};
pub use dice::{Dice, Faults};
pub use wire::{ClientEnd, ServerEnd};

use state::State;
use wire::Wire;

/// Room of a pipe in each direction, unless set otherwise.
pub const PIPE_BYTES: usize = 64 * 1024;

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

impl Kernel {
    /// A calm kernel for `cores` cores with `listeners` listeners each. Equal seeds give equal runs.
    pub fn new(seed: u64, cores: usize, listeners: usize) -> Kernel {
        Kernel { state: Rc::new(RefCell::new(State::new(seed, cores, listeners))) }
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

    /// Whether registrations fail from now on, as they do when the kernel has no memory for them.
    pub fn refuse_to_watch(&self, refuse: bool) {
        self.state.borrow_mut().refuses_to_watch = refuse;
    }

    /// The process dies: every connection is reset, and the listeners wait for the cores of the next one. The cores of the
    /// old one must not be turned again.
    pub fn crash(&self) {
        self.state.borrow_mut().crash();
    }

    /// Server sockets that were accepted and not closed.
    pub fn open_sockets(&self) -> usize {
        self.state.borrow().open_sockets
    }

    /// Clients that wait in the queues of one core.
    pub fn waiting(&self, core: usize) -> usize {
        self.state.borrow().cores[core].doors.iter().map(|door| door.waiting.len()).sum()
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
        if state.refuses_to_watch {
            return false;
        }
        let wire = &mut state.wires[socket.0 as usize];
        debug_assert!(wire.watched.is_none(), "a socket is watched by one core");
        wire.watched = Some((self.core, key));
        wire.queued = false;
        wire.watches_room = false;
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

    fn want_room(&mut self, socket: &mut FakeSocket, key: Key) {
        let mut state = self.state.borrow_mut();
        debug_assert_eq!(state.wires[socket.0 as usize].watched, Some((self.core, key)));
        state.watch_room(socket.0);
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
