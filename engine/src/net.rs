//! All that the kernel can be asked, as one trait: [`Net`]. `net/os.rs` is the real kernel (mio), `net/fake.rs` a seeded one
//! for simulations, benches and tests.
//!
//! Errors of the operating system end here: above this line an operation either worked, would block, or the socket is
//! finished or broken. Readiness is edge-triggered: an [`Event`] says that something changed, once.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::slots::Key;

#[cfg(feature = "fake")]
pub mod fake;
pub mod os;

/// What [`Net::poll`] reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Something changed at a registered socket. The key may be stale: look it up.
    Socket {
        /// As given to [`Net::register`].
        key: Key,
        /// There may be bytes to read, or an end.
        readable: bool,
        /// The kernel takes bytes again.
        writable: bool,
        /// The peer has finished sending: a short read does not prove that nothing is left, the end is still to be read.
        finished: bool,
        /// The connection is broken or shut in both directions.
        broken: bool,
    },
    /// The listener has connections to accept.
    Listener(usize),
}

/// What [`Net::accept`] found.
#[derive(Debug)]
pub enum Accepted<K> {
    /// A connection, options set, not yet registered.
    Socket(K, SocketAddr),
    /// None waits.
    Empty,
    /// No descriptor is free (EMFILE and its kin).
    Exhausted,
    /// This one failed before it was accepted; try the next.
    Failed,
}

/// What [`Net::read`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// This many bytes, at least one. Fewer than there was room for means that nothing more waits now (and the next
    /// arrival raises an event), unless the event said `finished`.
    Bytes(usize),
    /// Nothing now; an event will come.
    WouldBlock,
    /// The peer's FIN.
    Finished,
    /// Reset, or given up by the network.
    Broken,
}

/// What [`Net::write`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// This many bytes were taken; for the rest there is no room now.
    Bytes(usize),
    /// None.
    WouldBlock,
    /// Reset, or given up by the network.
    Broken,
}

/// A kernel, as one core sees it. One value per core.
pub trait Net {
    /// A connected stream.
    type Socket: Send + 'static;

    /// Monotonic time.
    fn now(&mut self) -> Instant;

    /// Unix time in milliseconds.
    fn wall_ms(&mut self) -> u64;

    /// A seed for the core's generator, asked for once.
    fn seed(&mut self) -> [u8; 32];

    /// Waits until something happens, the core is woken or `timeout` has passed (`None`: no limit) and appends what
    /// happened to `events`. Never more than a batch at once; the rest comes with the next call.
    fn poll(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>);

    /// Number of listeners.
    fn listeners(&self) -> usize;

    /// Takes one waiting connection.
    fn accept(&mut self, listener: usize) -> Accepted<Self::Socket>;

    /// Gives up the spare descriptor for a moment to accept one connection and close it, so that the peer is told instead
    /// of left waiting. `false` when nothing could be turned away.
    fn turn_away(&mut self, listener: usize) -> bool;

    /// Stops listening.
    fn close_listener(&mut self, listener: usize);

    /// Reports from now on, under `key`, when there is something to read, beginning with what is there already; an end or
    /// a failure too. `false`: broken.
    fn register(&mut self, socket: &mut Self::Socket, key: Key) -> bool;

    /// Ends the reports. Events already reported may still carry the key.
    fn deregister(&mut self, socket: &mut Self::Socket);

    /// Reads what is there, at most `into.len()` bytes; `into` is not empty.
    fn read(&mut self, socket: &mut Self::Socket, into: &mut [u8]) -> Read;

    /// Writes the slices one after the other, as much as is taken now; there is at least one byte.
    fn write(&mut self, socket: &mut Self::Socket, slices: &[IoSlice<'_>]) -> Written;

    /// After a write that was not taken whole: has the kernel report when it takes bytes again, at once if it does already.
    /// Not asked for before, because most sockets never refuse a byte and would still report once that they do not.
    fn want_room(&mut self, socket: &mut Self::Socket, key: Key);

    /// Sends FIN: the peer learns that nothing more comes.
    fn shutdown_write(&mut self, socket: &mut Self::Socket);

    /// Closes a socket, registered or not.
    fn close(&mut self, socket: Self::Socket);
}
