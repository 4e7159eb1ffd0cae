//! One connection of the fake kernel: two byte pipes, the state of both ends, and what epoll would remember about the
//! server's end.
//!
//! Knows the rules of TCP that matter to an event loop (FIN, RST, closing with unread bytes) and nothing of cores, events or
//! dice.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::slots::Key;

/// How the server's side of a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerEnd {
    /// In the queue of a listener.
    Waiting,
    /// Accepted and open.
    Open,
    /// FIN sent, still reading.
    ShutDown,
    /// Closed, everything received had been read: the client got FIN.
    Closed,
    /// Closed while received bytes were unread: the client got RST, and what was on its way to it is lost.
    ClosedUnread,
}

/// How the client's side stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientEnd {
    /// Open in both directions.
    Open,
    /// The client sent FIN and still reads.
    HalfClosed,
    /// The client closed both directions: FIN was sent, and what comes is answered by a reset.
    Closed,
    /// The client sent RST.
    Reset,
}

/// Bytes on their way in one direction.
#[derive(Default)]
pub(super) struct Pipe {
    pub(super) bytes: VecDeque<u8>,
    pub(super) capacity: usize,
}

impl Pipe {
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }

    /// Takes as much of `bytes` as there is room for.
    pub(super) fn put(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.room());
        self.bytes.extend(&bytes[..taken]);
        taken
    }

    /// Moves bytes out, as many as there are and fit.
    pub(super) fn pull(&mut self, into: &mut [u8]) -> usize {
        let moved = into.len().min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let from_front = moved.min(front.len());
        into[..from_front].copy_from_slice(&front[..from_front]);
        into[from_front..moved].copy_from_slice(&back[..moved - from_front]);
        self.bytes.drain(..moved);
        moved
    }

    pub(super) fn lose(&mut self) {
        self.bytes = VecDeque::new();
    }
}

/// A connection.
pub(super) struct Wire {
    pub(super) peer: SocketAddr,
    pub(super) to_server: Pipe,
    pub(super) to_client: Pipe,
    pub(super) server: ServerEnd,
    pub(super) client: ClientEnd,
    /// RST or loss by the network, seen by both ends.
    pub(super) cut: bool,
    /// Which core polls it, under which key.
    pub(super) watched: Option<(usize, Key)>,
    /// In that core's queue of events.
    pub(super) queued: bool,
    /// The server was refused room; it must be told when there is some.
    pub(super) wants_room: bool,
    /// It has asked about room since it was registered: events tell about it from then on.
    pub(super) watches_room: bool,
}

impl Wire {
    pub(super) fn new(peer: SocketAddr, capacity: usize) -> Wire {
        let pipe = || Pipe { bytes: VecDeque::new(), capacity };
        Wire {
            peer,
            to_server: pipe(),
            to_client: pipe(),
            server: ServerEnd::Waiting,
            client: ClientEnd::Open,
            cut: false,
            watched: None,
            queued: false,
            wants_room: false,
            watches_room: false,
        }
    }

    /// The client has sent FIN (and there may be bytes before it).
    pub(super) fn fin_sent(&self) -> bool {
        matches!(self.client, ClientEnd::HalfClosed | ClientEnd::Closed)
    }

    pub(super) fn broken(&self) -> bool {
        self.cut || self.client == ClientEnd::Reset
    }

    /// EPOLLIN.
    pub(super) fn readable(&self) -> bool {
        !self.to_server.bytes.is_empty() || self.fin_sent() || self.broken()
    }

    /// EPOLLOUT.
    pub(super) fn writable(&self) -> bool {
        (self.watches_room && self.to_client.room() > 0) || self.broken()
    }

    /// EPOLLERR, or EPOLLHUP: reset, or shut in both directions.
    pub(super) fn hung_up(&self) -> bool {
        self.broken() || (self.fin_sent() && self.server == ServerEnd::ShutDown)
    }

    /// The server's end lets go. Unread bytes turn the FIN into a RST that destroys what is on its way.
    pub(super) fn close_server(&mut self) {
        let unread = !self.to_server.bytes.is_empty();
        self.server = if unread { ServerEnd::ClosedUnread } else { ServerEnd::Closed };
        if unread {
            self.to_client.lose();
        }
        self.to_server.lose();
        self.watched = None;
        self.wants_room = false;
    }

    /// Whether the client will see no further byte and no FIN.
    pub(super) fn lost_to_client(&self) -> bool {
        self.broken() || self.server == ServerEnd::ClosedUnread
    }

    /// Whether FIN follows the bytes that are on their way to the client.
    pub(super) fn finished_to_client(&self) -> bool {
        matches!(self.server, ServerEnd::ShutDown | ServerEnd::Closed)
    }

    pub(super) fn server_closed(&self) -> bool {
        matches!(self.server, ServerEnd::Closed | ServerEnd::ClosedUnread)
    }
}
